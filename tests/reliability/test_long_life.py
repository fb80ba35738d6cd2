"""It goes on for months: credentials end, clocks are set, libraries hang, and nothing piles up meanwhile."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.credentials
import faults
import pytest
import virtual_clock
from faults import ACCOUNT, OTHER, ROLE, Service, error, job, page
from prometheus_client.parser import text_string_to_metric_families

from exporter import config
from exporter.app import App
from exporter.bedrock import WirePage
from exporter.bedrock.wire import parse_page
from exporter.exposition import Format, Renderer, compose
from exporter.model import Budget, FailureReason, Schedule, Target, TargetState, Walked
from exporter.poller import Poller
from exporter.simulator import Request, Respond, Response, access_key_id
from exporter.simulator import Server as Simulated
from exporter.walk import Memory, read
from exporter.web import Address, Server
from reliability.soak import Sample, verdict

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
EPOCH = 1_790_000_000.0

Start = Callable[[Respond, str], App]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., App]]:
    """Make the app of a configuration's targets, with a Bedrock and an STS that answer so; within a running loop."""
    with ExitStack() as stack:

        def start(respond: Respond, targets: str, **schedule: float) -> App:
            url = stack.enter_context(Simulated(respond)).url
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id(ACCOUNT))
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
            text = f"targets: {targets}\naws: {{max_attempts: 1}}\n"
            loaded = config.load(text, file="config.yaml", environ={}, default_region=lambda _: None)
            return App(replace(loaded, schedule=replace(loaded.schedule, **schedule)))  # type: ignore[arg-type]

        yield start


def series(app: App) -> dict[tuple[str, str], float]:
    """(family, region or ``""``) → value, of the samples that no other label tells apart; failures by reason, too."""
    shown: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(app.exposition().decode()):
        for sample in family.samples:
            name = sample.name + (f" {sample.labels['reason']}" if "reason" in sample.labels else "")
            shown[name, sample.labels.get("aws_region", "")] = sample.value
    return shown


# Credentials


class Issuer:
    """An STS and a Bedrock with a clock that a test sets, which take no credentials that have ended.

    STS fails for the first minutes in which botocore would renew: it tries from a quarter of an hour before the end on.
    """

    LASTS = HOUR

    def __init__(self) -> None:
        self.now = EPOCH
        self.issued = self.failed = self.refused = 0
        self._ends = 0.0

    def __call__(self, request: Request) -> Response:
        if request.path == "/":
            if 11 * MINUTE < self._ends - self.now <= 15 * MINUTE:
                self.failed += 1
                return faults.sts_error(500, "InternalFailure")
            self.issued += 1
            self._ends = self.now + self.LASTS
            return faults.assumed(f"{self._ends}", timedelta(seconds=self._ends - time.time()))
        if float(request.headers["x-amz-security-token"]) <= self.now:
            self.refused += 1
            return error(403, "ExpiredTokenException")
        return page(role_job(1))


IN_ROLE = f"[{{regions: [us-east-1], assume_role: {{role_arn: '{ROLE}'}}}}]"


def role_job(number: int, **members: Any) -> dict[str, Any]:
    """A job of the role's account."""
    return json.loads(json.dumps(job(number, **members)).replace(ACCOUNT, OTHER))  # type: ignore[no-any-return]


