"""A list of jobs becomes a snapshot: exact counts, peers, and the jobs that get series of their own."""

import random
import statistics
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs.make import (
    DAY,
    EVERYTHING,
    HOUR,
    MODELS,
    NOVA,
    NOW,
    PREFIX,
    at,
    completed,
    details,
    job,
    snapshot_of,
    subtask,
)

from exporter.jobs.bounds import MAX_BASE_MODELS, MAX_STATUSES, MAX_TYPES
from exporter.jobs.fold import Fold, quantile, summarize
from exporter.jobs.job import Job, StatusDetails
from exporter.jobs.snapshot import Budget, DurationSummary, Snapshot

STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")
TYPES = ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION", "REINFORCEMENT_FINE_TUNING", "IMPORTED")
SUBTASKS = ("validation", "data_processing", "training")


# The plain way


def plain(jobs: Iterable[Job], budget: Budget) -> dict[str, Any]:
    """What a list comes to, by the words of the design."""
    distinct: dict[str, Job] = {}
    for each in jobs:
        distinct.setdefault(each.job_arn, each)
    running = [each for each in distinct.values() if not each.has_ended]
    ended = [each for each in distinct.values() if each.has_ended]
    ends = {each.job_arn: each.created if each.ended is None else each.ended for each in ended}
    if len(running) > 5 * budget.max_jobs:
        shown = sorted(running, key=lambda each: -each.created)[: 5 * budget.max_jobs]
    else:
        shown = running[:]
    retained = [each for each in ended if ends[each.job_arn] >= NOW - budget.retain]
    shown += sorted(retained, key=lambda each: -ends[each.job_arn])[: budget.max_jobs]
    named: dict[tuple[str, str, str], Job] = {}
    for each in shown:
        named.setdefault((each.id, each.job_name, each.customization_type), each)
    durations: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for each in ended:
        if each.status == "Completed" and ends[each.job_arn] >= NOW - budget.baseline_window:
            peers = each.base_model, each.customization_type
            if each.ended is not None:
                durations[peers].append(max(0.0, each.ended - each.created))
            for name, part in each.subtasks:
                if part.status == "Completed" and part.started is not None and part.last_modified is not None:
                    durations[(*peers, name)].append(max(0.0, part.last_modified - part.started))
    return {
        "jobs": Counter((each.status, each.customization_type) for each in distinct.values()),
        "subtasks": Counter((name, part.status) for each in running for name, part in each.subtasks),
        "durations": {peers: tally(seconds) for peers, seconds in durations.items()},
        "job_series": tuple(named.values()),
        "omitted": len(running) + len(retained) - len(named),
        "count": len(distinct),
    }


def tally(seconds: list[float]) -> Any:
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[18] if len(seconds) > 1 else seconds[0]
    return pytest.approx((len(seconds), sum(seconds), statistics.median(seconds), p95))


def folded(pages: Iterable[Sequence[Job]], budget: Budget) -> dict[str, Any]:
    """What the fold makes of it, without the zeros."""
    fold = Fold(budget, NOW)
    for page in pages:
        fold.add(page)
    snapshot = fold.snapshot()
    summaries: list[tuple[tuple[str, ...], DurationSummary]] = [*snapshot.completed.items()]
    summaries += snapshot.completed_subtasks.items()
    return {
        "jobs": +Counter(snapshot.jobs),
        "subtasks": +Counter(snapshot.subtasks),
        "durations": {peers: (summary.count, summary.sum, summary.median, summary.p95) for peers, summary in summaries},
        "job_series": snapshot.job_series,
        "omitted": snapshot.job_series_omitted,
        "count": fold.count,
    }


