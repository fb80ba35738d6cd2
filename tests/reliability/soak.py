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
import ctypes
import gc
import gzip
import http.client
import io
import itertools
import json
import logging
import multiprocessing
import os
import platform
import random
import re
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import log
from exporter.app import App
from exporter.config.resolve import load
from exporter.errors import FailureReason
from exporter.jobs.page import Format
from exporter.simulator import Request, Response, Server
from exporter.telemetry import Telemetry
from exporter.web.address import Address
from exporter.web.server import Server as WebServer

OWN, OTHER = "111122223333", "444455556666"
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

CREDENTIALS_LAST = 4.0
"""Seconds that the credentials of a role are good for."""

RENEWED = CREDENTIALS_LAST / 2
"""Seconds after which botocore renews them: it does so from a quarter of an hour ahead of the end that it is told."""

_WARM_UP = 0.5
"""Part of the run. What is in use is level after seconds, but resident memory rises for some thousand walks: each walk
has a thread of its own, and the C library's pools for threads (eight a processor) fill up one after the other."""


def _samples(walks: int) -> int:
    """How many samples are taken in a run of so many walks."""
    return max(12, min(50, walks // 100))


# Bedrock and STS ------------------------------------------------------------------------------------------------------

_LIVES = 8.0
"""Seconds that a job is in the list; it runs for half of them."""
_EACH = 0.5
"""Seconds from one job of a target to the next."""
_OLD = 100
"""Jobs on each of the two pages that never change."""

_NAMES = ("plain", "düsseldorf", 'say "hi"', "back\\slash", "\U0001f600", "a\tb", "100%", "long-" + "x" * 58)
_KINDS = ("FINE_TUNING", "DISTILLATION", "NEW_TO_US")


class _Aws:
    """Answers as the service does, but for one request in twenty. Its state is counters only."""

    def __init__(self) -> None:
        self._random = random.Random(3)
        self._lock = threading.Lock()
        self._old = {
            account: [
                [_summary(f"{account}:us-east-1", number, 0.0, 0.0) for number in range(page, page + _OLD)]
                for page in (0, _OLD)
            ]
            for account in (OWN, OTHER)
        }
        self.counts: Counter[str] = Counter()
        self.calm = False

    def __call__(self, request: Request) -> Response:
        if request.path == "/counts":
            return Response(200, json.dumps(self.counts).encode())
        if request.path == "/calm":
            self.calm = True
            return Response(200)
        sts = request.path == "/"
        with self._lock:
            self.counts["requests"] += 1
            chance = 1.0 if self.calm else self._random.random()
        for name, share in _STS_FAULTS if sts else _FAULTS:
            chance -= share
            if chance < 0:
                self.counts[f"fault: {name}"] += 1
                return self._fault(name)
        return self._sts(request) if sts else self._page(request)

    def _fault(self, name: str) -> Response:  # noqa: PLR0911 - a table
        match name:
            case "429":
                return _error(429, "ThrottlingException")
            case "500":
                return _error(500, "InternalServerException")
            case "403":
                return _error(403, "AccessDeniedException")
            case "HTML":
                return Response(200, b"<html>Sign in to the proxy</html>", {"Content-Type": "text/html"})
            case "torn JSON":
                return Response(200, b'{"modelCustomizationJobSummaries": [{"jobArn": "arn' + b"x" * 50_000)
            case "token loop":
                return _list([], token="loop")
            case "malformed jobs":
                return _list([None, {"jobName": "no ARN"}, {"jobArn": f"arn:{self._random.random()}", "jobName": None}])
            case "torn body":
                return Response(200, [b'{"modelCust' + b" " * 50_000], {"Content-Length": "100000"})
            case "dripping":
                return Response(200, _drip(), {"Content-Length": "100000"})
            case "silence":
                time.sleep(1.2)
        raise ConnectionAbortedError

    def _sts(self, request: Request) -> Response:
        asked = dict(parse_qsl(request.body.decode()))
        self.counts[asked["Action"]] += 1
        if asked["Action"] == "GetCallerIdentity":
            return _xml(asked["Action"], f"<Account>{OWN}</Account>")
        if OTHER not in asked["RoleArn"]:
            text = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>"
            return Response(403, text, {"Content-Type": "text/xml"})
        ends = time.time() + CREDENTIALS_LAST
        return _xml(
            asked["Action"],
            "<Credentials><AccessKeyId>ASIASOAK</AccessKeyId><SecretAccessKey>any</SecretAccessKey>"
            f"<SessionToken>{ends:.3f}</SessionToken>"
            f"<Expiration>{_iso(time.time() + 900 + RENEWED)}</Expiration></Credentials>",
        )

    def _page(self, request: Request) -> Response:
        self.counts["pages"] += 1
        now = time.time()
        token = request.headers.get("x-amz-security-token")
        if token is not None and now > float(token):
            self.counts["expired credentials used"] += 1
            return _error(403, "ExpiredTokenException")
        scope = re.search(r"Credential=\w+/\d+/([\w-]+)/", request.headers["authorization"])
        region = scope[1] if scope else "?"
        asked = request.query.get("nextToken", "0")
        if asked == "loop":
            return self._fault("token loop")
        number = int(asked.partition(".")[0])
        account = OWN if token is None else OTHER
        if number < len(self._old[account]):
            return _list(self._old[account][number], token=f"{number + 1}.{self._random.random()}")
        first = int((now - _LIVES) / _EACH) + 1
        return _list(
            [_summary(f"{account}:{region}", each, each * _EACH, now) for each in range(first, int(now / _EACH) + 1)]
        )


_FAULTS = (
    ("429", 0.008),
    ("500", 0.006),
    ("403", 0.004),
    ("HTML", 0.004),
    ("torn JSON", 0.004),
    ("token loop", 0.004),
    ("malformed jobs", 0.01),
    ("torn body", 0.004),
    ("closed before headers", 0.004),
    ("dripping", 0.001),
    ("silence", 0.001),
)
_STS_FAULTS = (("429", 0.02), ("500", 0.02), ("HTML", 0.02), ("closed before headers", 0.02), ("silence", 0.005))


def _summary(place: str, number: int, created: float, now: float) -> dict[str, Any]:
    """A job of the list at `now`; one of long ago if it was created at 0."""
    account, _, region = place.partition(":")
    arn = f"arn:aws:bedrock:{region}:{account}"
    model = f"amazon.nova-lite-v{number % 3}:0:300k"
    created, now = created or time.time() - 300 * 86400, now or time.time()
    age = now - created
    step = _LIVES / 8
    status = "InProgress" if age < 4 * step else ("Completed", "Completed", "Failed", "Stopped", "Lost")[number % 5]
    starts = [created + step, created + 2 * step, created + 3 * step]
    details = {
        name: {"status": "NotStarted"}
        if start > now
        else {
            "status": "InProgress" if now < start + step else "Completed",
            "creationTime": _iso(start),
            "lastModifiedTime": _iso(min(now, start + step)),
        }
        for name, start in zip(("validationDetails", "dataProcessingDetails", "trainingDetails"), starts, strict=True)
    }
    summary: dict[str, Any] = {
        "jobArn": f"{arn}:model-customization-job/{model}/{number:012d}",
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
        "jobName": f"{_NAMES[number % len(_NAMES)]}-{number}",
        "status": status,
        "statusDetails": details,
        "creationTime": _iso(created),
        "lastModifiedTime": _iso(min(now, created + 4 * step)),
        "customizationType": _KINDS[number % len(_KINDS)],
    }
    if status != "InProgress":
        summary["endTime"] = _iso(created + 4 * step)
    return summary


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _list(summaries: list[Any], token: str | None = None) -> Response:
    body = json.dumps({"modelCustomizationJobSummaries": summaries, "nextToken": token}).encode()
    return Response(200, body, {"Content-Type": "application/json"})


def _error(status: int, code: str) -> Response:
    return Response(status, b'{"message": "No."}', {"Content-Type": "application/json", "x-amzn-ErrorType": code})


def _xml(action: str, result: str) -> Response:
    text = f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
    return Response(200, text.encode(), {"Content-Type": "text/xml"})


def _drip() -> Iterator[bytes]:
    for _ in range(40):
        yield b" "
        time.sleep(0.05)


def _serve_aws(parent: Connection) -> None:
    with Server(_Aws()) as server:
        parent.send(server.url)
        parent.poll(None)  # until the parent ends this process, or ends itself


# Clients --------------------------------------------------------------------------------------------------------------

_WISHES = [
    {"Accept": accept, "Accept-Encoding": coding}
    for accept, coding in itertools.product(("text/plain", "application/openmetrics-text;version=1.0.0"), ("", "gzip"))
]
_CLIENTS = 3
_WALKS = re.compile(rb"target_walk_duration_seconds_count (\d+)")


class _Clients:
    """Scrape in step with the walks, in every format; some requests are of other kinds, some clients rude."""

    def __init__(self, port: int, shared: _Shared) -> None:
        self._port = port
        self._shared = shared
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def work(self, seed: int) -> None:
        """Until the soak ends."""
        dice = random.Random(seed)
        shared = self._shared
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        for number in itertools.count():
            if shared.ended.is_set():
                break
            if not shared.go.is_set():
                with shared.resting.get_lock():
                    shared.resting.value += 1
                shared.go.wait()
                with shared.resting.get_lock():
                    shared.resting.value -= 1
            try:
                if number % 50 == 49:  # Prometheus keeps its connection; not everybody does
                    connection.close()
                if number % 100 == 33:
                    self._rude(dice)
                if number % 20 == 7:
                    self._other(connection, dice)
                walks = self._scrape(connection, dice, thorough=number % 40 == 0)
            except Exception as error:  # noqa: BLE001 - whatever it is, the soak has failed
                self._complain(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            with shared.scrapes.get_lock():
                shared.scrapes.value += 1
            while shared.scrapes.value * shared.walks_wanted > (walks + 40) * shared.scrapes_wanted:
                walks += 1
                time.sleep(0.002)
        connection.close()

    def _scrape(self, connection: http.client.HTTPConnection, dice: random.Random, *, thorough: bool) -> int:
        wish = dice.choice(_WISHES)
        status, headers, body = self._get(connection, "/metrics", wish)
        packed = headers.get("Content-Encoding") == "gzip"
        if status != 200 or packed != (wish["Accept-Encoding"] == "gzip"):
            self._complain(f"{status} for {wish}")
        page = gzip.decompress(body) if packed else body
        openmetrics = headers["Content-Type"] == Format.OPENMETRICS.value
        name = ("OpenMetrics" if openmetrics else "text") + (", gzip" if packed else "")
        if page.count(b"\nbedrock_exporter_target_up{") != 8 or page.endswith(b"# EOF\n") != openmetrics:
            self._complain(f"a page that is not whole, {name}")
        if thorough:
            for family in (parse_openmetrics if openmetrics else parse_text)(page.decode()):
                for sample in family.samples:
                    if "seconds" in sample.name and sample.value < 0:
                        self._complain(f"below zero: {sample}")
        with self._lock:
            self.counts[name] += 1
        found = _WALKS.search(page)
        return int(found[1]) if found else 0

    def _other(self, connection: http.client.HTTPConnection, dice: random.Random) -> None:
        path, wanted = dice.choice((("/", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/nothing", 404)))
        status, _, _ = self._get(connection, path, {})
        if status != wanted:
            self._complain(f"{path} answered {status}")
        with self._lock:
            self.counts["other pages"] += 1

    @staticmethod
    def _get(connection: http.client.HTTPConnection, path: str, wish: dict[str, str]) -> tuple[int, Any, bytes]:
        connection.request("GET", path, headers=wish)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _rude(self, dice: random.Random) -> None:
        """No proper request, or nobody to read the answer; and then gone."""
        sent = dice.choice(
            (b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01 TLS\r\n\r\n")
        )
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as rude:
            rude.sendall(sent)
            if dice.random() < 0.5:
                rude.recv(10 if sent.endswith(b"\n") else 0)
        with self._lock:
            self.counts["rude clients"] += 1

    def _complain(self, what: str) -> None:
        with self._lock:
            self.wrong = [*self.wrong[:20], what]


class _Shared:
    """What the product's process and the clients' have in common."""

    def __init__(self, walks: int, scrapes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.walks_wanted, self.scrapes_wanted = walks, scrapes
        self.scrapes = context.Value("q", 0)
        self.resting = context.Value("q", 0)
        self.go = context.Event()
        self.ended = context.Event()
        self.go.set()


def _scrape(parent: Connection, port: int, shared: _Shared) -> None:
    clients = _Clients(port, shared)
    threads = [threading.Thread(target=clients.work, args=(seed,)) for seed in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parent.send((clients.counts, clients.wrong))


# The product ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """What the process holds at a moment at which nothing is under way."""

    seconds: float
    walks: int
    scrapes: int
    rss: int
    malloc: int
    blocks: int
    objects: int
    threads: int
    descriptors: int
    sockets: int
    tasks: int

    MAY_GROW: ClassVar[dict[str, float]] = {"threads": 2, "descriptors": 5, "sockets": 5, "tasks": 1}
    """By how much the last third may exceed the first, counted things. A scrape is rendered in one of six threads."""

    @classmethod
    def take(cls, seconds: float, walks: int, scrapes: int) -> Sample:
        descriptors = list(map(_link, Path("/proc/self/fd").iterdir()))  # with those that wait to be collected
        gc.collect()
        return cls(
            seconds,
            walks,
            scrapes,
            rss=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            malloc=_in_use(),
            blocks=sys.getallocatedblocks(),
            objects=len(gc.get_objects()),
            threads=threading.active_count(),
            descriptors=len(descriptors),
            sockets=sum(each.startswith("socket:") for each in descriptors),
            tasks=len(asyncio.all_tasks()),
        )


class _MallInfo(ctypes.Structure):
    _fields_: ClassVar[list[tuple[str, Any]]] = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()  # noqa: SIM905
    ]


def _in_use() -> int:
    """Bytes that C code and large Python objects hold; 0 where the C library is not GNU's, 2.33 or later.

    Resident memory also has what was freed and not given back to the system, and so goes up and down by chance.
    """
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return 0
    mallinfo2.restype = _MallInfo
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _link(entry: Path) -> str:
    with contextlib.suppress(OSError):  # the one through which the folder is read is gone by now
        return str(entry.readlink())
    return ""


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
        self.shared = _Shared(walks, scrapes)
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
        clients = context.Process(target=_scrape, args=(theirs, place.port, self.shared), daemon=True)
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
        while self.shared.resting.value < _CLIENTS or any(t.name.startswith("walk ") for t in threading.enumerate()):
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


# What it comes to -----------------------------------------------------------------------------------------------------


def slope(xs: list[float], ys: list[float]) -> float:
    """The median of the slopes between all pairs of points (Theil-Sen)."""
    slopes: list[float] = [
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(zip(xs, ys, strict=True), 2) if x1 != x2
    ]
    return statistics.median(slopes)


def verdict(samples: list[Sample], *, may_gain: float) -> tuple[str, list[str]]:
    """The table of what was held, and what of it grows.

    Args:
        samples: of the whole run.
        may_gain: bytes that resident memory may gain from the end of the warm-up to the end, by its slope.
    """
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = max(1, len(warm) // 3)
    walks = [float(sample.walks) for sample in warm]
    grown = []
    lines = [
        f"{'held':12} {'first':>10} {'warm':>10} {'last':>10} {'lowest':>10} {'highest':>10} {'gain':>9}  may gain"
    ]
    for name in [field.name for field in fields(Sample)][3:]:
        values = [float(getattr(sample, name)) for sample in warm]
        early, late = statistics.median(values[:third]), statistics.median(values[-third:])
        by_slope = slope(walks, values) * (walks[-1] - walks[0])
        if name in Sample.MAY_GROW:
            gain, limit = late - early, Sample.MAY_GROW[name]
        elif name == "rss":
            gain, limit = by_slope, may_gain
        else:  # Python's own count of what it holds: a leak shows here before it shows in pages of memory
            gain, limit = by_slope, (0.05 if len(warm) >= 20 else 0.5) * early
        if gain > limit:
            grown.append(f"{name} grows: by {gain:.0f} from {early:.0f}")
        unit = 2**20 if name in {"rss", "malloc"} else 1
        shown = [value / unit for value in (getattr(samples[0], name), early, late, min(values), max(values))]
        digits = 0 if unit == 1 else 1
        figures = " ".join(f"{value:10.{digits}f}" for value in shown)
        label = {"rss": "RSS, MiB", "malloc": "malloc, MiB"}.get(name, name)
        lines.append(f"{label:12} {figures} {gain / unit:+9.{digits}f}  {limit / unit:.{digits}f}")
    return "\n".join(lines), grown


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
    aws = context.Process(target=_serve_aws, args=(theirs,), daemon=True)
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
