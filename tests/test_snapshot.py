"""A list of jobs becomes a snapshot: exact counts, peers, and the jobs that get series of their own."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.bedrock import WirePage
from exporter.model import (
    Budget,
    DurationSummary,
    FailureReason,
    FamilyText,
    Job,
    Rendered,
    Snapshot,
    SubTask,
    Target,
    Walked,
    WalkError,
    account_of,
)
from exporter.snapshot import quantile, summarize
from exporter.walk import read

HOUR, DAY = 3600.0, 86400.0
NOW = 1_790_856_000.0
ACCOUNT = "111122223333"
PREFIX = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/amazon.nova-lite-v1:0:300k/"
TARGET = Target("targets[0]", "us-east-1")
EVERYTHING = Budget(retain=10_000 * DAY, max_jobs=100_000, baseline_window=10_000 * DAY)


def job(name: str = "a", /, **changes: Any) -> Job:
    """A job that was made a day ago and runs, with these attributes changed."""
    return Job(
        arn=PREFIX + name,
        name=name,
        status="InProgress",
        customization_type="FINE_TUNING",
        base_model="amazon.nova-lite-v1:0:300k",
        custom_model_name="",
        created=NOW - DAY,
        last_modified=None,
        end_time=None,
        subtasks=(),
    )._replace(**changes)


def completed(name: str, seconds: float, /, *, ended: float = NOW - HOUR, **changes: Any) -> Job:
    """A job that took that long."""
    return job(name, status="Completed", created=ended - seconds, end_time=ended, **changes)


def snapshot_of(*jobs: Job, budget: Budget = EVERYTHING) -> Snapshot:
    """The snapshot of these jobs at NOW."""
    return plain.snapshot_of(jobs, budget, NOW)


# The whole way: wire, pages, counts.


@dataclass
class StandIn:
    """A reader that gives these pages, then fails if it is told to."""

    contents: list[list[Any]]
    account_id: str | None = None
    error: WalkError | None = None

    def pages(self, max_pages: int, now: float, _known: Container[int]) -> Iterator[WirePage]:
        assert (max_pages, now) == (100, NOW)
        for number, summaries in enumerate(self.contents, 1):
            yield WirePage(b"", f"page-{number}" if number < len(self.contents) else None, None, summaries)
        if self.error is not None:
            raise self.error


def walk(reader: StandIn, budget: Budget = EVERYTHING) -> Walked:
    """Walk a stand-in; what is rendered says whose it is."""

    def render(account_id: str, _: Snapshot) -> Rendered:
        return {f"jobs of {account_id}": FamilyText(b"", ())}

    return read(reader, budget=budget, max_pages=100, now=NOW, render=render)


STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Paused")
TYPES = (
    "FINE_TUNING",
    "CONTINUED_PRE_TRAINING",
    "DISTILLATION",
    "REINFORCEMENT_FINE_TUNING",
    "IMPORTED",
    "UNLEARNING",
    None,
)
BASE_MODELS = (None, "amazon.nova-lite-v1:0:300k", "cohere.command-text-v14:7:4k")
DETAILS: tuple[dict[str, str] | None, ...] = (
    None,
    {},
    {"trainingDetails": "NotStarted"},
    {"validationDetails": "Completed", "dataProcessingDetails": "InProgress"},
    {"validationDetails": "Completed", "dataProcessingDetails": "Stopped", "trainingDetails": "Rewinding"},
)
WIRE_NAMES = {
    "validationDetails": "validation",
    "dataProcessingDetails": "data_processing",
    "trainingDetails": "training",
}


class Facts:
    """What a test knows of a job that it has made: the tally is made of this, never of what the exporter read."""

    def __init__(self, number: int, combination: tuple[Any, ...]) -> None:
        self.status, self.type, self.base, self.details, has_modified, has_end, self.model = combination
        self.arn = f"{PREFIX}{number:012}"
        self.name = f"job-{number}"
        self.created = NOW - 200 * DAY + number * 3000
        length = 600 + number * 7919 % 100_003
        self.modified = self.created + length if has_modified else None
        self.end = self.created + length + 1 if has_end else None

    @property
    def terminal(self) -> bool:
        return self.status in {"Completed", "Failed", "Stopped"} or (self.status == "Paused" and self.end is not None)

    @property
    def ended(self) -> float | None:
        return self.end if self.end is not None else self.modified

    def wire(self) -> dict[str, Any]:
        summary: dict[str, Any] = {
            "jobArn": self.arn,
            "jobName": self.name,
            "status": self.status,
            "creationTime": iso(self.created),
        }
        if self.type is not None:
            summary["customizationType"] = self.type
        if self.base is not None:
            summary["baseModelArn"] = f"arn:aws:bedrock:us-east-1::foundation-model/{self.base}"
        if self.modified is not None:
            summary["lastModifiedTime"] = iso(self.modified)
        if self.end is not None:
            summary["endTime"] = iso(self.end)
        if self.model is not None:
            summary["customModelName"] = self.model
        if self.details is not None:
            summary["statusDetails"] = {key: {"status": status} for key, status in self.details.items()}
        return summary


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ALL_FACTS = [
    Facts(number, combination)
    for number, combination in enumerate(
        product(STATUSES, TYPES, BASE_MODELS, DETAILS, (True, False), (True, False), (None, "tone"))
    )
]
BUDGET = Budget(retain=60 * DAY, max_jobs=400, baseline_window=120 * DAY)


@pytest.fixture(scope="module")
def walked() -> Walked:
    """A walk over six pages, each beginning with some of the page before, now failed, and something unreadable."""
    contents: list[list[Any]] = [[] for _ in range(6)]
    for number, facts in enumerate(ALL_FACTS):
        contents[number * 6 // len(ALL_FACTS)].append(facts.wire())
    repeated = [[{**summary, "status": "Failed"} for summary in page[-25:]] for page in contents]
    unreadable = [None, {"jobArn": PREFIX + "bad"}, {**ALL_FACTS[0].wire(), "jobArn": PREFIX + "x", "endTime": "soon"}]
    for number, page in enumerate(contents):
        page[:0] = [*repeated[number - 1], *unreadable] if number else []
    return walk(StandIn(contents), BUDGET)


def test_over_5000_jobs_are_counted_exactly(walked: Walked) -> None:
    """Every combination of status, type and optional fields over several pages gives the counts of a plain tally."""
    tally = Counter((facts.status, facts.type or "unknown") for facts in ALL_FACTS)
    assert len(ALL_FACTS) == 5040
    assert {pair: count for pair, count in walked.snapshot.jobs.items() if count} == tally
    assert walked.jobs == sum(walked.snapshot.jobs.values()) == 5040


def test_subtasks_of_5000_jobs_are_counted_exactly(walked: Walked) -> None:
    """Sub-tasks are counted for the jobs that have not ended, and for no other."""
    tally = Counter(
        (WIRE_NAMES[key], status)
        for facts in ALL_FACTS
        if not facts.terminal
        for key, status in (facts.details or {}).items()
    )
    assert sum(tally.values()) > 1000
    assert {pair: count for pair, count in walked.snapshot.subtasks.items() if count} == tally


def test_durations_of_5000_jobs_are_exact(walked: Walked) -> None:
    """Count, sum and quantiles are those of the jobs completed within the window, peers apart."""
    durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for facts in ALL_FACTS:
        if facts.status == "Completed" and facts.ended is not None and facts.ended >= NOW - BUDGET.baseline_window:
            durations[facts.base or "unknown", facts.type or "unknown"].append(facts.ended - facts.created)
    assert set(walked.snapshot.completed) == set(durations)
    for peers, expected in durations.items():
        summary = walked.snapshot.completed[peers]
        assert summary.count == len(expected)
        assert summary.sum == pytest.approx(sum(expected))
        assert summary.median == pytest.approx(statistics.median(expected))
        assert summary.p95 == pytest.approx(statistics.quantiles(expected, n=20, method="inclusive")[18])


def test_series_of_5000_jobs_keep_the_budget(walked: Walked) -> None:
    """All jobs that run get series, then the ones that ended last, within retain and max_jobs; the rest is counted."""
    running = [facts.arn for facts in ALL_FACTS if not facts.terminal]
    ends = {facts.arn: facts.created if facts.ended is None else facts.ended for facts in ALL_FACTS if facts.terminal}
    retained = sorted((end for end in ends.values() if end >= NOW - BUDGET.retain), reverse=True)
    series = [each.arn for each in walked.snapshot.job_series]
    assert series[: len(running)] == running
    assert [ends[arn] for arn in series[len(running) :]] == retained[:400]
    assert walked.snapshot.job_series_omitted == len(retained) - 400 > 0


def test_unreadable_jobs_are_left_out_and_named(walked: Walked) -> None:
    """A job that can't be read is counted, and the first few of them are described."""
    bad = f"job {PREFIX}x: endTime: 'soon' is no time"
    assert walked.malformed == 15
    assert (
        walked.complaints == ("a job summary is None, not an object", f"job {PREFIX}bad: jobName is missing", bad) * 5
    )


