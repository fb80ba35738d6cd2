"""The table of metric families: name, type, help, labels and a pure function to samples.

`docs/metrics.md` is generated from it. To add a family, add an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from msgspec import Struct

from exporter.jobs.details import NOTHING, JobDetails, Known
from exporter.jobs.job import STATUSES, Job, SubTasks
from exporter.jobs.snapshot import DurationSummary, Snapshot

JOBS_PREFIX = "bedrock_model_customization_"
EXPORTER_PREFIX = "bedrock_exporter_"

TARGET_LABELS = ("aws_account_id", "aws_region")
"""Labels of every series about a target; the target's own labels from the configuration follow."""

JOB_LABELS = ("job_id", "job_name", "customization_type")
"""Labels of every series of one job, after the target's."""

TAG_PREFIX = "tag_"
"""Prefix of the labels that hold a job's tags."""

T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Family(Generic[T_contra]):
    """One metric family.

    Attributes:
        name: the full name; a counter's ends in ``_total``.
        kind: its type. Infos and state sets are gauges, because promtool does not know OpenMetrics types.
        help: what it means, where it comes from, and how old it is.
        samples: the subject → its samples, without the common labels.
        labels: the labels of the samples beyond the common ones.
    """

    name: str
    kind: Literal["gauge", "counter", "summary"]
    help: str
    samples: Callable[[T_contra], Iterator[Sample]]
    labels: tuple[str, ...] = ()


class Since(Struct, frozen=True, gc=False):
    """A value that grows: the seconds since `timestamp` (Unix seconds) at the scrape, never below 0."""

    timestamp: float


class Sample(Struct, frozen=True, gc=False):
    """One sample of a family.

    Attributes:
        value: a number, or `Since`, which becomes a number at the scrape.
        labels: values of the family's own labels, in its order; then a summary's quantile.
        suffix: appended to the family's name: ``_sum`` or ``_count`` of a summary.
    """

    value: float | Since
    labels: tuple[str, ...] = ()
    suffix: str = ""


class JobSeries(NamedTuple):
    """A job with series of its own.

    Attributes:
        job: the job.
        subtasks: its `Job.subtasks`.
        snapshot: the one that contains it.
        known: details of the target's jobs.
    """

    job: Job
    subtasks: SubTasks
    snapshot: Snapshot
    known: Known = NOTHING

    @property
    def details(self) -> JobDetails | None:
        """What `GetModelCustomizationJob` returned for it; None if not called yet."""
        return self.known.details.get(self.job.job_arn)


