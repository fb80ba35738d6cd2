"""Months of uptime in minutes; exits 1 if anything grows.

``PYTHONPATH=tests python -m reliability.soak [--walks N --scrapes N]``

The real product runs in this process: its `App`, its `Server`, boto3. The Bedrock and STS that it reads, and the
clients that scrape it, are processes of their own, so that what is measured here is the product's alone. Jobs come and
go all the time, one page in twenty is answered badly, roles' credentials are good for seconds, some clients are rude,
and one target never works.

At fifty moments, fewer in a short run, nothing is under way: no walk, no scrape. File descriptors are counted, garbage
is collected, and then the rest of what the process holds is counted. The first half is warm-up. Of the rest, the median
of the last third is compared with the median of the first third; and for memory the median of the slopes between all
pairs of samples is taken (Theil-Sen), which no single sample can move.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import logging
import multiprocessing
import os
import platform
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from exporter import log
from exporter.app import App
from exporter.config.resolve import load
from exporter.errors import FailureReason
from exporter.jobs.page import Format
from exporter.telemetry import Telemetry
from exporter.web.address import Address
from exporter.web.server import Server as WebServer
from reliability.soak.aws import OTHER, serve_aws
from reliability.soak.clients import CLIENTS, Shared, scrape_all
from reliability.soak.held import Sample, verdict

CONFIG = f"""\
poll: {{interval: 10s, timeout: 1500ms, stale_after: 12s}}
targets:
  - regions: [us-east-1, us-west-2, eu-west-1, eu-central-1]
    labels: {{team: platform}}
  - regions: [us-east-1, us-west-2, eu-west-1]
    assume_role: {{role_arn: "arn:aws:iam::{OTHER}:role/bedrock-exporter"}}
    labels: {{team: research}}
  - regions: [us-east-1]
    assume_role: {{role_arn: "arn:aws:iam::999999999999:role/denied"}}
aws: {{read_timeout: 1s, connect_timeout: 1s, max_attempts: 2}}
"""
INTERVAL = 0.1
"""Seconds between two walks of a target: what the configuration does not allow is done here to what it gave."""


def _samples(walks: int) -> int:
    """How many samples are taken in a run of so many walks."""
    return max(12, min(50, walks // 100))


class _Log(io.StringIO):
    """Counts the lines of the log, by message, and those with a traceback."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()
        self.tracebacks: list[str] = []

    def write(self, text: str) -> int:
        for line in text.splitlines():
            found = re.search(r'msg=("[^"]*"|\S*)', line)
            self.lines[found[1] if found else line[:80]] += 1
            if "traceback=" in line and len(self.tracebacks) < 5:
                self.tracebacks.append(line)
        return len(text)


class _Soak:
    def __init__(self, walks: int, scrapes: int) -> None:
        self.shared = Shared(walks, scrapes)
        self.walks = 0
        self.samples: list[Sample] = []
        self.started = time.monotonic()

    async def run(self, aws: str) -> tuple[Counter[str], list[str]]:
        """The soak; returns what the clients did, and what was wrong."""
        loaded = load(CONFIG, file="soak", environ={}, default_region=lambda _: None, known_regions=())
        self.interval = INTERVAL
        soak = self

        class Counting(Telemetry):
            def observe_walk(self, seconds: float) -> None:
                soak.walks += 1
                super().observe_walk(seconds)

        telemetry = Counting()
        config = replace(loaded, schedule=replace(loaded.schedule, interval=INTERVAL))
        app = App(
            config,
            load=lambda: replace(config, schedule=replace(config.schedule, interval=self.interval)),
            telemetry=telemetry,
        )
        server = WebServer(app.site)
        (place,) = await server.start([Address("127.0.0.1", 0)])
        polling = asyncio.create_task(app.fleet.run())
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        clients = context.Process(target=scrape_all, args=(theirs, place.port, self.shared), daemon=True)
        clients.start()
        try:
            await self._sample_to_the_end(app, polling)
            wrong = await self._recover(app, aws)
            self.shared.ended.set()
            counts, of_clients = await asyncio.to_thread(ours.recv)
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            await server.stop()
            clients.kill()
        page = telemetry.render(Format.TEXT).decode()
        if f"duration_seconds_count {self.walks}.0" not in page:
            wrong.append("the histogram does not have all walks")
        internal = sum(state.failures.get(FailureReason.INTERNAL, 0) for state in app.fleet.states)
        if internal:
            wrong.append(f"walks that failed as internal: {internal}")
        failed: Counter[str] = Counter()
        for state in app.fleet.states:
            failed.update({f"failed walks: {reason}": number for reason, number in state.failures.items()})
        return counts + failed, wrong + of_clients

    @property
    def progress(self) -> float:
        scrapes = int(self.shared.scrapes.value)
        return min(self.walks / self.shared.walks_wanted, scrapes / self.shared.scrapes_wanted)

    async def _sample_to_the_end(self, app: App, polling: asyncio.Task[None]) -> None:
        samples = _samples(self.shared.walks_wanted)
        for number in range(1, samples + 1):
            while self.progress < number / samples:
                await asyncio.sleep(0.05)
                if polling.done():
                    polling.result()
            async with self._rest(app):
                self.samples.append(Sample.take(time.monotonic() - self.started, self.walks, self.shared.scrapes.value))
            if number % 10 == 0:
                print(f"{self.walks} walks, {self.shared.scrapes.value} scrapes", file=sys.stderr, flush=True)

    @contextlib.asynccontextmanager
    async def _rest(self, app: App) -> Any:
        """Nothing is under way: no walk is due, no client asks, and threads that were cut off have ended."""
        self.shared.go.clear()
        self.interval = 3600.0
        await app.reload()
        deadline = time.monotonic() + 20
        while self.shared.resting.value < CLIENTS or any(t.name.startswith("walk ") for t in threading.enumerate()):
            await asyncio.sleep(0.01)
            if time.monotonic() > deadline:
                raise TimeoutError(f"still busy: {[thread.name for thread in threading.enumerate()]}")
        yield
        self.interval = INTERVAL
        await app.reload()
        self.shared.go.set()

    async def _recover(self, app: App, aws: str) -> list[str]:
        """When the faults end, every target but the one that never works is up again by itself."""
        await asyncio.to_thread(_fetch, f"{aws}/calm")
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            down = [state.target.name for state in app.fleet.states if not state.up]
            if down == ["targets[2]"]:
                return []
        return [f"still down after the faults: {down}"]


