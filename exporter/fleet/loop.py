"""One target: its walks, its last good walk, and when that goes stale. Only the loop changes this state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from exporter.errors import FailureReason, WalkError, describe_bug
from exporter.fleet.asker import Asker
from exporter.fleet.details import DETAIL_FAILURES, Call, Details
from exporter.fleet.schedule import Schedule
from exporter.fleet.slots import Slots
from exporter.fleet.state import Detailed, Failed, TargetState, Walked, advance
from exporter.jobs import story
from exporter.jobs.details import OFF, DetailSettings
from exporter.jobs.snapshot import Budget
from exporter.labels import UNKNOWN
from exporter.targets.target import Target

_log = logging.getLogger(__name__)
_story_log = logging.getLogger(story.__name__)

UNSUPPORTED_INTERVAL = 3600.0
"""Seconds between two walks where the region lacks the service: it may be added, but not within a minute."""

SHOW_INTERVAL = 5.0
"""Seconds between two renderings of new details during a round of calls."""


RETELL = 900.0
"""Seconds between two log lines about a target that stays down for one reason while the message changes."""


class Walker(Protocol):
    """Walks a target: a `walk.TargetWalker`, or a test's stand-in.

    Attributes:
        account_id: as configured or learnt; None until then.
    """

    @property
    def account_id(self) -> str | None: ...  # noqa: D102 - above

    async def walk(self, target: Target, budget: Budget, schedule: Schedule, now: float) -> Walked:
        """Walk once, at `now` (Unix seconds), within the schedule's timeout; raises `WalkError`."""
        ...


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all target loops share; a reload replaces it as a whole.

    Attributes:
        schedule: when to walk.
        budget: which jobs count for what.
        slots: shared by all targets.
        duplicate_of: (target, account id) → the target that watches this account in this region already, or None.
        now: the wall clock, Unix seconds; only ever published, never used to wait.
        observe_walk: called with the duration of each walk, seconds.
        observe_delay: called with the seconds that each walk waited for a slot after it was due.
        walked: called when a walk has ended, even in failure.
        details: which details to ask for.
        started: when the process started, Unix seconds; jobs that ended earlier are not logged as news.
    """

    schedule: Schedule
    budget: Budget
    slots: Slots
    duplicate_of: Callable[[Target, str | None], Target | None]
    now: Callable[[], float]
    observe_walk: Callable[[float], None]
    observe_delay: Callable[[float], None]
    walked: Callable[[TargetLoop], None]
    details: DetailSettings = OFF
    started: float = 0.0


class TargetLoop:
    """Walks one target at its interval and owns its state. Runs in the event loop and uses its monotonic clock.

    Walks of a target never overlap: if one takes longer than the interval, starts are skipped. The last good walk stays
    until it is stale, while later walks fail.

    Attributes:
        state: what is known of the target.
    """

    def __init__(self, target: Target, walker: Walker, conditions: Conditions, asker: Asker | None = None) -> None:
        self.state = TargetState(target, target.account_id or UNKNOWN, details=Details().under(conditions.details))
        self._walker = walker
        self._asker = asker
        self._conditions = conditions
        self._task: asyncio.Task[None] | None = None
        self._started = 0.0  # when the last walk was due to start, on the event loop's clock
        self._rescheduled = asyncio.Event()
        self._retry = False
        self._stale: asyncio.TimerHandle | None = None
        self._shown_at = 0.0
        self._told = 0.0  # when the log last said that the target is down, same clock
        self._told_cause = ""

    @property
    def target(self) -> Target:
        """The target as configured now."""
        return self.state.target

    def start(self, tasks: asyncio.TaskGroup, phase: float) -> None:
        """Walk now, then `phase` (above 0, at most 1) of an interval later, and then at every interval."""
        self._task = tasks.create_task(self._run(phase))

    def stop(self) -> None:
        """Stop watching; a walk in progress is cut off."""
        self._cancel_stale_timer()
        if self._asker is not None:
            self._asker.stop()
        if self._task is not None:
            self._task.cancel()

    def adopt(
        self, target: Target, conditions: Conditions, walker: Walker | None = None, asker: Asker | None = None
    ) -> None:
        """Continue under a new configuration, which may give the target another name and other labels.

        Args:
            target: the same target as configured now.
            conditions: the new ones.
            walker: the new walker; None to keep the old one. A new one may succeed where the old one failed.
            asker: the new reader of details; None to keep the old one.
        """
        if asker is not None:
            if self._asker is not None:
                self._asker.stop()
            self._asker = asker
        before, self._conditions = self._conditions.schedule, conditions
        schedule = conditions.schedule
        if target != self.target:
            self.state = replace(self.state, target=target, good=_relabelled(self.state.good, target))
        self._tell(self.state.details.under(conditions.details))
        if walker is not None:
            self._walker = walker
            self._retry = True
        if self._stale is not None and schedule.stale_after != before.stale_after:
            self._go_stale_at(self._stale.when() + schedule.stale_after - before.stale_after)
        if self._retry or schedule.interval != before.interval:
            self._rescheduled.set()

    def yield_to(self, owner: Target) -> None:
        """Stop publishing jobs: `owner` turned out to be the same account and region, and comes first."""
        self._publish(_duplicate(self.target, self.state.account_id, owner))

    async def walk(self) -> None:
        """Walk once, as soon as there is a slot, and publish the outcome."""
        outcome: Walked | Failed | None = None
        clock = asyncio.get_running_loop().time
        due = clock()
        async with self._conditions.slots.of(self.state):
            self._conditions.observe_delay(clock() - due)
            if self.target.account_id is not None:
                outcome = self._judge(self.target.account_id)
            outcome = outcome or await self._timed_walk()
        if isinstance(outcome, Walked):
            outcome = self._judge(outcome.account_id) or outcome
        self._publish(outcome)
        self._conditions.walked(self)

    async def _run(self, phase: float) -> None:
        clock = asyncio.get_running_loop().time
        self._started = clock()
        ahead = (1.0 - phase) * self._conditions.schedule.interval  # once, to spread the targets
        while True:
            self._retry = False
            await self.walk()
            pause = self._pause()
            skipped = max(0, math.ceil((clock() - self._started + ahead) / pause) - 1) * pause
            while (wait := self._started + skipped + self._pause() - ahead - clock()) > 0:
                self._rescheduled.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._rescheduled.wait()
            self._started, ahead = self._started + skipped + self._pause() - ahead, 0.0

    def _pause(self) -> float:
        """Seconds between the starts of two walks."""
        rests = self.state.is_unsupported and not self._retry
        return max(UNSUPPORTED_INTERVAL if rests else 0.0, self._conditions.schedule.interval)

    async def _timed_walk(self) -> Walked | Failed:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            conditions = self._conditions
            return await self._walker.walk(self.target, conditions.budget, conditions.schedule, conditions.now())
        except WalkError as error:
            reason = error.reason
            if reason is FailureReason.UNSUPPORTED_REGION and self.state.last_success is not None:
                reason = FailureReason.MALFORMED_RESPONSE  # it has answered before: don't treat it as quiet
            return Failed(self._walker.account_id, reason, error.message)
        except Exception as error:  # noqa: BLE001 - a bug in one walk must not end the loop of its target
            return Failed(self._walker.account_id, FailureReason.INTERNAL, *describe_bug(error))
        finally:
            self._conditions.observe_walk(clock() - started)

    def _judge(self, account_id: str | None) -> Failed | None:
        """A failure if another target already watches this account and region."""
        owner = self._conditions.duplicate_of(self.target, account_id)
        return _duplicate(self.target, account_id, owner) if owner is not None else None

    def _publish(self, outcome: Walked | Failed) -> None:
        before, self.state = self.state, advance(self.state, outcome, self._conditions.now())
        if isinstance(outcome, Walked):
            self.state = replace(self.state, good=_relabelled(outcome, self.target))  # after a reload
            self._go_stale_at(asyncio.get_running_loop().time() + self._conditions.schedule.stale_after)
            self._tell(self.state.details.only(outcome.snapshot))
        elif self.state.stale:
            self._cancel_stale_timer()
        _ = self.state.text  # render at the change, not at the scrape
        _log_change(before, self.state, is_news=self._is_news(before.failure))
        if isinstance(outcome, Walked):
            _log_story(before, self.state, self._conditions.started)
            if self._asker is not None and self._conditions.details.wanted:
                self._asker.start(lambda: self.state.details, self._asked, outcome.snapshot, self._conditions.now)

    def _asked(self, details: Details, call: Call, last: bool) -> None:
        """Store the result of a call; publish it after the round's last call or after `SHOW_INTERVAL`."""
        before, time = self.state.details, asyncio.get_running_loop().time()
        self.state = replace(self.state, details=details)
        if last or time - self._shown_at >= SHOW_INTERVAL:
            self._shown_at = time
            self._tell(details)
        _log_details(self.state, before, call, self._conditions.started)

    def _tell(self, details: Details) -> None:
        """Publish the details."""
        good = self.state.good
        same = self.state.detailed
        if good is None:
            detailed = None
        elif same is not None and same.good is good and same.known is details.known:
            detailed = same
        else:
            detailed = Detailed(good, details.known)
            _ = detailed.text
        self.state = replace(self.state, details=details, detailed=detailed)
        _ = self.state.text

    def _is_news(self, before: Failed | None) -> bool:
        """Whether to log the failure: its reason changed, or its message did and `RETELL` has passed."""
        failure, now = self.state.failure, asyncio.get_running_loop().time()
        if failure is None:
            return False
        cause = _NUMBERED.sub("", failure.message)
        is_same = before is not None and failure.reason is before.reason
        if is_same and (cause == self._told_cause or now < self._told + RETELL):
            return False
        self._told, self._told_cause = now, cause
        return True

    def _go_stale_at(self, when: float) -> None:
        self._cancel_stale_timer()
        self._stale = asyncio.get_running_loop().call_at(when, self._go_stale)

    def _cancel_stale_timer(self) -> None:
        if self._stale is not None:
            self._stale.cancel()
            self._stale = None

    def _go_stale(self) -> None:
        self._stale = None
        self.state = replace(self.state, stale=True)
        _log.warning("no good walk within stale_after; the target's job series end", extra=_about(self.state))


