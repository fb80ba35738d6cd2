"""All alerts that ship, as one table.

`tools/rules.py` writes them as plain Prometheus rules and as rules of the chart, `tools/alerts_page.py` into
`docs/alerts.md`.
"""

from __future__ import annotations

from monitoring.exporter_alerts import EXPORTER_ALERTS, EXPORTER_RECORDINGS
from monitoring.job_alerts import JOB_ALERTS, JOB_RECORDINGS
from monitoring.rule import Alert, Recording
from monitoring.thresholds import THRESHOLDS

HOMEPAGE = "https://github.com/bedrock-customization-exporter/bedrock-customization-exporter"
RUNBOOKS = f"{HOMEPAGE}/blob/main/docs/runbooks"

GROUPS: tuple[tuple[str, tuple[Recording, ...], tuple[Alert, ...]], ...] = (
    ("bedrock-customization-jobs", JOB_RECORDINGS, JOB_ALERTS),
    ("bedrock-customization-exporter", EXPORTER_RECORDINGS, EXPORTER_ALERTS),
)
"""Prometheus evaluates the rules of a group one after the other: alerts on jobs see what was just recorded."""

ALERTS = (*JOB_ALERTS, *EXPORTER_ALERTS)
"""All of them, in the order of the documents."""

__all__ = ["ALERTS", "GROUPS", "HOMEPAGE", "RUNBOOKS", "THRESHOLDS"]
