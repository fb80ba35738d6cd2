"""Blocking work runs in a thread of its own, ends with its deadline, and leaves nothing behind."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from exporter import work
from exporter.errors import FailureReason, WalkError
from exporter.work import COURTESY, Worker, giving_way, urgent


def run(do: Callable[[], object], timeout: float = 30) -> object:
    return asyncio.run(Worker("test", "wait").run(do, timeout))


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What a thread waits for that is stuck in a library."""
    event = threading.Event()
    yield event
    event.set()


def test_result_and_exceptions() -> None:
    """Each run has a daemon thread with the worker's name; what the work returns or raises comes out."""
    thread = run(threading.current_thread)
    assert isinstance(thread, threading.Thread)
    assert (thread.name, thread.daemon) == ("test", True)

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)


def test_deadline_inside_the_thread() -> None:
    """It is a little earlier there, so that the work itself can say what it waited for, and ends with the run."""
    remaining = run(work.remaining, timeout=30)
    assert isinstance(remaining, float)
    assert remaining <= 29.8
    assert work.remaining() == float("inf")


def test_shorter_deadline_inside() -> None:
    """Part of the work may have less time, never more; the rest goes on after it."""

    def parts() -> list[bool]:
        with pytest.raises(WalkError, match=r"^timeout: the deadline has passed; "), work.within(0.01):
            work.wait(60)
        with work.within(60):
            return [work.remaining() < 30, work.remaining() > 1]

    assert run(parts) == [True, True]


def test_a_thread_that_outlasts_the_deadline(release: threading.Event) -> None:
    """The run ends in time all the same, no other one is started beside the thread, and once it has ended one is."""

    async def walks() -> None:
        worker = Worker("stuck", "wait")
        for message in (r"not finished within 0\.1 s", "still stuck in a library call"):
            with pytest.raises(WalkError, match=message) as caught:
                await worker.run(release.wait, 0.1)
            assert caught.value.reason is FailureReason.TIMEOUT
        (stuck,) = [thread for thread in threading.enumerate() if thread.name == "stuck"]
        release.set()
        stuck.join()
        assert await worker.run(release.wait, 30)

    asyncio.run(walks())


def test_cancelling_cuts_the_work_off() -> None:
    """A pause ends at once, and so does whatever looks at the deadline."""
    started, ended = threading.Event(), threading.Event()

    def pause() -> None:
        started.set()
        with pytest.raises(WalkError):
            work.wait(60)
        assert work.remaining() == 0
        ended.set()

    async def cut() -> None:
        task = asyncio.create_task(Worker("cut", "wait").run(pause, 60))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cut())
    assert ended.wait(10)


def test_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on processes fails the run, and says so."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(WalkError, match="raise the pids limit") as caught:
        run(int)
    assert caught.value.reason is FailureReason.TIMEOUT


def test_a_failed_walk_is_freed_at_once() -> None:
    """What its frames held does not wait for the garbage collector, even while somebody keeps the error."""

    class Page:
        pass

    pages: list[weakref.ref[Page]] = []

    def fail() -> None:
        page = Page()
        pages.append(weakref.ref(page))
        try:
            raise ValueError(page)
        except ValueError as error:
            raise WalkError(FailureReason.NETWORK, "no answer") from error

    gc.disable()
    try:
        with pytest.raises(WalkError) as caught:
            run(fail)
        assert caught.value.message == "no answer"
        assert pages[0]() is None
    finally:
        gc.enable()


def test_an_event_loop_that_has_closed(release: threading.Event) -> None:
    """A thread that ends after the exporter's end does so in silence."""
    ended = threading.Event()

    def outlast() -> None:
        release.wait()
        ended.set()

    with pytest.raises(WalkError):
        run(outlast, timeout=0.01)
    release.set()
    assert ended.wait(10)
    (*threads,) = [thread for thread in threading.enumerate() if thread.name == "test"]
    for thread in threads:
        thread.join(10)


def test_wait_without_a_deadline() -> None:
    start = time.monotonic()
    work.wait(0.01)
    assert time.monotonic() - start >= 0.01


def test_workers_give_way_to_urgent_work() -> None:
    """After each item while it lasts, but not for good."""

    def ten_items() -> float:
        start = time.monotonic()
        assert list(giving_way(range(10))) == list(range(10))
        return time.monotonic() - start

    with urgent():
        taken = run(ten_items)
    assert isinstance(taken, float)
    assert taken > 9 * COURTESY
