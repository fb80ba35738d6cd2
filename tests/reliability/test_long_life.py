"""It goes on for months: credentials end, clocks are set, libraries hang, and nothing piles up meanwhile."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.credentials
import faults
import pytest
from faults import ACCOUNT, OTHER, ROLE, Service, error, job, page
from prometheus_client.parser import text_string_to_metric_families

from exporter.app import App
from exporter.config.resolve import load
from exporter.errors import FailureReason
from exporter.jobs.job import Job
from exporter.simulator import Request, Respond, Response, access_key_id
from exporter.simulator import Server as Simulated
from exporter.web.address import Address
from exporter.web.server import Server
from reliability.soak.held import Sample, verdict

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
EPOCH = 1_790_000_000.0

Start = Callable[[Respond, str], App]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., App]]:
    """Make the app of a configuration's targets, with a Bedrock and an STS that answer so; within a running loop."""
    with ExitStack() as stack:

        def start(respond: Respond, targets: str, *, attempts: int = 1, **schedule: float) -> App:
            url = stack.enter_context(Simulated(respond)).url
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id(ACCOUNT))
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
            text = f"targets: {targets}\naws: {{max_attempts: {attempts}}}\n"
            loaded = load(text, file="config.yaml", environ={}, default_region=lambda _: None, known_regions=())
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
    botocore_by(lambda: issuer.now, monkeypatch)

    async def work() -> App:
        app = start(issuer, IN_ROLE)
        for minute in range(12 * 60):
            issuer.now = EPOCH + minute * MINUTE
            await app.fleet.run_once()
        return app

    app = asyncio.run(work())
    (state,) = app.fleet.states

    assert (state.up, state.failures, issuer.refused) == (True, {}, 0)
    assert (issuer.issued, issuer.failed) == (15, 14 * 3)  # one for every 49 minutes
    assert [record.getMessage() for record in caplog.records if record.name != "exporter.jobs.story"] == [
        "target is up"
    ]


def botocore_by(clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore tell by this clock whether credentials are to be renewed."""
    init = botocore.credentials.DeferredRefreshableCredentials.__init__
    monkeypatch.setattr(init, "__defaults__", (lambda: datetime.fromtimestamp(clock(), UTC),))


def test_credentials_that_have_ended_at_once_are_no_bug(
    start: Callable[..., App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a clock that is hours ahead, new credentials have ended already: that is a matter of credentials, told
    without a traceback, and the next walk is good once the clock is right."""
    caplog.set_level(logging.ERROR, "botocore.credentials")  # as `log.configure` has it
    caplog.set_level(logging.INFO, "exporter")
    issuer = Issuer()
    ahead = {"by": 5 * HOUR}
    botocore_by(lambda: issuer.now + ahead["by"], monkeypatch)

    async def work() -> list[object]:
        app = start(issuer, IN_ROLE)
        reasons: list[object] = []
        for ahead["by"] in (5 * HOUR, 0.0, 5 * HOUR, 0.0):
            await app.fleet.run_once()
            failure = app.fleet.states[0].failure
            reasons.append(failure and failure.reason)
        return reasons

    assert asyncio.run(work()) == [FailureReason.CREDENTIALS, None, FailureReason.CREDENTIALS, None]
    assert [record.getMessage() for record in caplog.records if record.name != "exporter.jobs.story"] == [
        "target is down",
        "target is up",
    ] * 2
    assert not any(record.exc_info for record in caplog.records)


# Clocks


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
            await app.fleet.run_once()
            assert app.fleet.states[0].up
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
        app = start(respond, targets, interval=0.05, timeout=2.0)
        await app.fleet.run_once()
        assert all(state.up for state in app.fleet.states)
        let_go.clear()
        server = Server(app.site)
        (place,) = await server.start([Address("127.0.0.1", 0)])
        polling = asyncio.create_task(app.fleet.run())
        bad = app.fleet.states[1].target

        def timeouts() -> int:
            return app.fleet.states[1].failures.get(FailureReason.TIMEOUT, 0)

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
        await until(lambda: app.fleet.states[1].up)
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
            await app.fleet.run_once()
        return app

    app, pages = without_collecting(work)
    assert app.fleet.states[0].failure is not None
    assert pages == []


def without_collecting(work: Callable[[], Coroutine[Any, Any, App]]) -> tuple[App, list[object]]:
    """The result of work during which no garbage is collected, and the lists of jobs that are there afterwards."""
    gc.collect()
    gc.disable()
    try:
        app = asyncio.run(work())
        return app, [
            each
            for each in gc.get_objects()
            if isinstance(each, list) and len(each) == len(BIG) and isinstance(each[0], Job)
        ]
    finally:
        gc.enable()


def test_a_page_that_came_at_the_second_attempt_is_not_held(start: Callable[..., App]) -> None:
    """Exceptions of botocore refer to themselves, and through their frames to the walk that has gone on."""
    old = [{**each, "status": "Stopped", "creationTime": "2020-01-01T00:00:00Z"} for each in BIG]
    answers: Iterator[Respond] = itertools.cycle([faults.drop, lambda _: page(*old)])

    def respond(request: Request) -> Response:
        return next(answers)(request)

    async def work() -> App:
        app = start(respond, f"[{{regions: [us-east-1], account_id: '{ACCOUNT}'}}]", attempts=2)
        for _ in range(3):
            await app.fleet.run_once()
        return app

    app, pages = without_collecting(work)
    assert app.fleet.states[0].up
    assert pages == []


# The soak


def test_short_soak() -> None:
    """The soak works, and a few hundred walks and scrapes among faults leave nothing behind. `make soak` does more."""
    command = [sys.executable, "-m", "reliability.soak", "--walks", "250", "--scrapes", "250"]
    environ = os.environ | {"PYTHONPATH": "tests"}
    ended = subprocess.run(command, check=False, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=180)

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
                    name: {"rss": 90_000_000, "blocks": 450_000}.get(name, 10) + int(leak * number + noise[number]),
                }
            )
            for number in range(50)
        ]

    assert verdict(samples(0), may_gain=1_000_000)[1] == []
    (told,) = verdict(samples(each), may_gain=1_000_000)[1]
    assert told.startswith(f"{name} grows")