DAYS = st.sampled_from([1.0, 0.0, -0.1, -1.0, -13.9, -14.0, -14.1, -89.0, -90.0, -91.0, -900.0])
TIMES = DAYS.map(lambda days: at(days * DAY))
WORDS = st.sampled_from([*STATUSES, "NotStarted", "Paused"])
PARTS = st.none() | st.builds(subtask, WORDS, st.none() | DAYS, st.none() | DAYS)
JOBS = st.builds(
    job,
    st.integers(0, 9).map(str) | st.integers(0, 9).map("x/{}".format),
    status=WORDS,
    job_name=st.sampled_from(["a", "b"]),
    customization_type=st.sampled_from(["FINE_TUNING", "UNLEARNING", "unknown"]),
    base_model_arn=st.sampled_from([MODELS + NOVA, MODELS + "m", ""]),
    creation_time=TIMES,
    last_modified_time=st.none() | TIMES,
    end_time=st.none() | TIMES,
    status_details=st.none() | st.builds(details, PARTS, PARTS, PARTS),
)
BUDGETS = st.builds(
    Budget,
    retain=st.sampled_from([1.0, 14 * DAY, 10_000 * DAY, 100_000 * DAY]),
    max_jobs=st.integers(0, 4),
    baseline_window=st.sampled_from([1.0, 90 * DAY, 10_000 * DAY]),
)


@given(st.lists(st.lists(JOBS, max_size=8), max_size=6), BUDGETS)
def test_any_list(pages: list[list[Job]], budget: Budget) -> None:
    """Whatever the jobs, the pages they stand on and the budget: a fold comes to what the plain way comes to."""
    assert folded(pages, budget) == plain([each for page in pages for each in page], budget)


def test_a_long_list() -> None:
    """A list far beyond the budget, in no order, over pages that overlap, comes to what the plain way comes to."""
    lists: list[Job] = []
    ends = (None, -DAY, -40 * DAY, -100 * DAY)
    for number, (status, kind, end, second) in enumerate(product((*STATUSES, "Paused"), TYPES, ends, range(60))):
        created = at(-200 * DAY + number * 17)
        end_time = None if end is None else at(end + second)
        parts = details(subtask("Completed", second, 3 * second), None, subtask(status, 0, second))
        lists.append(
            job(f"{number:012}", status=status, customization_type=kind, creation_time=created, end_time=end_time,
                last_modified_time=end_time, status_details=parts)
        )  # fmt: skip
    random.Random(7).shuffle(lists)
    pages = [lists[start : start + 500] for start in range(0, len(lists), 500)]
    for before, page in pairwise(pages):
        page[:0] = [job(each.id, status="Failed") for each in before[-25:]]
    budget = Budget(retain=60 * DAY, max_jobs=100, baseline_window=120 * DAY)
    outcome = folded(pages, budget)
    assert outcome == plain(lists, budget)
    assert (len(outcome["job_series"]), outcome["count"]) == (600, 7200)


@pytest.mark.parametrize(
    ("changes", "bytes_a_job"),
    [
        pytest.param({"status": "Completed", "end_time": at(-200 * DAY)}, 110, id="ended-long-ago"),
        pytest.param({"status": "Failed", "end_time": at(-DAY)}, 300, id="ended-lately"),
        pytest.param({"status": "InProgress"}, 300, id="running"),
    ],
)
def test_memory(changes: dict[str, Any], bytes_a_job: int) -> None:
    """Of jobs beyond the budget a hash remains, not what stood on their page."""
    fold = Fold(Budget(retain=14 * DAY, max_jobs=100, baseline_window=90 * DAY), NOW)
    tracemalloc.start()
    for page in range(20):
        fold.add([job(f"{page}-{number}", job_name="n" * 50, **changes) for number in range(1000)])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / fold.count < bytes_a_job


# Counts


def test_zeros() -> None:
    """Each known status and type has a count, and each sub-task and its status, also where there is none."""
    zeros = (dict.fromkeys(product(STATUSES, TYPES), 0), dict.fromkeys(product(SUBTASKS, ("NotStarted", *STATUSES)), 0))
    assert snapshot_of() == Snapshot(*zeros, {}, {}, (), 0, 0)


