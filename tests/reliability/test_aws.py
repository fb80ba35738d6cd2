"""Every fault of AWS and of the way there, one by one: the whole exporter in this process, real boto3, real sockets.

Two targets, each with an AWS of its own. One meets the fault; the other must not notice.
"""

import asyncio
import contextlib
import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import faults
import pytest

from exporter.app import App
from exporter.config.resolve import load
from exporter.log import Formatter
from reliability.aws_faults import FAULTS
from reliability.fault import Fault
from reliability.injections import short_role
from reliability.scene import EPOCH, GOOD, NEWS, Aws, Clock, Names, Page, of_jobs, pages, running, sample

pytestmark = pytest.mark.e2e

OTHER_REGION = "us-west-2"
TICK = 60.0
"""Seconds by which the exporter's clock moves ahead of each walk."""
PATIENCE = 10.0
"""Seconds after which a test gives up on a thread; nothing takes so long unless it is broken."""
SLACK = 2.0
"""Seconds within which a walk that is at its deadline has ended."""
SETTINGS = {"timeout": "30s", "max_pages": "10000", "read_timeout": "20s", "max_attempts": "1"}
GROWING = tuple(
    f"bedrock_model_customization_{name}_seconds{{"
    for name in ("subtask_duration", "job_time_since_last_modified", "job_duration", "job_waiting")
)
TARGET = "bedrock_exporter_target_"


class Stage:
    """The exporter with two targets, each with its AWS, and all that users see of it.

    Attributes:
        aws: where the fault is.
        other: where none is; its list gets longer with every walk.
        clock: the exporter's.
        walks: so far.
    """

    def __init__(self, fault: Fault, aws: Aws, other: Aws, clock: Clock, output: io.StringIO) -> None:
        self.fault, self.aws, self.other, self.clock = fault, aws, other, clock
        self.walks = 0
        self._output = output
        settings = {**SETTINGS, **fault.settings}
        role = f"\n    assume_role: {{role_arn: 'arn:aws:iam::{faults.ACCOUNT}:role/exporter'}}" if fault.role else ""
        text = f"""\
poll: {{interval: 10s, timeout: {settings["timeout"]}, max_pages: {settings["max_pages"]}}}
targets:
  - regions: [{fault.region}]
    profile: faulty{role}
  - regions: [{OTHER_REGION}]
    profile: good
aws: {{read_timeout: {settings["read_timeout"]}, max_attempts: {settings["max_attempts"]}}}
"""
        self._config = load(text, file="config.yaml", environ={}, default_region=lambda _: None, known_regions=())
        self.timeout = self._config.schedule.timeout
        self.app = App(self._config, load=lambda: self._config)

    def scrape(self) -> Page:
        """What /metrics shows now."""
        return Page(self.app.exposition().decode())

    @property
    def seen(self) -> dict[str, str]:
        """What a scrape shows of the target with the fault."""
        return self.scrape().of(self.fault.region)

    async def walk_well(self) -> None:
        """A walk without the fault, for which a busy machine may take longer than the deadline that the fault needs."""
        await self._reload(30.0)
        await self.walk()
        await self._reload(self.timeout)

    async def _reload(self, timeout: float) -> None:
        """Have another deadline for walks."""
        self._config = replace(self._config, schedule=replace(self._config.schedule, timeout=timeout))
        assert await self.app.reload() == []

    async def walk(self) -> float:
        """Walk both targets once, and prove that the one that is well is so. Seconds that it took.

        Meanwhile, scrapes never show of the jobs of the one with the fault anything but what they showed before or
        will show after.
        """
        self.walks += 1
        extra = [running(200 + number) for number in range(self.walks)]
        self.other.list = pages((*GOOD[:1], (*GOOD[1], *extra)))
        before = self.seen
        shown: list[dict[str, str]] = []
        began = time.monotonic()
        well_after = None
        walk = asyncio.create_task(self.app.fleet.run_once())
        while not walk.done():
            page = self.scrape()
            shown.append(page.of(self.fault.region))
            if well_after is None and self._is_well(page):
                well_after = time.monotonic() - began
            await asyncio.wait([walk], timeout=0.02)
        took = time.monotonic() - began
        await walk
        page = self.scrape()
        after = page.of(self.fault.region)
        assert all(each in (before, after) for each in shown)
        assert self._is_well(page)
        if took >= 0.8 * self.timeout:  # and it did not wait for the one that is held
            assert well_after is not None
            assert well_after < took
        await self._threads_end()
        return took

    def _is_well(self, page: Page) -> bool:
        """Whether the other target has been walked at this tick, and never failed."""
        samples = page.of(OTHER_REGION)
        good = changed(samples, up=1, walk_jobs=5 + self.walks, last_success_timestamp_seconds=self.clock.now)
        failures = (value for key, value in samples.items() if key.startswith(f"{TARGET}walk_failures_total"))
        return samples == good and f"{199 + self.walks:012d}" in str(samples) and set(failures) == {"0"}

    async def _threads_end(self) -> None:
        """A walk that was cut off ends soon, and leaves no thread."""
        for thread in threading.enumerate():
            if thread.name.startswith("walk targets["):
                await asyncio.to_thread(thread.join, PATIENCE)
                assert not thread.is_alive()

    def lines(self) -> list[dict[str, Any]]:
        """What has been logged since the last look."""
        text = self._output.getvalue()
        self._output.seek(0)
        self._output.truncate()
        lines = [json.loads(line) for line in text.splitlines()]
        return [
            line
            for line in lines
            if line["msg"] != "configuration reloaded" and line["logger"] != "exporter.jobs.story"
        ]


