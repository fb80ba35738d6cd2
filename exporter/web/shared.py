"""Slow bodies: made in a thread, one at a time, and once for all requests for the same one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable


class BusyError(Exception):
    """As many different bodies as allowed are waiting to be made."""


class Shared:
    """Makes bodies. Use it within one event loop.

    Args:
        waiting: the most different bodies that may wait.
    """

    def __init__(self, waiting: float = math.inf) -> None:
        self._limit = waiting
        self._turn = asyncio.Lock()
        self._waiting: dict[Hashable, asyncio.Task[bytes]] = {}

    async def get(self, key: Hashable, prepare: Callable[[], Callable[[], bytes]]) -> bytes:
        """The body with this key, shared by all requests that arrive before work on it begins.

        Args:
            key: identifies the body.
            prepare: called in the event loop at its turn; returns a function that makes the body in a thread.

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
