"""The poller walks every target when it should, and keeps what is known of each. Time is virtual."""

import asyncio
import copy
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from virtual_clock import run

from exporter.model import (
    Failed,
    FailureReason,
    FamilyText,
    Schedule,
    Snapshot,
    Target,
    TargetState,
    Walked,
)
from exporter.poller import Poller, advanced

EPOCH = 1_790_000_000.0
SNAPSHOT = Snapshot({}, {}, {}, (), 0)
RENDERED = {"family": FamilyText(b"line\n", ())}
FOREVER = 1e9
OWN, OTHER = "111122223333", "444455556666"


def good(account_id: str | None = None, jobs: int = 1, *complaints: str) -> Walked:
    return Walked(account_id, SNAPSHOT, RENDERED, 1, jobs, len(complaints), complaints)


def bad(reason: FailureReason = FailureReason.NETWORK, account_id: str | None = None) -> Failed:
    return Failed(account_id, reason, f"it is {reason}")


class Step(NamedTuple):
    """One walk: how long it takes and how it ends."""

    seconds: float = 0.0
    outcome: Walked | Failed | Exception = good()


class Script:
    """Walks as it is told, target by target; the last step of a target goes on for ever.

    Attributes:
        starts: seconds at which walks of a target began.
        ends: seconds at which they ended, cut off or not.
        most: walks that ran at the same moment, at most.
    """

    def __init__(self, *steps: Sequence[Step]) -> None:
        self._steps = {f"t{index}": itertools.chain(own, itertools.repeat(own[-1])) for index, own in enumerate(steps)}
        self.targets = tuple(Target(name, f"region-{name}") for name in self._steps)
        self.starts: defaultdict[str, list[float]] = defaultdict(list)
        self.ends: defaultdict[str, list[float]] = defaultdict(list)
        self.most = 0
        self._running = 0

    async def walk(self, target: Target) -> Walked | Failed:
        loop = asyncio.get_running_loop()
        step = next(self._steps[target.name])
        self.starts[target.name].append(loop.time())
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            await asyncio.sleep(step.seconds)
        finally:
            self._running -= 1
            self.ends[target.name].append(loop.time())
        if isinstance(step.outcome, Exception):
            raise step.outcome
        return step.outcome

    def poller(
        self,
        targets: tuple[Target, ...] | None = None,
        *,
        interval: float = 10,
        timeout: float = 9,
        stale_after: float = 1000,
        concurrency: int = 100,
        now: Callable[[], float] | None = None,
        observe: Callable[[float], None] = lambda _: None,
    ) -> Poller:
        return Poller(
            targets or self.targets,
            self.walk,
            Schedule(interval, timeout, stale_after, concurrency),
            now=now or (lambda: EPOCH + asyncio.get_running_loop().time()),
            observe_duration=observe,
        )


def poll(poller: Poller, until: float, *looks: tuple[float, Callable[[], None]]) -> None:
    """Run a poller for some seconds; looks, at moments between, may see what it knows."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(poller.run())
        for when, look in looks:
            await asyncio.sleep(when - loop.time())
            look()
        await asyncio.sleep(until - loop.time())
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(work())


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
        pytest.param([1, 9.5, 0.25], [0, 10, 20, 30, 40], id="whatever-each-takes"),
        pytest.param([25, 1], [0, 30, 40], id="slow-skips-starts-and-keeps-the-phase"),
        pytest.param([20, 1], [0, 20, 30, 40], id="ends-at-a-start"),
        pytest.param([11], [0, 20, 40], id="always-slow"),
    ],
)
def test_walks_of_a_target_start_at_its_interval(lengths: list[float], starts: list[float]) -> None:
    """Starts are whole intervals apart, however long walks take, and never before the walk ahead has ended."""
    script = Script([Step(seconds) for seconds in lengths])
    poll(script.poller(timeout=60), 45)

    assert script.starts["t0"] == starts
    assert script.most == 1


@pytest.mark.parametrize(
    ("targets", "apart"), [(1, 1), (3, 1), (10, 1), (40, 0.25)], ids=["one", "few", "full", "many"]
)
def test_first_walks_are_spread(targets: int, apart: float) -> None:
    """Few targets start a second apart, many over the whole interval, and each keeps its phase."""
    script = Script(*[[Step()]] * targets)
    poll(script.poller(), 19.9)

    assert script.starts == {f"t{index}": [index * apart + start for start in (0, 10)] for index in range(targets)}


def test_concurrency_is_bounded_and_first_come_first_served() -> None:
    """No more walks than allowed run at a time; the others wait in line."""
    script = Script(*[[Step(3)]] * 5)
    poll(script.poller(interval=100, concurrency=2), 50)

    assert script.most == 2
    assert [script.starts[f"t{index}"] for index in range(5)] == [[0], [1], [3], [4], [6]]


def test_the_wait_for_a_place_is_not_part_of_the_walk() -> None:
    """A walk's deadline, and the time that it is said to take, begin when it begins."""
    script = Script(*[[Step(8)]] * 3)
    took: list[float] = []
    poller = script.poller(interval=100, concurrency=1, observe=took.append)
    poll(poller, 50)

    assert all(state.up for state in poller.states)
    assert took == [8, 8, 8]


