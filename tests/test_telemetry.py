"""The exporter's metrics about itself, as they stand on a page."""

import io
import logging
from collections.abc import Iterator

import pytest

from exporter import __version__, log
from exporter.errors import FailureReason
from exporter.jobs.page import Format
from exporter.telemetry import CUTS, Telemetry

PREFIX = "bedrock_exporter_"


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


HISTOGRAMS = ("target_walk_duration_seconds", "walk_start_delay_seconds")


def samples(telemetry: Telemetry, format_: Format = Format.TEXT) -> dict[str, str]:
    """Series of ours, without the prefix → value."""
    lines = telemetry.render(format_).decode().splitlines()
    return dict(line.removeprefix(PREFIX).rsplit(" ", 1) for line in lines if line.startswith(PREFIX))


def test_at_the_start(telemetry: Telemetry) -> None:
    """Every counter that can be is there from the start, so that its first increase is seen; discovery is not."""
    found = samples(telemetry)
    walks = {name: found.pop(name) for name in list(found) if name.startswith(HISTOGRAMS)}
    (build,) = [name for name in found if name.startswith("build_info")]

    assert set(walks.values()) == {"0.0"}
    assert f'version="{__version__}"' in build
    assert found == {
        build: "1.0",
        'api_requests_total{operation="ListModelCustomizationJobs"}': "0.0",
        'api_requests_total{operation="GetCallerIdentity"}': "0.0",
        'api_requests_total{operation="AssumeRole"}': "0.0",
        "config_last_reload_successful": "0.0",
        "config_last_reload_success_timestamp_seconds": "0.0",
        "log_lines_dropped_total": "0.0",
        **{
            f'api_request_failures_total{{operation="ListModelCustomizationJobs",reason="{reason}"}}': "0.0"
            for reason in ("throttled", "timeout", "network", "server_error")
        },
        **{f'http_connections_cut_total{{reason="{reason}"}}': "0.0" for reason in CUTS},
    }


def test_what_happens_is_counted(telemetry: Telemetry) -> None:
    """Walks, requests and configurations."""
    telemetry.observe_walk(0.3)
    telemetry.count_request("ListModelCustomizationJobs")
    telemetry.observe_delay(0.05)
    telemetry.count_request_failure("AssumeRole", FailureReason.THROTTLED)
    telemetry.count_http_request("/metrics", 200)
    telemetry.count_connection_cut("write_timeout")
    telemetry.config_loaded("0123", 5.0)
    telemetry.config_loaded("4567", 10.0)
    found = samples(telemetry)

    assert found['target_walk_duration_seconds_bucket{le="0.25"}'] == "0.0"
    assert found['target_walk_duration_seconds_bucket{le="0.5"}'] == "1.0"
    assert found["target_walk_duration_seconds_sum"] == "0.3"
    assert found['api_requests_total{operation="ListModelCustomizationJobs"}'] == "1.0"
    assert found['walk_start_delay_seconds_bucket{le="0.1"}'] == "1.0"
    assert found['api_request_failures_total{operation="AssumeRole",reason="throttled"}'] == "1.0"
    assert found['http_requests_total{code="200",handler="/metrics"}'] == "1.0"
    assert found['http_connections_cut_total{reason="write_timeout"}'] == "1.0"
    assert [name for name in found if name.startswith("config_hash")] == ['config_hash_info{sha256="4567"}']
    assert (found["config_last_reload_successful"], found["config_last_reload_success_timestamp_seconds"]) == (
        "1.0",
        "10.0",
    )
    telemetry.reload_failed()
    assert samples(telemetry)["config_last_reload_successful"] == "0.0"


def test_discovery_shows_while_it_is_on(telemetry: Telemetry) -> None:
    """Its metrics come and go with the configuration, and keep their values meanwhile."""
    telemetry.discovery.switch(on=True)
    telemetry.discovery.switch(on=True)
    telemetry.discovery.listed(3, 5.0)
    telemetry.discovery.failed(FailureReason.TIMEOUT)
    found = {name: value for name, value in samples(telemetry).items() if name.startswith("discovery_")}

    assert {name: value for name, value in found.items() if value != "0.0"} == {
        "discovery_accounts": "3.0",
        "discovery_last_success_timestamp_seconds": "5.0",
        'discovery_failures_total{reason="timeout"}': "1.0",
    }
    assert found["discovery_up"] == "0.0"
    assert len(found) == 3 + len(FailureReason)
    telemetry.discovery.switch(on=False)
    assert not [name for name in samples(telemetry) if name.startswith("discovery_")]


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers


@pytest.mark.usefixtures("_logging_as_before")
def test_log_lines_that_are_lost_are_counted(telemetry: Telemetry) -> None:
    """A stream that is broken loses every line."""
    stream = io.StringIO()
    stream.close()
    pipeline = log.configure("info", "logfmt", stream)
    logging.getLogger("exporter").warning("a line")
    pipeline.close()

    assert samples(telemetry)["log_lines_dropped_total"] == "1.0"


@pytest.mark.parametrize(
    ("format_", "name", "end"),
    [(Format.TEXT, "log_lines_dropped_total", ""), (Format.OPENMETRICS, "log_lines_dropped", "# EOF\n")],
)
def test_formats(format_: Format, name: str, end: str, telemetry: Telemetry) -> None:
    """In OpenMetrics a counter's family has no suffix, and the page ends with a mark; no counter has a `_created`."""
    text = telemetry.render(format_).decode()

    assert f"# TYPE {PREFIX}{name} counter\n" in text
    assert text.endswith(end)
    assert "# EOF" in text or not end
    assert "_created" not in text
    assert "process_cpu_seconds_total" in text
    assert "python_info" in text