def test_account() -> None:
    """The account is in the first ARN that has one."""
    fold = Fold(EVERYTHING, NOW)
    fold.add([job(job_arn="job/a")])
    assert fold.account_id is None
    fold.add([job(job_arn="job/b"), job("c")])
    fold.add([job(job_arn=PREFIX.replace("1111", "9999") + "d")])
    assert fold.account_id == "111122223333"


# Which jobs get series

LISTED = (
    job("r"),
    job("s", status="Stopping", creation_time=at(-300 * DAY)),
    completed("1", HOUR, end=-DAY),
    job("4", status="Stopped", creation_time=at(-4 * DAY), last_modified_time=None),
    job("2", status="Failed", creation_time=at(-9 * DAY), last_modified_time=at(-2 * DAY)),
    completed("5", HOUR, end=-5 * DAY),
    completed("3", HOUR, end=-3 * DAY),
    job("p", status="Paused", creation_time=at(-DAY)),
)


@pytest.mark.parametrize(
    ("retain", "max_jobs", "series", "omitted"),
    [
        pytest.param(100 * DAY, 5, "rsp12345", 0, id="just-enough"),
        pytest.param(100 * DAY, 4, "rsp1234", 1, id="one-too-many"),
        pytest.param(100 * DAY, 1, "rsp1", 4, id="the-newest-end-only"),
        pytest.param(100 * DAY, 0, "", 8, id="no-series"),
        pytest.param(5 * DAY, 100, "rsp12345", 0, id="retained-to-the-second"),
        pytest.param(5 * DAY - 1, 100, "rsp1234", 0, id="what-is-older-is-not-omitted"),
        pytest.param(3.5 * DAY, 2, "rsp12", 1, id="both-bounds"),
        pytest.param(0.5, 1, "rsp", 0, id="all-are-too-old"),
    ],
)
def test_budget(retain: float, max_jobs: int, series: str, omitted: int) -> None:
    """Jobs that run come first, then ended ones, newest end first, within the budget."""
    snapshot = snapshot_of(*LISTED, budget=Budget(retain=retain, max_jobs=max_jobs, baseline_window=DAY))
    assert "".join(each.id for each in snapshot.job_series) == series
    assert snapshot.job_series_omitted == omitted


def test_budget_of_jobs_that_run() -> None:
    """Five times as many of them have series; beyond that, the newest."""
    running = [job(str(number), creation_time=at(-abs(number - 3))) for number in range(8)]
    snapshot = snapshot_of(*running, budget=Budget(retain=DAY, max_jobs=1, baseline_window=DAY))
    assert ("".join(each.id for each in snapshot.job_series), snapshot.job_series_omitted) == ("32415", 3)


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        pytest.param(job("b"), 2, id="another-id"),
        pytest.param(job("a", job_name="other"), 1, id="the-same-ARN"),
        pytest.param(job(job_arn="arn:other/a", job_name="other"), 2, id="another-name"),
        pytest.param(job(job_arn="arn:other/a", customization_type="IMPORTED"), 2, id="another-type"),
        pytest.param(job(job_arn="arn:other/a", status="Failed"), 1, id="a-namesake"),
    ],
)
def test_namesakes(other: Job, kept: int) -> None:
    """Of jobs with the same labels the first one has series: two equal series would break the scrape."""
    snapshot = snapshot_of(job("a"), other)
    assert snapshot.job_series == (job("a"), other)[:kept]
    assert snapshot.job_series_omitted == sum(snapshot.jobs.values()) - kept


# Peers