@pytest.fixture
def stage_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Makes the stage for a fault."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    clock, names, output = Clock(), Names(), io.StringIO()
    monkeypatch.setattr("socket.getaddrinfo", names)
    monkeypatch.setattr("exporter.app.time", clock)
    handler, logger = logging.StreamHandler(output), logging.getLogger("exporter")
    handler.setFormatter(Formatter("json", str))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(Aws("faulty", clock, names, tmp_path))
        other = stack.enter_context(Aws("good", clock, names, tmp_path))

        def make(fault: Fault) -> Stage:
            aws.move(fault.region, fault.service)
            if fault.role:
                aws.sts = short_role
            return Stage(fault, aws, other, clock, output)

        yield make
    logger.removeHandler(handler)
    logger.setLevel(level)


def up(region: str, **more: Any) -> dict[str, Any]:
    """The log line of a target that is well."""
    about = {"account": faults.ACCOUNT, "region": region}
    return {"level": "info", "msg": "target is up", **about, **more}


def assert_lines(lines: list[dict[str, Any]], *expected: Mapping[str, Any]) -> None:
    """These lines, in whatever order, and no others; more may stand in each."""
    assert len(lines) == len(expected), lines
    for wanted in expected:
        assert any(line.items() >= wanted.items() for line in lines), (wanted, lines)


async def begin(stage: Stage) -> None:
    """The first walk of both, which is good, and one log line for each."""
    fault = stage.fault
    await stage.walk_well()
    seen = stage.seen
    lines = stage.lines()
    assert sample(seen, f"{TARGET}up") == "1", json.dumps(lines)
    assert sample(seen, f"{TARGET}walk_jobs") == "5"
    assert_lines(lines, up(fault.region, jobs=5, pages=2), up(OTHER_REGION, jobs=6, pages=2))


def assert_grown(before: dict[str, str], after: dict[str, str], seconds: float) -> None:
    """Some time between two scrapes changes only what grows, and that by this time."""
    assert list(before) == list(after)
    grown = {key: (float(value), float(after[key])) for key, value in before.items() if value != after[key]}
    assert grown
    for key, (old, new) in grown.items():
        assert key.startswith(GROWING)
        assert new == pytest.approx(old + seconds)


