"""`--demo` shows every family within seconds, whatever the AWS set-up of the user, and ends when it is told to."""

import functools
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import pytest
from e2e.processes import OPENMETRICS, Exporter, clean_environment, serving, wait_for
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.fleet.page import FAMILIES
from exporter.jobs.page import Format
from exporter.simulator import Request, Response, Server
from exporter.telemetry import Telemetry

pytestmark = pytest.mark.e2e

HOUR = 3600.0


def hostile_environment(home: Path, url: str) -> dict[str, str]:
    """Every way that we know to lead an AWS client astray, each to `url` where it takes one."""
    aws = home / ".aws"
    model = aws / "models" / "bedrock" / "2023-04-20"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text("{}")
    (aws / "config").write_text(f"[default]\nregion = mars-north-1\nendpoint_url = {url}\n[profile broken\n")
    (aws / "credentials").write_text("nonsense")
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return clean_environment(
        home,
        **dict.fromkeys(proxies, url),
        AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
        AWS_SECRET_ACCESS_KEY="of-the-user",
        AWS_SESSION_TOKEN="of-the-user",
        AWS_BEARER_TOKEN_BEDROCK="of-the-user",
        AWS_PROFILE="no-such-profile",
        AWS_DEFAULT_PROFILE="no-such-profile",
        AWS_CONFIG_FILE=str(aws / "config"),
        AWS_SHARED_CREDENTIALS_FILE=str(aws / "credentials"),
        AWS_REGION="mars-north-1",
        AWS_DEFAULT_REGION="mars-north-1",
        AWS_ENDPOINT_URL=url,
        AWS_ENDPOINT_URL_BEDROCK=url,
        AWS_ENDPOINT_URL_STS=url,
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true",
        AWS_USE_FIPS_ENDPOINT="true",
        AWS_USE_DUALSTACK_ENDPOINT="true",
        AWS_MAX_ATTEMPTS="none",
        AWS_RETRY_MODE="none",
        AWS_CA_BUNDLE="/no/such/file",
        AWS_DATA_PATH=str(aws / "models"),
        AWS_ROLE_ARN="arn:aws:iam::999999999999:role/user",
        AWS_WEB_IDENTITY_TOKEN_FILE="/no/such/file",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
        aws_access_key_id="lower-case",
    )


@pytest.fixture(scope="module")
def astray() -> list[Request]:
    """Every request that went where the user's set-up leads."""
    return []


def _shows(exporter: Exporter, beginning: bytes) -> bool:
    return beginning in exporter.metrics("text/plain")[0]


@pytest.fixture(scope="module", params=["clean", "hostile"])
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, astray: list[Request]
) -> Iterator[Exporter]:
    """A demo in an empty environment, and one in a hostile one."""

    def trap(request: Request) -> Response:
        astray.append(request)
        return Response(500)

    home, directory = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("demo")
    with Server(trap) as server:
        environment: Mapping[str, str] = (
            clean_environment(home) if request.param == "clean" else hostile_environment(home, server.url)
        )
        with serving(["--demo"], directory, environment) as exporter:
            for family in ("job_failure_info", "job_training_loss", "job_validation_loss"):
                begins = f"bedrock_model_customization_{family}{{".encode()
                wait_for(family, functools.partial(_shows, exporter, begins))
            yield exporter


def families(exporter: Exporter, format_: Format) -> dict[str, Metric]:
    """Every family of the page by name, as prometheus_client reads them."""
    body, content_type = exporter.metrics(OPENMETRICS if format_ is Format.OPENMETRICS else "text/plain")
    assert content_type == format_.value
    parse = parse_openmetrics if format_ is Format.OPENMETRICS else parse_text
    read = list(parse(body.decode()))
    assert len({family.name for family in read}) == len(read)
    return {family.name: family for family in read}


def expected_names() -> set[str]:
    """Names of all families, as prometheus_client's parsers spell them: a counter's without ``_total``."""
    text = Telemetry().render(Format.TEXT).decode()
    own = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    return {name.removesuffix("_total") for name in chain(own, (family.name for family in FAMILIES))}


@pytest.mark.parametrize("format_", Format)
def test_every_family(demo: Exporter, format_: Format) -> None:
    """Every family of the table and of the exporter itself is on the page in both formats, with samples and help."""
    read = families(demo, format_)
    assert read.keys() == expected_names()
    assert [name for name, family in read.items() if not family.samples] == []
    assert [name for name, family in read.items() if not family.documentation] == []