@pytest.mark.parametrize(
    ("peer", "durations"),
    [
        pytest.param(completed("a", HOUR, end=-30 * DAY), [HOUR], id="at-the-edge-of-the-window"),
        pytest.param(completed("a", HOUR, end=-30 * DAY - 1), [], id="before-the-window"),
        pytest.param(completed("a", HOUR, end_time=None, last_modified_time=at(0)), [2 * HOUR], id="last-modification"),
        pytest.param(completed("a", HOUR, end_time=None, last_modified_time=None), [], id="nobody-knows-when"),
        pytest.param(completed("a", -5.0), [0.0], id="ended-before-it-was-created"),
        pytest.param(completed("a", HOUR, status="Failed"), [], id="failed"),
        pytest.param(completed("a", HOUR, status="InProgress"), [], id="in-progress-with-an-end"),
    ],
)
def test_baseline_window(peer: Job, durations: list[float]) -> None:
    """Jobs completed within the window are peers, whether or not they have series."""
    snapshot = snapshot_of(peer, budget=Budget(retain=1, max_jobs=0, baseline_window=30 * DAY))
    assert list(snapshot.completed.values()) == [DurationSummary(1, value, value, value) for value in durations]


@pytest.mark.parametrize(
    ("parts", "durations"),
    [
        pytest.param(details(subtask("Completed", 0, 9)), {"validation": 9}, id="one"),
        pytest.param(
            details(subtask("Completed", 0, 1), subtask("Completed", 1, 4), subtask("Completed", 4, 9)),
            {"validation": 1, "data_processing": 3, "training": 5},
            id="all",
        ),
        pytest.param(details(subtask("Completed", 9, 0)), {"validation": 0}, id="ended-before-it-started"),
        pytest.param(details(subtask("Completed", 0), subtask("Completed", None, 9)), {}, id="a-time-is-missing"),
        pytest.param(details(subtask("Stopped", 0, 9), subtask("InProgress", 0, 9)), {}, id="not-completed"),
    ],
)
def test_peers_of_subtasks(parts: StatusDetails, durations: dict[str, float]) -> None:
    """Sub-tasks that completed, of the same jobs, are peers of their own; it takes their start and end."""
    jobs = [completed("a", 9, status_details=parts), completed("b", 9, status="Failed", status_details=parts)]
    assert snapshot_of(*jobs).completed_subtasks == {
        (NOVA, "FINE_TUNING", name): DurationSummary(1, value, value, value) for name, value in durations.items()
    }


@pytest.mark.parametrize(
    ("running", "number", "expected"),
    [
        pytest.param(job(), 5, 48.0, id="peers"),
        pytest.param(job(status="Stopping"), 5, 48.0, id="stopping"),
        pytest.param(job(), 4, None, id="too-few"),
        pytest.param(job(status="Failed"), 5, None, id="ended"),
        pytest.param(job(base_model_arn="other"), 5, None, id="of-another-model"),
        pytest.param(job(customization_type="IMPORTED"), 5, None, id="of-another-type"),
    ],
)
def test_expected_duration(running: Job, number: int, expected: float | None) -> None:
    """A job that runs is expected to take what 0.95 of its peers took, if there are at least five."""
    peers = [completed(str(seconds), seconds) for seconds in (50, 30, 10, 40, 20)[:number]]
    assert snapshot_of(running, *peers).expected_duration(running) == expected


@pytest.mark.parametrize(("number", "expected"), [(9, None), (10, 85.5)])
def test_expected_duration_of_a_subtask(number: int, expected: float | None) -> None:
    """The same for a sub-task, if there are at least ten."""
    parts = [details(training=subtask("Completed", 0, 10 * seconds)) for seconds in range(number)]
    snapshot = snapshot_of(*(completed(str(index), 9, status_details=part) for index, part in enumerate(parts)))
    assert snapshot.expected_subtask_duration(job(), "training") == pytest.approx(expected)
    assert snapshot.expected_subtask_duration(job(), "validation") is None
    assert snapshot.expected_subtask_duration(job(status="Failed"), "training") is None


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=60))
def test_summary(durations: list[float]) -> None:
    """Count, sum, median and 0.95 quantile are what the standard library's statistics say."""
    summary = summarize(durations)
    assert (summary.count, summary.sum, summary.median, summary.p95) == tally(durations)