def test_the_deadline_cuts_a_walk_off() -> None:
    """A walk that hangs is cancelled at its deadline, fails as `timeout`, and its target goes on."""
    script = Script([Step(FOREVER), Step(1)])
    poller = script.poller(timeout=9)
    seen: list[Failed | None] = []
    poll(poller, 15, (9.5, lambda: seen.append(poller.states[0].failure)))

    assert seen == [
        Failed(None, FailureReason.TIMEOUT, "the walk did not end within poll.timeout (9 s) and was cut off")
    ]
    assert script.ends["t0"] == [9, 11]
    assert poller.states[0].up


@pytest.mark.parametrize(
    "trouble",
    [Step(FOREVER), Step(0, bad()), Step(0, RuntimeError("bug")), Step(0.5, good(None, 1, "job x"))],
    ids=["hangs", "fails", "raises", "malformed"],
)
def test_one_bad_target_never_holds_up_another(trouble: Step) -> None:
    """Whatever one target does, the walks of the next one start and end on time."""
    script = Script([trouble], [Step(1)])
    poller = script.poller()
    poll(poller, 35)

    assert script.starts["t1"] == [1, 11, 21, 31]
    assert poller.states[1].up


def test_a_bug_in_a_walk_is_internal_and_the_loop_goes_on() -> None:
    """An exception that nobody expected is a failure with its cause, and the next walk comes as ever."""
    bug = ZeroDivisionError("a bug")
    script = Script([Step(0, bug), Step(0, bug), Step()])
    poller = script.poller()
    seen: list[TargetState] = []
    poll(poller, 25, (5, lambda: seen.append(poller.states[0])))

    assert seen[0].failure == Failed(
        None, FailureReason.INTERNAL, "ZeroDivisionError('a bug'); please report this as a bug"
    )
    assert seen[0].failure is not None
    assert seen[0].failure.cause is bug
    assert script.starts["t0"] == [0, 10, 20]
    assert poller.states[0].failures == {FailureReason.INTERNAL: 2}
    assert poller.states[0].up


def test_the_wall_clock_changes_no_schedule() -> None:
    """A clock that somebody sets back and forth is published as it is, and nothing waits by it."""
    clock = itertools.cycle([EPOCH, EPOCH - 1e9, EPOCH + 1e9])
    script = Script([Step(1)], [Step(FOREVER)])
    poller = script.poller(now=lambda: next(clock), stale_after=15)
    poll(poller, 35)

    assert script.starts == {"t0": [0, 10, 20, 30], "t1": [1, 11, 21, 31]}
    assert script.ends["t1"][:3] == [10, 20, 30]
    assert poller.states[0].snapshot is SNAPSHOT


