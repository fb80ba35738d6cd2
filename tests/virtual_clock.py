"""An event loop whose time is virtual: nothing sleeps, and every timer fires exactly when it is due."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(Exception):
    """Nothing is left that could ever happen."""


TICK = 1e-6
"""Seconds that this clock tells apart; sums of floats are off by less."""


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: where the loop wants to sleep until its next timer, time moves on to it instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise StuckError("no timer is set, and nothing in this process will wake the loop")
        self.now += max(TICK, timeout) if timeout > 0 else 0.0
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at time 0. For work within the loop only: it waits for no thread and no peer."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._clock_resolution = TICK  # The loop fires timers a tick early.

    def time(self) -> float:
        """Seconds since the loop was made."""
        return round(self._virtual.now, 6)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, at no cost for the time that it takes."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