def _jobs(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, count in snapshot.jobs.items():
        yield Sample(count, labels)


def _subtasks(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, count in snapshot.subtasks.items():
        yield Sample(count, labels)


def _completed_jobs(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, durations in snapshot.completed.items():
        yield from _summary(labels, durations)


def _completed_subtasks(snapshot: Snapshot) -> Iterator[Sample]:
    for labels, durations in snapshot.completed_subtasks.items():
        yield from _summary(labels, durations)


def _summary(labels: tuple[str, ...], durations: DurationSummary) -> Iterator[Sample]:
    for quantile, seconds in (("0.5", durations.median), ("0.95", durations.p95)):
        if seconds is not None:
            yield Sample(seconds, (*labels, quantile))
    yield Sample(durations.sum, labels, "_sum")
    yield Sample(durations.count, labels, "_count")


def _job_info(series: JobSeries) -> Iterator[Sample]:
    job = series.job
    yield Sample(1, (job.job_arn, job.base_model, job.custom_model_name))


def _job_status(series: JobSeries) -> Iterator[Sample]:
    current = series.job.status
    for status in STATUSES if current in STATUSES else (*STATUSES, current):
        yield Sample(int(status == current), (status,))


def _job_created(series: JobSeries) -> Iterator[Sample]:
    yield Sample(series.job.created)


def _job_last_modified(series: JobSeries) -> Iterator[Sample]:
    if series.job.last_modified is not None:
        yield Sample(series.job.last_modified)


def _job_ended(series: JobSeries) -> Iterator[Sample]:
    if series.job.ended is not None:
        yield Sample(series.job.ended)


def _job_time_since_last_modified(series: JobSeries) -> Iterator[Sample]:
    if series.job.last_modified is not None:
        yield Sample(Since(series.job.last_modified))


def _job_duration(series: JobSeries) -> Iterator[Sample]:
    job = series.job
    if not job.has_ended:
        yield Sample(Since(job.created))
    elif job.ended is not None:
        yield Sample(max(0.0, job.ended - job.created))


def _job_expected_duration(series: JobSeries) -> Iterator[Sample]:
    expected = series.snapshot.expected_duration(series.job)
    if expected is not None:
        yield Sample(expected)


def _job_waiting(series: JobSeries) -> Iterator[Sample]:
    since = series.job.waiting_since
    if since is not None:
        yield Sample(Since(since))


def _subtask_status(series: JobSeries) -> Iterator[Sample]:
    for name, subtask in series.subtasks:
        yield Sample(1, (name, subtask.status))


def _subtask_duration(series: JobSeries) -> Iterator[Sample]:
    job = series.job
    for name, subtask in series.subtasks:
        started = subtask.started
        if started is None:
            continue
        # AWS may leave a sub-task InProgress after its job has ended; it ended with the job.
        end = job.ended if subtask.runs and job.has_ended else subtask.last_modified
        if subtask.runs and not job.has_ended:
            yield Sample(Since(started), (name,))
        elif end is not None:
            yield Sample(max(0.0, end - started), (name,))


def _subtask_expected_duration(series: JobSeries) -> Iterator[Sample]:
    for name, subtask in series.subtasks:
        if subtask.runs:
            expected = series.snapshot.expected_subtask_duration(series.job, name)
            if expected is not None:
                yield Sample(expected, (name,))


def _subtask_started(series: JobSeries) -> Iterator[Sample]:
    for name, subtask in series.subtasks:
        if (started := subtask.started) is not None:
            yield Sample(started, (name,))


def _subtask_last_modified(series: JobSeries) -> Iterator[Sample]:
    for name, subtask in series.subtasks:
        if (modified := subtask.last_modified) is not None:
            yield Sample(modified, (name,))


def _job_failure(series: JobSeries) -> Iterator[Sample]:
    if (reason := series.known.failure_reason(series.job)) is not None:
        yield Sample(1, (reason,))


def _job_training_loss(series: JobSeries) -> Iterator[Sample]:
    if (details := series.details) is not None and details.training_loss is not None:
        yield Sample(details.training_loss)


def _job_validation_loss(series: JobSeries) -> Iterator[Sample]:
    if (details := series.details) is not None:
        for validator, loss in details.validation_losses:
            yield Sample(loss, (validator,))


def _job_hyperparameter(series: JobSeries) -> Iterator[Sample]:
    if (details := series.details) is not None:
        for name, value in details.hyperparameters:
            if name in series.known.settings.hyperparameters:
                yield Sample(value, (name,))


_LIST = "From ListModelCustomizationJobs; as old as the last good walk."
_GET = "From GetModelCustomizationJob, so only with details.enabled; as old as the last call about the job."
_GROWS = "From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape."

SNAPSHOT_FAMILIES: tuple[Family[Snapshot], ...] = (
    Family(
        JOBS_PREFIX + "jobs",
        "gauge",
        f"Jobs in the list (after the target's filter), by status and type; 0 for a known pair without jobs. {_LIST}",
        _jobs,
        ("status", "customization_type"),
    ),
    Family(
        JOBS_PREFIX + "subtasks",
        "gauge",
        f"Sub-tasks of jobs that have not ended, by state; 0 for a known state that none is in. {_LIST}",
        _subtasks,
        ("subtask", "status"),
    ),
    Family(
        JOBS_PREFIX + "completed_job_duration_seconds",
        "summary",
        f"Seconds from creation to end of the jobs completed within baseline_window. {_LIST}",
        _completed_jobs,
        ("base_model", "customization_type"),
    ),
    Family(
        JOBS_PREFIX + "completed_subtask_duration_seconds",
        "summary",
        f"Seconds from start to end of the completed sub-tasks of the jobs completed within baseline_window. {_LIST}",
        _completed_subtasks,
        ("base_model", "customization_type", "subtask"),
    ),
)
"""Families about all jobs of a target; exact."""

DETAIL_FAMILIES: tuple[Family[JobSeries], ...] = (
    Family(
        JOBS_PREFIX + "job_info",
        "gauge",
        f"Facts about a job that do not change, always 1; with a label for each key of job_series.tags. {_LIST}",
        _job_info,
        ("job_arn", "base_model", "custom_model_name"),
    ),
    Family(
        JOBS_PREFIX + "job_failure_info",
        "gauge",
        f"Why a job failed, always 1; the reason is read from its failure message. {_GET}",
        _job_failure,
        ("reason",),
    ),
    Family(
        JOBS_PREFIX + "job_training_loss",
        "gauge",
        f"Training loss of a job; absent if AWS gives none. {_GET}",
        _job_training_loss,
    ),
    Family(
        JOBS_PREFIX + "job_validation_loss",
        "gauge",
        f"Validation loss of a job, by the validator's number, from 0; absent if AWS gives none. {_GET}",
        _job_validation_loss,
        ("validator",),
    ),
    Family(
        JOBS_PREFIX + "job_hyperparameter",
        "gauge",
        f"Numeric hyper-parameters of a job that details.hyperparameters lists. {_GET}",
        _job_hyperparameter,
        ("name",),
    ),
)
"""Families about one job that change with its details."""

JOB_FAMILIES: tuple[Family[JobSeries], ...] = (
    *DETAIL_FAMILIES,
    Family(
        JOBS_PREFIX + "job_status",
        "gauge",
        f"1 for the current status of a job, 0 for the other known ones. {_LIST}",
        _job_status,
        ("status",),
    ),
    Family(JOBS_PREFIX + "job_created_timestamp_seconds", "gauge", f"Unix time of creation. {_LIST}", _job_created),
    Family(
        JOBS_PREFIX + "job_last_modified_timestamp_seconds",
        "gauge",
        f"Unix time of the last modification; absent if AWS gives none. {_LIST}",
        _job_last_modified,
    ),
    Family(
        JOBS_PREFIX + "job_ended_timestamp_seconds",
        "gauge",
        f"Unix time at which a job ended: endTime, else its last modification; absent while it runs. {_LIST}",
        _job_ended,
    ),
    Family(
        JOBS_PREFIX + "job_time_since_last_modified_seconds",
        "gauge",
        f"Seconds since the last modification of a job. {_GROWS}",
        _job_time_since_last_modified,
    ),
    Family(
        JOBS_PREFIX + "job_duration_seconds",
        "gauge",
        f"Seconds from creation to the end of a job, or to now while it runs. {_GROWS}",
        _job_duration,
    ),
    Family(
        JOBS_PREFIX + "job_expected_duration_seconds",
        "gauge",
        "0.95 quantile of the durations of a running job's completed peers (same target, base model and type; at "
        f"least 5). {_LIST}",
        _job_expected_duration,
    ),
    Family(
        JOBS_PREFIX + "job_waiting_seconds",
        "gauge",
        "Seconds that an InProgress job with status details has had no sub-task running, counted from the end of the "
        f"last one or from creation; absent while one runs. {_GROWS}",
        _job_waiting,
    ),
    Family(
        JOBS_PREFIX + "subtask_status",
        "gauge",
        f"1 for the current state of a sub-task of a job; there is no series for the others. {_LIST}",
        _subtask_status,
        ("subtask", "status"),
    ),
    Family(
        JOBS_PREFIX + "subtask_duration_seconds",
        "gauge",
        f"Seconds from the start of a sub-task to its end, or to now while it runs; absent before. {_GROWS}",
        _subtask_duration,
        ("subtask",),
    ),
    Family(
        JOBS_PREFIX + "subtask_expected_duration_seconds",
        "gauge",
        "0.95 quantile of the durations of a running sub-task's completed peers (same target, base model, type and "
        f"sub-task; at least 10). {_LIST}",
        _subtask_expected_duration,
        ("subtask",),
    ),
    Family(
        JOBS_PREFIX + "subtask_started_timestamp_seconds",
        "gauge",
        f"Unix time at which a sub-task started; absent before. {_LIST}",
        _subtask_started,
        ("subtask",),
    ),
    Family(
        JOBS_PREFIX + "subtask_last_modified_timestamp_seconds",
        "gauge",
        f"Unix time of the last modification of a sub-task, the end of one that has ended. {_LIST}",
        _subtask_last_modified,
        ("subtask",),
    ),
)
"""Families about one job; for the jobs within the budget."""

LABEL_NAMES = frozenset(
    {*TARGET_LABELS, *JOB_LABELS, "reason", "quantile", "le", "job", "instance"}
    | {"container", "endpoint", "namespace", "node", "pod", "prometheus", "service"}
    | {"alertname", "alertstate", "severity"}
    | {label for family in SNAPSHOT_FAMILIES for label in family.labels}
    | {label for family in JOB_FAMILIES for label in family.labels}
)
"""Names that a target's own labels can't have, just as they can't begin with `TAG_PREFIX` or `RENAMED`.

They are the labels of these families, of Prometheus and its operator at the scrape, and of alerts. Prometheus would
silently rename or drop the exporter's label.
"""

RENAMED = "exported_"
"""Prefix of labels that Prometheus has renamed."""
