"""What a target tells of itself, beside the state that it is in."""

from dataclasses import replace

import pytest

from exporter.errors import FailureReason
from exporter.fleet.families import TARGET_FAMILIES
from exporter.fleet.page import compose as whole
from exporter.fleet.state import Failed, TargetState, Walked
from exporter.jobs.page import Format, compose
from exporter.jobs.snapshot import Snapshot
from exporter.targets.target import Target

ACCOUNT = "111122223333"
COMMON = f'aws_account_id="{ACCOUNT}",aws_region="us-east-1",team="research"'
TARGET = Target("targets[0]", "us-east-1", labels=(("team", "research"),))
NOW = 1_790_856_000.0
SNAPSHOT = Snapshot({}, {}, {}, {}, (), job_series_omitted=5, label_values_folded=6)
GOOD = TargetState(
    TARGET,
    ACCOUNT,
    last_walk=NOW,
    last_success=NOW,
    good=Walked(TARGET, ACCOUNT, SNAPSHOT, pages=3, jobs=4),
    malformed=2,
)
DENIED = Failed(None, FailureReason.ACCESS_DENIED, "no")
WALKED = ["walk_pages{} 3", "walk_jobs{} 4"]
LEFT_OUT = ["job_series_omitted{} 5", "label_values_folded{} 6"]


@pytest.mark.parametrize(
    ("state", "samples"),
    [
        pytest.param(
            TargetState(TARGET, ACCOUNT),
            ["up{} 0", "malformed_jobs_total{} 0", "series{} 15"],
            id="before-the-first-walk",
        ),
        pytest.param(
            TargetState(TARGET, ACCOUNT, last_walk=NOW, failure=DENIED, failures={DENIED.reason: 1}),
            [
                "up{} 0",
                'failure_info{reason="access_denied"} 1',
                "last_walk_timestamp_seconds{} 1790856000.0",
                'walk_failures_total{reason="access_denied"} 1',
                "malformed_jobs_total{} 0",
                "series{} 17",
            ],
            id="never-succeeded",
        ),
        pytest.param(
            GOOD,
            [
                "up{} 1",
                "last_walk_timestamp_seconds{} 1790856000.0",
                "last_success_timestamp_seconds{} 1790856000.0",
                *WALKED,
                "malformed_jobs_total{} 2",
                *LEFT_OUT,
                "series{} 21",
            ],
            id="good",
        ),
        pytest.param(
            replace(GOOD, failure=DENIED, last_success=NOW - 60, failures={DENIED.reason: 7}, stale=True),
            [
                "up{} 0",
                'failure_info{reason="access_denied"} 1',
                "last_walk_timestamp_seconds{} 1790856000.0",
                "last_success_timestamp_seconds{} 1790855940.0",
                *WALKED,
                'walk_failures_total{reason="access_denied"} 7',
                "malformed_jobs_total{} 2",
                *LEFT_OUT,
                "series{} 22",
            ],
            id="failed-and-stale",
        ),
    ],
)
def test_samples(state: TargetState, samples: list[str]) -> None:
    """What a target tells of itself stays, whatever becomes of its jobs."""
    page = b"".join(compose(TARGET_FAMILIES, [state.text], Format.TEXT, NOW)).decode()
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    prefix = "bedrock_exporter_target_"
    told = [line.replace(prefix, "").replace(COMMON, "").replace("{,", "{") for line in lines]
    assert [line for line in told if 'reason="' not in line or not line.endswith(" 0")] == samples


def test_series_are_those_of_the_page() -> None:
    """What is counted is what a scrape shows of the target, the count itself included."""
    page = b"".join(whole([GOOD], Format.TEXT, NOW)).decode()
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    assert f"bedrock_exporter_target_series{{{COMMON}}} {len(lines)}" in lines


def test_every_reason_is_counted_from_zero() -> None:
    """Each reason has a series before it happens, so that the first failure is an increase."""
    text = TargetState(TARGET, ACCOUNT).text["bedrock_exporter_target_walk_failures_total"]
    assert text.fixed.decode().splitlines() == [
        f'bedrock_exporter_target_walk_failures_total{{{COMMON},reason="{reason}"}} 0' for reason in FailureReason
    ]
