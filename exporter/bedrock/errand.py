"""A blocking errand to AWS in a thread of its own, which the event loop can cut off.

The thread is a daemon, so that one that hangs in a library never keeps the process from ending; and there is one per
errand, so that such a one never takes a place in a pool from others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from exporter.bedrock.lifeline import Lifeline
from exporter.model import FailureReason, WalkError

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Errand(Generic[T]):
    """Does one piece of blocking work again and again, one at a time.

    Args:
        work: what to do; runs under a `Lifeline`.
        name: what its threads are called.
    """

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._name = name
        self._cut_off: threading.Thread | None = None

    async def run(self) -> T:
        """Do it once; returns what it returns.

        Cancel it to cut the work off: its thread then ends soon, and nobody waits for it.

        Raises:
            WalkError: the run before was cut off, and is still stuck in a library call.
            Exception: whatever the work raises.
        """
        if self._cut_off is not None and self._cut_off.is_alive():
            raise WalkError(
                FailureReason.TIMEOUT,
                "the one before was cut off but still hangs in a library call; none is started beside it",
            )
        lifeline = Lifeline()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=self._run, args=(lifeline, done), name=self._name, daemon=True)
        thread.start()
        try:
            return await done
        except asyncio.CancelledError:
            self._cut_off = thread
            try:
                lifeline.cut()
            except Exception:  # noqa: BLE001 - nothing may keep the cancellation from going on, or nobody could end us
                _log.exception("can't cut off: %s", self._name)
            raise

    def _run(self, lifeline: Lifeline, done: asyncio.Future[T]) -> None:
        try:
            with lifeline:
                result = self._work()
        except Exception as error:  # noqa: BLE001 - it is raised where the errand is awaited
            _tell(done, done.set_exception, error)
        else:
            _tell(done, done.set_result, result)


def _tell(done: asyncio.Future[T], deliver: Callable[..., None], outcome: object) -> None:
    def tell() -> None:
        if not done.done():  # cut off at the same moment
            deliver(outcome)

    with contextlib.suppress(RuntimeError):  # the loop has closed: the exporter is ending, nobody wants it
        done.get_loop().call_soon_threadsafe(tell)