def test_credentials_of_a_role_renew_for_ever(
    start: Callable[..., App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a day of walks a minute with credentials of an hour, which STS does not renew at first: no walk fails."""
    caplog.set_level(logging.ERROR, "botocore.credentials")  # as `log.configure` has it
    caplog.set_level(logging.INFO, "exporter")
    issuer = Issuer()
    clock_of(issuer, monkeypatch)

    async def work() -> App:
        app = start(issuer, IN_ROLE)
        for minute in range(12 * 60):
            issuer.now = EPOCH + minute * MINUTE
            await app.poller.run_once()
        return app

    app = asyncio.run(work())
    (state,) = app.poller.states

    assert (state.up, state.failures, issuer.refused) == (True, {}, 0)
    assert (issuer.issued, issuer.failed) == (15, 14 * 3)  # one for every 49 minutes
    assert [record.getMessage() for record in caplog.records] == ["target is up"]


def clock_of(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore tell by the issuer's clock whether credentials are to be renewed."""
    init = botocore.credentials.DeferredRefreshableCredentials.__init__
    monkeypatch.setattr(init, "__defaults__", (lambda: datetime.fromtimestamp(issuer.now, UTC),))


def test_credentials_that_have_ended_at_once_are_no_bug(
    start: Callable[..., App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a clock that is hours ahead, new credentials have ended already: that is a matter of credentials, told
    without a traceback, and the next walk is good once the clock is right."""
    caplog.set_level(logging.ERROR, "botocore.credentials")  # as `log.configure` has it
    caplog.set_level(logging.INFO, "exporter")
    issuer = Issuer()
    ahead = {"by": 5 * HOUR}
    init = botocore.credentials.DeferredRefreshableCredentials.__init__
    monkeypatch.setattr(init, "__defaults__", (lambda: datetime.fromtimestamp(issuer.now + ahead["by"], UTC),))

    async def work() -> list[object]:
        app = start(issuer, IN_ROLE)
        reasons: list[object] = []
        for ahead["by"] in (5 * HOUR, 0.0, 5 * HOUR, 0.0):
            await app.poller.run_once()
            failure = app.poller.states[0].failure
            reasons.append(failure and failure.reason)
        return reasons

    assert asyncio.run(work()) == [FailureReason.CREDENTIALS, None, FailureReason.CREDENTIALS, None]
    assert [record.getMessage() for record in caplog.records] == ["target is down", "target is up"] * 2
    assert not any(record.exc_info for record in caplog.records)


# Clocks


class Listed:
    """A target's list, as the real wire JSON in pages of which the first one never changes."""

    account_id: str | None = ACCOUNT

    def __init__(self, now: float) -> None:
        ended = {"status": "Completed", "endTime": now - 10 * DAY, "creationTime": now - 11 * DAY}
        runs = {"lastModifiedTime": now - 60, "creationTime": now - HOUR}
        runs["statusDetails"] = {"trainingDetails": {"status": "InProgress", "creationTime": now - 1800}}  # type: ignore[assignment]
        self._bodies = [page(job(1, **ended), token="more").body, page(job(2, **runs)).body]
        self.decoded = 0

    def pages(self, _max_pages: int, _now: float, known: Container[int]) -> Iterator[WirePage]:
        for body in self._bodies:
            assert isinstance(body, bytes)
            read_ = parse_page(body, known)
            self.decoded += read_.decoded is not None
            yield read_


TARGET = Target("targets[0]", "us-east-1", ACCOUNT)
BUDGET = Budget(retain=14 * DAY, max_jobs=1000, baseline_window=90 * DAY)


def ages(states: tuple[TargetState, ...], now: float) -> dict[str, list[float]]:
    """What says for how long, by family."""
    page_ = compose(states, Format.TEXT).body(now, b"").decode()
    names = re.compile(r"duration_seconds|time_since|waiting")
    return {
        family.name: [sample.value for sample in family.samples]
        for family in text_string_to_metric_families(page_)
        if names.search(family.name)
    }


def test_a_clock_that_is_set_changes_no_interval_and_no_age_is_below_zero() -> None:
    """NTP, a suspended machine or a person sets the clock back a day and ahead a year: walks keep their rhythm, data
    gets stale by the time that really passes, and what is exported as an age is 0 at least."""
    clock = {"ahead": 0.0}
    starts: list[float] = []
    seen: list[tuple[float, int, dict[str, list[float]]]] = []
    listed, memory, renderer = Listed(EPOCH), Memory(), Renderer(TARGET)

    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time() + clock["ahead"]

    async def walk(_: Target) -> Walked:
        starts.append(asyncio.get_running_loop().time())
        return read(listed, budget=BUDGET, max_pages=9, now=now(), render=renderer.render, memory=memory)

    async def work() -> Poller:
        poller = Poller((TARGET,), walk, Schedule(interval=60, timeout=45, stale_after=900, concurrency=8), now=now)
        polling = asyncio.create_task(poller.run())
        for ahead in (0.0, -DAY, 0.0, 365 * DAY, -2 * HOUR, 0.0):
            clock["ahead"] = ahead
            for _ in range(3):
                await asyncio.sleep(60)
                states = poller.states
                assert states[0].snapshot is not None
                seen.append((ahead, len(states[0].snapshot.job_series), ages(states, now())))
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        return poller

    poller = virtual_clock.run(work())

    assert starts == [60 * number for number in range(len(starts))]
    assert len(starts) in {18, 19}
    assert poller.states[0].up
    assert all(value >= 0 for _, _, shown in seen for values in shown.values() for value in values)
    # A year ahead the job that ended ten days ago is too old for series of its own; afterwards it has them again.
    assert {ahead: number for ahead, number, _ in seen} == {0: 2, -DAY: 2, 365 * DAY: 1, -2 * HOUR: 2}
    running = [shown["bedrock_model_customization_job_time_since_last_modified_seconds"] for _, _, shown in seen]
    assert all(0 in values for (ahead, _, _), values in zip(seen, running, strict=True) if ahead < 0)


def test_stale_data_ends_by_the_time_that_really_passes() -> None:
    """`stale_after` counts real seconds: a clock that jumps neither ends the series early nor keeps them for ever."""
    clock = {"ahead": 0.0}
    good = True
    renderer = Renderer(TARGET)

    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time() + clock["ahead"]

    async def walk(_: Target) -> Walked:
        if not good:
            raise OSError("no more")
        return read(Listed(EPOCH), budget=BUDGET, max_pages=9, now=now(), render=renderer.render)

    async def work() -> list[bool]:
        nonlocal good
        poller = Poller((TARGET,), walk, Schedule(interval=60, timeout=45, stale_after=900, concurrency=8), now=now)
        polling = asyncio.create_task(poller.run())
        await asyncio.sleep(1)
        good = False
        has_series = []
        for ahead in (365 * DAY, -DAY, 365 * DAY, -DAY):
            clock["ahead"] = ahead
            await asyncio.sleep(290)
            has_series.append(poller.states[0].snapshot is not None)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        return has_series

    assert virtual_clock.run(work()) == [True, True, True, False]


def test_what_a_walk_remembers_is_forgotten_when_the_clock_goes_back() -> None:
    """A page is not read again while time moves on; when it moves back, what was too old then may not be so now."""
    listed, memory, renderer = Listed(EPOCH), Memory(), Renderer(TARGET)
    jobs: list[int] = []
    decoded: list[int] = []
    for ahead in (0.0, 60.0, 30 * DAY, 31 * DAY, 0.0, 60.0):
        before = listed.decoded
        walked = read(listed, budget=BUDGET, max_pages=9, now=EPOCH + ahead, render=renderer.render, memory=memory)
        jobs.append(len(walked.snapshot.job_series))
        decoded.append(listed.decoded - before)

    assert jobs == [2, 2, 1, 1, 2, 2]
    assert decoded == [2, 0, 0, 0, 2, 0]


def test_walks_through_clocks_that_are_set(start: Callable[..., App], monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole product, real threads and HTTP, with `time.time` moved under it."""
    real, ahead = time.time, {"by": 0.0}
    monkeypatch.setattr(time, "time", lambda: real() + ahead["by"])
    moment = datetime.fromtimestamp(real() - 60, UTC).isoformat()
    service = Service(page(job(1, creationTime=moment, lastModifiedTime=moment)))

    async def work() -> None:
        app = start(service, f"[{{regions: [us-east-1], account_id: '{ACCOUNT}'}}]")
        for by in (0.0, -DAY, 365 * DAY, -365 * DAY, 0.0):
            ahead["by"] = by
            await app.poller.run_once()
            assert app.poller.states[0].up
            shown = series(app)
            age = shown["bedrock_model_customization_job_time_since_last_modified_seconds", "us-east-1"]
            assert age == pytest.approx(max(0.0, 60 + by), abs=30)
            assert shown["bedrock_model_customization_job_duration_seconds", "us-east-1"] >= 0
            assert shown["bedrock_exporter_target_walk_duration_seconds_sum", ""] < 30

    asyncio.run(work())


# Threads that hang


def test_a_thread_that_hangs_for_ever_harms_no_other_target(
    start: Callable[..., App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A resolver that never answers can't be cut off: its target says so, alone, with one thread; the rest goes on,
    `/-/healthy` says 200; and when it answers after all, the target is up again by itself."""
    caplog.set_level(logging.INFO, "exporter")
    let_go, resolve = threading.Event(), socket.getaddrinfo
    let_go.set()
    hanging = set()

    def getaddrinfo(*where: Any, **how: Any) -> Any:
        if threading.current_thread().name == "walk targets[0] us-west-2" and not let_go.is_set():
            hanging.add(threading.current_thread())
            let_go.wait(60)
        return resolve(*where, **how)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    seen: list[dict[tuple[str, str], float]] = []
    asked: list[str] = []

    def respond(request: Request) -> Response:
        asked.append(request.headers["authorization"])
        return replace(page(job(1)), headers={"Connection": "close"})  # so that the next walk asks the resolver again

    async def until(met: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not met():
                await asyncio.sleep(0.01)

    async def work() -> None:
        targets = f"[{{regions: [us-east-1, us-west-2], account_id: '{ACCOUNT}'}}]"
        app = start(respond, targets)
        await app.poller.run_once()
        assert all(state.up for state in app.poller.states)
        app.poller._schedule = replace(app.poller._schedule, interval=0.05, timeout=1.0)
        let_go.clear()
        server = Server(app.site)
        (place,) = await server.start([Address("127.0.0.1", 0)])
        polling = asyncio.create_task(app.poller.run())
        bad = app.poller.states[1].target

        def timeouts() -> int:
            return app.poller.states[1].failures.get(FailureReason.TIMEOUT, 0)

        for _ in range(3):
            failed, done = timeouts(), len(asked)
            await until(lambda before=failed: timeouts() > before)  # type: ignore[misc]
            await until(lambda before=done: len(asked) > before + 1)  # type: ignore[misc]
            reader, writer = await asyncio.open_connection(place.host, place.port)
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
            writer.close()
            await writer.wait_closed()
            seen.append(series(app))
        assert len(hanging) == 1
        assert sum(thread.name == f"walk {bad.name} {bad.region}" for thread in threading.enumerate()) == 1
        let_go.set()
        await until(lambda: app.poller.states[1].up)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await server.stop()

    try:
        asyncio.run(work())
    finally:
        let_go.set()

    counted = [shown["bedrock_exporter_target_walk_failures_total timeout", "us-west-2"] for shown in seen]
    assert 1 <= counted[0] < counted[1] < counted[2]
    for shown in seen:
        assert shown["bedrock_exporter_target_up", "us-west-2"] == 0
        assert shown["bedrock_exporter_target_up", "us-east-1"] == 1
        assert shown["bedrock_exporter_target_walk_failures_total timeout", "us-east-1"] == 0
    lines = Counter((record.getMessage(), vars(record)["region"]) for record in caplog.records)
    assert lines["target is down", "us-west-2"] == 1
    assert lines["target is down", "us-east-1"] == 0


# Memory

BIG = [job(number, customModelName="x" * 200) for number in range(1000)]
KEPT = 200_000
"""Bytes that a state may hold beyond what it shows; a page of a thousand jobs is half a megabyte."""


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "ThrottlingException"),
        error(400, "ValidationException"),
        faults.drop,
        faults.truncated(),
        faults.body_of(faults.HTML),
        faults.body_of(b'{"modelCustomizationJobSummaries": [' + b" " * 2_000_000),
        page(*BIG, token="again"),
    ],
    ids=["429", "400", "dropped", "torn", "HTML", "torn JSON", "token loop"],
)
def test_a_target_that_is_down_holds_no_page(start: Callable[..., App], fault: Response | Respond) -> None:
    """A failure is kept for as long as it lasts, but none of the pages of the walk that failed, not even as garbage
    that waits to be collected."""

    def respond(request: Request) -> Response:
        if request.query.get("nextToken") != "again":
            return page(*BIG, token="again")
        return fault if isinstance(fault, Response) else fault(request)

    async def work() -> App:
        app = start(respond, f"[{{regions: [us-east-1], account_id: '{ACCOUNT}'}}]")
        for _ in range(3):
            await app.poller.run_once()
        return app

    gc.collect()
    gc.disable()
    try:
        app = asyncio.run(work())
        pages = [each for each in gc.get_objects() if isinstance(each, WirePage)]
    finally:
        gc.enable()
    failure = app.poller.states[0].failure

    assert failure is not None
    assert pages == []
    assert held(failure.cause) < KEPT
    if failure.reason is FailureReason.INTERNAL:  # for whoever reads the log
        assert failure.cause is not None
        assert "pages" in {frame.name for frame in traceback.extract_tb(failure.cause.__traceback__)}


def held(root: object) -> int:
    """Bytes of all data that an object leads to."""
    seen: dict[int, object] = {}
    rest = [root]
    while rest:
        each = rest.pop()
        if id(each) not in seen and isinstance(each, (str, bytes, dict, list, tuple, set, BaseException)):
            seen[id(each)] = each
            rest += gc.get_referents(each)
    return sum(map(sys.getsizeof, seen.values()))


def test_a_job_that_has_left_the_list_leaves_memory() -> None:
    """What is remembered of pages, and the text kept of jobs, is that of the last walk's list and no more."""
    memory, renderer = Memory(), Renderer(TARGET)
    listed = Listed(EPOCH)
    for turn in range(5):
        recent = {"status": "Completed", "endTime": EPOCH - 60, "creationTime": EPOCH - 120}
        jobs = [job(number, **recent) for number in range(turn * 100, turn * 100 + 100)]
        listed._bodies = [page(*jobs[:50], token="more").body, page(*jobs[50:]).body]
        read(listed, budget=BUDGET, max_pages=9, now=EPOCH + turn, render=renderer.render, memory=memory)

    assert len(memory._results) == 2
    kept = {entry.name for result in memory._results.values() for _, entry in result.fold.ended}
    assert kept == {entry.name for entry in renderer._ended} == {f"job-{number}" for number in range(400, 500)}


# The soak


@pytest.mark.e2e
def test_short_soak() -> None:
    """The soak works, and a few hundred walks and scrapes among faults leave nothing behind. `make soak` does more."""
    command = [sys.executable, "-m", "tests.reliability.soak", "--walks", "250", "--scrapes", "250"]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=180)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = re.match(r"(\d+) walks and (\d+) scrapes", ended.stdout)
    assert done is not None
    assert all(int(number) >= 250 for number in done.groups())
    for name in ("RSS, MiB", "threads", "descriptors", "sockets", "tasks", "AssumeRole", "fault: 429"):
        assert re.search(rf"^{name} +\d", ended.stdout, re.MULTILINE), ended.stdout


@pytest.mark.parametrize(
    ("name", "each"), [("rss", 100_000), ("blocks", 1500), ("threads", 0.2), ("descriptors", 0.5), ("tasks", 0.2)]
)
def test_the_soak_sees_a_leak(name: str, each: float) -> None:
    """Something that grows a little with every sample is told, whatever the noise; noise alone is not."""

    def samples(leak: float) -> list[Sample]:
        noise = [math.sin(number * 7.3) for number in range(50)]
        return [
            Sample(
                **{
                    "seconds": number,
                    "walks": number * 400,
                    "scrapes": number * 400,
                    "rss": 90_000_000 + int(200_000 * noise[number]),
                    "malloc": 40_000_000,
                    "blocks": 450_000 + int(500 * noise[number]),
                    "objects": 120_000,
                    "threads": 5,
                    "descriptors": 30,
                    "sockets": 20,
                    "tasks": 14,
                    "timers": 30,
                    name: {"rss": 90_000_000, "blocks": 450_000}.get(name, 10) + int(leak * number + noise[number]),
                }
            )
            for number in range(50)
        ]

    assert verdict(samples(0), may_gain=1_000_000)[1] == []
    (told,) = verdict(samples(each), may_gain=1_000_000)[1]
    assert told.startswith(f"{name} grows")
