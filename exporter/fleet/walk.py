"""One walk: every page of a target's list, folded into a snapshot and rendered. All or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Protocol

from exporter.bedrock.wire import JobPage
from exporter.errors import FailureReason, WalkError
from exporter.fleet.schedule import Schedule
from exporter.fleet.state import Walked
from exporter.jobs.fold import Fold
from exporter.jobs.snapshot import Budget
from exporter.targets.target import Target
from exporter.work import Worker, giving_way

MAX_COMPLAINTS = 20
"""Malformed jobs that a walk describes; all are counted."""


class Reader(Protocol):
    """What a walk reads from: a `bedrock.pages.TargetReader`, or a test's stand-in.

    Attributes:
        account_id: as configured or learnt from AWS; None until then.
    """

    @property
    def account_id(self) -> str | None: ...  # noqa: D102 - above

    def pages(self, max_pages: int, now: float) -> Iterator[JobPage]:
        """Every page of the list; raises `WalkError`."""
        ...


def walk(target: Target, reader: Reader, *, budget: Budget, max_pages: int, now: float) -> Walked:
    """Walk a target's list once. Blocks.

    Args:
        target: the target.
        reader: reads the pages.
        budget: which jobs count for what.
        max_pages: as `Reader.pages` takes it.
        now: Unix seconds at the start of the walk.

    Raises:
        WalkError: the list could not be read to its end; none of it may be used.
    """
    fold = Fold(budget, now)
    pages = malformed = 0
    complaints: list[str] = []
    for page in giving_way(reader.pages(max_pages, now)):
        pages += 1
        fold.add(page.jobs)
        malformed += page.malformed
        complaints += page.complaints
        del page  # free its memory before the next page
    listed = fold.account_id
    if target.account_id is not None and listed not in {None, target.account_id}:
        raise WalkError(
            FailureReason.CREDENTIALS,
            f"account_id is {target.account_id}, but the credentials list the jobs of {listed}; correct one of them",
        )
    walked = Walked(
        target=target,
        account_id=listed or reader.account_id,
        snapshot=fold.snapshot(),
        pages=pages,
        jobs=fold.count,
        malformed=malformed,
        complaints=tuple(complaints[:MAX_COMPLAINTS]),
    )
    del fold  # free its memory before rendering
    _ = walked.series  # render and count here, in the walk's own thread
    return walked


class TargetWalker:
    """Walks one target, each time in a thread of its own.

    Args:
        reader: reads the pages.
        name: of the threads.
    """

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader = reader
        self._worker = Worker(name, "check the network, DNS and the proxy, or raise poll.timeout")

    @property
    def account_id(self) -> str | None:
        """The account, as configured or learnt; None until then."""
        return self._reader.account_id

    async def walk(self, target: Target, budget: Budget, schedule: Schedule, now: float) -> Walked:
        """Walk once. Cancelling cuts the walk off.

        Args:
            target: as it is configured now.
            budget: which jobs count for what.
            schedule: has the deadline and the page limit.
            now: Unix seconds.

        Raises:
            WalkError: the list could not be read to its end, or not within the deadline.
        """
        once = partial(walk, target, self._reader, budget=budget, max_pages=schedule.max_pages, now=now)
        return await self._worker.run(once, schedule.timeout)
