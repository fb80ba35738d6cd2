"""Limits how many walks run at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from exporter.errors import FailureReason
from exporter.fleet.state import TargetState

_UNREACHABLE = frozenset({FailureReason.TIMEOUT, FailureReason.NETWORK})


class Slots:
    """Concurrency slots. Unreachable targets, which may hold a slot to the deadline, use at most half of them."""

    def __init__(self, number: int) -> None:
        self._all = asyncio.Semaphore(number)
        self._unreachable = asyncio.Semaphore(max(1, number // 2))

    @contextlib.asynccontextmanager
    async def of(self, state: TargetState) -> AsyncIterator[None]:
        """Wait for a slot for a target in this state, and hold it."""
        was_unreachable = state.failure is not None and state.failure.reason in _UNREACHABLE
        async with self._unreachable if was_unreachable else contextlib.nullcontext(), self._all:
            yield
