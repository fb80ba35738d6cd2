"""One walk: every page of a target's list, folded into a snapshot and rendered. All or nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from exporter.bedrock import Errand, MalformedJobError, WirePage, parse_bygone, parse_job
from exporter.model import UNKNOWN, Budget, Failed, FailureReason, Rendered, Snapshot, Walked, WalkError, account_of
from exporter.snapshot import Fold, combine

Render = Callable[[str, Snapshot], Rendered]
"""Account id and snapshot → text."""

MAX_COMPLAINTS = 20
"""Malformed jobs that a walk describes; all are counted."""


class Reader(Protocol):
    """What a walk reads from: a `bedrock.TargetClient`, or a test's stand-in."""

    account_id: str | None

    def pages(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
        """Every page of the list, those with a known fingerprint not decoded; raises `WalkError`."""
        ...


@dataclass(frozen=True, slots=True)
class PageResult:
    """What one page came to.

    Attributes:
        fold: its jobs.
        account_id: the account in the first ARN, if that has one.
        malformed: jobs of the page that could not be read.
        complaints: what was wrong with the first few of these.
        whole: whether no job was left out because it had been seen on a page before.
    """

    fold: Fold
    account_id: str | None
    malformed: int
    complaints: tuple[str, ...]
    whole: bool


class Memory:
    """What the pages of a target's last good walk came to, by fingerprint.

    A page on which all jobs have ended never changes again, and a long list is mostly these, so a later walk of it
    costs a fraction of the first (docs/performance.md). Not so with `created_within`: where it makes the list begin
    moves, and all pages with it.
    """

    def __init__(self) -> None:
        self._results: dict[int, PageResult] = {}
        self._now = 0.0

    def recall(self, now: float) -> dict[int, PageResult]:
        """What is known, at the start of a walk at `now` (Unix seconds).

        Nothing if the clock has gone back: a fold leaves out what is too old, and may have left out too much.
        """
        return self._results if now >= self._now else {}

    def keep(self, results: dict[int, PageResult], now: float) -> None:
        """These pages, and no others, are known from now on."""
        self._results, self._now = results, now


def read(
    reader: Reader,
    *,
    budget: Budget,
    max_pages: int,
    now: float,
    render: Render,
    memory: Memory | None = None,
) -> Walked:
    """Walk a target's list once. Blocks.

    A job that stands on two pages counts once, as it was first seen. One that can't be read is left out and counted.

    Args:
        reader: gives the pages.
        budget: which jobs count for what.
        max_pages: as `Reader.pages` takes it.
        now: Unix seconds at the start of the walk.
        render: (account id, snapshot) → text.
        memory: of the last good walk; of this one afterwards, if it is good.

    Raises:
        WalkError: the list could not be read to its end; nothing of it may be used.
    """
    memory = memory or Memory()
    known = memory.recall(now)
    seen: set[int] = set()
    results: list[PageResult] = []
    to_keep: dict[int, PageResult] = {}
    for page in reader.pages(max_pages, now, known):
        result = known.get(page.fingerprint) if page.fingerprint is not None else None
        if result is not None and seen.isdisjoint(result.fold.keys):
            seen.update(result.fold.keys)
            result.fold.expire(now)
        else:
            result = fold_page(page.summaries(), seen, budget, now)
        results.append(result)
        if page.fingerprint is not None and result.whole:
            to_keep[page.fingerprint] = result
    listed = next((result.account_id for result in results if result.account_id), None)
    account_id = reader.account_id or listed
    if listed not in {None, account_id}:
        raise WalkError(
            FailureReason.CREDENTIALS,
            f"account_id is {account_id}, but the jobs that the credentials list are of {listed}; correct one of them",
        )
    memory.keep(to_keep, now)
    snapshot = combine((result.fold for result in results), budget.max_jobs)
    return Walked(
        account_id=account_id,
        snapshot=snapshot,
        rendered=render(account_id or UNKNOWN, snapshot),
        pages=len(results),
        jobs=len(seen),
        malformed=sum(result.malformed for result in results),
        complaints=tuple(complaint for result in results for complaint in result.complaints)[:MAX_COMPLAINTS],
    )


def fold_page(summaries: Sequence[Any], seen: set[int], budget: Budget, now: float) -> PageResult:
    """Parse and fold the jobs of one page, but those that have been seen.

    Args:
        summaries: decoded job summaries.
        seen: hashes of the ARNs of pages before; those of this page are added.
        budget: which jobs count for what.
        now: Unix seconds at the start of the walk.
    """
    fold = Fold(budget, now)
    complaints: list[str] = []
    malformed = 0
    account_id = None
    for summary in summaries:
        job = None
        bygone = parse_bygone(summary, fold.bygone)
        if bygone is not None:
            arn, status, customization_type = bygone
        else:
            try:
                job = parse_job(summary, fold.keeps)
            except MalformedJobError as error:
                malformed += 1
                complaints.append(str(error))
                continue
            arn, status, customization_type = job.arn, job.status, job.customization_type
        key = hash(arn)
        if key in seen:
            continue
        seen.add(key)
        account_id = account_id or account_of(arn)
        fold.count(key, status, customization_type)
        if job is not None:
            fold.add(job)
    return PageResult(
        fold,
        account_id,
        malformed,
        tuple(complaints[:MAX_COMPLAINTS]),
        whole=len(fold.keys) + malformed == len(summaries),
    )


class Walker:
    """Walks one target, each time in a thread of its own.

    Args:
        reader: what to read with.
        render: (account id, snapshot) → text.
        budget: which jobs count for what.
        max_pages: pages of one walk, at most.
        now: the wall clock, Unix seconds.
        name: what its threads are called.

    Attributes:
        render: as given; another one comes with other labels.
    """

    def __init__(
        self,
        reader: Reader,
        render: Render,
        *,
        budget: Budget,
        max_pages: int,
        now: Callable[[], float],
        name: str = "walk",
    ) -> None:
        self._reader = reader
        self.render = render
        self._budget = budget
        self._max_pages = max_pages
        self._now = now
        self._memory = Memory()
        self._errand = Errand(self._outcome, name)

    async def walk(self) -> Walked | Failed:
        """Walk once. Cancel it to cut the walk off: its thread then ends soon, and nobody waits for it."""
        try:
            return await self._errand.run()
        except WalkError as error:
            return self._failed(error.reason, error.message, error)

    def _outcome(self) -> Walked | Failed:
        try:
            return read(
                self._reader,
                budget=self._budget,
                max_pages=self._max_pages,
                now=self._now(),
                render=lambda account_id, snapshot: self.render(account_id, snapshot),  # noqa: PLW0108 - the one of then
                memory=self._memory,
            )
        except WalkError as error:
            return self._failed(error.reason, error.message, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours in one walk must not end the exporter
            return self._failed(FailureReason.INTERNAL, f"{error!r}; please report this as a bug", error)

    def _failed(self, reason: FailureReason, message: str, cause: Exception | None = None) -> Failed:
        if cause is not None:
            _let_go(cause)
            if reason is not FailureReason.INTERNAL:  # only a bug is logged with its traceback
                cause.__traceback__ = cause.__cause__ = cause.__context__ = None
        return Failed(self._reader.account_id, reason, message, cause)


def _let_go(error: BaseException) -> None:
    """Free what the frames of an exception's traceback hold, and of the exceptions behind it: every page of the walk.

    Its place is a target's state for as long as the target is down; and frames and exceptions refer to each other, so
    that of the walks before, too, nothing would be freed until Python's garbage collector looks at its oldest objects.
    """
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        each = chain.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            chain += (each.__cause__, each.__context__)
