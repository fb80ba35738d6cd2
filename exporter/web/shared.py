"""Bodies that take a while: made in a thread, one at a time, and once for all who ask for the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable


class BusyError(Exception):
    """As many different bodies as allowed are waiting to be made."""


class Shared:
    """Makes bodies. Use it within one event loop.

    Args:
        waiting: different bodies that may wait to be made.
    """

    def __init__(self, waiting: float = math.inf) -> None:
        self._limit = waiting
        self._turn = asyncio.Lock()
        self._waiting: dict[Hashable, asyncio.Task[bytes]] = {}

    async def get(self, key: Hashable, prepare: Callable[[], Callable[[], bytes]]) -> bytes:
        """The body with this key, made for all who asked for it before its making begins.

        Args:
            key: what is asked for.
            prepare: called in the event loop when its turn comes; gives what makes the body, in a thread.

        Raises:
            BusyError: too many others are waiting.
        """
        task = self._waiting.get(key)
        if task is None:
            if len(self._waiting) >= self._limit:
                raise BusyError
            task = self._waiting[key] = asyncio.create_task(self._make(key, prepare))
        return await asyncio.shield(task)

    async def _make(self, key: Hashable, prepare: Callable[[], Callable[[], bytes]]) -> bytes:
        async with self._turn:
            del self._waiting[key]
            return await asyncio.to_thread(prepare())
