"""Walks that remember pages come to what walks that read everything anew come to. The plain way is the oracle."""

import json
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import plain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.bedrock import MalformedJobError, WirePage, parse_bygone, parse_job
from exporter.bedrock.wire import parse_page
from exporter.exposition import Renderer
from exporter.model import Budget, Job, Target, Walked
from exporter.walk import Memory, read

NOW = 1_790_000_000.0
DAY = 86_400.0
BUDGET = Budget(retain=14 * DAY, max_jobs=3, baseline_window=90 * DAY)
ACCOUNT = "111122223333"
TARGET = Target("targets[0]", "us-east-1")


def summary(number: int, *, age: float, status: str = "Completed", **members: object) -> dict[str, Any]:
    """A job that was made so many days before NOW and has ended an hour later if its status says so."""
    created = NOW - age * DAY
    return {
        "jobArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/model/{number:012d}",
        "jobName": f"job-{number}",
        "status": status,
        "customizationType": "FINE_TUNING",
        "creationTime": iso(created),
        **({} if status == "InProgress" else {"endTime": iso(created + 3600)}),
        "statusDetails": {"trainingDetails": {"status": status, "creationTime": iso(created)}},
        **members,
    }


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def body(summaries: Sequence[object], token: str | None, *, token_first: bool = False) -> bytes:
    """A page as the service may spell it."""
    listed = {"modelCustomizationJobSummaries": summaries}
    tokened = {} if token is None else {"nextToken": token}
    return json.dumps(tokened | listed if token_first else listed | tokened).encode()


class Service:
    """A list that is given in pages of two, with tokens that are new at every walk; says which pages were decoded."""

    account_id: str | None = ACCOUNT

    def __init__(self, summaries: Sequence[object]) -> None:
        self.summaries = list(summaries)
        self.decoded: list[int] = []
        self._walks = 0

    def pages(self, _max_pages: int, _now: float, known: Container[int]) -> Iterator[WirePage]:
        self._walks += 1
        self.decoded = []
        for first in range(0, max(1, len(self.summaries)), 2):
            more = first + 2 < len(self.summaries)
            token = f"walk-{self._walks}-from-{first}" if more else None
            page = parse_page(body(self.summaries[first : first + 2], token), known)
            if page.decoded is not None:
                self.decoded.append(first // 2)
            yield page


def walk(service: Service, memory: Memory, renderer: Renderer, now: float = NOW) -> Walked:
    return read(service, render=renderer.render, budget=BUDGET, max_pages=100, now=now, memory=memory)


def plainly(summaries: Sequence[object], now: float = NOW) -> tuple[int, int, object, object]:
    """Distinct jobs, malformed ones, snapshot and text, by parsing every job to the full and folding all at once."""
    jobs: dict[str, Job] = {}
    malformed = 0
    for each in summaries:
        try:
            job = parse_job(each)
        except MalformedJobError:
            malformed += 1
        else:
            jobs.setdefault(job.arn, job)
    snapshot = plain.snapshot_of(jobs.values(), BUDGET, now)
    return len(jobs), malformed, snapshot, plain.render_snapshot(TARGET, ACCOUNT, snapshot)


def outcome(walked: Walked) -> tuple[int, int, object, object]:
    return walked.jobs, walked.malformed, walked.snapshot, walked.rendered


OLD = [summary(number, age=200) for number in range(4)]
RECENT = [summary(4, age=5), summary(5, age=4), summary(6, age=3)]
RUNNING = [summary(7, age=0.1, status="InProgress")]


def test_pages_that_have_not_changed_are_not_decoded_again() -> None:
    """Only the page that has changed is, although every token is new."""
    service = Service([*OLD, *RECENT, *RUNNING])
    memory, renderer = Memory(), Renderer(TARGET)
    walk(service, memory, renderer)
    assert service.decoded == [0, 1, 2, 3]

    service.summaries[7] = summary(7, age=0.1, status="Failed")
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)
    assert service.decoded == [3]
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)
    assert service.decoded == []


def test_time_passes_over_pages_that_have_not_changed() -> None:
    """Jobs leave the retained ones and the peers when their time has come, decoded or not."""
    service = Service([*OLD, *RECENT])
    memory, renderer = Memory(), Renderer(TARGET)
    for days in (0.0, 10.5, 11.5, 88.0, 200.0):
        walked = walk(service, memory, renderer, NOW + days * DAY)
        assert outcome(walked) == plainly(service.summaries, NOW + days * DAY)
    assert service.decoded == []


def test_pages_that_are_kept_hold_no_more_than_new_ones() -> None:
    """What has become too old is let go of, or memory would grow for as long as the exporter runs."""
    service = Service([*OLD, *RECENT])
    memory, renderer = Memory(), Renderer(TARGET)
    walk(service, memory, renderer)
    assert sum(len(result.fold.ended) for result in memory.recall(NOW).values()) == len(RECENT)
    walk(service, memory, renderer, NOW + 400 * DAY)
    assert service.decoded == []
    kept = [result.fold for result in memory.recall(NOW + 400 * DAY).values()]
    assert [(fold.ended, fold.durations) for fold in kept] == [([], [])] * 4


def test_a_clock_that_goes_back_makes_all_be_read_anew() -> None:
    """What was too old for a clock that was ahead is not when it has been set right."""
    service = Service([*OLD, *RECENT])
    memory, renderer = Memory(), Renderer(TARGET)
    walk(service, memory, renderer, NOW + 1000 * DAY)
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)


