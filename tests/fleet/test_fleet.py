"""The fleet walks every target when it should, and keeps what is known of each. Time is virtual."""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from virtual_clock import run

from exporter.errors import FailureReason, WalkError
from exporter.fleet.fleet import Desired, Fleet
from exporter.fleet.schedule import Schedule
from exporter.fleet.state import TargetState, Walked
from exporter.jobs.snapshot import Budget, Snapshot
from exporter.targets.target import Target

EPOCH = 1_790_000_000.0
SNAPSHOT = Snapshot({}, {}, {}, {}, (), 0)
BUDGET = Budget(1e6, 100, 1e6)
FOREVER = 1e9
OWN, OTHER = "111122223333", "444455556666"


class Good(NamedTuple):
    """A walk that succeeds."""

    account_id: str | None = None
    jobs: int = 1
    complaints: tuple[str, ...] = ()


def bad(reason: FailureReason = FailureReason.NETWORK) -> WalkError:
    return WalkError(reason, f"it is {reason}")


class Step(NamedTuple):
    """One walk: how long it takes and how it ends."""

    seconds: float = 0.0
    outcome: Good | Exception = Good()


class Script:
    """Targets `t0`, `t1`, …, walked as it is told; the last step of a target goes on for ever.

    Attributes:
        starts: seconds at which walks of a target began, by its region, `r0`, `r1`, …
        ends: seconds at which they ended, cut off or not.
        most: walks that ran at the same moment, at most.
    """

    def __init__(self, *steps: Sequence[Step], targets: Sequence[Target] = (), **schedule: float) -> None:
        self.targets = tuple(targets) or tuple(Target(f"t{index}", f"r{index}") for index in range(len(steps)))
        self.steps: dict[Target, Iterator[Step]] = {
            target.route: itertools.chain(own, itertools.repeat(own[-1]))
            for target, own in zip(self.targets, steps, strict=True)
        }
        self.starts: defaultdict[str, list[float]] = defaultdict(list)
        self.ends: defaultdict[str, list[float]] = defaultdict(list)
        self.most = self._running = 0
        self.schedule = replace(Schedule(10, 9, 1000, 100, 10), **schedule)  # type: ignore[arg-type]
        self.observed: list[float] = []
        self.delays: list[float] = []

    def walker(self, target: Target) -> "Stub":
        return Stub(self, target)

    def desired(self, targets: Sequence[Target] | None = None, **changes: Any) -> Desired:
        self.schedule = replace(self.schedule, **changes)
        return Desired(self.targets if targets is None else tuple(targets), self.schedule, BUDGET, self._new_walker)

    @property
    def _new_walker(self) -> Callable[[Target], "Stub"]:
        return self.__dict__.setdefault("new", self.walker)  # type: ignore[no-any-return] # the same function each time

    def fleet(self, targets: Sequence[Target] | None = None, now: Callable[[], float] | None = None) -> Fleet:
        now = now or (lambda: EPOCH + asyncio.get_running_loop().time())
        return Fleet(
            self.desired(targets), now=now, observe_walk=self.observed.append, observe_delay=self.delays.append
        )

    async def walk(self, target: Target, schedule: Schedule) -> Walked:
        clock = asyncio.get_running_loop().time
        step = next(self.steps[target.route])
        self.starts[target.region].append(clock())
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            async with asyncio.timeout(schedule.timeout):
                await asyncio.sleep(step.seconds)
        except TimeoutError:
            raise bad(FailureReason.TIMEOUT) from None
        finally:
            self._running -= 1
            self.ends[target.region].append(clock())
        if isinstance(step.outcome, Exception):
            raise step.outcome
        account_id, jobs, complaints = step.outcome
        return Walked(target, account_id, SNAPSHOT, 1, jobs, len(complaints), complaints)


class Stub:
    """Walks one target of a script."""

    account_id = None

    def __init__(self, script: Script, target: Target) -> None:
        self._script, self._target = script, target

    async def walk(self, target: Target, budget: Budget, schedule: Schedule, _now: float) -> Walked:
        assert (target.route, budget) == (self._target.route, BUDGET)
        return await self._script.walk(target, schedule)


Look = tuple[float, Callable[[Fleet], object]]


def watch(script: Script, until: float, *looks: Look, targets: Sequence[Target] | None = None) -> list[Any]:
    """Run a fleet for some seconds; gives its states at the end, after what each look between them gave."""

    async def work() -> list[Any]:
        clock = asyncio.get_running_loop().time
        fleet = script.fleet(targets)
        task = asyncio.create_task(fleet.run())
        seen = []
        for when, look in looks:
            await asyncio.sleep(when - clock())
            seen.append(look(fleet))
        await asyncio.sleep(until - clock())
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [*seen, fleet.states]

    return run(work())


