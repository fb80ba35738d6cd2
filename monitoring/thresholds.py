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
    Threshold("jobQueued", "24h", "The same while other jobs of its base model and type start sub-tasks"),
    Threshold("jobValidation", "45m", "How long the validation of a job may run", True),
    Threshold("jobDataProcessing", "3h", "How long the data processing of a job may run", True),
    Threshold("jobTraining", "48h", "How long a training may run if fewer than ten peers are known", True),
    Threshold(
        "subtaskSlow",
        3,
        "How many times its completed peers' 0.95 quantile a sub-task may run; also raises jobValidation and "
        "jobDataProcessing",
        True,
    ),
    Threshold(
        "jobNotProgressing", "12h", "How long a job without status details and known peers may stay unmodified", True
    ),
    Threshold("jobSlow", 2, "How many times its peers' 0.95 quantile a job without status details may run", True),
    Threshold("jobStopping", "1h", "How long a job may be Stopping", True),
    Threshold("targetDown", "10m", "How long a target's walks may fail; above 5m, as otherwise a restart fires it"),
    Threshold(
        "targetStale",
        "15m",
        "How long a target's walks may fail until its series end: the same as poll.stale_after, and above 5m",
    ),
    Threshold("throttled", 5, "Number of throttled walks within 30 minutes that fires it"),
    Threshold("jobSeriesOmitted", "1h", "How long jobs may be left out because of job_series.max_jobs"),
    Threshold("configReloadFailed", "5m", "For how long a reload may have failed"),
    Threshold("discoveryFailed", "3h", "How old the last good listing of the organization's accounts may be"),
    Threshold("exporterDown", "5m", "How long Prometheus may fail to scrape the exporter"),
)