def test_cancellation_ends_everything_at_once() -> None:
    """A cancelled poller cuts its walks off and ends without publishing them."""
    script = Script([Step(FOREVER)], [Step()], [Step(FOREVER)])
    poller = script.poller(concurrency=1)

    async def work() -> float:
        task = asyncio.create_task(poller.run())
        await asyncio.sleep(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time()

    assert run(work()) == 5
    assert script.ends == {"t0": [5]}
    assert [state.last_walk for state in poller.states] == [None, None, None]


def test_run_once_walks_every_target_once() -> None:
    """One walk each, without a spread, within the same bounds, whatever the outcome."""
    script = Script([Step(3)], [Step(FOREVER)], [Step(2, bad())], [Step(1, ValueError())])
    poller = script.poller(concurrency=2)

    async def work() -> float:
        await poller.run_once()
        return asyncio.get_running_loop().time()

    assert run(work()) == 9
    assert script.starts == {"t0": [0], "t1": [0], "t2": [3], "t3": [5]}
    assert [state.failure and state.failure.reason for state in poller.states] == [
        None,
        FailureReason.TIMEOUT,
        FailureReason.NETWORK,
        FailureReason.INTERNAL,
    ]


# What is known


def test_ready_once_every_target_has_finished_a_walk() -> None:
    """Ready means that every target was walked, well or badly; it never becomes unready again."""
    script = Script([Step(1)], [Step(FOREVER)], [Step(2, bad())])
    poller = script.poller()
    seen: list[bool] = []
    poll(poller, 45, *[(when, lambda: seen.append(poller.ready)) for when in (0.5, 5, 9.9, 10.1, 44)])

    assert seen == [False, False, False, True, True]


def test_the_last_good_snapshot_stays_while_walks_fail() -> None:
    """A failure is counted and shown beside what the last good walk brought."""
    script = Script([Step(2, good(OWN, 7)), Step(1, bad()), Step(1, bad(FailureReason.THROTTLED)), Step(1, bad())])
    poller = script.poller()
    poll(poller, 35)

    assert poller.states == (
        TargetState(
            target=script.targets[0],
            account_id=OWN,
            failure=bad(),
            last_walk=EPOCH + 31,
            last_success=EPOCH + 2,
            pages=1,
            jobs=7,
            omitted=0,
            snapshot=SNAPSHOT,
            rendered=RENDERED,
            failures={FailureReason.NETWORK: 2, FailureReason.THROTTLED: 1},
        ),
    )


def test_stale_data_ends_exactly_then_and_a_good_walk_brings_it_back(caplog: pytest.LogCaptureFixture) -> None:
    """Job series go `stale_after` the end of the last good walk; what is known of the target stays."""
    script = Script([Step(2), Step(3), *[Step(1, bad())] * 4, Step(1)])
    poller = script.poller(stale_after=35)
    seen: list[TargetState] = []

    def look() -> None:
        seen.append(poller.states[0])

    poll(poller, 65, (47.9, look), (48.1, look), (62, look))  # the last good walk ended at 13
    held, dropped, back = seen

    assert held.snapshot is SNAPSHOT
    assert dropped == replace(held, snapshot=None, rendered={})
    assert back.snapshot is SNAPSHOT
    assert back.rendered == RENDERED
    assert messages(caplog) == [
        "target is up",
        "target is down",
        "no good walk within stale_after; the series of its jobs end here",
        "target is up",
    ]


def test_states_are_the_same_tuple_while_nothing_changes() -> None:
    """Who composes pages may keep them for as long as the tuple is the same, and no longer."""
    script = Script([Step(1)], [Step(FOREVER)])
    poller = script.poller(timeout=5, stale_after=12)
    seen: list[tuple[TargetState, ...]] = []
    moments = (0, 0.9, 1.1, 5.9, 6.1, 10.9, 11.1)  # a walk ends at 1, another at 6, the next one at 11
    poll(poller, 12, *[(when, lambda: seen.append(poller.states)) for when in moments])

    assert [before is after for before, after in itertools.pairwise(seen)] == [True, False, True, False, True, False]


BEFORE = TargetState(
    Target("t", "us-east-1"),
    account_id=OWN,
    failure=bad(),
    last_walk=10.0,
    last_success=5.0,
    pages=2,
    jobs=9,
    omitted=0,
    snapshot=SNAPSHOT,
    rendered=RENDERED,
    failures={FailureReason.NETWORK: 1},
    malformed=3,
    complaints=("job x",),
)


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        pytest.param(
            Walked(None, SNAPSHOT, {}, pages=4, jobs=5, malformed=30, complaints=("job y",)),
            {
                "failure": None,
                "last_success": 20.0,
                "pages": 4,
                "jobs": 5,
                "rendered": {},
                "malformed": 33,
                "complaints": ("job y",),
            },
            id="good",
        ),
        pytest.param(
            Walked(OTHER, SNAPSHOT, RENDERED, pages=2, jobs=9),
            {"account_id": OTHER, "failure": None, "last_success": 20.0, "complaints": ()},
            id="good-of-another-account",
        ),
        pytest.param(
            bad(),
            {"failure": bad(), "failures": {FailureReason.NETWORK: 2}},
            id="bad-again",
        ),
        pytest.param(
            bad(FailureReason.TIMEOUT, OTHER),
            {
                "account_id": OTHER,
                "failure": bad(FailureReason.TIMEOUT, OTHER),
                "failures": {FailureReason.NETWORK: 1, FailureReason.TIMEOUT: 1},
                "snapshot": None,
                "rendered": {},
            },
            id="bad-otherwise-and-the-account-is-another",
        ),
        pytest.param(
            bad(FailureReason.DUPLICATE_TARGET),
            {
                "failure": bad(FailureReason.DUPLICATE_TARGET),
                "failures": {FailureReason.NETWORK: 1, FailureReason.DUPLICATE_TARGET: 1},
                "snapshot": None,
                "rendered": {},
            },
            id="duplicate",
        ),
    ],
)
def test_the_state_after_a_walk(outcome: Walked | Failed, changes: dict[str, object]) -> None:
    """A walk makes a new state of the old one, which it leaves alone."""
    untouched = copy.deepcopy(BEFORE)

    assert advanced(BEFORE, outcome, 20.0) == replace(BEFORE, last_walk=20.0, **changes)  # type: ignore[arg-type]
    assert untouched == BEFORE


