"""`--once` against an endpoint that is dead says so: the exporter's own families, the reason, exit code 1, in time."""

import time
from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
from e2e.processes import clean_environment, once, simulated_aws
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import Request, Response, Server

pytestmark = pytest.mark.e2e

CONFIG = """\
poll: {timeout: 3s}
targets:
  - regions: [us-east-1]
    account_id: "111122223333"
  - regions: [us-west-2]   # the account is asked for
aws: {max_attempts: 1, read_timeout: 5m, connect_timeout: 5m}
"""
PLACES = {("111122223333", "us-east-1"), ("unknown", "us-west-2")}


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of an endpoint that takes requests and never answers."""
    stall = faults.Stall()
    with Server(stall.silent) as server:
        yield server.url
    stall.release()


def check_failed(page: str, reason: str) -> None:
    """Hold the page of a run in which every target failed for one reason against the design."""
    read = {family.name: family for family in text_string_to_metric_families(page)}
    assert read.keys() >= {
        *("bedrock_exporter_target_up", "bedrock_exporter_target_last_walk_timestamp_seconds"),
        *("bedrock_exporter_build_info", "bedrock_exporter_api_requests", "process_cpu_seconds"),
    }
    assert [name for name in read if name.startswith("bedrock_model_customization_")] == []
    places = {
        (sample.labels["aws_account_id"], sample.labels["aws_region"]): sample.value
        for sample in read["bedrock_exporter_target_up"].samples
    }
    assert places == dict.fromkeys(PLACES, 0)
    counted = {
        (sample.labels["aws_account_id"], sample.labels["aws_region"], sample.labels["reason"]): sample.value
        for sample in read["bedrock_exporter_target_walk_failures"].samples
        if sample.value
    }
    assert counted == {(*place, reason): 1 for place in PLACES}


def test_closed_port(tmp_path: Path) -> None:
    """Nobody listens: target_up is 0, the reason is network, the exit code 1, and the log says it once a target."""
    with faults.closed_port() as url:
        ended = once(CONFIG, tmp_path, clean_environment(tmp_path, **simulated_aws(url)))
    assert ended.returncode == 1
    check_failed(ended.stdout.decode(), "network")
    *log, summary = ended.stderr.decode().splitlines()
    assert len(log) == len(PLACES)
    assert summary.endswith(f' msg="walked every target once" ok=0 failing={len(PLACES)}')
    assert all('msg="target is down"' in line and "reason=network" in line and url in line for line in log)


def test_endpoint_that_never_answers(tmp_path: Path, silent: str) -> None:
    """A peer that says nothing is left at the deadline of 3 seconds: the reason is timeout, and the process ends."""
    started = time.monotonic()
    ended = once(CONFIG, tmp_path, clean_environment(tmp_path, **simulated_aws(silent)))
    assert ended.returncode == 1
    assert time.monotonic() - started < 30  # by far less than read_timeout
    check_failed(ended.stdout.decode(), "timeout")
    *log, summary = ended.stderr.decode().splitlines()
    assert len(log) == len(PLACES)
    assert summary.endswith(f' msg="walked every target once" ok=0 failing={len(PLACES)}')
    assert all('msg="target is down"' in line and "reason=timeout" in line and "poll.timeout" in line for line in log)


def test_one_bad_target(tmp_path: Path) -> None:
    """One target that fails makes the exit code 1; the others' jobs are printed all the same."""

    def respond(request: Request) -> Response:
        denied = "/us-west-2/bedrock/" in request.headers["authorization"]
        return faults.error(403, "AccessDeniedException") if denied else faults.page(faults.job(1))

    with Server(faults.Service(respond)) as server:
        ended = once(CONFIG, tmp_path, clean_environment(tmp_path, **simulated_aws(server.url)))
    assert ended.returncode == 1
    read = {family.name: family for family in text_string_to_metric_families(ended.stdout.decode())}
    up = {sample.labels["aws_region"]: sample.value for sample in read["bedrock_exporter_target_up"].samples}
    assert up == {"us-east-1": 1, "us-west-2": 0}
    assert [sample.labels["job_name"] for sample in read["bedrock_model_customization_job_info"].samples] == ["job-1"]


def test_denied_role(tmp_path: Path) -> None:
    """A role that can't be assumed makes one log line, with what to do, and no traceback."""
    config = f"targets:\n  - regions: [us-east-1]\n    assume_role: {{role_arn: {faults.ROLE}}}\n"
    with Server(faults.Service(faults.page(), sts=faults.sts_error(403, "AccessDenied"))) as server:
        ended = once(config, tmp_path, clean_environment(tmp_path, **simulated_aws(server.url)))
    assert ended.returncode == 1
    line, _ = ended.stderr.decode().splitlines()
    assert "reason=assume_role_denied" in line
    assert "trust policy" in line


def test_all_good(tmp_path: Path) -> None:
    """When every target is up the exit code is 0."""
    with Server(faults.Service(faults.page(faults.job(1)))) as server:
        ended = once(CONFIG, tmp_path, clean_environment(tmp_path, **simulated_aws(server.url)))
    assert (ended.returncode, b"level=warning" in ended.stderr) == (0, False)
