"""When targets are walked, and what is known of each afterwards. Runs in one event loop, whose clock is monotonic."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

from exporter.model import UNKNOWN, Failed, FailureReason, Schedule, Target, TargetState, Walked

_log = logging.getLogger(__name__)

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
        self._free = asyncio.Semaphore(schedule.concurrency)
        self._states = tuple(TargetState(target, target.account_id or UNKNOWN) for target in targets)
        self._stale: dict[int, asyncio.TimerHandle] = {}

    @property
    def states(self) -> tuple[TargetState, ...]:
        """The state of every target, in their order. A new tuple whenever anything has changed, the same one if not."""
        return self._states

    @property
    def ready(self) -> bool:
        """Whether every target has finished its first walk, well or badly."""
        return all(state.last_walk is not None for state in self._states)

    async def run(self) -> None:
        """Poll until cancelled."""
        apart = min(1.0, self._schedule.interval / max(1, len(self._states)))
        async with asyncio.TaskGroup() as loops:
            for index in range(len(self._states)):
                loops.create_task(self._poll(index, index * apart))

    async def run_once(self) -> None:
        """Walk every target once."""
        async with asyncio.TaskGroup() as walks:
            for index in range(len(self._states)):
                walks.create_task(self._visit(index))

    async def _poll(self, index: int, delay: float) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time() + delay
        interval = self._schedule.interval
        while True:
            await asyncio.sleep(start - loop.time())
            await self._visit(index)
            start += interval * max(1, math.ceil((loop.time() - start) / interval))

    async def _visit(self, index: int) -> None:
        target = self._states[index].target
        async with self._free:
            outcome = self._duplicate(index, self._states[index].account_id) or await self._timed_walk(target)
        if isinstance(outcome, Walked):
            outcome = self._duplicate(index, outcome.account_id) or outcome
        self._publish(index, outcome)

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

    def _duplicate(self, index: int, account_id: str | None) -> Failed | None:
        """A failure, if a target ahead in the configuration is this account and region already."""
        if account_id in {None, UNKNOWN}:
            return None
        target = self._states[index].target
        for state in self._states[:index]:
            if (state.account_id, state.target.region) == (account_id, target.region):
                return Failed(
                    account_id,
                    FailureReason.DUPLICATE_TARGET,
                    f"{target.name} is account {account_id} in {target.region}, which {state.target.name} watches "
                    "already; remove one of the two",
                )
        return None

    def _publish(self, index: int, outcome: Walked | Failed) -> None:
        before = self._states[index]
        after = advanced(before, outcome, self._now())
        self._replace(index, after)
        if index in self._stale and (isinstance(outcome, Walked) or after.snapshot is None):
            self._stale.pop(index).cancel()
        if isinstance(outcome, Walked):
            loop = asyncio.get_running_loop()
            self._stale[index] = loop.call_later(self._schedule.stale_after, self._drop_stale, index)
        _log_change(before, after)

    def _drop_stale(self, index: int) -> None:
        state = self._states[index]
        self._replace(index, replace(state, snapshot=None, rendered={}))
        _log.warning(
            "no good walk within stale_after; the series of its jobs end here",
            extra={"target": state.target.name, "account": state.account_id, "region": state.target.region},
        )

    def _replace(self, index: int, state: TargetState) -> None:
        self._states = (*self._states[:index], state, *self._states[index + 1 :])


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
        _log.warning(
            "target is down",
            extra={**about, "reason": after.failure.reason, "detail": after.failure.message},
            exc_info=after.failure.cause if after.failure.reason is FailureReason.INTERNAL else None,
        )
    for complaint in after.complaints:
        if complaint not in before.complaints:
            _log.warning("malformed job left out", extra={**about, "detail": complaint})