# Two that are one

TWINS = (Target("first", "us-east-1"), Target("second", "us-east-1"))


class Twins:
    """Two targets of one account; each learns it at its own walk."""

    def __init__(self, first: Sequence[Step], second: Sequence[Step], targets: tuple[Target, ...] = TWINS) -> None:
        self.script = Script(first, second)
        self._names = {targets[0].name: self.script.targets[0], targets[1].name: self.script.targets[1]}
        self.poller = self.script.poller(targets, stale_after=45)
        self.poller._walk = self._walk

    async def _walk(self, target: Target) -> Walked | Failed:
        return await self.script.walk(self._names[target.name])

    def reasons(self) -> list[FailureReason | None]:
        return [state.failure.reason if state.failure else None for state in self.poller.states]


def test_the_second_of_two_that_are_one_is_a_duplicate() -> None:
    """It says so at the walk that shows it, publishes nothing, and is not walked again."""
    twins = Twins([Step(0.5, good(OWN))], [Step(0.5, good(OWN))])
    poll(twins.poller, 35)
    second = twins.poller.states[1]

    assert twins.script.starts == {"t0": [0, 10, 20, 30], "t1": [1]}
    assert second.failure == Failed(
        OWN,
        FailureReason.DUPLICATE_TARGET,
        f"second is account {OWN} in us-east-1, which first watches already; remove one of the two",
    )
    assert second.failures == {FailureReason.DUPLICATE_TARGET: 4}
    assert (second.snapshot, second.rendered) == (None, {})
    assert twins.poller.states[0].up


def test_a_known_duplicate_is_never_walked() -> None:
    """Accounts that stand in the configuration need no walk to be compared."""
    targets = (Target("first", "us-east-1", OWN), Target("second", "us-east-1", OWN))
    twins = Twins([Step(5)], [Step(5)], targets)
    poll(twins.poller, 8)

    assert twins.reasons() == [None, FailureReason.DUPLICATE_TARGET]
    assert "t1" not in twins.script.starts


