"""How long a probe and a scrape take while a hundred people keep loading the status page of 5,000 jobs.

`python -m benchmarks.visitors` prints the worst of each, with and without the visitors.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jobs.make import NOW
from web.hosted import Hosted, ask, hosted
from web.scenes import SCENES

from exporter.fleet.page import compose
from exporter.web.routes import Site


class Worst(NamedTuple):
    """Seconds of the slowest answer."""

    healthy: float
    metrics: float
    page: float


@contextmanager
def visitors(host: Hosted, count: int, pages: list[float]) -> Iterator[None]:
    """So many connections of a thread of their own, each of which asks for the page again as soon as it has it."""
    stop = threading.Event()

    async def visit() -> None:
        name, _, port = str(host.place).rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        while not stop.is_set():
            began = time.monotonic()
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            pages.append(time.monotonic() - began)
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(visit() for _ in range(count)))

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(count: int, seconds: float) -> Worst:
    """The worst of each within so many seconds."""
    site = Site(
        telemetry_path="/metrics",
        states=lambda: SCENES["many-jobs"],
        ready=lambda: True,
        metrics=lambda states, format_: compose(states, format_, NOW),
        now=lambda: NOW,
    )
    healthy, metrics, pages = [0.0], [0.0], [0.0]
    with hosted(site) as host:
        ask(host.place, "/"), ask(host.place, "/metrics")
        with visitors(host, count, pages):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for path, took in (("/-/healthy", healthy), ("/metrics", metrics)):
                    began = time.monotonic()
                    assert ask(host.place, path, Accept_Encoding="gzip").status == 200
                    took.append(time.monotonic() - began)
                time.sleep(0.02)
    return Worst(max(healthy), max(metrics), max(pages))


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15.0)
    flags = parser.parse_args()
    for count in (0, flags.visitors):
        worst = measure(count, flags.seconds)
        print(
            f"{count} visitors: worst /-/healthy {worst.healthy * 1000:.0f} ms, worst scrape "
            f"{worst.metrics * 1000:.0f} ms, worst page {worst.page * 1000:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
