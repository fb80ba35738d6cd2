"""A configuration after validation."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.bedrock.settings import AwsSettings
from exporter.fleet.schedule import Schedule
from exporter.jobs.details import DetailSettings
from exporter.jobs.snapshot import Budget
from exporter.scrub import scrub
from exporter.targets.accounts import Discovery
from exporter.targets.target import Target


@dataclass(frozen=True, slots=True)
class Config:
    """A complete, validated configuration.

    Attributes:
        targets: every account and region that the file names, in its order.
        discovery: how to find more targets; None if not configured.
        schedule: when targets are walked, and how far.
        budget: which jobs get series, and which are peers.
        details: which details of jobs to read.
        aws: how to talk to AWS.
        digest: see `exporter.config.source.digest`.
    """

    targets: tuple[Target, ...]
    discovery: Discovery | None
    schedule: Schedule
    budget: Budget
    details: DetailSettings
    aws: AwsSettings
    digest: str


class ConfigError(ValueError):
    """A configuration can't be used.

    Attributes:
        faults: one line each: the file, the line and path in it, the value, and what is expected. Without secrets.
    """

    def __init__(self, faults: list[str]) -> None:
        faults = [scrub(fault) for fault in faults]
        super().__init__("\n".join(faults))
        self.faults = faults