def test_complaints_are_bounded() -> None:
    """However many jobs can't be read, twenty are described and all are counted."""
    outcome = walk(StandIn([[{}] * 30]))
    assert (outcome.malformed, len(outcome.complaints), outcome.jobs) == (30, 20, 0)


def test_pages_are_counted(walked: Walked) -> None:
    """A walk says how many pages it has read."""
    assert walked.pages == 6


def test_no_jobs() -> None:
    """An empty list is a good walk, and every known count is 0."""
    outcome = walk(StandIn([[]]))
    assert (outcome.pages, outcome.jobs, outcome.malformed, outcome.account_id) == (1, 0, 0, None)
    assert set(outcome.snapshot.jobs.values()) == {0}
    assert list(outcome.rendered) == ["jobs of unknown"]


def test_a_walk_that_fails_half_way_gives_nothing() -> None:
    """When a later page fails, nothing of the earlier ones is given out."""
    error = WalkError(FailureReason.THROTTLED, "slow down")
    with pytest.raises(WalkError) as caught:
        walk(StandIn([[ALL_FACTS[0].wire()]], error=error))
    assert caught.value is error


@pytest.mark.parametrize(
    ("said", "arns", "account"),
    [
        pytest.param("999988887777", ["job/without-account"], "999988887777", id="AWS says it"),
        pytest.param(None, [PREFIX + "a"], ACCOUNT, id="the job says it"),
        pytest.param(None, ["job/without-account", PREFIX + "a"], ACCOUNT, id="the second job says it"),
        pytest.param(None, ["job/without-account"], None, id="nobody says it"),
        pytest.param(None, [], None, id="no jobs"),
    ],
)
def test_account(said: str | None, arns: list[str], account: str | None) -> None:
    """The account is as AWS says, else as the ARN of a job says."""
    summaries = [{**ALL_FACTS[0].wire(), "jobArn": arn} for arn in arns]
    outcome = walk(StandIn([summaries], account_id=said))
    assert outcome.account_id == account
    assert list(outcome.rendered) == [f"jobs of {account or 'unknown'}"]


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        (PREFIX + "a", ACCOUNT),
        ("arn:aws-cn:bedrock:cn-north-1:999988887777:x", "999988887777"),
        ("arn:aws:bedrock:us-east-1::foundation-model/a", None),
        ("arn:aws:bedrock:us-east-1:12345:x", None),
        ("arn:aws:bedrock:us-east-1:abcdefabcdef:x", None),
        ("111122223333", None),
        ("", None),
    ],
)
def test_account_of_an_arn(arn: str, account: str | None) -> None:
    """The account of an ARN is its fifth part, if that is twelve digits."""
    assert account_of(arn) == account


