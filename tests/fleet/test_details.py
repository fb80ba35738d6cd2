"""Which calls for details are due, in which order, and for how long. Pure: the clock is handed in."""

from dataclasses import replace

import pytest
from jobs.make import HOUR, MINUTE, NOW, PREFIX, at, job, snapshot_of

from exporter.errors import FailureReason
from exporter.fleet.details import MAX_TRIES, NOT_FOUND, Call, Details
from exporter.jobs.details import OFF, DetailSettings, JobDetails

RUNS = job("runs")
FAILED = job("failed", status="Failed", end_time=at(-2 * HOUR))
COMPLETED = job("completed", status="Completed", end_time=at(-HOUR))
SNAPSHOT = snapshot_of(RUNS, FAILED, COMPLETED)
ALL = DetailSettings(enabled=True, running=True, tags=(("team", "tag_team"),))
ANSWER = JobDetails("broken")


def due(details: Details, now: float = NOW) -> list[str]:
    return [f"{call.kind} {call.job.id}" for call in details.due(SNAPSHOT, now)]


def under(settings: DetailSettings) -> Details:
    return Details().under(settings)


@pytest.mark.parametrize(
    ("settings", "calls"),
    [
        pytest.param(OFF, [], id="off"),
        pytest.param(replace(ALL, running=False, tags=()), ["details failed", "details completed"], id="ended"),
        pytest.param(replace(ALL, enabled=False), ["tags failed", "tags runs", "tags completed"], id="tags-alone"),
        pytest.param(
            ALL,
            ["details failed", "tags failed", "tags runs", "details completed", "tags completed", "details runs"],
            id="all",
        ),
    ],
)
def test_failed_jobs_go_first_and_only_what_is_wanted_is_asked(settings: DetailSettings, calls: list[str]) -> None:
    """Why a job failed, and whose it is, matters more than anything else."""
    assert due(under(settings)) == calls


def test_an_ended_job_is_asked_about_once() -> None:
    """Nothing of it changes any more."""
    details = under(DetailSettings(enabled=True)).answered(Call("details", FAILED), ANSWER, NOW)

    assert due(details, NOW + 1000 * HOUR) == ["details completed"]
    assert details.known.failure_reason(FAILED) == "other"


@pytest.mark.parametrize(("kind", "interval"), [("details", 15 * MINUTE), ("tags", 6 * HOUR)])
def test_a_running_job_is_asked_about_at_intervals_and_once_it_has_ended(kind: str, interval: float) -> None:
    """Its tags are not read again at its end, unlike its details, which then have the losses."""
    call = Call("details" if kind == "details" else "tags", RUNS)
    details = under(ALL).answered(call, ANSWER if kind == "details" else {"team": "a"}, NOW)
    ended = snapshot_of(job("runs", status="Completed", end_time=at(MINUTE)))

    assert f"{kind} runs" not in due(details, NOW + interval - 1)
    assert f"{kind} runs" in due(details, NOW + interval)
    kinds = [each.kind for each in details.due(ended, NOW + MINUTE)]
    assert (kind in kinds) == (kind == "details")


def test_a_failure_costs_a_try_and_backs_off_until_the_job_is_given_up() -> None:
    """Pauses double; after the last try nobody asks about the job again."""
    details, now, pauses = under(DetailSettings(enabled=True)), NOW, []
    for _ in range(MAX_TRIES - 1):
        details = details.failed(Call("details", FAILED), FailureReason.TIMEOUT, now)
        started = now
        while "details failed" not in due(details, now):
            now += MINUTE
        pauses.append((now - started) / MINUTE)
    details = details.failed(Call("details", FAILED), FailureReason.TIMEOUT, now)

    assert pauses == [1, 2, 4, 8, 16]
    assert due(details, now + 1e9) == ["details completed"]
    assert details.failures == {FailureReason.TIMEOUT: MAX_TRIES}


def test_a_job_that_has_vanished_is_given_up_at_once() -> None:
    """A 404 will stay one."""
    details = under(DetailSettings(enabled=True)).failed(Call("details", FAILED), NOT_FOUND, NOW)

    assert due(details, NOW + 1e9) == ["details completed"]


def test_a_denied_call_pauses_its_kind_and_takes_no_try() -> None:
    """Once the permission is there, every job is asked about, however long it was missing."""
    details = under(ALL)
    now = NOW
    for _ in range(50):
        details = details.failed(Call("details", FAILED), FailureReason.ACCESS_DENIED, now)
        assert due(details, now + MINUTE - 1) == ["tags failed", "tags runs", "tags completed"]
        now += HOUR

    assert due(details, now)[0] == "details failed"


def test_what_has_no_series_any_more_is_forgotten() -> None:
    """The budget of series bounds the memory of details, too."""
    call = Call("details", FAILED)
    details = under(ALL).answered(call, ANSWER, NOW).answered(Call("tags", FAILED), {"team": "a"}, NOW)

    assert details.only(SNAPSHOT) == details
    kept = details.only(snapshot_of(RUNS))
    assert (kept.known.details, kept.known.tags, kept.asked) == ({}, {}, {})


def test_a_reload_keeps_what_is_still_wanted() -> None:
    """Nothing is read again because of it, and what is no longer wanted is not shown."""
    details = under(ALL).answered(Call("details", FAILED), ANSWER, NOW)

    assert details.under(replace(ALL, calls_per_walk=3)).known.details == {PREFIX + "failed": ANSWER}
    assert details.under(OFF).known.details == {}
    assert details.under(OFF).asked == {}