def changed(samples: dict[str, str], **values: object) -> dict[str, str]:
    """Samples with other values for some about the target; a reason stands for the failures that have it."""
    result = dict(samples)
    for name, value in values.items():
        beginnings = (f"{TARGET}{name}{{", f"{TARGET}walk_failures_total{{")
        for key in samples:
            if key.startswith(beginnings[0]) or (key.startswith(beginnings[1]) and f'reason="{name}"' in key):
                result[key] = repr(value)
    return result


def failing(samples: dict[str, str], reason: str) -> dict[str, str]:
    """Samples with the reason why the target is down, which stands after the one that says that it is."""
    result: dict[str, str] = {}
    for key, value in samples.items():
        if key.startswith(f"{TARGET}failure_info{{"):
            continue
        result[key] = value
        if key.startswith(f"{TARGET}up{{"):
            result[key.replace("up{", "failure_info{").replace("}", f',reason="{reason}"}}')] = "1"
    for key in result:
        if key.startswith(f"{TARGET}series{{"):
            result[key] = str(len(result))
    return result


def requests_of(stage: Stage) -> float:
    """What the exporter says of the requests for pages that have left."""
    name = 'bedrock_exporter_api_requests_total{operation="ListModelCustomizationJobs"}'
    return float(stage.scrape().samples[name])


def ids(faults: list[Fault]) -> list[str]:
    return [fault.slug for fault in faults]


FAILING = [fault for fault in FAULTS if fault.reason is not None]
HARMLESS = [fault for fault in FAULTS if fault.reason is None]


@pytest.mark.parametrize("fault", FAILING, ids=ids(FAILING))
def test_failing_fault(fault: Fault, stage_of: Any) -> None:
    """A fault that fails the walk leaves all but the state of its target as it was, and it is over when it is over."""
    assert fault.reason is not None
    reason = str(fault.reason)

    async def work() -> None:
        stage = stage_of(fault)
        if not fault.from_start:
            await begin(stage)
        with fault.inject(stage.aws):
            for number in (1, 2):
                earlier = stage.seen
                stage.clock.now += TICK
                before = stage.seen
                if of_jobs(before):
                    assert_grown(earlier, before, TICK)
                asked, counted = stage.aws.asked + stage.other.asked, requests_of(stage)
                took = await stage.walk()

                assert took < stage.timeout + SLACK
                if fault.at_deadline:
                    assert took >= 0.8 * stage.timeout  # the walk itself ends a little ahead of its deadline
                if fault.attempts is not None:
                    assert stage.aws.asked + stage.other.asked == asked + fault.attempts + 2
                    assert requests_of(stage) == counted + fault.attempts + 2
                if fault.from_start and number == 1:
                    after = stage.seen
                    assert not of_jobs(after)
                    assert sample(after, f"{TARGET}up") == "0"
                    assert sample(after, f"{TARGET}walk_failures_total", f'reason="{reason}"') == "1"
                else:
                    expected = changed(before, up=0, last_walk_timestamp_seconds=stage.clock.now, **{reason: number})
                    assert list(stage.seen.items()) == list(failing(expected, reason).items())
                lines = stage.lines()
                if number == 1:
                    level = "info" if reason == "unsupported_region" else "warning"
                    down = {"level": level, "msg": "target is down", "region": fault.region, "reason": reason}
                    first = [up(OTHER_REGION)] if fault.from_start else []
                    assert_lines(lines, down, *first)
                    assert fault.log in next(line["detail"] for line in lines if line["msg"] == "target is down")
                else:
                    assert_lines(lines)
        stage.aws.list = pages(NEWS)
        stage.clock.now += TICK
        await stage.walk_well()
        over = stage.seen
        assert sample(over, f"{TARGET}up") == "1"
        assert sample(over, f"{TARGET}last_success_timestamp_seconds") == repr(stage.clock.now)
        assert sample(over, f"{TARGET}walk_failures_total", f'reason="{reason}"') == "2"
        assert_news(over)
        assert_lines(stage.lines(), up(fault.region, was=reason, jobs=6))

    asyncio.run(work())