def reasons(fleet: Fleet) -> list[FailureReason | None]:
    return [state.failure.reason if state.failure else None for state in fleet.states]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _every_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "exporter")


# When


@pytest.mark.parametrize(
    ("lengths", "starts"),
    [
        pytest.param([0], [0, 10, 20, 30, 40], id="no-time"),
        pytest.param([7], [0, 10, 20, 30, 40], id="between-starts-not-ends"),
        pytest.param([25, 1], [0, 30, 40], id="slow-skips-starts-and-keeps-the-phase"),
        pytest.param([20, 1], [0, 20, 30, 40], id="ends-at-a-start"),
        pytest.param([11], [0, 20, 40], id="always-slow"),
    ],
)
def test_walks_of_a_target_start_at_its_interval(lengths: list[float], starts: list[float]) -> None:
    """Starts are whole intervals apart, however long walks take, and never before the walk ahead has ended."""
    script = Script([Step(seconds) for seconds in lengths], timeout=60)
    watch(script, 45)

    assert script.starts["r0"] == starts
    assert script.most == 1


def test_first_walks_start_at_once_and_later_ones_are_spread() -> None:
    """All targets are known as soon as slots allow; from the second walk on they share the interval evenly."""
    script = Script(*[[Step()]] * 4)
    watch(script, 12)

    assert script.starts == {"r0": [0, 2.5], "r1": [0, 5], "r2": [0, 7.5], "r3": [0, 10]}


def test_slots_are_bounded_and_the_wait_for_one_is_not_part_of_the_walk() -> None:
    """First come, first served; a walk's deadline, and the time it is said to take, begin when it begins."""
    script = Script(*[[Step(8)]] * 5, interval=100, concurrency=2)
    (states,) = watch(script, 19)

    assert script.most == 2
    assert [script.starts[f"r{index}"] for index in range(5)] == [[0], [0], [8], [8], [16]]
    assert script.observed[:4] == [8] * 4
    assert script.delays == [0, 0, 8, 8, 16]
    assert [state.up for state in states] == [True] * 4 + [False]


@pytest.mark.parametrize(
    "trouble",
    [Step(FOREVER), Step(0, bad()), Step(0, RuntimeError("bug")), Step(0.5, Good(None, 1, ("job x",)))],
    ids=["hangs", "fails", "raises", "malformed"],
)
def test_one_bad_target_never_holds_up_another(trouble: Step) -> None:
    """Whatever one target does, the walks of the next one start and end on time."""
    script = Script([trouble], [Step(1)])
    (states,) = watch(script, 35)

    assert script.starts["r1"] == [0, 10, 20, 30]
    assert states[1].up


def test_unreachable_targets_leave_slots_to_the_others() -> None:
    """However many hang until their deadline, those that are well are walked on time, from the second round on."""
    script = Script(*[[Step(FOREVER)]] * 30, [Step(1)], [Step(1)], interval=60, timeout=20, concurrency=4)
    watch(script, 1000)

    for region in ("r30", "r31"):
        later = [start for start in script.starts[region] if start > 300]
        assert len(later) >= 11
        assert all(after - before <= 61 for before, after in itertools.pairwise(later))
    assert all(len(script.starts[f"r{index}"]) >= 3 for index in range(30))
    assert script.most == 4


def test_the_wall_clock_changes_no_schedule() -> None:
    """A clock that somebody sets back and forth is published as it is, and nothing waits by it."""
    clock = itertools.cycle([EPOCH, EPOCH - 1e9, EPOCH + 1e9])
    script = Script([Step(1)], stale_after=15)

    async def work() -> tuple[TargetState, ...]:
        fleet = script.fleet(now=lambda: next(clock))
        task = asyncio.create_task(fleet.run())
        await asyncio.sleep(35)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return fleet.states

    (state,) = run(work())
    assert script.starts["r0"] == [0, 10, 20, 30]
    assert state.shown is not None


def test_cancellation_ends_everything_at_once() -> None:
    """A cancelled fleet cuts its walks off and ends without publishing them."""
    script = Script([Step(FOREVER)], [Step()], [Step(FOREVER)], concurrency=1)
    (states,) = watch(script, 5)

    assert script.ends == {"r0": [5]}
    assert [state.last_walk for state in states] == [None, None, None]


