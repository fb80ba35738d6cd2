"""The exporter's metrics about its own process, in a prometheus_client registry of its own."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter import __version__, log
from exporter.errors import FailureReason
from exporter.jobs.families import EXPORTER_PREFIX
from exporter.jobs.page import Format

LIST_OPERATION = "ListModelCustomizationJobs"

CUTS = (
    "header_timeout",
    "idle_timeout",
    "write_timeout",
    "request_size",
    "connection_limit",
    "unread_limit",
    "tls_handshake",
    "client_certificate",
    "shutdown",
)
"""Reasons why the exporter ends a client's connection."""

_PASSING = (FailureReason.THROTTLED, FailureReason.TIMEOUT, FailureReason.NETWORK, FailureReason.SERVER_ERROR)
"""Reasons after which a request is tried again."""


class DiscoveryTelemetry:
    """Metrics about the listing of an organization's accounts; exported only while discovery is configured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._on = False
        prefix = EXPORTER_PREFIX + "discovery_"
        self._up = Gauge(
            prefix + "up",
            "1 if the last listing of the organization's accounts succeeded, 0 if it failed and the previous list "
            "stays in use, or none has ended yet. Absent without discovery. From the exporter.",
            registry=None,
        )
        self._accounts = Gauge(
            prefix + "accounts",
            "Accounts of the organization that are watched, over all shards, as of the last good listing. "
            "From the exporter.",
            registry=None,
        )
        self._success = Gauge(
            prefix + "last_success_timestamp_seconds",
            "Unix time of the last good listing of accounts, 0 before the first. From the exporter.",
            registry=None,
        )
        self._failures = Counter(
            prefix + "failures",
            "Failed listings of accounts by reason. From the exporter.",
            ["reason"],
            registry=None,
        )
        for reason in FailureReason:
            self._failures.labels(reason)

    def switch(self, *, on: bool) -> None:
        """Start or stop exporting."""
        if on is not self._on:
            self._on = on
            for metric in (self._up, self._accounts, self._success, self._failures):
                (self._registry.register if on else self._registry.unregister)(metric)

    def listed(self, accounts: int, now: float) -> None:
        """A listing succeeded at `now` (Unix seconds); this many accounts are watched."""
        self._up.set(1)
        self._accounts.set(accounts)
        self._success.set(now)

    def failed(self, reason: FailureReason) -> None:
        """A listing failed."""
        self._up.set(0)
        self._failures.labels(reason).inc()


class WebTelemetry:
    """Metrics about the web configuration; exported only with `--web.config.file`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._on = False
        self._ok = Gauge(
            EXPORTER_PREFIX + "web_config_last_reload_successful",
            "1 if the web configuration, its certificates and keys were last loaded without a fault, 0 if the previous "
            "ones are still in use. Absent without --web.config.file. From the exporter.",
            registry=None,
        )
        self._expiry = Gauge(
            EXPORTER_PREFIX + "web_certificate_expiry_timestamp_seconds",
            "Unix time at which the certificate that is served expires, 0 without TLS. Absent without "
            "--web.config.file. From the certificate.",
            registry=None,
        )

    def loaded(self, expiry: float | None) -> None:
        """A web configuration is in use; its certificate expires at `expiry` (Unix seconds; None without TLS)."""
        if not self._on:
            self._on = True
            self._registry.register(self._ok)
            self._registry.register(self._expiry)
        self._ok.set(1)
        self._expiry.set(expiry or 0)

    def failed(self) -> None:
        """A web configuration could not be used; the previous one stays."""
        self._ok.set(0)


class _LogLines(Collector):
    """Counts the lines that the log dropped."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Called by prometheus_client."""
        yield CounterMetricFamily(
            EXPORTER_PREFIX + "log_lines_dropped",
            "Log lines that were dropped because standard error was not read fast enough, or is broken. "
            "From the exporter.",
            value=log.lines_dropped(),
        )