def _fetch(url: str) -> bytes:
    with urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
        return body


def main(argv: list[str] | None = None) -> int:
    """Run the soak and print what it came to; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--walks", type=int, default=20_000, metavar="N", help="at least so many (default: %(default)s)"
    )
    parser.add_argument(
        "--scrapes", type=int, default=20_000, metavar="N", help="at least so many (default: %(default)s)"
    )
    flags = parser.parse_args(argv)
    for name in [name for name in os.environ if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY")]:
        del os.environ[name]
    written = _Log()
    log.configure("info", "logfmt", written)
    logging.captureWarnings(capture=True)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    aws = context.Process(target=serve_aws, args=(theirs,), daemon=True)
    aws.start()
    try:
        url = ours.recv()
        os.environ |= {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "AKIASOAK",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_ENDPOINT_URL_BEDROCK": url,
            "AWS_ENDPOINT_URL_STS": url,
        }
        assert urlsplit(url).hostname == "127.0.0.1"
        soak = _Soak(flags.walks, flags.scrapes)
        counts, wrong = asyncio.run(soak.run(url))
        counts += Counter(json.loads(_fetch(f"{url}/counts")))
    finally:
        aws.kill()
    return _report(soak, counts, wrong, written)


def _report(soak: _Soak, counts: Counter[str], wrong: list[str], written: _Log) -> int:
    # A leak of one kilobyte a walk would be ten megabytes here; a short run has not seen the end of the warm-up.
    may_gain = 3 * 2**20 if soak.walks >= 15_000 else 12 * 2**20
    table, grown = verdict(soak.samples, may_gain=may_gain)
    wrong += grown
    if counts["expired credentials used"] > counts["AssumeRole"] * 0.01:
        wrong.append(f"credentials used after their end: {counts['expired credentials used']}")
    if not counts["AssumeRole"]:
        wrong.append("no credentials were renewed")
    wrong += [f"a traceback was logged: {line[:200]} … {line[-300:]}" for line in written.tracebacks]
    seconds = soak.samples[-1].seconds
    print(
        f"{soak.walks} walks and {soak.shared.scrapes.value} scrapes in {seconds:.0f} s; Python "
        f"{platform.python_version()}, botocore {version('botocore')}, aiohttp {version('aiohttp')}; "
        f"{len(soak.samples)} samples at rest, after gc.collect()"
    )
    print(f"CPU of the exporter: {time.process_time():.0f} s; the first half is warm-up\n")
    print(table + "\n")
    every = soak.samples[:: max(1, len(soak.samples) // 25)]
    print("RSS, MiB:    " + " ".join(f"{sample.rss / 2**20:.0f}" for sample in every))
    print("malloc, MiB: " + " ".join(f"{sample.malloc / 2**20:.1f}" for sample in every) + "\n")
    for name, number in sorted(counts.items()):
        print(f"{name:36} {number:8}")
    for name, number in sorted(written.lines.items()):
        print(f"log: {name:31} {number:8}")
    print()
    print("\n".join(f"WRONG: {each}" for each in wrong) or "Nothing grows, and nothing was wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
