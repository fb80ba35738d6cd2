"""The numbers of the alerts that users may set."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config.duration import seconds


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number of an alert that users may set.

    Attributes:
        name: in the chart's values and in expressions.
        default: a duration, or a bare number.
        about: what it is.
        by_type: whether a customization type may have its own.
    """

    name: str
    default: str | int
    about: str
    by_type: bool = False

    @property
    def number(self) -> int:
        """Seconds of a duration, else the number."""
        return self.default if isinstance(self.default, int) else round(seconds(self.default))


THRESHOLDS = (
    Threshold("jobFailed", "12h", "How long an alert on a failed job lasts, from when the exporter first saw it fail"),
    Threshold("jobWaiting", "2h", "How long an InProgress job may go without a running sub-task", True),
    Threshold("jobQueued", "24h", "How long one may while other jobs of its base model and type begin sub-tasks"),
    Threshold("jobValidation", "45m", "How long the validation of a job may run", True),
    Threshold("jobDataProcessing", "3h", "How long the data processing of a job may run", True),
    Threshold("jobTraining", "48h", "How long a training may run whose peers are not known (fewer than ten)", True),
    Threshold(
        "subtaskSlow",
        3,
        "How many times the 0.95 quantile of its completed peers a sub-task may run; raises the two above, too",
        True,
    ),
    Threshold(
        "jobNotProgressing", "12h", "How long a job without status details and known peers may go unmodified", True
    ),
    Threshold("jobSlow", 2, "How many times the 0.95 quantile of its peers a job without status details may run", True),
    Threshold("jobStopping", "1h", "How long a job may be Stopping", True),
    Threshold("targetDown", "10m", "How long a target's walks may fail; above 5m, or a restart fires it"),
    Threshold(
        "targetStale",
        "15m",
        "How long a target's walks may fail until its series end: as poll.stale_after, and above 5m",
    ),
    Threshold("throttled", 5, "How many throttled walks within 30 minutes fire it"),
    Threshold("jobSeriesOmitted", "1h", "How long the budget may leave out jobs"),
    Threshold("configReloadFailed", "5m", "How long the last reload may have failed"),
    Threshold("discoveryFailed", "3h", "How old the last good listing of the organization's accounts may be"),
    Threshold("exporterDown", "5m", "How long Prometheus may fail to scrape the exporter"),
)