def test_the_first_one_counts_even_where_the_second_knew_its_account_first(caplog: pytest.LogCaptureFixture) -> None:
    """The second one shows its jobs until the first one can, and then steps back for good."""
    twins = Twins([Step(0.5, bad()), Step(0.5, good(OWN))], [Step(0.5, good(OWN))])
    seen: list[list[FailureReason | None]] = []
    poll(twins.poller, 75, (5, lambda: seen.append(twins.reasons())))

    assert seen == [[FailureReason.NETWORK, None]]
    assert twins.reasons() == [None, FailureReason.DUPLICATE_TARGET]
    assert twins.poller.states[1].snapshot is None
    assert twins.script.starts["t1"] == [1]
    assert messages(caplog) == ["target is down", "target is up", "target is up", "target is down"]


@pytest.mark.parametrize(
    "targets",
    [
        (Target("first", "us-east-1"), Target("second", "us-west-2")),
        (Target("first", "us-east-1", OWN), Target("second", "us-east-1", OTHER)),
    ],
    ids=["another-region", "another-account"],
)
def test_targets_that_differ_in_account_or_region_are_two(targets: tuple[Target, ...]) -> None:
    """One account in two regions, or two accounts in one, are no duplicates."""
    outcomes = [good(target.account_id or OWN) for target in targets]
    twins = Twins([Step(0, outcomes[0])], [Step(0, outcomes[1])], targets)
    poll(twins.poller, 15)

    assert twins.reasons() == [None, None]


def test_targets_of_unknown_account_are_not_called_duplicates() -> None:
    """While nobody can say which accounts they are, two targets in one region are two."""
    twins = Twins([Step(0, good(None))], [Step(0, good(None))])
    poll(twins.poller, 15)

    assert twins.reasons() == [None, None]


# Other targets, another schedule


def rename(target: Target, name: str) -> Target:
    return replace(target, name=name)


class Changing(Script):
    """A script whose poller gets other targets or another schedule on the way."""

    def change(
        self, poller: Poller, when: float, targets: Sequence[Target] | None = None, **schedule: float
    ) -> tuple[float, Callable[[], None]]:
        def change() -> None:
            later = replace(Schedule(10, 9, 1000, 100), **schedule)  # type: ignore[arg-type]
            poller.watch(self.targets if targets is None else tuple(targets), later)

        return when, change


def test_a_target_that_stays_keeps_its_state_and_rhythm() -> None:
    """It has another name and another place in the file, and nothing else of it changes."""
    script = Changing([Step(1, good(OWN, 7))], [Step(1)])
    first, second = script.targets
    poller = script.poller()
    seen: list[TargetState] = []

    def look() -> None:
        seen.append(next(state for state in poller.states if state.target.region == first.region))

    script._steps["moved"] = script._steps["t0"]
    poll(poller, 28, (4, look), script.change(poller, 5, (second, rename(first, "moved"))), (5.5, look))

    assert seen[1] == replace(seen[0], target=rename(first, "moved"))
    assert [state.target.name for state in poller.states] == ["t1", "moved"]
    assert (script.starts["t0"], script.starts["moved"]) == ([0], [10, 20])
    assert script.starts["t1"] == [1, 11, 21]


def test_a_target_that_comes_is_walked_at_once_and_one_that_goes_is_cut_off() -> None:
    """Nothing is left of one that has gone: its walk ends, and so does its state."""
    script = Changing([Step(FOREVER)], [Step(1)], [Step(1)])
    poller = script.poller(script.targets[:1])
    poll(poller, 18, script.change(poller, 5, script.targets[1:]))

    assert script.ends["t0"] == [5]
    assert [state.target.name for state in poller.states] == ["t1", "t2"]
    assert (script.starts["t1"], script.starts["t2"]) == ([5, 15], [6, 16])


def test_the_data_of_a_target_that_has_gone_never_turns_stale(caplog: pytest.LogCaptureFixture) -> None:
    """Its timers go with it."""
    script = Changing([Step(1)], [Step(1)])
    poller = script.poller(stale_after=30)
    poll(poller, 60, script.change(poller, 5, script.targets[1:], stale_after=30))

    assert messages(caplog) == ["target is up", "target is up"]


def test_targets_that_change_before_the_start_are_walked_once_it_comes() -> None:
    """Whoever changes them need not know whether the poller runs."""
    script = Changing([Step(1)], [Step(1)])
    poller = script.poller(script.targets[:1])
    script.change(poller, 0)[1]()
    poll(poller, 8)

    assert script.starts == {"t0": [0], "t1": [1]}


