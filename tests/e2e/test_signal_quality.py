"""Four days with many troubles: the alerts tell of each, and of nothing else. `make signal-quality` does more."""

import dataclasses

import pytest
from signal_quality.account import HEALTHY, Account, Rates, Trouble
from signal_quality.evaluation import Firing, Labels
from signal_quality.year import judge, simulate

pytestmark = pytest.mark.e2e

RATES = Rates(jobs=10, failed=0.1, stuck=0.05, faults=2)

Told = tuple[Account, dict[Labels, Firing]]


@pytest.fixture(scope="module")
def told() -> Told:
    return simulate(seed=2, stretches=1, rates=RATES)


def test_every_trouble_is_told_of_once(told: Told) -> None:
    """By the right alert and no other, in time, until it is over."""
    figures, remarks = judge(*told, RATES)
    assert remarks == []
    assert figures["good"]
    counts = {row["of"]: row["count"] for row in figures["of_jobs"]}
    assert {trouble for trouble in Trouble if not counts[trouble]} == set()
    assert sum(counts[trouble] for trouble in HEALTHY) > 30


def test_bad_alerts_are_found_out(told: Told) -> None:
    """What is missing, too late, or about a healthy job."""
    account, fired = told
    healthy = next(
        job for job, trouble in account.troubles.items() if trouble is Trouble.NONE and job.ended > account.start
    )

    def changed(labels: Labels, firing: Firing) -> tuple[Labels, Firing]:
        named = dict(labels)
        if named["alertname"] == "BedrockCustomizationJobStopping":
            named["job_id"] = healthy.arn.rpartition("/")[2]
        if named["alertname"] == "BedrockCustomizationJobFailed":
            firing = dataclasses.replace(firing, begins={begin + 3600 for begin in firing.begins})
        return tuple(sorted(named.items())), firing

    figures, remarks = judge(account, dict(changed(*each) for each in fired.items()), RATES)
    rows = {row["of"]: row for row in figures["of_jobs"]}
    assert not figures["good"]
    assert remarks
    assert rows[Trouble.STOPPING]["missed"] == rows[Trouble.STOPPING]["count"]
    assert rows[Trouble.FAILED]["late"]
    assert rows[Trouble.NONE]["wrong"] == 1