def assert_news(samples: dict[str, str]) -> None:
    """The list of after the fault is there."""
    assert sample(samples, f"{TARGET}walk_jobs") == "6"
    jobs = of_jobs(samples)
    assert [sample(jobs, "bedrock_model_customization_job_info", f'job_id="{id_:012d}"') for id_ in range(1, 7)] == [
        "1"
    ] * 6
    ended = sample(jobs, "bedrock_model_customization_job_ended_timestamp_seconds", f'job_id="{1:012d}"')
    assert ended == repr(EPOCH + 60)


@pytest.mark.parametrize("fault", HARMLESS, ids=ids(HARMLESS))
def test_harmless_fault(fault: Fault, stage_of: Any) -> None:
    """A fault that does not fail the walk changes what it is about and nothing else."""

    async def work() -> None:
        stage = stage_of(fault)
        await begin(stage)
        with fault.inject(stage.aws):
            for number in (1, 2):
                stage.clock.now += TICK
                before = stage.seen
                counted = requests_of(stage)
                took = await stage.walk()
                after = stage.seen

                assert took < stage.timeout
                assert sample(after, f"{TARGET}up") == "1"
                assert sample(after, f"{TARGET}last_success_timestamp_seconds") == repr(stage.clock.now)
                assert sample(after, f"{TARGET}walk_jobs") == str(5 + fault.jobs)
                assert sample(after, f"{TARGET}malformed_jobs_total") == str(number * fault.malformed)
                if fault.attempts is not None:
                    assert requests_of(stage) == counted + fault.attempts + 2
                added = {key for key in of_jobs(after) if key not in before}
                kept = {key: value for key, value in of_jobs(after).items() if key not in added}
                if number == 1:
                    assert kept == of_jobs(before, without=fault.gone)
                    assert bool(added) == (fault.jobs > 0)
                else:
                    assert kept == of_jobs(before)
                    assert not added
                for name, label, value in fault.shows:
                    assert sample(after, name, label) == (repr(stage.clock.now) if value == "@now" else value)
                assert fault.hides is None or fault.hides not in str(after)
                if not (fault.jobs or fault.shows):
                    now = stage.clock.now
                    expected = changed(
                        before,
                        last_walk_timestamp_seconds=now,
                        last_success_timestamp_seconds=now,
                        malformed_jobs_total=number * fault.malformed,
                    )
                    assert list(after.items()) == list(expected.items())
                lines = stage.lines()
                left_out = {"level": "warning", "msg": "malformed job left out", "region": fault.region}
                assert_lines(lines, *[left_out] * (fault.malformed if number == 1 else 0))
                assert all(float(value) >= 0 for value in after.values())
                if lines:
                    assert fault.log in lines[0]["detail"]
        stage.aws.list = pages(NEWS)
        stage.clock.now += TICK
        await stage.walk_well()
        assert_news(stage.seen)
        assert_lines(stage.lines())

    asyncio.run(work())


def test_every_target_fails_from_the_start(stage_of: Any) -> None:
    """The exporter starts, serves, is healthy and ready, and says which targets are down."""
    fault = next(fault for fault in FAILING if fault.slug == "refused")

    async def work() -> None:
        stage = stage_of(fault)
        with fault.inject(stage.aws), fault.inject(stage.other):
            assert not stage.app.fleet.ready
            await stage.app.fleet.run_once()
            assert stage.app.fleet.ready
            for region in (fault.region, OTHER_REGION):
                assert sample(stage.scrape().of(region), f"{TARGET}up") == "0"
        down = {"level": "warning", "msg": "target is down", "reason": fault.reason}
        assert_lines(stage.lines(), {**down, "region": fault.region}, {**down, "region": OTHER_REGION})
        await stage.app.fleet.run_once()
        assert [sample(stage.scrape().of(region), f"{TARGET}up") for region in (fault.region, OTHER_REGION)] == [
            "1",
            "1",
        ]

    asyncio.run(work())