# Counts.


def test_known_pairs_are_zero_filled() -> None:
    """Each known status and type has a count, and each sub-task and state, also where there is none."""
    empty = snapshot_of()
    assert empty.jobs == dict.fromkeys(product(STATUSES[:5], TYPES[:5]), 0)
    assert empty.subtasks == dict.fromkeys(product(WIRE_NAMES.values(), ("NotStarted", *STATUSES[:5])), 0)
    assert empty.completed == {}
    assert empty.job_series == ()
    assert empty.job_series_omitted == 0


def test_what_is_new_to_us_passes_through() -> None:
    """A status, type or sub-task state that is not known is counted under its own name, beside the zeros."""
    new = job(
        status="Paused", customization_type="UNLEARNING", subtasks=(SubTask("training", "Rewinding", None, None),)
    )
    snapshot = snapshot_of(new)
    assert len(snapshot.jobs) == 26
    assert snapshot.jobs["Paused", "UNLEARNING"] == 1
    assert len(snapshot.subtasks) == 19
    assert snapshot.subtasks["training", "Rewinding"] == 1


# Which jobs get series.


def names(snapshot: Snapshot) -> str:
    return "".join(each.name for each in snapshot.job_series)


RUNNING = (job("r"), job("s", status="Stopping", created=NOW - 300 * DAY), job("p", status="Paused"))
ENDED = (
    completed("1", HOUR, ended=NOW - 1 * DAY),
    job("4", status="Stopped", created=NOW - 4 * DAY),
    job("2", status="Failed", created=NOW - 9 * DAY, last_modified=NOW - 2 * DAY),
    completed("5", HOUR, ended=NOW - 5 * DAY),
    completed("3", HOUR, ended=NOW - 3 * DAY),
)


