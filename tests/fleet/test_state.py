"""How a walk changes what is known of a target, and how states that share their labels look on a page."""

import copy
from dataclasses import replace

import pytest

from exporter.errors import FailureReason
from exporter.fleet.page import compose
from exporter.fleet.state import Failed, TargetState, Walked, advance
from exporter.jobs.page import Format
from exporter.jobs.snapshot import Snapshot
from exporter.labels import UNKNOWN
from exporter.targets.target import Target

OWN, OTHER = "111122223333", "444455556666"
TARGET = Target("t", "us-east-1")
SNAPSHOT = Snapshot({("Failed", "FINE_TUNING"): 1}, {}, {}, {}, (), 0)
GOOD = Walked(TARGET, OWN, SNAPSHOT, pages=2, jobs=9)
NETWORK, TIMEOUT, DUPLICATE = FailureReason.NETWORK, FailureReason.TIMEOUT, FailureReason.DUPLICATE_TARGET
DOWN = Failed(None, NETWORK, "it is down")
BEFORE = TargetState(
    TARGET,
    account_id=OWN,
    last_walk=10.0,
    last_success=5.0,
    failure=DOWN,
    good=GOOD,
    failures={NETWORK: 1},
    malformed=3,
)


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        pytest.param(
            (again := replace(GOOD, malformed=30)),
            {"failure": None, "last_success": 20.0, "good": again, "malformed": 33},
            id="good",
        ),
        pytest.param(
            (whose := replace(GOOD, account_id=None)),
            {"account_id": UNKNOWN, "failure": None, "last_success": 20.0, "good": whose},
            id="good-of-an-account-that-nobody-knows",
        ),
        pytest.param(
            (other := replace(GOOD, account_id=OTHER)),
            {"account_id": OTHER, "failure": None, "last_success": 20.0, "good": other},
            id="good-of-another-account",
        ),
        pytest.param(DOWN, {"failures": {NETWORK: 2}}, id="bad-again"),
        pytest.param(
            (late := Failed(OTHER, TIMEOUT, "it is late")),
            {"account_id": OTHER, "failure": late, "failures": {NETWORK: 1, TIMEOUT: 1}, "stale": True},
            id="bad-otherwise-and-the-account-is-another",
        ),
        pytest.param(
            (double := Failed(OWN, DUPLICATE, "it is another")),
            {"failure": double, "failures": {NETWORK: 1, DUPLICATE: 1}, "stale": True},
            id="duplicate",
        ),
    ],
)
def test_the_state_after_a_walk(outcome: Walked | Failed, changes: dict[str, object]) -> None:
    """A walk makes a new state of the old one, which it leaves alone; a failed one keeps the last good walk."""
    untouched = copy.deepcopy(BEFORE)

    assert advance(BEFORE, outcome, 20.0) == replace(BEFORE, last_walk=20.0, **changes)  # type: ignore[arg-type]
    assert untouched == BEFORE


SHOWN = (
    "bedrock_model_customization_jobs{",
    "bedrock_exporter_target_up{",
    "bedrock_exporter_target_walk_failures_total{",
)


def lines(*states: TargetState) -> list[str]:
    """The samples about jobs and about whether targets are up, and failures that are not 0."""
    page = b"".join(compose(states, Format.TEXT, 0.0)).decode()
    return [
        line.replace(f'{{aws_account_id="{OWN}",aws_region="us-east-1"', "{…")
        for line in page.splitlines()
        if line.startswith(SHOWN) and not (line.endswith(" 0") and "failures" in line)
    ]


JOBS = 'bedrock_model_customization_jobs{…,status="Failed",customization_type="FINE_TUNING"} 1'


def test_a_failure_is_shown_beside_what_the_last_good_walk_brought() -> None:
    """Until it is stale: then the series of its jobs end, and those of the target stay."""
    down = [
        "bedrock_exporter_target_up{…} 0",
        'bedrock_exporter_target_walk_failures_total{…,reason="network"} 1',
    ]
    assert lines(BEFORE) == [JOBS, *down]
    assert lines(replace(BEFORE, stale=True)) == down


def test_states_with_the_same_labels_are_one() -> None:
    """Two series with the same labels would break the scrape: the first one stands for both, with both's failures."""
    up = replace(BEFORE, failure=None, failures={NETWORK: 1})
    double = replace(BEFORE, stale=True, failures={NETWORK: 2, DUPLICATE: 1}, malformed=4)
    other = replace(BEFORE, target=Target("t", "us-west-2"), stale=True)

    assert lines(up, double, other)[:-1] == [
        JOBS,
        "bedrock_exporter_target_up{…} 1",
        'bedrock_exporter_target_up{aws_account_id="111122223333",aws_region="us-west-2"} 0',
        'bedrock_exporter_target_walk_failures_total{…,reason="network"} 3',
        'bedrock_exporter_target_walk_failures_total{…,reason="duplicate_target"} 1',
    ]
    assert (
        'target_malformed_jobs_total{aws_account_id="111122223333",aws_region="us-east-1"} 7'
        in b"".join(compose([up, double], Format.TEXT, 0.0)).decode()
    )


def test_targets_of_unknown_account_are_up_if_all_are() -> None:
    """They share the label `unknown`, so that nobody could tell which one is down."""
    up = TargetState(TARGET, last_walk=1.0)
    down = replace(up, failure=DOWN)

    for states in ((up, down), (down, up)):
        assert 'bedrock_exporter_target_up{aws_account_id="unknown",aws_region="us-east-1"} 0' in lines(*states)
    assert 'bedrock_exporter_target_up{aws_account_id="unknown",aws_region="us-east-1"} 1' in lines(up, up)
