"""Calls for details and tags of jobs that fail in every way: walks and scrapes go on as if nobody had asked."""

import asyncio
import io
import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults
import pytest
from e2e.processes import clean_environment, fetch, serving, simulated_aws, wait_for

from exporter.app import App
from exporter.config.resolve import load
from exporter.fleet import asker
from exporter.log import Formatter
from exporter.simulator import Request, Respond, Response, Server
from reliability.detail_faults import FAULTS, DetailFault
from reliability.scene import GOOD, Clock, Page, ended, pages, running, sample

pytestmark = pytest.mark.e2e

PATIENCE = 30.0
DEADLINE = 3.0
"""Of a call, in the place of 15 s."""

HOUR = 3600.0
CALLS = 7
"""About the jobs of `GOOD`: details of two that have ended, tags of five."""

SETTINGS = """\
job_series: {tags: [team]}
details: {enabled: true, calls_per_second: 100}
aws: {read_timeout: 60s, max_attempts: 5}
"""
FAILURES = "bedrock_exporter_target_detail_failures_total"
REASON = "bedrock_model_customization_job_failure_info"
BROKEN = {"failureMessage": "Encountered an internal error when processing the request."}


class Aws:
    """Lists good jobs, and answers calls about one of them as told.

    Attributes:
        list: answers ListModelCustomizationJobs.
        other: answers the calls about one job.
        asked: those calls so far.
    """

    def __init__(self) -> None:
        self.list: Respond = pages(GOOD)
        self.other: Response | Respond = details(BROKEN)
        self.asked = 0

    def __call__(self, request: Request) -> Response:
        if request.path == "/":
            return faults.identity()
        if request.path == faults.LIST:
            return self.list(request)
        self.asked += 1
        return self.other if isinstance(self.other, Response) else self.other(request)


def details(members: dict[str, Any]) -> Response:
    """An answer about a job; of its tags it says nothing wrong either."""
    return faults.body_of(json.dumps({"tags": [{"key": "team", "value": "research"}], **members}).encode())


class Stage:
    """The exporter with one target.

    Attributes:
        aws: what it talks to.
        clock: its wall clock.
    """

    def __init__(self, aws: Aws, clock: Clock, output: io.StringIO) -> None:
        self.aws, self.clock = aws, clock
        self._output = output
        text = f"targets: [{{regions: [us-east-1]}}]\n{SETTINGS}"
        config = load(text, file="config.yaml", environ={}, default_region=lambda _: None, known_regions=())
        self.app = App(config)

    @property
    def seen(self) -> dict[str, str]:
        """What a scrape shows of the target."""
        return Page(self.app.exposition().decode()).of("us-east-1")

    def failures(self, reason: str) -> int:
        """What is counted."""
        return int(sample(self.seen, FAILURES, f'reason="{reason}"'))

    async def walk(self) -> None:
        """A walk, which is good."""
        self.clock.now += HOUR
        await self.app.fleet.run_once()
        seen = self.seen
        assert sample(seen, "bedrock_exporter_target_up") == "1"
        assert sample(seen, "bedrock_exporter_target_last_success_timestamp_seconds") == repr(self.clock.now)

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for something."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"no {what}: {self.lines()}"
            await asyncio.sleep(0.01)

    def lines(self) -> list[dict[str, Any]]:
        """What has been logged of details."""
        lines = [json.loads(line) for line in self._output.getvalue().splitlines()]
        return [
            line
            for line in lines
            if line["msg"] in {"no details of a job; further failures are only counted", "job failed"}
        ]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Stage]]:
    """Makes the stage, within a running loop."""
    aws, clock, output = Aws(), Clock(), io.StringIO()
    monkeypatch.setattr("exporter.app.time", clock)
    monkeypatch.setattr(asker, "TIMEOUT", DEADLINE)
    handler, logger = logging.StreamHandler(output), logging.getLogger("exporter")
    handler.setFormatter(Formatter("json", str))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    with Server(aws) as server:
        for name, value in simulated_aws(server.url).items():
            monkeypatch.setenv(name, value)
        yield lambda: Stage(aws, clock, output)
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.slug)
def test_a_call_for_details_that_fails(fault: DetailFault, stage: Callable[[], Stage]) -> None:
    """Walks stay good, failures are counted and told once; once calls are answered, the reason is there."""
    stall = faults.Stall()

    async def work() -> None:
        scene = stage()
        scene.aws.other = fault.answer(stall)
        for number in (1, 2, 3):
            await scene.walk()
            if fault.over:
                await scene.until("end of asking", lambda: scene.failures(fault.reason) == CALLS)
            else:
                at_least = number
                await scene.until("failure", lambda: scene.failures(fault.reason) >= at_least)  # noqa: B023
        assert REASON not in str(scene.seen)
        (line,) = scene.lines()
        assert (line["level"], line["reason"]) == ("warning", fault.reason)

        asked, scene.aws.other = scene.aws.asked, details(BROKEN)
        await scene.walk()
        if fault.over:
            await scene.walk()
            assert scene.aws.asked == asked
        else:
            await scene.until("reason", lambda: REASON in str(scene.seen))

    try:
        asyncio.run(work())
    finally:
        stall.release()


def test_a_call_that_never_ends_holds_nothing_up(tmp_path: Path) -> None:
    """Walks are good again and again meanwhile, scrapes are answered, and SIGTERM ends the exporter at once."""
    aws, stall = Aws(), faults.Stall()
    aws.other = stall.silent
    (tmp_path / "config.yaml").write_text(
        f"poll: {{interval: 10s, timeout: 9s}}\ntargets: [{{regions: [us-east-1]}}]\n{SETTINGS}"
    )
    with (
        Server(aws) as server,
        serving([], tmp_path, clean_environment(tmp_path, **simulated_aws(server.url))) as exporter,
    ):
        assert stall.reached.wait(PATIENCE)

        def last() -> float:
            page = Page(fetch(f"{exporter.url}/metrics")[0].decode()).of("us-east-1")
            assert sample(page, "bedrock_exporter_target_up") == "1"
            return float(sample(page, "bedrock_exporter_target_last_success_timestamp_seconds"))

        first = last()
        wait_for("another good walk while the call is under way", lambda: last() > first)
        assert aws.asked == 1
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(5) == 0
        stall.release()


@pytest.mark.parametrize(
    "loss",
    [None, "NaN", [], {"trainingLoss": None}, {"trainingLoss": float("nan")}, {"trainingLoss": "1e999"}],
    ids=str,
)
def test_odd_details(loss: object, stage: Callable[[], Stage]) -> None:
    """What is no number is left out; a message of any length is bounded, and its control characters are shown."""
    message = "\x1b[31mUnable to parse \x00" + "x" * 900_000

    async def work() -> None:
        scene = stage()
        await scene.walk()
        await scene.until("reason", lambda: 'reason="internal_error"' in str(scene.seen))
        failed = ended(7, "Failed", endTime=None, lastModifiedTime=None)
        scene.aws.list = pages(((failed, running(1)),))
        scene.aws.other = details({"failureMessage": message, "trainingMetrics": loss, "validationMetrics": loss})
        await scene.walk()
        await scene.until("reason", lambda: 'reason="data_format"' in str(scene.seen))
        assert "_loss{" not in str(scene.seen)
        assert message[:3000] not in str(scene.seen)
        (state,) = scene.app.fleet.states
        (known,) = [each for arn, each in state.details.known.details.items() if arn.endswith("7")]
        assert known.failure_message.startswith("\\x1b[31mUnable to parse \\x00xxx")
        assert known.failure_message.isprintable()

    asyncio.run(work())