@pytest.mark.parametrize(
    ("retain", "max_jobs", "series", "omitted"),
    [
        pytest.param(100 * DAY, 100, "rsp12345", 0, id="all"),
        pytest.param(100 * DAY, 5, "rsp12345", 0, id="just enough"),
        pytest.param(100 * DAY, 4, "rsp1234", 1, id="one too many"),
        pytest.param(100 * DAY, 1, "rsp1", 4, id="the newest end only"),
        pytest.param(100 * DAY, 0, "rsp", 5, id="no ended job"),
        pytest.param(5 * DAY, 100, "rsp12345", 0, id="retained to the second"),
        pytest.param(5 * DAY - 1, 100, "rsp1234", 0, id="what is older is not omitted, it is past"),
        pytest.param(3.5 * DAY, 2, "rsp12", 1, id="both bounds"),
        pytest.param(0.5, 0, "rsp", 0, id="all are past"),
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["oldest last", "oldest first"])
def test_budget(retain: float, max_jobs: int, series: str, omitted: int, order: int) -> None:
    """Jobs that run come first, then ended ones, newest end first, within the budget; aggregates know no budget."""
    jobs = (*RUNNING, *ENDED[::order])
    snapshot = snapshot_of(*jobs, budget=Budget(retain=retain, max_jobs=max_jobs, baseline_window=DAY))
    assert (names(snapshot), snapshot.job_series_omitted) == (series, omitted)
    assert sum(snapshot.jobs.values()) == 8


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(job("a"), job("b"), "ab", id="two names"),
        pytest.param(job("a"), job("a", arn=PREFIX + "other"), "aa", id="two ids"),
        pytest.param(job("a"), job("a", arn="arn:other/a", customization_type="IMPORTED"), "aa", id="two types"),
        pytest.param(job("a"), job("a", arn="arn:other/a"), "a", id="namesakes"),
    ],
)
def test_namesakes(first: Job, second: Job, kept: str) -> None:
    """Of jobs whose labels are all the same the first one has series; the other is counted as omitted."""
    snapshot = snapshot_of(first, second)
    assert names(snapshot) == kept
    assert snapshot.job_series[0] == first
    assert snapshot.job_series_omitted == 2 - len(kept)
    assert snapshot.jobs["InProgress", "FINE_TUNING"] + snapshot.jobs["InProgress", "IMPORTED"] == 2


def test_namesakes_keep_the_order() -> None:
    """A job that runs goes before an ended namesake, and every other job keeps its place."""
    snapshot = snapshot_of(completed("a", HOUR), job("a", arn="arn:other/a"), job("b"), completed("c", HOUR))
    assert [(each.name, each.status) for each in snapshot.job_series] == [
        ("a", "InProgress"),
        ("b", "InProgress"),
        ("c", "Completed"),
    ]


# Peers.


