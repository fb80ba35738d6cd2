"""What is told of jobs in the log."""

from collections.abc import Sequence

import pytest
from jobs.make import HOUR, NOW, at, details, job, subtask

from exporter.jobs.job import Job
from exporter.jobs.story import events

OLD = job("old", status="Failed", end_time=at(-HOUR))
TRAINS = job(status_details=details(training=subtask("InProgress", -HOUR)))
FAILS = job(status="Failed", end_time=at(HOUR), status_details=details(training=subtask("Failed", -HOUR)))


def told(before: Sequence[Job], after: Sequence[Job]) -> list[str]:
    found = events({each.job_arn: each for each in before}, {each.job_arn: each for each in after}, NOW)
    return [
        " ".join([event.what, *(str(event.about[key]) for key in ("was", "subtask", "status") if key in event.about)])
        for event in found
    ]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param([], [OLD], [], id="ended-before-the-start"),
        pytest.param([], [TRAINS], ["job first seen InProgress"], id="runs-at-the-start"),
        pytest.param([TRAINS, OLD], [TRAINS, OLD], [], id="nothing-new"),
        pytest.param([OLD], [OLD, FAILS], ["job first seen Failed"], id="came-and-failed-between-two-walks"),
        pytest.param(
            [TRAINS],
            [FAILS],
            ["job changed InProgress Failed", "sub-task changed InProgress training Failed"],
            id="failed",
        ),
        pytest.param([TRAINS], [], [], id="series-ended"),
    ],
)
def test_a_line_for_each_change_and_none_for_what_is_old(
    before: Sequence[Job], after: Sequence[Job], lines: list[str]
) -> None:
    """When a job is first seen, and when its status or a sub-task's changes; nothing again after a restart."""
    assert told(before, after) == lines


def test_a_line_identifies_the_job() -> None:
    """By all that a person could search for."""
    (event,) = events({}, {TRAINS.job_arn: TRAINS}, NOW)
    assert {"job_id", "job_name", "job_arn", "customization_type", "base_model", "status", "training"} == set(
        event.about
    )
