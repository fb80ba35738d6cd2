"""One body for all who ask at once, and a bound for those who ask for different ones."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from exporter.web.shared import BusyError, Shared


class Maker:
    """Makes bodies that say how many were made before, when it is let."""

    def __init__(self) -> None:
        self.made = 0
        self.go = threading.Event()

    def prepare(self) -> Callable[[], bytes]:
        def make() -> bytes:
            assert threading.current_thread() is not threading.main_thread()
            self.go.wait()
            self.made += 1
            return b"%d" % self.made

        return make


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_those_who_wait_share() -> None:
    """Who comes while a body is being made gets the next one, for the data may have changed; all of them get it."""

    async def scene() -> list[bytes]:
        shared, maker = Shared(), Maker()
        first = asyncio.create_task(shared.get("page", maker.prepare))
        await settle()
        others = [asyncio.create_task(shared.get("page", maker.prepare)) for _ in range(100)]
        await settle()
        maker.go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(scene()) == [b"1"] + [b"2"] * 100


def test_too_many_different_ones_are_refused() -> None:
    """Memory is bounded; who is refused is told at once."""

    async def scene() -> None:
        shared, maker = Shared(waiting=2), Maker()
        tasks = [asyncio.create_task(shared.get(0, maker.prepare))]
        await settle()
        tasks += [asyncio.create_task(shared.get(key, maker.prepare)) for key in (1, 2)]
        await settle()
        with pytest.raises(BusyError):
            await shared.get(3, maker.prepare)
        maker.go.set()
        assert len(await asyncio.gather(*tasks)) == 3
        assert await shared.get(3, maker.prepare) == b"4"

    asyncio.run(scene())


def test_who_gives_up_harms_nobody() -> None:
    """A client that goes away does not take the body from the others."""

    async def scene() -> bytes:
        shared, maker = Shared(), Maker()
        gone = asyncio.create_task(shared.get("page", maker.prepare))
        stays = asyncio.create_task(shared.get("page", maker.prepare))
        await settle()
        gone.cancel()
        maker.go.set()
        return await stays

    assert asyncio.run(scene()) == b"1"