def test_run_once_walks_every_target_once() -> None:
    """One walk each, within the same bounds, whatever the outcome."""
    script = Script([Step(3)], [Step(FOREVER)], [Step(2, bad())], [Step(1, ValueError())], concurrency=2)

    async def work() -> tuple[float, Fleet]:
        fleet = script.fleet()
        await fleet.run_once()
        return asyncio.get_running_loop().time(), fleet

    ended, fleet = run(work())
    assert ended == 9
    assert script.starts == {"r0": [0], "r1": [0], "r2": [3], "r3": [5]}
    assert reasons(fleet) == [None, FailureReason.TIMEOUT, FailureReason.NETWORK, FailureReason.INTERNAL]


# What is known


def test_ready_once_every_target_has_finished_a_walk() -> None:
    """Well or badly; and whatever comes later, it never becomes unready again."""
    script = Script([Step(1)], [Step(FOREVER)], [Step(2, bad())])
    more: Look = (20, lambda fleet: fleet.reconcile(script.desired([*script.targets, Target("new", "r0", OWN)])))
    script.steps[Target("new", "r0", OWN).route] = itertools.repeat(Step(FOREVER))
    looks: list[Look] = [(when, lambda fleet: fleet.ready) for when in (0.5, 5, 8.9, 9.1)]
    *seen, _, after, _ = watch(script, 45, *looks, more, (21, lambda fleet: fleet.ready))

    assert (seen, after) == ([False, False, False, True], True)


def test_not_ready_before_all_targets_are_known() -> None:
    """While the accounts of an organization have not been listed, there may be more."""
    script = Script([Step(1)])
    incomplete = replace(script.desired(), complete=False)
    seen = watch(
        script, 9,
        (0.5, lambda fleet: fleet.reconcile(incomplete)),
        (5, lambda fleet: fleet.ready),
        (6, lambda fleet: fleet.reconcile(script.desired())),
        (7, lambda fleet: fleet.ready),
    )  # fmt: skip

    assert (seen[1], seen[3]) == (False, True)


def test_stale_data_ends_exactly_then_and_a_good_walk_brings_it_back(caplog: pytest.LogCaptureFixture) -> None:
    """Jobs are shown until `stale_after` the end of the last good walk; what is known of the target stays."""
    script = Script([Step(2), Step(3), *[Step(1, bad())] * 4, Step(1)], stale_after=35)
    looks: list[Look] = [(when, lambda fleet: fleet.states[0]) for when in (47.9, 48.1, 62)]  # a good one ended at 13
    held, dropped, back, _ = watch(script, 65, *looks)

    assert held.shown is not None
    assert dropped == replace(held, stale=True)
    assert dropped.shown is None
    assert back.shown is not None
    assert messages(caplog) == [
        "target is up",
        "target is down",
        "no good walk within stale_after; the series of the target's jobs end",
        "target is up",
    ]


# Two that are one

TWINS = (Target("first", "us-east-1"), Target("second", "us-east-1", profile="p"))


def test_the_second_of_two_that_are_one_is_a_duplicate() -> None:
    """Whichever learns its account first: the first one of the configuration is watched, and the second says so."""
    script = Script([Step(0.5, bad()), Step(0.5, Good(OWN))], [Step(0.2, Good(OWN))], targets=TWINS, stale_after=45)
    early, late, states = watch(script, 35, (2, reasons), (6, reasons))

    assert early == [FailureReason.NETWORK, None]
    assert late == [None, FailureReason.DUPLICATE_TARGET]
    assert states[0].up
    assert states[1].shown is None
    assert states[1].failure.message == (
        f"second is account {OWN} in us-east-1, which first watches already; remove one of the two"
    )


def test_a_known_duplicate_is_never_walked_and_a_discovered_one_not_shown() -> None:
    """Configured accounts need no walk to be compared; nobody asked for an account of the organization twice."""
    targets = (Target("first", "r0", OWN), Target("second", "r0", OWN, profile="p"), Target("d", "r0", OWN))
    targets = (*targets[:2], replace(targets[2], profile="q", discovered=True))
    script = Script([Step(5)], [Step(5)], [Step(5)], targets=targets)
    (states,) = watch(script, 8)

    assert [state.target.name for state in states] == ["first", "second"]
    assert states[1].failure.reason is FailureReason.DUPLICATE_TARGET
    assert script.starts == {"r0": [0]}