@pytest.mark.parametrize(
    ("ordered", "q", "value"),
    [([7], 0.0, 7), ([7], 0.95, 7), ([7], 1.0, 7), ([1, 2, 3], 0.0, 1), ([1, 2, 3], 1.0, 3), ([1, 2], 0.75, 1.75)],
)
def test_quantile(ordered: list[float], q: float, value: float) -> None:
    """A quantile lies between its neighbours; one number is each of its own quantiles."""
    assert quantile(ordered, q) == value


# Label values that are new to us


def test_a_bounded_number_of_new_values_passes_through() -> None:
    """Statuses, types and base models that are new to us are shown as they are, up to a bound each."""
    new = [
        *(job(f"s{number}", status=f"S{number}", end_time=at(0)) for number in range(MAX_STATUSES)),
        *(job(f"t{number}", customization_type=f"T{number}", status="S0") for number in range(MAX_TYPES - 1)),
        *(job(f"m{number}", base_model_arn=f"M{number}", status="S0") for number in range(MAX_BASE_MODELS - 1)),
    ]
    snapshot = snapshot_of(*new)
    assert snapshot.label_values_folded == 0
    assert set(snapshot.job_series) == set(new)
    assert snapshot.jobs["S7", "FINE_TUNING"] == snapshot.jobs["S0", "T7"] == 1


def test_the_rarest_values_beyond_the_bound_are_other() -> None:
    """Known values go first, then the most frequent, then by name; counts, labels of jobs and peers fold alike."""
    statuses = [
        job(f"{number}-{twin}", status=f"S{number:02}") for number in range(25) for twin in range(2 - number % 2)
    ]
    types = [job(f"t{number}", customization_type=f"T{number:02}") for number in range(25)]
    rare = job("rare", customization_type="T23", status_details=details(training=subtask("T", 0)))
    twin = completed("twin", 9, customization_type="T23")
    snapshot = snapshot_of(*statuses, *types, rare, twin)
    shown = {status for (status, _), count in snapshot.jobs.items() if count}
    frequent = [f"S{number:02}" for number in (*range(0, 25, 2), *range(1, 10, 2))]
    assert shown == {"InProgress", "Completed", "other", *frequent}
    assert snapshot.jobs["other", "FINE_TUNING"] == 7
    assert {kind for _, kind in snapshot.jobs} == {*TYPES, "T23", "other", *(f"T{number:02}" for number in range(18))}
    assert snapshot.jobs["InProgress", "other"] == 6
    assert snapshot.subtasks["training", "other"] == 1
    assert snapshot.label_values_folded == 8 + 6
    own = {(each.id, each.status, each.customization_type) for each in snapshot.job_series}
    assert {("11-0", "other", "FINE_TUNING"), ("9-0", "S09", "FINE_TUNING"), ("t24", "InProgress", "other")} <= own
    assert next(each for each in snapshot.job_series if each.id == "rare").subtasks == (
        ("training", subtask("other", 0)),
    )


def test_other_has_no_quantiles() -> None:
    """Peers of models that are folded have nothing in common but their sum and count."""
    frequent = [
        completed(f"{number}-{twin}", 9.0, base_model_arn=f"M{number}")
        for number in range(MAX_BASE_MODELS)
        for twin in "ab"
    ]
    parts = details(training=subtask("Completed", 0, 2))
    rare = [completed(f"z{number}", number, base_model_arn=f"Z{number}", status_details=parts) for number in range(12)]
    snapshot = snapshot_of(*frequent, *rare)
    assert len(snapshot.completed) == MAX_BASE_MODELS + 1
    assert snapshot.completed["M7", "FINE_TUNING"] == DurationSummary(2, 18.0, 9.0, 9.0)
    assert snapshot.completed["other", "FINE_TUNING"] == DurationSummary(12, 66.0, None, None)
    assert snapshot.completed_subtasks == {("other", "FINE_TUNING", "training"): DurationSummary(12, 24.0, None, None)}
    assert {each.base_model for each in snapshot.job_series} == {model for model, _ in snapshot.completed}
    assert (snapshot.expected_duration(job(base_model_arn="other")), snapshot.label_values_folded) == (None, 12)