@pytest.mark.parametrize(
    ("peer", "counts"),
    [
        pytest.param(completed("a", HOUR, ended=NOW - 30 * DAY), True, id="at the edge of the window"),
        pytest.param(completed("a", HOUR, ended=NOW - 30 * DAY - 1), False, id="before the window"),
        pytest.param(job(status="Completed", last_modified=NOW - DAY + HOUR), True, id="last modification as its end"),
        pytest.param(job(status="Completed"), False, id="completed who knows when"),
        pytest.param(completed("a", HOUR)._replace(status="Failed"), False, id="failed"),
        pytest.param(completed("a", HOUR)._replace(status="Stopped"), False, id="stopped"),
        pytest.param(completed("a", HOUR)._replace(status="InProgress"), False, id="in progress with an end"),
    ],
)
def test_baseline_window(peer: Job, counts: bool) -> None:
    """Jobs completed within the window are peers, whether or not they have series."""
    snapshot = snapshot_of(peer, budget=Budget(retain=1, max_jobs=0, baseline_window=30 * DAY))
    peers = {("amazon.nova-lite-v1:0:300k", "FINE_TUNING"): DurationSummary(1, HOUR, HOUR, HOUR)}
    assert snapshot.completed == (peers if counts else {})


def test_no_duration_is_negative() -> None:
    """A job that AWS says ended before it was made took no time."""
    assert snapshot_of(completed("a", -5)).completed == {
        ("amazon.nova-lite-v1:0:300k", "FINE_TUNING"): DurationSummary(1, 0, 0, 0)
    }


def test_peers_share_model_and_type() -> None:
    """Durations are kept apart by base model and by type."""
    snapshot = snapshot_of(
        completed("a", 1), completed("b", 2, base_model="m"), completed("c", 3, customization_type="IMPORTED")
    )
    assert {peers: summary.sum for peers, summary in snapshot.completed.items()} == {
        ("amazon.nova-lite-v1:0:300k", "FINE_TUNING"): 1,
        ("m", "FINE_TUNING"): 2,
        ("amazon.nova-lite-v1:0:300k", "IMPORTED"): 3,
    }


@pytest.mark.parametrize(
    ("running", "durations", "expected"),
    [
        pytest.param(job(), [10, 20, 30, 40], None, id="4 peers"),
        pytest.param(job(), [50, 30, 10, 40, 20], 48.0, id="5 peers"),
        pytest.param(job(status="Stopping"), [10, 20, 30, 40, 50], 48.0, id="stopping"),
        pytest.param(job(status="Failed"), [10, 20, 30, 40, 50], None, id="ended"),
        pytest.param(job(base_model="other"), [10, 20, 30, 40, 50], None, id="no peers"),
        pytest.param(job(customization_type="IMPORTED"), [10, 20, 30, 40, 50], None, id="of another type"),
    ],
)
def test_expected_duration(running: Job, durations: list[float], expected: float | None) -> None:
    """A job that runs is expected to take what 0.95 of its peers took, if there are at least five."""
    peers = [completed(f"peer-{number}", seconds) for number, seconds in enumerate(durations)]
    assert snapshot_of(running, *peers).expected_duration(running) == expected


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e7), min_size=2, max_size=60))
def test_summary(durations: list[float]) -> None:
    """Count, sum, median and 0.95 quantile are what the standard library's statistics say."""
    summary = summarize(durations)
    assert summary.count == len(durations)
    assert summary.sum == pytest.approx(math.fsum(durations))
    assert summary.median == pytest.approx(statistics.median(durations))
    assert summary.p95 == pytest.approx(statistics.quantiles(durations, n=20, method="inclusive")[18])


@pytest.mark.parametrize(
    ("ordered", "q", "value"),
    [([7], 0.0, 7), ([7], 0.95, 7), ([7], 1.0, 7), ([1, 2, 3], 0.0, 1), ([1, 2, 3], 1.0, 3), ([1, 2], 0.75, 1.75)],
)
def test_quantile(ordered: list[float], q: float, value: float) -> None:
    """A quantile lies between its neighbours; one number is each of its own quantiles."""
    assert quantile(ordered, q) == value