@pytest.mark.parametrize(
    ("targets", "accounts"),
    [
        ((Target("a", "us-east-1"), Target("b", "us-west-2")), (OWN, OWN)),
        ((Target("a", "r0", OWN), Target("b", "r0", OTHER)), (OWN, OTHER)),
        (TWINS, (None, None)),
    ],
    ids=["another-region", "another-account", "both-unknown"],
)
def test_targets_that_differ_are_two(targets: tuple[Target, ...], accounts: tuple[str | None, str | None]) -> None:
    """One account in two regions, two accounts in one, or accounts that nobody knows."""
    script = Script(*[[Step(0, Good(account))] for account in accounts], targets=targets)
    seen, _ = watch(script, 15, (14, reasons))

    assert seen == [None, None]


def test_the_rest_of_two_that_were_one_is_watched_again() -> None:
    """A duplicate is none any more when the target ahead of it has gone."""
    script = Script([Step(0.5, Good(OWN))], [Step(0.5, Good(OWN))], targets=TWINS)
    _, seen, _ = watch(script, 30, (15, lambda f: f.reconcile(script.desired(TWINS[1:]))), (29, reasons))

    assert seen == [None]


# Reconcile


def test_a_target_that_stays_keeps_its_state_and_rhythm() -> None:
    """It has another name, other labels and another place in the file: its jobs get the labels, the rest stays."""
    script = Script([Step(1, Good(OWN, 7))], [Step(1)])
    first, second = script.targets
    moved = replace(first, name="moved", labels=(("team", "a"),))
    before, _, after, _ = watch(
        script, 28,
        (4, lambda fleet: fleet.states[0]),
        (5, lambda fleet: fleet.reconcile(script.desired([second, moved]))),
        (5.5, lambda fleet: fleet.states),
    )  # fmt: skip

    assert after[1] == replace(before, target=moved, good=replace(before.good, target=moved))
    assert script.starts == {"r0": [0, 5, 15, 25], "r1": [0, 10, 20]}


def test_a_walk_under_way_at_a_reload_ends_with_the_new_labels() -> None:
    """What it publishes carries the labels of now, not of its start."""
    script = Script([Step(3)])
    labelled = replace(script.targets[0], labels=(("team", "a"),))
    *_, states = watch(script, 5, (1, lambda fleet: fleet.reconcile(script.desired([labelled]))))

    assert states[0].shown.target == labelled


