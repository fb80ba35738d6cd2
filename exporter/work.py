"""Runs blocking work in a thread of its own, under a deadline that also holds inside the thread.

A thread can't be stopped from outside, so every read of a connection (see `transport`) and every pause between attempts
ends at the deadline. Only name resolution and credential programs can outlast it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from exporter.errors import FailureReason, WalkError

T = TypeVar("T")

COURTESY = 0.005
"""Seconds that a worker gives way to urgent work at a time: however often somebody scrapes, walks go on."""


class Deadline:
    """When work has to end; `cut` ends it now.

    Args:
        seconds: from now.
        is_cut: the event of an enclosing deadline.
    """

    def __init__(self, seconds: float, is_cut: threading.Event | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._is_cut = is_cut or threading.Event()

    def cut(self) -> None:
        """End a pause at once, and the work as soon as it checks the deadline."""
        self._is_cut.set()

    def remaining(self) -> float:
        """Seconds left; 0 once it has passed or was cut."""
        return 0.0 if self._is_cut.is_set() else max(0.0, self._end - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the deadline or a cut."""
        self._is_cut.wait(min(seconds, self.remaining()))

    def within(self, seconds: float) -> Deadline:
        """A deadline inside this one, at most `seconds` from now; cut together with it."""
        return Deadline(min(seconds, self.remaining()), self._is_cut)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def remaining() -> float:
    """Seconds left for this thread's work; infinite without a deadline."""
    deadline = _current.get()
    return math.inf if deadline is None else deadline.remaining()


def check() -> None:
    """Raise `WalkError` if the deadline of this thread's work has passed."""
    if remaining() <= 0:
        raise WalkError(FailureReason.TIMEOUT, "the deadline has passed; check the network, or raise poll.timeout")


def wait(seconds: float) -> None:
    """Sleep; raise `WalkError` as soon as the deadline passes."""
    (_current.get() or Deadline(math.inf)).pause(seconds)
    check()


_urgent = 0
_calm = threading.Event()
_calm.set()


@contextlib.contextmanager
def urgent() -> Iterator[None]:
    """Have workers give way to what is inside. For the event loop only."""
    global _urgent  # noqa: PLW0603 - as the interpreter's lock that it is about, there is one in the process
    _urgent += 1
    _calm.clear()
    try:
        yield
    finally:
        _urgent -= 1
        if not _urgent:
            _calm.set()


def giving_way(items: Iterable[T]) -> Iterator[T]:
    """The items. A worker's thread lets urgent work have the interpreter first, after each, for a short while.

    Threads take turns anyway, but what needs the interpreter ten times in a row waits ten times.
    """
    for item in items:
        yield item
        del item  # or a page would stay while the next one is read
        if _current.get() is not None:
            _calm.wait(COURTESY)


def drop_tracebacks(error: BaseException | None) -> None:
    """Drop the tracebacks of an exception and of its causes.

    Their frames hold the pages of a whole walk. In botocore and urllib3 the frames also refer back to the exception,
    so everything would stay in memory until the garbage collector runs.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Run the block under a deadline of its own, or the enclosing one if that is earlier."""
    outer = _current.get()
    with _under(Deadline(seconds) if outer is None else outer.within(seconds)):
        yield


@contextlib.contextmanager
def _under(deadline: Deadline) -> Iterator[None]:
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


class Worker:
    """Runs blocking work, one piece at a time, each in a daemon thread of its own.

    A thread that hangs neither keeps the process from ending nor takes another worker's place in a pool.

    Args:
        name: of the threads.
        advice: what to do when the deadline passes; for people.
    """

    def __init__(self, name: str, advice: str) -> None:
        self._name = name
        self._advice = advice
        self._unfinished: threading.Thread | None = None

    async def run(self, work: Callable[[], T], timeout: float) -> T:
        """Do a piece of work and return its result. Cancelling this cuts the work off.

        Args:
            work: what to do.
            timeout: seconds. The deadline inside the thread is a little earlier, so that the work itself can report
                what it was waiting for.

        Raises:
            WalkError: the deadline passed, the previous run is still stuck, no thread could be started, or the work
                raised it. It keeps neither a cause nor a traceback.
            Exception: whatever else the work raises.
        """
        if self._unfinished is not None and self._unfinished.is_alive():
            message = (
                "the previous run was cut off but is still stuck in a library call; no new one is started beside it"
            )
            raise WalkError(FailureReason.TIMEOUT, message)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        deadline = Deadline(timeout - min(0.2, timeout / 10))
        thread = threading.Thread(target=_run, args=(work, deadline, done), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            message = "the process can't start another thread: raise the pids limit, or lower poll.concurrency"
            raise WalkError(FailureReason.TIMEOUT, message) from None
        try:
            await asyncio.wait([done], timeout=timeout)
            if done.done():
                return done.result()
        finally:
            if not done.done():
                done.cancel()
                deadline.cut()
                self._unfinished = thread
        message = f"not finished within {timeout:g} s, and cut off; {self._advice}"
        raise WalkError(FailureReason.TIMEOUT, message)


def _run(work: Callable[[], T], deadline: Deadline, done: asyncio.Future[T]) -> None:
    try:
        with _under(deadline):
            result = work()
    except Exception as error:  # noqa: BLE001 - it is raised again in `Worker.run`
        if isinstance(error, WalkError):
            drop_tracebacks(error)
            error.__cause__ = error.__context__ = None
        _deliver(done, done.set_exception, error)
    else:
        _deliver(done, done.set_result, result)


def _deliver(done: asyncio.Future[T], finish: Callable[..., None], outcome: object) -> None:
    def deliver() -> None:
        if not done.done():  # cut off at the same moment
            finish(outcome)

    with contextlib.suppress(RuntimeError):  # the event loop is closed: the exporter is ending
        done.get_loop().call_soon_threadsafe(deliver)
