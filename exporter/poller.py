"""When targets are walked, and what is known of each afterwards. Runs in one event loop, whose clock is monotonic."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from exporter.model import (
    UNKNOWN,
    Failed,
    FailureReason,
    Rendered,
    Schedule,
    Snapshot,
    Target,
    TargetState,
    Walked,
)

_log = logging.getLogger(__name__)

UNSUPPORTED_INTERVAL = 3600.0
"""Seconds between two walks of a target whose region lacks the service: it may come, but not within the minute."""

Walk = Callable[[Target], Awaitable[Walked | Failed]]
"""Walks a target once; cancelled when its deadline has passed."""


class Poller:
    """Walks every target at its interval and holds what is known of each.

    A target has one loop, so its walks never overlap; a walk that takes longer than the interval skips starts. First
    walks are spread: a second apart for few targets, over the whole interval for many. The last good snapshot stays
    while walks fail, until it is stale.

    Args:
        targets: in the order of the configuration; of two that turn out the same, the first one counts.
        walk: does one walk.
        schedule: when.
        now: the wall clock, Unix seconds; only ever published, never used to wait.
        observe_duration: told how long each walk took, seconds.
    """

    def __init__(
        self,
        targets: tuple[Target, ...],
        walk: Walk,
        schedule: Schedule,
        *,
        now: Callable[[], float],
        observe_duration: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._walk = walk
        self._schedule = schedule
        self._now = now
        self._observe_duration = observe_duration
        self._free = _Places(schedule.concurrency)
        self._watched: list[_Watched] = []
        self._states: tuple[TargetState, ...] = ()
        self._at: defaultdict[tuple[str, str], set[_Watched]] = defaultdict(set)
        self._loops: asyncio.TaskGroup | None = None
        self.watch(targets, schedule)

    @property
    def states(self) -> tuple[TargetState, ...]:
        """The state of every target, in their order. A new tuple whenever anything has changed, the same one if not.

        Replaced whole, so that a scrape, which is rendered in another thread, never sees half a change.
        """
        return self._states

    @property
    def ready(self) -> bool:
        """Whether every target has finished its first walk, well or badly."""
        return all(state.last_walk is not None for state in self.states)

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._loops:
                self._start(self._watched)
                await asyncio.Event().wait()  # for ever: targets may come later
        finally:
            self._loops = None

    async def run_once(self) -> None:
        """Walk every target once."""
        async with asyncio.TaskGroup() as walks:
            for watched in self._watched:
                walks.create_task(self._visit(watched))

    def watch(
        self,
        targets: tuple[Target, ...],
        schedule: Schedule,
        *,
        render: Callable[[Target, str, Snapshot], Rendered] = lambda _target, _account_id, _snapshot: {},
        retry: bool = False,
    ) -> None:
        """Watch these targets from now on, at this schedule.

        One that was watched before, whatever its name and labels were, keeps its state and the rhythm of its walks. One
        that is no longer among them is gone at once, its walk cut off.

        Args:
            targets: in the order of the configuration.
            schedule: when.
            render: renders what is known of a target that has other labels now.
            retry: whether an unsupported region may be supported now.
        """
        before = self._watched
        known = {watched.target.key: watched for watched in before}
        self._watched = []
        self._at.clear()
        for number, target in enumerate(targets):
            watched = known.pop(target.key, None) or _Watched(target)
            watched.number = number
            self._watched.append(watched)
            state = replace(watched.state, target=target)
            if state.snapshot is not None and target.labels != watched.target.labels:
                state = replace(state, rendered=render(target, state.account_id, state.snapshot))
            self._set(watched, state)
        self._show()
        for gone in set(before).difference(self._watched):
            gone.end()
        self._reschedule(schedule, retry=retry)
        self._start([watched for watched in self._watched if watched.loop is None])

    def _reschedule(self, schedule: Schedule, *, retry: bool) -> None:
        old, self._schedule = self._schedule, schedule
        if schedule.concurrency != old.concurrency:
            self._free = _Places(schedule.concurrency)  # walks under way give their place back to the old ones
        for watched in self._watched:
            if schedule.stale_after != old.stale_after and watched.stale is not None:
                since = watched.stale.when() - old.stale_after
                self._go_stale_at(watched, since + schedule.stale_after)
            if retry and _is_unsupported(watched.state):
                self._poll_anew(watched, schedule.interval)
            elif schedule.interval != old.interval:
                self._poll_anew(watched, self._pause(watched))

    def _poll_anew(self, watched: _Watched, pause: float) -> None:
        """Let a target that waits for its next walk have it so many seconds after the start of the last one."""
        if watched.loop is not None and not watched.walks:
            watched.loop.cancel()
            watched.loop = None
            if watched.started is not None:
                self._poll_from(watched, watched.started + pause)

    def _start(self, fresh: list[_Watched]) -> None:
        if self._loops is None:  # `run` will
            return
        now = asyncio.get_running_loop().time()
        apart = min(1.0, self._schedule.interval / max(1, len(fresh)))
        for index, watched in enumerate(fresh):
            self._poll_from(watched, now + index * apart)

    def _poll_from(self, watched: _Watched, start: float) -> None:
        if self._loops is not None:
            watched.loop = self._loops.create_task(self._poll(watched, start))

    async def _poll(self, watched: _Watched, start: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(start - loop.time())
            watched.started, watched.walks = start, True
            await self._visit(watched)
            watched.walks = False
            pause = self._pause(watched)
            start += pause * max(1, math.ceil((loop.time() - start) / pause))

    def _pause(self, watched: _Watched) -> float:
        """Seconds from the start of a target's last walk to that of its next one."""
        return max(UNSUPPORTED_INTERVAL if _is_unsupported(watched.state) else 0.0, self._schedule.interval)

    async def _visit(self, watched: _Watched) -> None:
        async with self._free.of(watched.state):
            outcome = self._duplicate(watched, watched.state.account_id) or await self._timed_walk(watched.target)
        if isinstance(outcome, Walked):
            outcome = self._duplicate(watched, outcome.account_id) or outcome
        self._publish(watched, outcome)

    async def _timed_walk(self, target: Target) -> Walked | Failed:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._schedule.timeout):
                return await self._walk(target)
        except TimeoutError as error:
            message = f"the walk did not end within poll.timeout ({self._schedule.timeout:g} s) and was cut off"
            return Failed(None, FailureReason.TIMEOUT, message, error)
        except Exception as error:  # noqa: BLE001 - a bug in one walk must not end the loop of its target
            return Failed(None, FailureReason.INTERNAL, f"{error!r}; please report this as a bug", error)
        finally:
            self._observe_duration(loop.time() - started)

    def _duplicate(self, watched: _Watched, account_id: str | None) -> Failed | None:
        """A failure, if a target ahead in the configuration is this account and region already."""
        if account_id in {None, UNKNOWN}:
            return None
        target = watched.target
        there = self._at.get((account_id, target.region), ())
        ahead = min((other for other in there if other.number < watched.number), key=_number, default=None)
        if ahead is None:
            return None
        return Failed(
            account_id,
            FailureReason.DUPLICATE_TARGET,
            f"{target.name} is account {account_id} in {target.region}, which {ahead.target.name} watches already; "
            "remove one of the two",
        )

    def _publish(self, watched: _Watched, outcome: Walked | Failed) -> None:
        before = watched.state
        after = advanced(before, outcome, self._now())
        self._replace(watched, after)
        if isinstance(outcome, Walked):
            self._go_stale_at(watched, asyncio.get_running_loop().time() + self._schedule.stale_after)
        elif after.snapshot is None:
            watched.stay_fresh()
        _log_change(before, after)

    def _go_stale_at(self, watched: _Watched, when: float) -> None:
        watched.stay_fresh()
        watched.stale = asyncio.get_running_loop().call_at(when, self._drop_stale, watched)

    def _drop_stale(self, watched: _Watched) -> None:
        state = watched.state
        watched.stale = None
        self._replace(watched, replace(state, snapshot=None, rendered={}))
        _log.warning(
            "no good walk within stale_after; the series of its jobs end here",
            extra={"target": state.target.name, "account": state.account_id, "region": state.target.region},
        )

    def _replace(self, watched: _Watched, state: TargetState) -> None:
        self._set(watched, state)
        self._show()

    def _show(self) -> None:
        self._states = tuple([watched.state for watched in self._watched])

    def _set(self, watched: _Watched, state: TargetState) -> None:
        place = (watched.state.account_id, watched.target.region)
        self._at[place].discard(watched)
        watched.state = state
        self._at[state.account_id, state.target.region].add(watched)