def _duplicate(target: Target, account_id: str | None, owner: Target) -> Failed:
    message = (
        f"{target.name} is account {account_id} in {target.region}, which {owner.name} watches already; "
        "remove one of the two"
    )
    return Failed(account_id, FailureReason.DUPLICATE_TARGET, message)


def _relabelled(good: Walked | None, target: Target) -> Walked | None:
    """The walk under the target's current configuration; unchanged, with its text, if the labels are the same."""
    return replace(good, target=target) if good and good.target.labels != target.labels else good


def _about(state: TargetState) -> dict[str, object]:
    return {"target": state.target.name, "account": state.account_id, "region": state.target.region}


_NUMBERED = re.compile(r"\S*\d\S*")
"""Words that differ between walks, such as times and request ids."""


def _log_change(before: TargetState, after: TargetState, *, is_news: bool) -> None:
    """Log changes, not every walk."""
    about = _about(after)
    old, new = before.failure, after.failure
    if new is None and after.good is not None and (before.last_walk is None or old is not None):
        was = {"was": old.reason} if old else {}
        _log.info("target is up", extra={**about, "jobs": after.good.jobs, "pages": after.good.pages, **was})
    elif new is not None and is_news:
        extra = {**about, "reason": new.reason, "detail": new.message}
        if new.traceback:
            extra["traceback"] = new.traceback
        _log.log(logging.INFO if after.is_unsupported else logging.WARNING, "target is down", extra=extra)
    if new is None and after.good is not None:
        known = before.good.complaints if before.good else ()
        for complaint in after.good.complaints:
            if complaint not in known:
                _log.warning("malformed job left out", extra={**about, "detail": complaint})


def _log_story(before: TargetState, after: TargetState, started: float) -> None:
    """Log what happened to jobs between two good walks."""
    if after.good is None:
        return
    old = {job.job_arn: job for job in before.good.snapshot.job_series} if before.good else {}
    new = {job.job_arn: job for job in after.good.snapshot.job_series}
    about = {"account": after.account_id, "region": after.target.region}
    for event in story.events(old, new, started):
        _story_log.info(event.what, extra={**about, **event.about})


def _log_details(state: TargetState, before: Details, call: Call, started: float) -> None:
    """Log why a job failed; if that can't be read, log the reason once."""
    about, job, after = _about(state), call.job, state.details
    details = after.known.details.get(job.job_arn)
    is_news = job.status == "Failed" and (job.ended or 0.0) >= started
    if details is not None and details is not before.known.details.get(job.job_arn) and is_news:
        reason = after.known.failure_reason(job)
        extra = {**about, **story.about(job), "reason": reason, "detail": details.failure_message}
        _log.warning("job failed", extra=extra)
    for reason in DETAIL_FAILURES:
        if after.failures.get(reason, 0) > before.failures.get(reason, 0) == 0:
            _log.warning("no details of a job; further failures are only counted", extra={**about, "reason": reason})