def test_a_target_that_comes_is_walked_at_once_and_one_that_goes_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is left of one that has gone: its walk ends, its state too, and its data never turns stale."""
    script = Script([Step(1), Step(FOREVER)], [Step(1)], stale_after=30)
    gone, came = script.targets
    *_, states = watch(script, 60, (12, lambda fleet: fleet.reconcile(script.desired([came]))), targets=[gone])

    assert script.ends["r0"] == [1, 12]
    assert script.starts["r1"] == [12, 22, 32, 42, 52]
    assert [state.target for state in states] == [came]
    assert messages(caplog) == ["target is up", "target is up"]


@pytest.mark.parametrize(
    ("length", "interval", "starts"),
    [
        pytest.param(1, 30, [0, 10, 40], id="longer"),
        pytest.param(1, 4, [0, 10, 14, 18, 22, 26, 30, 34, 38, 42], id="shorter"),
        pytest.param(8, 30, [0, 10, 40], id="while-a-walk-is-under-way"),
    ],
)
def test_another_interval_counts_from_the_last_start(length: float, interval: float, starts: list[float]) -> None:
    """A target waits no longer than the new interval says, and no walk is cut off."""
    script = Script([Step(length)])
    watch(script, 45, (12, lambda fleet: fleet.reconcile(script.desired(interval=interval))))

    assert script.starts["r0"] == starts


@pytest.mark.parametrize(("stale_after", "gone"), [(50, 52), (20, 22), (5, 10)], ids=["later", "sooner", "already"])
def test_another_stale_after_counts_from_the_last_good_walk(stale_after: float, gone: float) -> None:
    """Also for what is known already."""
    script = Script([Step(2), Step(1, bad())], stale_after=30)
    _, before, after, _ = watch(
        script, 60,
        (10, lambda fleet: fleet.reconcile(script.desired(stale_after=stale_after))),
        (gone - 0.1 if gone > 10 else 10, lambda fleet: fleet.states[0].shown is not None),
        (gone + 0.1, lambda fleet: fleet.states[0].shown is not None),
    )  # fmt: skip

    assert (before, after) == (True, False)


def test_another_concurrency_and_another_timeout() -> None:
    """They hold for the walks that begin from then on."""
    script = Script(*[[Step(8)]] * 3, interval=20, timeout=18, concurrency=1)
    before, _, _ = watch(
        script, 100,
        (39, lambda _: script.most),
        (40, lambda fleet: fleet.reconcile(script.desired(concurrency=3, timeout=5))),
    )  # fmt: skip

    assert (before, script.most) == (1, 2)
    assert script.ends["r0"][-1] - script.starts["r0"][-1] == 5


def test_what_was_learnt_of_accounts_holds_after_a_reload() -> None:
    """A duplicate stays one; it is not shown until the first one has been walked again."""
    script = Script([Step(0.5, Good(OWN))], [Step(0.5, Good(OWN))], targets=TWINS, interval=100)
    first, second = TWINS
    moved = replace(first, labels=(("team", "a"),))
    later = replace(second, labels=(("team", "b"),))
    _, seen, _ = watch(script, 160, (60, lambda f: f.reconcile(script.desired([moved, later]))), (120, reasons))

    assert script.starts["us-east-1"].count(100) == 1  # the second one; the first one was due at 50
    assert seen == [None, FailureReason.DUPLICATE_TARGET]


# Regions without the service


def test_an_unsupported_region_is_walked_once_an_hour() -> None:
    """Nobody else is disturbed, and when the service comes there it is watched as any other."""
    unsupported = Step(1, bad(FailureReason.UNSUPPORTED_REGION))
    script = Script([unsupported, unsupported, Step(1)], [Step(1)])
    up, states = watch(script, 7225, (7180, lambda fleet: fleet.states[0].up))

    assert script.starts["r0"] == [0, 3595, 7195, 7205, 7215, 7225][: len(script.starts["r0"])]
    assert len(script.starts["r1"]) == 723
    assert not up
    assert states[0].up


def test_an_unsupported_region_is_tried_at_once_by_another_walker() -> None:
    """Another endpoint, say, came with the new configuration."""
    script = Script([Step(1, bad(FailureReason.UNSUPPORTED_REGION)), Step(1)])
    other = lambda target: Stub(script, target)  # noqa: E731
    watch(script, 45, (25, lambda fleet: fleet.reconcile(replace(script.desired(), new_walker=other))))

    assert script.starts["r0"] == [0, 25, 30, 40]


# What is logged


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """A target that goes on as it was is silent; up, down, another reason and a new complaint are a line each."""
    denied, bug = bad(FailureReason.ACCESS_DENIED), ZeroDivisionError("a bug")
    known, more = ("job a",), ("job a", "job b")
    outcomes: list[Good | Exception] = [
        Good(OWN, 7), Good(OWN, 8, known), bad(), bad(), denied, denied, bug, Good(OWN, 9, more), Good(OWN, 9, more),
    ]  # fmt: skip
    script = Script([Step(0, outcome) for outcome in outcomes])
    (states,) = watch(script, 85)
    shown = ("jobs", "pages", "was", "reason", "detail")
    lines = [
        (record.levelname, record.getMessage(), {key: vars(record)[key] for key in shown if key in vars(record)})
        for record in caplog.records
    ]

    assert lines == [
        ("INFO", "target is up", {"jobs": 7, "pages": 1}),
        ("WARNING", "malformed job left out", {"detail": "job a"}),
        ("WARNING", "target is down", {"reason": "network", "detail": "it is network"}),
        ("WARNING", "target is down", {"reason": "access_denied", "detail": "it is access_denied"}),
        (
            "WARNING",
            "target is down",
            {"reason": "internal", "detail": "ZeroDivisionError, which nobody expected; please report this as a bug"},
        ),
        ("INFO", "target is up", {"jobs": 9, "pages": 1, "was": "internal"}),
        ("WARNING", "malformed job left out", {"detail": "job b"}),
    ]
    assert {(vars(r)["target"], vars(r)["account"], vars(r)["region"]) for r in caplog.records} == {("t0", OWN, "r0")}
    assert ["traceback" in vars(record) for record in caplog.records] == [False] * 4 + [True] + [False] * 2
    assert states[0].malformed == 5


def test_another_cause_of_the_same_reason_is_told_once_in_15_minutes(caplog: pytest.LogCaptureFixture) -> None:
    """Numbers and ids in a message make no other cause; one that comes and goes is not told every time."""
    refused = [WalkError(FailureReason.NETWORK, f"refused, request {number}a{number}") for number in range(120)]
    reset = WalkError(FailureReason.NETWORK, "reset")
    outcomes: list[Exception] = [reset if number % 2 else refused[number] for number in range(92)]
    script = Script([Step(0, outcome) for outcome in [*outcomes, *refused[92:]]])
    watch(script, 1190)

    told = [(vars(record)["detail"], vars(record)["reason"]) for record in caplog.records]
    assert told == [("refused, request 0a0", "network"), ("reset", "network")]