@pytest.mark.parametrize(
    ("interval", "starts"),
    [(30, [0, 10, 40]), (4, [0, 10, 14, 18, 22, 26, 30, 34, 38, 42])],
    ids=["longer", "shorter"],
)
def test_another_interval_counts_from_the_last_start(interval: float, starts: list[float]) -> None:
    """A target that waits for its next walk waits no longer than the new interval says."""
    script = Changing([Step(1)])
    poller = script.poller()
    poll(poller, 45, script.change(poller, 12, interval=interval))

    assert script.starts["t0"] == starts


def test_another_interval_cuts_no_walk_off() -> None:
    """One that is under way goes on, and the next one comes when the new interval says."""
    script = Changing([Step(8)])
    poller = script.poller()
    poll(poller, 45, script.change(poller, 5, interval=30))

    assert script.starts["t0"] == [0, 30]
    assert script.ends["t0"] == [8, 38]


@pytest.mark.parametrize(("stale_after", "gone"), [(50, 52), (20, 22), (5, 10)], ids=["later", "sooner", "already"])
def test_another_stale_after_counts_from_the_last_good_walk(stale_after: float, gone: float) -> None:
    """Also for what is known already."""
    script = Changing([Step(2), Step(1, bad())])
    poller = script.poller(stale_after=30)
    seen: list[bool] = []

    def look() -> None:
        seen.append(poller.states[0].snapshot is not None)

    poll(
        poller, 60,
        script.change(poller, 10, stale_after=stale_after), (gone - 0.1, look), (gone + 0.1, look),
    )  # fmt: skip

    assert seen == [True, False]


def test_another_concurrency_and_another_timeout() -> None:
    """They hold for the walks that begin from then on."""
    script = Changing(*[[Step(FOREVER)]] * 4)
    poller = script.poller(interval=100, timeout=20, concurrency=1)
    poll(poller, 90, script.change(poller, 50, interval=100, concurrency=4, timeout=5))

    assert script.ends == {"t0": [20], "t1": [40], "t2": [60], "t3": [65]}


def test_the_rest_of_two_that_were_one_is_walked_again() -> None:
    """A duplicate is none any more when the target ahead of it has gone."""
    twins = Twins([Step(0.5, good(OWN))], [Step(0.5, good(OWN))])
    change = (15.0, lambda: twins.poller.watch(TWINS[1:], Schedule(10, 9, 45, 100)))
    poll(twins.poller, 25, change)

    assert twins.reasons() == [None]


def test_targets_out_of_reach_leave_places_to_the_others() -> None:
    """However many hang until their deadline, those that are well are walked on time, from the second round on."""
    script = Script(*[[Step(FOREVER)]] * 30, [Step(1)], [Step(1)])
    poll(script.poller(interval=60, timeout=20, concurrency=4), 1000)

    for name in ("t30", "t31"):
        assert all(start % 60 <= 52 + 20 for start in script.starts[name])
        later = [start for start in script.starts[name] if start > 300]
        assert len(later) >= 11
        assert all(after - before <= 61 for before, after in itertools.pairwise(later))
    assert all(len(script.starts[f"t{index}"]) >= 3 for index in range(30))
    assert script.most == 4


def test_other_labels_are_on_what_is_known() -> None:
    """The snapshot stays, and is rendered anew for the labels; the rhythm stays as well."""
    script = Changing([Step(1, good(OWN))], [Step(1)])
    poller = script.poller()
    labelled = replace(script.targets[0], labels=(("team", "a"),))
    rendered = {"family": FamilyText(b"with label\n", ())}
    asked: list[tuple[Target, str, Snapshot]] = []

    def render(target: Target, account_id: str, snapshot: Snapshot) -> dict[str, FamilyText]:
        assert [state.target for state in poller.states] == list(script.targets), "half a change is seen"
        asked.append((target, account_id, snapshot))
        return rendered

    seen: list[TargetState] = []
    poll(
        poller, 15,
        (5, lambda: poller.watch((labelled, script.targets[1]), Schedule(10, 9, 1000, 100), render=render)),
        (6, lambda: seen.append(poller.states[0])),
    )  # fmt: skip

    assert asked == [(labelled, OWN, SNAPSHOT)]
    assert (seen[0].target, seen[0].snapshot, seen[0].rendered) == (labelled, SNAPSHOT, rendered)
    assert script.starts["t0"] == [0, 10]


