"""One rate for the calls of the whole process. Time is virtual."""

import asyncio

import pytest
from virtual_clock import run

from exporter.fleet.turns import CONCURRENCY, Turns


def test_calls_start_at_the_rate_and_urgent_ones_first() -> None:
    """An urgent call waits for no other that only waits itself."""
    starts: list[tuple[str, float]] = []

    async def call(turns: Turns, name: str, *, urgent: bool = False) -> None:
        async with turns.turn(urgent=urgent):
            starts.append((name, round(asyncio.get_running_loop().time(), 6)))

    async def work() -> None:
        turns = Turns(5)
        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(call(turns, name))
            group.create_task(call(turns, "urgent", urgent=True))

    run(work())
    assert starts == [("a", 0.0), ("urgent", 0.2), ("b", 0.4), ("c", 0.6)]


def test_calls_that_hang_hold_no_more_than_their_places() -> None:
    """There are a few at a time, and the rate goes on when they end."""
    running, most = 0, 0

    async def call(turns: Turns) -> None:
        nonlocal running, most
        async with turns.turn(urgent=False):
            running += 1
            most = max(most, running)
            await asyncio.sleep(15)
            running -= 1

    async def work() -> float:
        turns = Turns(100)
        async with asyncio.TaskGroup() as group:
            for _ in range(3 * CONCURRENCY):
                group.create_task(call(turns))
        return asyncio.get_running_loop().time()

    assert run(work()) == pytest.approx(45, abs=1)
    assert most == CONCURRENCY


def test_who_gives_up_takes_no_turn() -> None:
    """A cancelled call, waiting or under way, leaves its place to others."""

    async def call(turns: Turns) -> None:
        async with turns.turn(urgent=False):
            await asyncio.sleep(1000)

    async def work() -> float:
        turns = Turns(1)
        tasks = [asyncio.create_task(call(turns)) for _ in range(2 * CONCURRENCY)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with turns.turn(urgent=False):
            return asyncio.get_running_loop().time()

    assert run(work()) == pytest.approx(1)
