"""Makes the calls for details that are due, while the target's walks go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from exporter.errors import FailureReason, WalkError, describe_bug
from exporter.fleet.details import NOT_FOUND, Call, Details
from exporter.fleet.turns import Turns
from exporter.jobs.details import JobDetails, Tags
from exporter.jobs.snapshot import Snapshot

T = TypeVar("T")

_log = logging.getLogger(__name__)

TIMEOUT = 15.0
"""Deadline of one call, seconds."""


class Reader(Protocol):
    """What details are read with: a `bedrock.details.DetailReader`, or a test's stand-in."""

    def details(self, job_arn: str) -> JobDetails | None:
        """The details of a job; None if the job does not exist. Blocks; raises `WalkError`."""
        ...

    def tags(self, job_arn: str) -> Tags | None:
        """The tags of a job; None if the job does not exist. Blocks; raises `WalkError`."""
        ...


class Runner(Protocol):
    """Runs blocking work beside the event loop: a `work.Worker`, or a test's stand-in."""

    async def run(self, work: Callable[[], T], timeout: float) -> T:
        """What the work returns; raises `WalkError` if it takes longer than `timeout` seconds."""
        ...


class Asker:
    """Reads details of one target's jobs. The target's loop owns it and keeps the answers.

    Args:
        reader: makes the calls.
        turns: shared by all targets.
        runner: runs the blocking calls.
    """

    def __init__(self, reader: Reader, turns: Turns, runner: Runner) -> None:
        self._reader = reader
        self._turns = turns
        self._runner = runner
        self._task: asyncio.Task[None] | None = None
        self._calls: list[Call] = []  # still to do in this round
        self._asked: Call | None = None  # in progress; None while waiting for a turn

    def start(
        self,
        details: Callable[[], Details],
        changed: Callable[[Details, Call, bool], None],
        snapshot: Snapshot,
        now: Callable[[], float],
    ) -> None:
        """Begin a round of calls. If one is in progress, it continues; if a new call is urgent, with the new calls.

        Args:
            details: returns what is known now.
            changed: called after each call, with what is known then and whether it was the last of the round.
            snapshot: of the last good walk.
            now: the wall clock, Unix seconds.
        """
        calls = list(islice(details().due(snapshot, now()), details().known.settings.calls_per_walk))
        if not calls:
            return
        if self._task is not None and not self._task.done():
            if not calls[0].is_urgent:
                return
            if self._asked is not None:
                self._calls = [call for call in calls if not call.is_about_the_same(self._asked)]
                return
            self._task.cancel()
        self._calls = calls
        self._task = asyncio.get_running_loop().create_task(self._round(details, changed, now))

    def stop(self) -> None:
        """Stop; a call in progress is cut off."""
        if self._task is not None:
            self._task.cancel()

    async def _round(
        self,
        details: Callable[[], Details],
        changed: Callable[[Details, Call, bool], None],
        now: Callable[[], float],
    ) -> None:
        while self._calls:
            self._asked, call = None, self._calls.pop(0)
            async with self._turns.turn(urgent=call.is_urgent):
                self._asked = call
                outcome = await self._call(call)
            if isinstance(outcome, str):
                over = outcome != NOT_FOUND
                changed(details().failed(call, outcome, now()), call, over or not self._calls)
                if over:
                    return
            else:
                changed(details().answered(call, outcome, now()), call, not self._calls)

    async def _call(self, call: Call) -> JobDetails | Tags | str:
        """The answer to a call, or the reason of its failure."""
        ask = self._reader.details if call.kind == "details" else self._reader.tags
        try:
            answer = await self._runner.run(partial(_ask, ask, call.job.job_arn), TIMEOUT)
        except WalkError as error:
            _log.debug("no details", extra={"job": call.job.job_arn, "reason": error.reason, "detail": error.message})
            return str(error.reason)
        except Exception as error:  # noqa: BLE001 - a bug in one call must not end those of the target
            message, bug = describe_bug(error)
            _log.error("no details", extra={"job": call.job.job_arn, "detail": message, "traceback": bug})
            return str(FailureReason.INTERNAL)
        return NOT_FOUND if answer is None else answer


def _ask(
    ask: Callable[[str], JobDetails | Tags | None] | Callable[[str], JobDetails | None], job_arn: str
) -> JobDetails | Tags | None:
    return ask(job_arn)