# Regions without the service


def test_an_unsupported_region_is_walked_once_an_hour() -> None:
    """Nobody else is disturbed, and when the service comes there it is watched as any other."""
    unsupported = bad(FailureReason.UNSUPPORTED_REGION)
    script = Script([Step(1, unsupported), Step(1, unsupported), Step(1)], [Step(1)])
    poller = script.poller()
    seen: list[bool] = []
    poll(poller, 7225, (7199, lambda: seen.append(poller.states[0].up)))

    assert script.starts["t0"] == [0, 3600, 7200, 7210, 7220]
    assert len(script.starts["t1"]) == 723
    assert seen == [False]
    assert poller.states[0].up


def test_a_region_that_may_be_supported_now_is_walked_at_its_interval() -> None:
    """Another endpoint, say, came with the new configuration."""
    script = Changing([Step(1, bad(FailureReason.UNSUPPORTED_REGION)), Step(1)])
    poller = script.poller()
    poll(poller, 45, (25, lambda: poller.watch(script.targets, Schedule(10, 9, 1000, 100), retry=True)))

    assert script.starts["t0"] == [0, 25, 30, 40]


def test_an_interval_of_more_than_an_hour_holds_for_unsupported_regions(caplog: pytest.LogCaptureFixture) -> None:
    """They are never walked more often than others; and of what stays the same there is one line."""
    script = Script([Step(1, bad(FailureReason.UNSUPPORTED_REGION))])
    poll(script.poller(interval=7200), 15000)

    assert script.starts["t0"] == [0, 7200, 14400]
    assert messages(caplog) == ["target is down"]


# What is logged


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """A target that goes on as it was is silent; up, down and another reason are a line each, with what matters."""
    denied = bad(FailureReason.ACCESS_DENIED, OWN)
    steps: list[Walked | Failed] = [
        good(OWN, 7),
        good(OWN, 8),
        bad(),
        bad(),
        denied,
        denied,
        good(OWN, 9),
        good(OWN, 9),
    ]
    script = Script([Step(0, outcome) for outcome in steps])
    poll(script.poller(), 95)
    shown = ("jobs", "pages", "was", "reason", "detail")
    lines = [
        (record.levelname, record.getMessage(), {key: vars(record)[key] for key in shown if key in vars(record)})
        for record in caplog.records
    ]

    assert lines == [
        ("INFO", "target is up", {"jobs": 7, "pages": 1, "was": "-"}),
        ("WARNING", "target is down", {"reason": "network", "detail": "it is network"}),
        ("WARNING", "target is down", {"reason": "access_denied", "detail": "it is access_denied"}),
        ("INFO", "target is up", {"jobs": 9, "pages": 1, "was": "access_denied"}),
    ]
    assert {(vars(r)["target"], vars(r)["account"], vars(r)["region"]) for r in caplog.records} == {
        ("t0", OWN, "region-t0")
    }


@pytest.mark.parametrize(
    ("outcome", "traceback"), [(ValueError("a bug"), True), (bad(), False)], ids=["bug", "expected"]
)
def test_only_a_bug_is_logged_with_its_traceback(
    outcome: Failed | Exception, traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What AWS or the network does needs no stack of ours; a bug does."""
    poll(Script([Step(0, outcome)]).poller(), 5)
    (record,) = caplog.records

    assert bool(record.exc_info) is traceback


def test_a_malformed_job_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted at each walk, but named only when it is new, also after failures between."""
    steps: list[Walked | Failed] = [
        good(OWN, 1, "job a"),
        good(OWN, 1, "job a", "job b"),
        bad(),
        good(OWN, 1, "job a", "job b"),
    ]
    script = Script([Step(0, outcome) for outcome in steps])
    poller = script.poller()
    poll(poller, 35)

    assert poller.states[0].malformed == 5
    assert [vars(r)["detail"] for r in caplog.records if r.getMessage() == "malformed job left out"] == [
        "job a",
        "job b",
    ]