def test_a_job_that_moves_to_another_page_counts_once() -> None:
    """A page that repeats a job of a page before is folded without it, known or not, and not remembered so."""
    service = Service([OLD[0], OLD[1], OLD[1], OLD[2]])
    memory, renderer = Memory(), Renderer(TARGET)
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)
    service.summaries = [OLD[0], OLD[3], OLD[1], OLD[2]]
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)
    service.summaries = [OLD[0], OLD[2], OLD[1], OLD[2]]
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)


def test_malformed_jobs_of_a_known_page_are_counted_again() -> None:
    """They are still in the list."""
    service = Service([OLD[0], {"jobName": "broken"}])
    memory, renderer = Memory(), Renderer(TARGET)
    first, second = walk(service, memory, renderer), walk(service, memory, renderer)
    assert service.decoded == []
    assert first == second
    assert (second.malformed, len(second.complaints)) == (1, 1)


def test_a_walk_that_fails_changes_nothing() -> None:
    """What was remembered of the last good one stays."""

    class Torn(Service):
        torn = False

        def pages(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
            for number, page in enumerate(super().pages(max_pages, now, known)):
                if self.torn and number == 1:
                    raise ConnectionResetError
                yield page

    service = Torn([*OLD, *RECENT])
    memory, renderer = Memory(), Renderer(TARGET)
    walk(service, memory, renderer)
    service.torn = True
    with pytest.raises(ConnectionResetError):
        walk(service, memory, renderer)
    service.torn = False
    assert outcome(walk(service, memory, renderer)) == plainly(service.summaries)
    assert service.decoded == []


SUMMARIES = st.one_of(
    st.builds(
        summary,
        st.integers(0, 9),
        age=st.sampled_from([0.1, 2, 13.99, 14.5, 89, 91, 400]),
        status=st.sampled_from(["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Paused"]),
        customizationType=st.sampled_from(["FINE_TUNING", "DISTILLATION", "NEW", None]),
    ),
    st.just({"jobName": "broken"}),
)


@given(
    st.lists(
        st.tuples(st.lists(SUMMARIES, max_size=9), st.sampled_from([0.0, 0.5, 30.0, -10.0])), min_size=1, max_size=6
    )
)
def test_any_history(history: list[tuple[list[object], float]]) -> None:
    """Whatever a list does from walk to walk, and the clock: the outcome is that of reading everything anew."""
    service = Service([])
    memory, renderer = Memory(), Renderer(TARGET)
    now = NOW
    for summaries, days in history:
        now += days * DAY
        service.summaries = summaries
        assert outcome(walk(service, memory, renderer, now)) == plainly(summaries, now)


# One page


@pytest.mark.parametrize("token_first", [False, True])
def test_a_page_is_known_by_all_but_its_token(token_first: bool) -> None:
    """The token is read nonetheless, wherever it stands."""
    first = parse_page(body(OLD, "one", token_first=token_first))
    assert first.fingerprint is not None
    again = parse_page(body(OLD, "another/one+=", token_first=token_first), {first.fingerprint})
    assert (again.decoded, again.next_token) == (None, "another/one+=")
    assert again.summaries() == OLD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(body(OLD, "a"), body(OLD[:3], "a"), id="fewer jobs"),
        pytest.param(body(OLD, "a"), body(OLD, None), id="the last page"),
        pytest.param(body([summary(1, age=1)], "a"), body([summary(2, age=1)], "a"), id="another job"),
    ],
)
def test_pages_that_differ(one: bytes, other: bytes) -> None:
    """What differs in more than the token is another page."""
    assert parse_page(one).fingerprint != parse_page(other).fingerprint


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"modelCustomizationJobSummaries": [], "nextToken": "a\\u0062"}', id="escaped"),
        pytest.param('{"modelCustomizationJobSummaries": [{"nextToken": "x"}], "nextToken": "ab"}', id="twice"),
        pytest.param('{"nextToken": "x", "modelCustomizationJobSummaries": [], "nextToken": "ab"}', id="overridden"),
        pytest.param('{"modelCustomizationJobSummaries": [{"nextToken": "x"}]}', id="only in a job"),
    ],
)
def test_pages_in_doubt_are_never_known(text: str) -> None:
    """Where the token can't be told from the outside, the page is decoded each time."""
    assert parse_page(text.encode()).fingerprint is None


def test_a_token_in_a_jobs_name_is_part_of_the_name() -> None:
    """Its quotes are escaped, so that it is not taken for the page's own."""
    sly = summary(1, age=1, jobName='"nextToken": "sly"')
    page = parse_page(body([sly], "real"))
    assert page.next_token == "real"
    assert page.fingerprint is not None


# Jobs that are only counted


@given(SUMMARIES, st.sampled_from([NOW, NOW - 14 * DAY, NOW - 90 * DAY]))
def test_a_bygone_job_is_what_the_full_parser_says(each: dict[str, Any], before: float) -> None:
    """ARN, status and type are the same, and it did end before."""
    bygone = parse_bygone(each, before)
    if bygone is None:
        return
    job = parse_job(each)
    assert bygone == (job.arn, job.status, job.customization_type)
    assert job.ended is not None
    assert job.ended < before


@pytest.mark.parametrize(
    "changes",
    [
        {"jobArn": None},
        {"jobArn": ""},
        {"jobName": None},
        {"jobName": 5},
        {"status": "InProgress"},
        {"status": "Paused"},
        {"status": ["Completed"]},
        {"customizationType": 5},
        {"creationTime": None},
        {"endTime": "soon"},
        {"endTime": None},
        {"endTime": iso(NOW)},
    ],
    ids=str,
)
def test_what_is_not_plainly_bygone_is_for_the_full_parser(changes: dict[str, object]) -> None:
    """Faults are its business, and jobs that run or have ended lately."""
    assert parse_bygone(OLD[0], NOW - DAY) is not None
    assert parse_bygone(OLD[0] | changes, NOW - DAY) is None
