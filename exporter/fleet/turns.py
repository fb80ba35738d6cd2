"""Takes turns at calls for details: one rate for the whole process."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator

CONCURRENCY = 8
"""The most calls at the same time: one that hangs keeps its slot until its deadline."""


class Turns:
    """Lets one call start every `1 / per_second` seconds, urgent ones first, then the longest waiting.

    Args:
        per_second: calls per second.
    """

    def __init__(self, per_second: float) -> None:
        self._pause = 1.0 / per_second
        self._next = 0.0
        self._running = 0
        self._number = 0
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def turn(self, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for a turn, and hold it during the call."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._waiting, (not urgent, self._number, mine))
        self._serve()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._end()
            raise
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        self._running -= 1
        self._serve()

    def _serve(self) -> None:
        """Start the calls that may start now, and set a timer for the next one."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._running < CONCURRENCY:
            if self._waiting[0][2].done():  # cancelled
                heapq.heappop(self._waiting)
            elif (wait := self._next - loop.time()) > 0.001:  # timers fire a tick early
                if self._timer is None:
                    self._timer = loop.call_later(wait, self._wake)
                return
            else:
                self._next = loop.time() + self._pause
                self._running += 1
                heapq.heappop(self._waiting)[2].set_result(None)

    def _wake(self) -> None:
        self._timer = None
        self._serve()