def test_promtool_finds_nothing(demo: Exporter) -> None:
    """`promtool check metrics` has nothing to say about the text format."""
    assert promtool(demo.metrics("text/plain")[0]) == (0, [])


def test_promtool_on_openmetrics(demo: Exporter) -> None:
    """Of OpenMetrics it says only what it does not know of that format: that a counter's HELP is without ``_total``."""
    counters = [name for name, family in families(demo, Format.TEXT).items() if family.type == "counter"]
    code, complaints = promtool(demo.metrics(OPENMETRICS)[0])
    assert complaints == sorted(f"{name}_total no help text" for name in counters)
    assert code == 3


def promtool(page: bytes) -> tuple[int, list[str]]:
    """Exit code and sorted lines of ``promtool check metrics``."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    return checked.returncode, sorted((checked.stdout + checked.stderr).decode().splitlines())


def test_targets_are_up(demo: Exporter) -> None:
    """The targets of the two simulated accounts are up, each with its label, but for the region that is denied."""
    up = families(demo, Format.TEXT)["bedrock_exporter_target_up"]
    assert {(s.labels["aws_account_id"], s.labels["aws_region"], s.labels["team"], s.value) for s in up.samples} == {
        ("111122223333", "us-east-1", "platform", 1),
        ("111122223333", "us-west-2", "platform", 1),
        ("111122223333", "eu-central-1", "platform", 1),
        ("444455556666", "us-east-1", "research", 1),
        ("444455556666", "us-west-2", "research", 1),
        ("444455556666", "eu-central-1", "research", 0),
    }


def test_stuck_job(demo: Exporter) -> None:
    """One job has been waiting for its training for 30 hours."""
    read = families(demo, Format.TEXT)
    waiting = read["bedrock_model_customization_job_waiting_seconds"].samples
    stuck = [sample for sample in waiting if sample.value >= 30 * HOUR]
    assert len(stuck) == 1
    assert stuck[0].value < 31 * HOUR
    status = [
        (sample.labels["subtask"], sample.labels["status"])
        for sample in read["bedrock_model_customization_subtask_status"].samples
        if sample.labels["job_id"] == stuck[0].labels["job_id"]
    ]
    assert status == [("validation", "Completed"), ("data_processing", "Completed"), ("training", "NotStarted")]


def test_details(demo: Exporter) -> None:
    """Failed jobs have a reason that says something, completed ones losses, and jobs the tags of their teams."""
    read = families(demo, Format.TEXT)
    reasons = {each.labels["reason"] for each in read["bedrock_model_customization_job_failure_info"].samples}
    assert reasons
    assert reasons <= {"s3_access", "data_format", "data_limits", "kms_access", "internal_error", "content_policy"}
    infos = [each.labels for each in read["bedrock_model_customization_job_info"].samples]
    assert {frozenset(name for name in labels if name.startswith("tag_")) for labels in infos} == {
        frozenset({"tag_team", "tag_cost_center"})
    }
    assert {"research", "support", "search", "risk"} >= {labels["tag_team"] for labels in infos} - {""} != set()
    assert {each.value for each in read["bedrock_exporter_target_detail_failures"].samples} == {0}


def test_guide(demo: Exporter) -> None:
    """Standard output tells where the metrics are and what to look at: only families that there are."""
    guide = (demo.directory / "stdout").read_text()
    assert f"metrics   {demo.url}/metrics" in guide
    named = re.findall(r"^  (bedrock_\w+)", guide, re.MULTILINE)
    assert len(named) >= 5
    assert set(named) <= expected_names()


def test_nothing_goes_wrong(demo: Exporter, astray: list[Request]) -> None:
    """Above info the log says what is denied, and why jobs fail; no request goes where the user's set-up leads."""
    log = (demo.directory / "stderr").read_text()
    above = [line for line in log.splitlines() if not re.match(r'ts=\S+ level=(info |warning msg="job failed")', line)]
    assert len(above) == 1
    assert re.search(r' msg="target is down" .* region=eu-central-1 reason=access_denied ', above[0])
    assert astray == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end it with exit code 0 within 5 seconds."""
    with serving(["--demo"], tmp_path, clean_environment(tmp_path)) as exporter:
        os.kill(exporter.process.pid, number)
        assert exporter.process.wait(timeout=5) == 0
        assert b"Traceback" not in (tmp_path / "stderr").read_bytes()