class Telemetry:
    """The exporter's metrics about itself as a process; those about a target are tables in `jobs` and `fleet`.

    Safe to use from several threads.

    Attributes:
        registry: holds all of these metrics.
        discovery: metrics about the listing of accounts.
        web: metrics about the web configuration.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a series for each counter, redundant with process_start_time_seconds
        self.registry = CollectorRegistry()
        self._walk_duration = Histogram(
            EXPORTER_PREFIX + "target_walk_duration_seconds",
            "Duration of walks over all targets, failed ones included. From the exporter.",
            registry=self.registry,
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300),
        )
        self._api_requests = Counter(
            EXPORTER_PREFIX + "api_requests",
            "Requests to AWS by operation, counting every attempt, but not those of botocore's credential providers. "
            "From the exporter.",
            ["operation"],
            registry=self.registry,
        )
        for operation in (LIST_OPERATION, "GetCallerIdentity", "AssumeRole"):
            self._api_requests.labels(operation)
        self._api_failures = Counter(
            EXPORTER_PREFIX + "api_request_failures",
            "Requests to AWS that failed, by operation and reason: every attempt, even if a retry succeeded. "
            "From the exporter.",
            ["operation", "reason"],
            registry=self.registry,
        )
        for reason in _PASSING:
            self._api_failures.labels(LIST_OPERATION, reason)
        self._walk_delay = Histogram(
            EXPORTER_PREFIX + "walk_start_delay_seconds",
            "How late walks started because they waited for a slot: poll.concurrency walks run at a time. "
            "From the exporter.",
            registry=self.registry,
            buckets=(0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300),
        )
        self._http_requests = Counter(
            EXPORTER_PREFIX + "http_requests",
            "Requests to the exporter that were answered, by handler (path of the route, or other) and status code. "
            "From the exporter.",
            ["handler", "code"],
            registry=self.registry,
        )
        self._connections_cut = Counter(
            EXPORTER_PREFIX + "http_connections_cut",
            "Client connections that the exporter ended, by reason. From the exporter.",
            ["reason"],
            registry=self.registry,
        )
        for cut in CUTS:
            self._connections_cut.labels(cut)
        Gauge(
            EXPORTER_PREFIX + "build_info",
            "Version of the exporter and of Python, always 1.",
            ["version", "python_version"],
            registry=self.registry,
        ).labels(__version__, platform.python_version()).set(1)
        self._config_hash = Gauge(
            EXPORTER_PREFIX + "config_hash_info",
            "First 16 digits of the SHA-256 of the configuration file in use, always 1.",
            ["sha256"],
            registry=self.registry,
        )
        self._reload_ok = Gauge(
            EXPORTER_PREFIX + "config_last_reload_successful",
            "1 if the configuration was last loaded without a fault, 0 if the previous one is still in use.",
            registry=self.registry,
        )
        self._reload_time = Gauge(
            EXPORTER_PREFIX + "config_last_reload_success_timestamp_seconds",
            "Unix time at which the configuration in use was loaded.",
            registry=self.registry,
        )
        self.discovery = DiscoveryTelemetry(self.registry)
        self.web = WebTelemetry(self.registry)
        self.registry.register(_LogLines())
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def observe_walk(self, seconds: float) -> None:
        """A walk took this long."""
        self._walk_duration.observe(seconds)

    def observe_delay(self, seconds: float) -> None:
        """A walk started this much later than it was due."""
        self._walk_delay.observe(seconds)

    def count_request_failure(self, operation: str, reason: FailureReason) -> None:
        """A request to AWS failed; it may be tried again."""
        self._api_failures.labels(operation, reason).inc()

    def count_http_request(self, handler: str, code: int) -> None:
        """A request to the exporter was answered."""
        self._http_requests.labels(handler, code).inc()

    def count_connection_cut(self, reason: str) -> None:
        """A client's connection was ended, for one of `CUTS`."""
        self._connections_cut.labels(reason).inc()

    def count_request(self, operation: str) -> None:
        """A request to AWS leaves the machine."""
        self._api_requests.labels(operation).inc()

    def config_loaded(self, digest: str, now: float) -> None:
        """The configuration with this hash is in use from `now` (Unix seconds)."""
        self._config_hash.clear()
        self._config_hash.labels(digest).set(1)
        self._reload_ok.set(1)
        self._reload_time.set(now)

    def reload_failed(self) -> None:
        """A configuration could not be used; the previous one stays."""
        self._reload_ok.set(0)

    def render(self, format_: Format) -> bytes:
        """All of these metrics, the last part of a page; in OpenMetrics with the end mark."""
        if format_ is Format.OPENMETRICS:
            text: bytes = generate_openmetrics(self.registry)  # type: ignore[no-untyped-call]
            return text
        return generate_latest(self.registry)
