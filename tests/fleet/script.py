"""A fleet whose walks are scripted, on a virtual clock."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from virtual_clock import run

from exporter.errors import FailureReason, WalkError
from exporter.fleet.fleet import Desired, Fleet
from exporter.fleet.schedule import Schedule
from exporter.fleet.state import Walked
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


TWINS = (Target("first", "us-east-1"), Target("second", "us-east-1", profile="p"))
