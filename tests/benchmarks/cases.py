"""What is measured. Each case runs in a fresh process, so that CPU time and memory are its own, and says what it saw.

CPU times are user and system time of all threads of the process, in ms; memory is resident, in MB.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import http.client
import json
import multiprocessing
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles

import boto3
import urllib3
from prometheus_client import CollectorRegistry, Gauge, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporter.cli import tune_process

from .product import ONE_TARGET, Exporter
from .server import LIST_PATH, choose

Seen = dict[str, float]
GZIP = {"Accept-Encoding": "gzip"}
SERIES_OF_A_JOB = 23


def cpu() -> float:
    return time.process_time() * 1e3


def memory(field: str) -> float:
    """A field of `/proc/self/status` in MB: `VmRSS`, or `VmHWM` for its peak (`ru_maxrss` would be the parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def walk(url: str, jobs: int) -> Seen:
    """Our walk of a list, its snapshot and its rendering, for the first time and again, by a client that is made.

    Another list has been walked before it: one of 1,000 jobs, which memory is counted from.
    """
    with asyncio.Runner() as loop:
        exporter = loop.run(_made(ONE_TARGET))
        choose(url, "s", 1000)
        loop.run(exporter.walk(1000))
        gc.collect()
        small = memory("VmRSS")
        choose(url, "l", jobs)
        start = cpu()
        loop.run(exporter.walk(jobs))
        first = cpu() - start
        peak = memory("VmHWM")
        start = cpu()
        loop.run(exporter.walk(jobs))
        later = cpu() - start
        for _ in range(8 if jobs <= 100_000 else 0):
            loop.run(exporter.walk(jobs))
        exporter.scrape()
        gc.collect()
        return {"first": first, "later": later, "added": memory("VmRSS") - small, "peak": peak}


async def _made(text: str) -> Exporter:
    return Exporter(text)


def stock(url: str, jobs: int) -> Seen:
    """boto3 as it comes: its paginator into gauges, those of a job for jobs that run or ended within two weeks."""
    registry = CollectorRegistry()
    counts = Gauge("jobs", "Jobs.", ["status", "customization_type"], registry=registry)
    labels = ["job_id", "job_name", "customization_type"]
    created, modified, ended, duration, info = (
        Gauge(f"job_{name}", "Of a job.", labels, registry=registry)
        for name in ("created", "last_modified", "ended", "duration", "info")
    )
    choose(url, "l", jobs)
    paginator = boto3.client("bedrock").get_paginator("list_model_customization_jobs")
    start = cpu()
    number = 0
    retained = datetime.now(UTC) - timedelta(days=14)
    for page in paginator.paginate(sortBy="CreationTime", sortOrder="Ascending", PaginationConfig={"PageSize": 1000}):
        for job in page["modelCustomizationJobSummaries"]:
            number += 1
            counts.labels(job["status"], job["customizationType"]).inc()
            end = job.get("endTime")
            if end is not None and end < retained:
                continue
            of_job = job["jobArn"].rpartition("/")[2], job["jobName"], job["customizationType"]
            info.labels(*of_job).set(1)
            created.labels(*of_job).set(job["creationTime"].timestamp())
            modified.labels(*of_job).set(job["lastModifiedTime"].timestamp())
            if end is not None:
                ended.labels(*of_job).set(end.timestamp())
            duration.labels(*of_job).set(((end or datetime.now(UTC)) - job["creationTime"]).total_seconds())
    spent = cpu() - start
    assert number == jobs, number
    return {"cpu": spent, "peak": memory("VmHWM")}


def floor(url: str, jobs: int) -> Seen:
    """The least that reading JSON costs: urllib3 alone, and `json.loads`."""
    choose(url, "l", jobs)
    http_ = urllib3.PoolManager()
    start = cpu()
    number, query = 0, {"maxResults": "1000"}
    while True:
        page = json.loads(http_.request("GET", url + LIST_PATH, fields=query).data)
        number += len(page["modelCustomizationJobSummaries"])
        if page["nextToken"] is None:
            break
        query["nextToken"] = page["nextToken"]
    spent = cpu() - start
    assert number == jobs, number
    return {"cpu": spent, "peak": memory("VmHWM")}


class _Families:
    """The families of a page, for prometheus_client to collect."""

    def __init__(self, page: str) -> None:
        self._families = list(text_string_to_metric_families(page))

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def scrape(url: str, series: int, targets: int) -> Seen:
    """A gzipped scrape without the socket: the first one after a walk, one of a page that no walk has changed, and the
    same series by prometheus_client's `generate_latest` and gzip.
    """
    jobs = series // SERIES_OF_A_JOB // targets
    choose(url, "l", jobs, recent=jobs)
    with asyncio.Runner() as loop:
        exporter = loop.run(_made(_roles(targets)))
        loop.run(exporter.walk(jobs))
        exporter.scrape()  # the very first one also pays for the memory of its buffers
        loop.run(exporter.walk(jobs))
        start = cpu()
        body = exporter.scrape()
        first = cpu() - start
        page = gzip.decompress(body).decode()
        registry = CollectorRegistry()
        registry.register(_Families(page))
        times: dict[str, list[float]] = {"again": [], "theirs": []}
        ways: dict[str, Callable[[], object]] = {
            "again": exporter.scrape,
            "theirs": lambda: gzip.compress(generate_latest(registry)),
        }
        for _ in range(5):
            for name, way in ways.items():
                start = cpu()
                way()
                times[name].append(cpu() - start)
        spent = {name: min(taken) for name, taken in times.items()}
        number = sum(not line.startswith("#") for line in page.splitlines())
        return {"first": first, **spent, "series": number, "bytes": len(body)}


def production(url: str, series: int, targets: int, seconds: int) -> Seen:
    """A gzipped scrape a second over HTTP while every target is walked every 10 s, CPU of the walks taken off.

    Nearly every such scrape is the first one after some walk.
    """
    jobs = series // SERIES_OF_A_JOB // targets
    choose(url, "l", jobs, recent=jobs)
    spent = {scraped: _spent(targets, seconds, scraped=scraped) for scraped in (True, False)}
    return {"ours": max(0.01, spent[True] - spent[False]) / seconds}


def _spent(targets: int, seconds: int, *, scraped: bool) -> float:
    """CPU of an exporter that walks, and is scraped or not, in ms; its first walks do not count."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_walk_on, args=(theirs, _roles(targets, "10s")), daemon=True)
    process.start()
    try:
        port = ours.recv()
        time.sleep(11)  # the second round of walks has begun
        start = _asked(ours)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(seconds):
            time.sleep(1)
            if scraped:
                connection.request("GET", "/metrics", headers=GZIP)
                connection.getresponse().read()
        return _asked(ours) - start
    finally:
        process.terminate()
        process.join()


def _walk_on(parent: Connection, text: str) -> None:
    async def run() -> None:
        exporter = Exporter(text)
        parent.send(await exporter.serve())
        running = asyncio.create_task(exporter.run())
        while not running.done():
            await asyncio.to_thread(parent.recv)
            parent.send(cpu())

    asyncio.run(run())


def _asked(exporter: Connection) -> float:
    """CPU that an exporter in another process has used so far, in ms."""
    exporter.send(None)
    spent: float = exporter.recv()
    return spent


def _roles(number: int, interval: str = "1h") -> str:
    """A configuration of targets with a role each."""
    roles = [f"arn:aws:iam::{100_000_000_000 + index}:role/exporter" for index in range(number)]
    entries = [{"regions": ["us-east-1"], "assume_role": {"role_arn": role}} for role in roles]
    timeout = "1h" if interval == "1h" else "9s"
    return f"poll: {{interval: {interval}, timeout: {timeout}, stale_after: 3h}}\ntargets: {json.dumps(entries)}"


def latency(url: str, jobs: int, scrapes: int, busy: bool) -> Seen:
    """How long scrapes take over HTTP from another process, in ms.

    The exporter idles, or walks once per 20 scrapes.
    """
    choose(url, "l", jobs)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, jobs, busy), daemon=True)
    process.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", ours.recv())
        times = []
        for number in range(scrapes):
            if busy and number % 20 == 0:
                ours.send(None)
            time.sleep(0.01)
            start = time.perf_counter()
            connection.request("GET", "/metrics", headers=GZIP)
            response = connection.getresponse()
            response.read()
            times.append((time.perf_counter() - start) * 1e3)
            assert response.status == 200, response.status
    finally:
        process.terminate()
        process.join()
    return {"p50": quantiles(times, n=2)[0], "p99": quantiles(times, n=100, method="inclusive")[98], "max": max(times)}


def _serve(parent: Connection, jobs: int, busy: bool) -> None:
    tune_process()

    async def run() -> None:
        exporter = Exporter(ONE_TARGET)
        await exporter.walk(jobs)
        exporter.scrape()
        parent.send(await exporter.serve())
        while busy:
            await asyncio.to_thread(parent.recv)
            await exporter.walk(jobs)
        await asyncio.Event().wait()

    asyncio.run(run())


def targets(url: str, number: int, jobs: int) -> Seen:
    """Targets with a role each: what each costs to set up, its first walk included, and a round later.

    Memory is counted beyond the text that is rendered of each.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    choose(url, "l", jobs, recent=jobs)
    with asyncio.Runner() as loop:
        warm = loop.run(_made(_roles(1)))  # what all targets share is there already
        loop.run(warm.walk(jobs))
        gc.collect()
        before, start = memory("VmRSS"), cpu()
        exporter = loop.run(_made(_roles(number)))
        loop.run(exporter.walk(jobs))
        first = cpu() - start
        gc.collect()
        after = memory("VmRSS")
        start = cpu()
        loop.run(exporter.walk(jobs))
        later = cpu() - start
        start = cpu()
        body = exporter.scrape()
        scraped = cpu() - start
        text = len(gzip.decompress(body)) / 1e6
        return {
            "set_up": first / number,
            "memory": (after - before - text) / number,
            "total": memory("VmRSS"),
            "round": later,
            "scrape": scraped,
        }


def start_up(url: str) -> Seen:
    """The real process from its start to the first scrape that shows its target up, and one that imports boto3."""
    choose(url, "l", 10, recent=10)
    with tempfile.TemporaryDirectory() as folder:
        # Bytecode of all modules, ours and the installed ones, is written the first time and read the second.
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ["PYTHONPYCACHEPREFIX"] = folder
        config = Path(folder, "config.yaml")
        config.touch()
        for _ in range(2):
            start = _cpu_of_children()
            _run_to_first_scrape(config, environ)
            between = _cpu_of_children()
            subprocess.run([sys.executable, "-c", "import boto3"], env=environ, check=True)
            end = _cpu_of_children()
    return {"ours": between - start, "theirs": end - between}


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e3


def _run_to_first_scrape(config: Path, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = [f"--config.file={config}", f"--web.listen-address={address}", "--log.level=error"]
    with subprocess.Popen([sys.executable, "-m", "exporter", *flags], env=environ) as process:
        deadline = time.monotonic() + 60
        while not _is_up(address):
            assert process.poll() is None, "the exporter has ended"
            assert time.monotonic() < deadline, "the target is not up"
            time.sleep(0.02)
        process.kill()


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as page:
            return re.search(rb"^bedrock_exporter_target_up\{.*\} 1$", page.read(), re.MULTILINE) is not None
    except urllib.error.URLError:
        return False
