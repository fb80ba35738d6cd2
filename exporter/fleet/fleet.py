"""All targets that are watched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from exporter.errors import FailureReason
from exporter.fleet.asker import Asker
from exporter.fleet.loop import Conditions, TargetLoop, Walker
from exporter.fleet.schedule import Schedule
from exporter.fleet.slots import Slots
from exporter.fleet.state import TargetState
from exporter.jobs.details import OFF, DetailSettings
from exporter.jobs.snapshot import Budget
from exporter.targets.claims import Claims
from exporter.targets.target import Target

NewWalker = Callable[[Target], Walker]
"""Makes a target's walker. Must be cheap and not fail: faults show at the first walk."""

NewAsker = Callable[[Target], Asker | None]
"""Makes what reads details of a target's jobs. Must be cheap and not fail, either."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What to watch.

    Attributes:
        targets: in order; if two turn out to be the same account and region, the first is watched.
        schedule: when they are walked.
        budget: which jobs count for what.
        new_walker: makes their walkers; if the function differs from the one before, every walker is replaced.
        complete: whether these are all targets; False until the accounts of an organization have been listed.
        details: which details to ask for.
        new_asker: makes what reads details, replaced like `new_walker`; None for no details.
    """

    targets: tuple[Target, ...]
    schedule: Schedule
    budget: Budget
    new_walker: NewWalker
    complete: bool = True
    details: DetailSettings = OFF
    new_asker: NewAsker | None = None


class Fleet:
    """Watches targets. Make and use it within one event loop.

    Args:
        desired: what to watch at first.
        now: the wall clock, Unix seconds.
        observe_walk: called with the duration of each walk, seconds.
        observe_delay: called with the seconds that each walk waited for a slot after it was due.

    Attributes:
        ready: whether every target has finished its first walk, even in failure. Stays True once it is: new targets
            do not make a scrape less complete than before.
    """

    def __init__(
        self,
        desired: Desired,
        *,
        now: Callable[[], float],
        observe_walk: Callable[[float], None] = lambda _: None,
        observe_delay: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.ready = False
        self._now = now
        self._began = now()
        self._observe_walk = observe_walk
        self._observe_delay = observe_delay
        self._loops: dict[Target, TargetLoop] = {}
        self._unwalked: set[TargetLoop] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._desired = desired
        self._slots = Slots(desired.schedule.concurrency)
        self.reconcile(desired)

    @property
    def states(self) -> tuple[TargetState, ...]:
        """What is known of every target, in their order.

        Leaves out a discovered target that another target already watches: the user did not list it twice.
        """
        states = [loop.state for loop in self._loops.values()]
        return tuple([state for state in states if not (state.target.discovered and _is_duplicate(state))])

    def reconcile(self, desired: Desired) -> None:
        """Watch these targets from now on: stop removed ones, start new ones, and update the others.

        A target that was watched before keeps its state and its schedule, even if its name or labels change.
        """
        before, self._desired = self._desired, desired
        if desired.schedule.concurrency != before.schedule.concurrency:
            self._slots = Slots(desired.schedule.concurrency)  # running walks return their slots to the old object
        reopen = desired.new_walker is not before.new_walker
        new_asker = desired.new_asker or (lambda _: None)
        reask = desired.new_asker is not before.new_asker
        self._claims = Claims(desired.targets)
        conditions = Conditions(
            schedule=desired.schedule,
            budget=desired.budget,
            slots=self._slots,
            duplicate_of=self._duplicate_of,
            now=self._now,
            observe_walk=self._observe_walk,
            observe_delay=self._observe_delay,
            walked=self._walked,
            details=desired.details,
            started=self._began,
        )
        known = {target.route: loop for target, loop in self._loops.items()}
        self._loops, fresh = {}, []
        for target in desired.targets:
            loop = known.pop(target.route, None)
            if loop is None:
                loop = TargetLoop(target, desired.new_walker(target), conditions, new_asker(target))
                fresh.append(loop)
            else:
                loop.adopt(
                    target,
                    conditions,
                    desired.new_walker(target) if reopen else None,
                    new_asker(target) if reask else None,
                )
                if loop.state.good is not None:
                    self._claims.claim(target, loop.state.good.account_id)
            self._loops[target] = loop
        for loop in known.values():
            loop.stop()
        self._unwalked = (self._unwalked | set(fresh)) - set(known.values())
        self._latch_ready()
        self._start(fresh)

    async def run(self) -> None:
        """Walk the targets until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._start(list(self._loops.values()))
                await asyncio.Event().wait()  # forever: targets may be added later
        finally:
            self._tasks = None

    async def run_once(self) -> None:
        """Walk every target once."""
        async with asyncio.TaskGroup() as walks:
            for loop in self._loops.values():
                walks.create_task(loop.walk())

    def _start(self, loops: list[TargetLoop]) -> None:
        if self._tasks is not None:
            for number, loop in enumerate(loops, start=1):
                loop.start(self._tasks, number / len(loops))

    def _duplicate_of(self, target: Target, account_id: str | None) -> Target | None:
        """The target before `target` that watches this account and region, if there is one."""
        before = self._claims.owner(target, account_id)
        owner = self._claims.claim(target, account_id)
        if owner != target:
            return owner
        if before not in {None, target}:  # it claimed first, but comes later in the order
            self._loops[before].yield_to(target)
        return None

    def _walked(self, loop: TargetLoop) -> None:
        self._unwalked.discard(loop)
        self._latch_ready()

    def _latch_ready(self) -> None:
        self.ready = self.ready or (self._desired.complete and not self._unwalked)


def _is_duplicate(state: TargetState) -> bool:
    return state.failure is not None and state.failure.reason is FailureReason.DUPLICATE_TARGET
