"""A walk runs in a thread of its own, and can be cut off without waiting for it. Real threads, real event loop."""

import asyncio
import threading
from collections.abc import Callable, Container, Iterator

import pytest

from exporter.bedrock import Lifeline, WirePage, lifeline
from exporter.model import Budget, Failed, FailureReason, FamilyText, Rendered, Snapshot, Walked, WalkError
from exporter.walk import MAX_COMPLAINTS, Render, Walker

NOW = 1_790_000_000.0
OWN, OTHER = "111122223333", "444455556666"
RENDERED: Rendered = {"family": FamilyText(b"line\n", ())}
PATIENCE = 10.0
"""Seconds after which a test gives up on a thread; nothing waits so long unless it is broken."""


def summary(number: int, account: str = OWN, **members: object) -> dict[str, object]:
    return {
        "jobArn": f"arn:aws:bedrock:us-east-1:{account}:model-customization-job/model/{number:012d}",
        "jobName": f"job-{number}",
        "status": "InProgress",
        "creationTime": NOW - 60,
        **members,
    }


def page(summaries: list[object], token: str | None) -> WirePage:
    return WirePage(b"", token, None, summaries)


class Reader:
    """Gives the pages that it was made with, one list of them for each walk, after what it is told to do first."""

    def __init__(
        self, *pages: WirePage, account_id: str | None = None, first: Callable[[], None] = lambda: None
    ) -> None:
        self.account_id = account_id
        self.lifeline: Lifeline | None = None
        self.walks = 0
        self.thread: threading.Thread | None = None
        self._pages = pages
        self._first = first

    def pages(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
        assert (max_pages, now, known) == (7, NOW, {})
        self.walks += 1
        self.lifeline = lifeline.current()
        self.thread = threading.current_thread()
        self._first()
        yield from self._pages


def raising(error: Exception) -> Callable[[], None]:
    def first() -> None:
        raise error

    return first


class Renders:
    """Remembers for which account it was asked."""

    accounts: tuple[str, ...] = ()

    def __call__(self, account_id: str, _snapshot: Snapshot) -> Rendered:
        self.accounts = (*self.accounts, account_id)
        return RENDERED


def walker(reader: Reader, render: Render = lambda *_: RENDERED) -> Walker:
    return Walker(
        reader,
        render,
        budget=Budget(retain=3600, max_jobs=10, baseline_window=3600),
        max_pages=7,
        now=lambda: NOW,
        name="walk targets[0] us-east-1",
    )


def walk_once(reader: Reader) -> Walked | Failed:
    return asyncio.run(walker(reader).walk())


async def ended(thread: threading.Thread | None) -> None:
    assert thread is not None
    await asyncio.to_thread(thread.join, PATIENCE)
    assert not thread.is_alive()


# Outcomes


def test_a_walk_brings_what_all_pages_hold() -> None:
    """Pages are folded into one snapshot; a job on two pages counts once, one that can't be read is left out."""
    pages = (
        page([summary(1), summary(2), {"jobName": "broken"}], "more"),
        page([summary(2, status="Failed"), summary(3), 5], None),
    )
    outcome = walk_once(Reader(*pages, account_id=OWN))

    assert isinstance(outcome, Walked)
    assert (outcome.account_id, outcome.rendered) == (OWN, RENDERED)
    assert (outcome.pages, outcome.jobs, outcome.malformed) == (2, 3, 2)
    assert outcome.snapshot.jobs["InProgress", "unknown"] == 3
    assert [complaint.split(":")[0] for complaint in outcome.complaints] == [
        "job 'broken'",
        "a job summary is 5, not an object",
    ]


def test_complaints_are_bounded_and_counts_are_not() -> None:
    """A list full of rubbish is counted in full, but described only at its start."""
    outcome = walk_once(Reader(page([None] * 1000, None)))

    assert isinstance(outcome, Walked)
    assert (outcome.malformed, len(outcome.complaints)) == (1000, MAX_COMPLAINTS)


@pytest.mark.parametrize(
    ("known", "jobs", "account_id", "rendered_as"),
    [
        pytest.param(OWN, [summary(1, "")], OWN, OWN, id="known"),
        pytest.param(None, [summary(1, OTHER), summary(2, OWN)], OTHER, OTHER, id="from-the-first-job"),
        pytest.param(None, [], None, "unknown", id="nobody-knows"),
        pytest.param(None, [summary(1, "")], None, "unknown", id="job-without-account"),
    ],
)
def test_the_account_is_the_readers_or_else_the_jobs_own(
    known: str | None, jobs: list[object], account_id: str | None, rendered_as: str
) -> None:
    """Where STS is out of reach, the ARN of a job tells whose list it is."""
    renders = Renders()
    outcome = asyncio.run(walker(Reader(page(jobs, None), account_id=known), renders).walk())

    assert outcome.account_id == account_id
    assert renders.accounts == (rendered_as,)


def test_jobs_of_another_account_are_not_believed() -> None:
    """A wrong account_id in the configuration would put another account's name on every series."""
    outcome = walk_once(Reader(page([summary(1, OTHER)], None), account_id=OWN))

    assert outcome == Failed(
        OWN,
        FailureReason.CREDENTIALS,
        f"account_id is {OWN}, but the jobs that the credentials list are of {OTHER}; correct one of them",
    )


def test_a_walk_error_is_a_failure_with_its_reason() -> None:
    """What the reader could explain arrives as it explained it, with the account if that was learnt."""
    error = WalkError(FailureReason.THROTTLED, "slower, please")
    outcome = walk_once(Reader(account_id=OWN, first=raising(error)))

    assert outcome == Failed(OWN, FailureReason.THROTTLED, "slower, please")
    assert isinstance(outcome, Failed)
    assert outcome.cause is error


def test_a_walk_that_fails_half_way_brings_nothing() -> None:
    """All or nothing: pages before the failure are not published."""

    class Torn(Reader):
        def pages(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
            yield from super().pages(max_pages, now, known)
            raise WalkError(FailureReason.SERVER_ERROR, "torn")

    assert walk_once(Torn(page([summary(1)], "more"))) == Failed(None, FailureReason.SERVER_ERROR, "torn")


def test_a_bug_in_the_thread_is_internal_with_its_cause() -> None:
    """An exception that nobody expected ends the walk, not the exporter, and keeps its traceback."""
    bug = ZeroDivisionError("a bug")
    outcome = walk_once(Reader(first=raising(bug)))

    assert outcome == Failed(None, FailureReason.INTERNAL, "ZeroDivisionError('a bug'); please report this as a bug")
    assert isinstance(outcome, Failed)
    assert outcome.cause is bug
    assert bug.__traceback__ is not None


# Threads


def test_a_walk_has_a_daemon_thread_of_its_own() -> None:
    """The loop goes on while a walk blocks, and a thread that hangs never keeps the process from ending."""
    go = threading.Event()
    reader = Reader(page([], None), first=lambda: assert_set(go))

    async def work() -> None:
        walk = asyncio.create_task(walker(reader).walk())
        await asyncio.sleep(0)
        go.set()  # the loop gets here although the walk blocks
        assert isinstance(await walk, Walked)

    asyncio.run(work())

    assert reader.thread is not None
    assert reader.thread is not threading.current_thread()
    assert reader.thread.daemon
    assert reader.thread.name == "walk targets[0] us-east-1"


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_walks_of_one_target_follow_at_once() -> None:
    """A thread that is about to end after a good walk is not taken for one that hangs."""
    reader = Reader(page([], None))

    async def work() -> None:
        walks = walker(reader)
        assert all([isinstance(await walks.walk(), Walked) for _ in range(200)])

    asyncio.run(work())

    assert reader.walks == 200
    assert_not_cut(reader.lifeline)


def assert_not_cut(held: Lifeline | None) -> None:
    assert held is not None
    held.check()


def assert_cut(held: Lifeline | None) -> None:
    assert held is not None
    with pytest.raises(WalkError, match="timeout: the walk was cut off"):
        held.check()


class Hanging:
    """A reader that hangs in its first walk until it is released, whatever the lifeline does."""

    def __init__(self) -> None:
        self.reader = Reader(page([], None), account_id=OWN, first=self._hang)
        self.hangs = threading.Event()
        self.release = threading.Event()

    def _hang(self) -> None:
        self.hangs.set()
        assert_set(self.release)

    async def cut_off(self, walks: Walker) -> None:
        """Start a walk, and cancel it once it hangs."""
        walk = asyncio.create_task(walks.walk())
        await asyncio.to_thread(assert_set, self.hangs)
        walk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walk


def test_a_cancelled_walk_ends_at_once_while_its_thread_still_hangs() -> None:
    """The lifeline is cut, and nobody waits for the thread."""
    hanging = Hanging()

    async def work() -> None:
        await hanging.cut_off(walker(hanging.reader))
        assert hanging.reader.thread is not None
        assert hanging.reader.thread.is_alive()
        assert_cut(hanging.reader.lifeline)
        hanging.release.set()
        await ended(hanging.reader.thread)

    asyncio.run(work())


def test_no_second_thread_beside_one_that_hangs() -> None:
    """While a cut-off walk hangs the next one is refused; when it has ended, walks go on."""
    hanging = Hanging()

    async def work() -> None:
        walks = walker(hanging.reader)
        await hanging.cut_off(walks)
        refused = Failed(
            OWN,
            FailureReason.TIMEOUT,
            "the one before was cut off but still hangs in a library call; none is started beside it",
        )
        assert [await walks.walk() for _ in range(2)] == [refused, refused]
        assert hanging.reader.walks == 1

        hanging.release.set()
        await ended(hanging.reader.thread)
        assert isinstance(await walks.walk(), Walked)
        assert hanging.reader.walks == 2
        assert_not_cut(hanging.reader.lifeline)

    asyncio.run(work())


def test_a_thread_that_ends_after_the_loop_is_no_trouble() -> None:
    """Nobody wants the outcome of a walk that outlives the exporter; pytest fails on an exception in a thread."""
    hanging = Hanging()
    asyncio.run(hanging.cut_off(walker(hanging.reader)))
    hanging.release.set()
    assert hanging.reader.thread is not None
    hanging.reader.thread.join(PATIENCE)

    assert not hanging.reader.thread.is_alive()


def test_an_outcome_that_comes_after_the_cut_is_dropped() -> None:
    """A thread that ends in the loop's lifetime, but after its walk was cancelled, harms nothing."""
    hanging = Hanging()
    complaints: list[object] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        await hanging.cut_off(walker(hanging.reader))
        hanging.release.set()
        await ended(hanging.reader.thread)
        await asyncio.sleep(0)

    asyncio.run(work())

    assert complaints == []