# Has it ended, does it wait.


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        pytest.param({"status": "Completed", "end_time": 9.0, "last_modified": 8.0}, 9.0, id="endTime"),
        pytest.param({"status": "Failed", "last_modified": 8.0}, 8.0, id="last modification"),
        pytest.param({"status": "Stopped", "end_time": 0.0, "last_modified": 8.0}, 0.0, id="endTime at the epoch"),
        pytest.param({"status": "Paused", "end_time": 9.0}, 9.0, id="a new status with an end"),
    ],
)
def test_a_job_has_ended(changes: Mapping[str, Any], ended: float) -> None:
    """A job in a terminal state has ended, at its endTime or else at its last modification."""
    assert job(**changes).has_ended
    assert job(**changes).ended == ended


def test_a_job_has_ended_who_knows_when() -> None:
    """A job in a terminal state has ended, even if no time says when."""
    assert job(status="Completed").has_ended
    assert job(status="Completed").ended is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"last_modified": 8.0}, id="in progress"),
        pytest.param({"end_time": 9.0, "last_modified": 8.0}, id="in progress with an endTime, as moto has it"),
        pytest.param({"status": "Stopping", "end_time": 9.0}, id="stopping with an endTime"),
        pytest.param({"status": "Paused", "last_modified": 8.0}, id="a new status without an end"),
    ],
)
def test_a_job_has_not_ended(changes: Mapping[str, Any]) -> None:
    """A job that runs has no end, whatever its endTime says."""
    assert not job(**changes).has_ended
    assert job(**changes).ended is None


VALIDATED = SubTask("validation", "Completed", NOW - 30 * HOUR, NOW - 29 * HOUR)
PROCESSED = SubTask("data_processing", "Completed", NOW - 29 * HOUR, NOW - 28 * HOUR)
UNTRAINED = SubTask("training", "NotStarted", None, None)


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        pytest.param({"subtasks": (VALIDATED, PROCESSED, UNTRAINED)}, NOW - 28 * HOUR, id="training waits"),
        pytest.param({"subtasks": (VALIDATED, UNTRAINED)}, NOW - 29 * HOUR, id="as it was reported in 2026"),
        pytest.param({"subtasks": (VALIDATED._replace(last_modified=None), UNTRAINED)}, NOW - DAY, id="end not known"),
        pytest.param({"subtasks": (UNTRAINED,)}, NOW - DAY, id="nothing has begun"),
        pytest.param(
            {"subtasks": (VALIDATED._replace(status="NotStarted", started=None), UNTRAINED)},
            NOW - DAY,
            id="nothing has begun, though modified",
        ),
        pytest.param({"subtasks": (PROCESSED, VALIDATED, UNTRAINED)}, NOW - 28 * HOUR, id="the latest end counts"),
        pytest.param(
            {"subtasks": (VALIDATED._replace(status="Failed"), UNTRAINED)}, NOW - 29 * HOUR, id="after failing"
        ),
    ],
)
def test_a_job_waits(changes: Mapping[str, Any], since: float) -> None:
    """A job in progress waits while a sub-task has not started and none runs, since the last one ended or creation."""
    assert job(**changes).waiting_since == since


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"subtasks": ()}, id="no sub-tasks known"),
        pytest.param({"subtasks": (VALIDATED, PROCESSED)}, id="none is left"),
        pytest.param({"subtasks": (VALIDATED._replace(status="InProgress"), UNTRAINED)}, id="one runs"),
        pytest.param({"subtasks": (VALIDATED._replace(status="Stopping"), UNTRAINED)}, id="one is stopping"),
        pytest.param({"status": "Stopping", "subtasks": (VALIDATED, UNTRAINED)}, id="stopping"),
        pytest.param({"status": "Stopped", "subtasks": (VALIDATED, UNTRAINED)}, id="stopped by a person"),
        pytest.param({"status": "Failed", "subtasks": (UNTRAINED,)}, id="failed"),
        pytest.param({"status": "Paused", "subtasks": (VALIDATED, UNTRAINED)}, id="a status that is new"),
    ],
)
def test_a_job_does_not_wait(changes: Mapping[str, Any]) -> None:
    """A job whose sub-task runs, that has none left, or that is not in progress does not wait."""
    assert job(**changes).waiting_since is None