class _Places:
    """Places for walks. Targets that were out of reach, and so may hold theirs to the deadline, get half of them."""

    def __init__(self, places: int) -> None:
        self._all = asyncio.Semaphore(places)
        self._slow = asyncio.Semaphore(max(1, places // 2))

    @contextlib.asynccontextmanager
    async def of(self, state: TargetState) -> AsyncIterator[None]:
        """Wait for a place for a target in this state, and have it."""
        out_of_reach = state.failure is not None and state.failure.reason in _SLOW
        async with self._slow if out_of_reach else contextlib.nullcontext(), self._all:
            yield


_SLOW = frozenset({FailureReason.TIMEOUT, FailureReason.NETWORK})


def _is_unsupported(state: TargetState) -> bool:
    return state.failure is not None and state.failure.reason is FailureReason.UNSUPPORTED_REGION


class _Watched:
    """A target that is watched.

    Attributes:
        state: what is known of it.
        number: its place among all targets.
        loop: the task that walks it; None before the start, and where each is walked once only.
        started: when its last walk was due to start, by the clock of the event loop; None before the first.
        walks: whether a walk is under way, or waits for its turn.
        stale: drops its snapshot when it is stale.
    """

    def __init__(self, target: Target) -> None:
        self.state = TargetState(target, target.account_id or UNKNOWN)
        self.number = 0
        self.loop: asyncio.Task[None] | None = None
        self.started: float | None = None
        self.walks = False
        self.stale: asyncio.TimerHandle | None = None

    @property
    def target(self) -> Target:
        return self.state.target

    def stay_fresh(self) -> None:
        """Let what is known not go stale any more."""
        if self.stale is not None:
            self.stale.cancel()
            self.stale = None

    def end(self) -> None:
        """Watch it no longer."""
        self.stay_fresh()
        if self.loop is not None:
            self.loop.cancel()


def _number(watched: _Watched) -> int:
    return watched.number


def advanced(state: TargetState, outcome: Walked | Failed, now: float) -> TargetState:
    """The state of a target after a walk that ended at `now` (Unix seconds). Pure.

    A failed walk changes nothing of the last good one, with two exceptions: the series of a duplicate target belong to
    another; and what stands under an unknown account can't stay when the account is learnt.
    """
    account_id = outcome.account_id or state.account_id
    if isinstance(outcome, Walked):
        return replace(
            state,
            account_id=account_id,
            failure=None,
            last_walk=now,
            last_success=now,
            pages=outcome.pages,
            jobs=outcome.jobs,
            omitted=outcome.snapshot.job_series_omitted,
            snapshot=outcome.snapshot,
            rendered=outcome.rendered,
            malformed=state.malformed + outcome.malformed,
            complaints=outcome.complaints,
        )
    failures = {**state.failures, outcome.reason: state.failures.get(outcome.reason, 0) + 1}
    after = replace(state, account_id=account_id, failure=outcome, last_walk=now, failures=failures)
    if outcome.reason is FailureReason.DUPLICATE_TARGET or account_id != state.account_id:
        return replace(after, snapshot=None, rendered={})
    return after


def _log_change(before: TargetState, after: TargetState) -> None:
    """A line when a walk brought something new: not one a walk."""
    about = {"target": after.target.name, "account": after.account_id, "region": after.target.region}
    reason_before = before.failure.reason if before.failure else None
    if after.failure is None and (before.last_walk is None or before.failure is not None):
        _log.info(
            "target is up", extra={**about, "jobs": after.jobs, "pages": after.pages, "was": reason_before or "-"}
        )
    elif after.failure is not None and after.failure.reason is not reason_before:
        _log.log(
            logging.INFO if _is_unsupported(after) else logging.WARNING,  # about which nobody has to do anything
            "target is down",
            extra={**about, "reason": after.failure.reason, "detail": after.failure.message},
            exc_info=after.failure.cause if after.failure.reason is FailureReason.INTERNAL else None,
        )
    for complaint in after.complaints:
        if complaint not in before.complaints:
            _log.warning("malformed job left out", extra={**about, "detail": complaint})
