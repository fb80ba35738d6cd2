"""The exporter's own counters and histograms, on a private prometheus_client registry."""

from __future__ import annotations

import platform

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
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter import __version__
from exporter.exposition import Format
from exporter.metrics import EXPORTER_PREFIX
from exporter.model import FailureReason


class DiscoveryTelemetry:
    """What the exporter says about the listing of accounts; nothing unless it is switched on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._on = False
        prefix = EXPORTER_PREFIX + "discovery_"
        self._up = Gauge(
            prefix + "up",
            "1 if the accounts of the organization were last listed without a fault, 0 if not; the list before stays. "
            "Absent without discovery. From the exporter.",
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
        """Show it, or no longer."""
        if on is not self._on:
            self._on = on
            for metric in (self._up, self._accounts, self._success, self._failures):
                (self._registry.register if on else self._registry.unregister)(metric)

    def listed(self, accounts: int, now: float) -> None:
        """So many accounts are watched after a good listing, now (Unix seconds)."""
        self._up.set(1)
        self._accounts.set(accounts)
        self._success.set(now)

    def failed(self, reason: FailureReason) -> None:
        """A listing has failed."""
        self._up.set(0)
        self._failures.labels(reason).inc()


class Telemetry:
    """What the exporter says about itself as a process; what it says about a target is in the table of `metrics`.

    Safe to use from several threads.

    Attributes:
        registry: holds all of it.
        discovery: the part about the listing of accounts.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a series for each counter that says when the process started, which another says
        self.registry = CollectorRegistry()
        self._walk_duration = Histogram(
            EXPORTER_PREFIX + "target_walk_duration_seconds",
            "Seconds that a walk took, good or bad, over all targets. From the exporter.",
            registry=self.registry,
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300),
        )
        self._api_requests = Counter(
            EXPORTER_PREFIX + "api_requests",
            "Requests to AWS by operation, every attempt counted; not those of botocore's credential providers. "
            "From the exporter.",
            ["operation"],
            registry=self.registry,
        )
        for operation in ("ListModelCustomizationJobs", "GetCallerIdentity", "AssumeRole"):
            self._api_requests.labels(operation)
        Gauge(
            EXPORTER_PREFIX + "build_info",
            "Version of the exporter and of the Python that it runs on, always 1.",
            ["version", "python_version"],
            registry=self.registry,
        ).labels(__version__, platform.python_version()).set(1)
        self._config_hash = Gauge(
            EXPORTER_PREFIX + "config_hash_info",
            "SHA-256 of the configuration file in use, its first 16 digits, always 1.",
            ["sha256"],
            registry=self.registry,
        )
        self._reload_ok = Gauge(
            EXPORTER_PREFIX + "config_last_reload_successful",
            "1 if the configuration was last loaded without a fault, 0 if the one before it is still in use.",
            registry=self.registry,
        )
        self._reload_time = Gauge(
            EXPORTER_PREFIX + "config_last_reload_success_timestamp_seconds",
            "Unix time at which the configuration in use was loaded.",
            registry=self.registry,
        )
        self.discovery = DiscoveryTelemetry(self.registry)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def observe_walk(self, seconds: float) -> None:
        """A walk took that long."""
        self._walk_duration.observe(seconds)

    def count_request(self, operation: str) -> None:
        """A request to AWS leaves the machine."""
        self._api_requests.labels(operation).inc()

    def config_loaded(self, digest: str, now: float) -> None:
        """A configuration with this hash has come into use now (Unix seconds)."""
        self._config_hash.clear()
        self._config_hash.labels(digest).set(1)
        self._reload_ok.set(1)
        self._reload_time.set(now)

    def reload_failed(self) -> None:
        """A configuration could not be used; the one before it stays."""
        self._reload_ok.set(0)

    def render(self, format_: Format) -> bytes:
        """All of it, and in OpenMetrics the end mark: it stands last on a page."""
        if format_ is Format.OPENMETRICS:
            text: bytes = generate_openmetrics(self.registry)  # type: ignore[no-untyped-call]
            return text
        return generate_latest(self.registry)
