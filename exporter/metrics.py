"""The table of metric families: name, type, help, labels and a pure function to samples.

`docs/metrics.md` is generated from it. To add a family is to add an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from exporter.model import STATUSES, FailureReason, Job, Sample, Since, Snapshot, TargetState

JOBS_PREFIX = "bedrock_model_customization_"
EXPORTER_PREFIX = "bedrock_exporter_"

TARGET_LABELS = ("aws_account_id", "aws_region")
"""On every series about a target, followed by the target's own labels from the configuration."""

JOB_LABELS = ("job_id", "job_name", "customization_type")
"""After the target's, on every series of one job."""

T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Family(Generic[T_contra]):
    """One metric family.

    Attributes:
        name: the whole name; of a counter with ``_total``.
        kind: its type. What others call an info or a state set is a gauge here: promtool reads no OpenMetrics types.
        help: what it means, where it comes from, and how old it is.
        samples: what it is about → its samples; the common labels are not among those given.
        labels: the labels of the samples beyond the common ones.
        grows: whether samples may be `Since`.
    """

    name: str
    kind: Literal["gauge", "counter", "summary"]
    help: str
    samples: Callable[[T_contra], Iterator[Sample]]
    labels: tuple[str, ...] = ()
    grows: bool = False


class JobSeries(NamedTuple):
    """A job that gets series of its own, and the snapshot that it is in."""

    job: Job
    snapshot: Snapshot


def _jobs(snapshot: Snapshot) -> Iterator[Sample]:
    for (status, customization_type), count in snapshot.jobs.items():
        yield Sample(count, {"status": status, "customization_type": customization_type})


def _subtasks(snapshot: Snapshot) -> Iterator[Sample]:
    for (subtask, status), count in snapshot.subtasks.items():
        yield Sample(count, {"subtask": subtask, "status": status})


def _completed_durations(snapshot: Snapshot) -> Iterator[Sample]:
    for (base_model, customization_type), durations in snapshot.completed.items():
        labels = {"base_model": base_model, "customization_type": customization_type}
        yield Sample(durations.median, {**labels, "quantile": "0.5"})
        yield Sample(durations.p95, {**labels, "quantile": "0.95"})
        yield Sample(durations.sum, labels, "_sum")
        yield Sample(durations.count, labels, "_count")


def _job_info(series: JobSeries) -> Iterator[Sample]:
    job = series.job
    yield Sample(1, {"job_arn": job.arn, "base_model": job.base_model, "custom_model_name": job.custom_model_name})


def _job_status(series: JobSeries) -> Iterator[Sample]:
    current = series.job.status
    for status in STATUSES if current in STATUSES else (*STATUSES, current):
        yield Sample(int(status == current), {"status": status})


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
    for subtask in series.job.subtasks:
        yield Sample(1, {"subtask": subtask.name, "status": subtask.status})


def _subtask_duration(series: JobSeries) -> Iterator[Sample]:
    job = series.job
    for subtask in job.subtasks:
        if subtask.started is None:
            continue
        # A sub-task that AWS still calls InProgress when its job has ended went no further than the job.
        end = job.ended if subtask.runs and job.has_ended else subtask.last_modified
        if subtask.runs and not job.has_ended:
            yield Sample(Since(subtask.started), {"subtask": subtask.name})
        elif end is not None:
            yield Sample(max(0.0, end - subtask.started), {"subtask": subtask.name})


def _subtask_started(series: JobSeries) -> Iterator[Sample]:
    for subtask in series.job.subtasks:
        if subtask.started is not None:
            yield Sample(subtask.started, {"subtask": subtask.name})


def _subtask_last_modified(series: JobSeries) -> Iterator[Sample]:
    for subtask in series.job.subtasks:
        if subtask.last_modified is not None:
            yield Sample(subtask.last_modified, {"subtask": subtask.name})


def _target_up(state: TargetState) -> Iterator[Sample]:
    yield Sample(int(state.up))


def _target_failure(state: TargetState) -> Iterator[Sample]:
    if state.failure is not None:
        yield Sample(1, {"reason": state.failure.reason})


def _target_last_walk(state: TargetState) -> Iterator[Sample]:
    if state.last_walk is not None:
        yield Sample(state.last_walk)


def _target_last_success(state: TargetState) -> Iterator[Sample]:
    if state.last_success is not None:
        yield Sample(state.last_success)


def _target_pages(state: TargetState) -> Iterator[Sample]:
    if state.pages is not None:
        yield Sample(state.pages)


def _target_jobs(state: TargetState) -> Iterator[Sample]:
    if state.jobs is not None:
        yield Sample(state.jobs)


def _target_failures(state: TargetState) -> Iterator[Sample]:
    for reason in FailureReason:
        yield Sample(state.failures.get(reason, 0), {"reason": reason})


def _target_malformed(state: TargetState) -> Iterator[Sample]:
    yield Sample(state.malformed)


def _target_omitted(state: TargetState) -> Iterator[Sample]:
    if state.omitted is not None:
        yield Sample(state.omitted)


_LIST = "From ListModelCustomizationJobs; as old as the last good walk."
_GROWS = "From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape."

SNAPSHOT_FAMILIES: tuple[Family[Snapshot], ...] = (
    Family(
        JOBS_PREFIX + "jobs",
        "gauge",
        "Number of jobs in the list, of those that match the filter if the target has one, zero for a known status and "
        f"type that no job has. {_LIST}",
        _jobs,
        ("status", "customization_type"),
    ),
    Family(
        JOBS_PREFIX + "subtasks",
        "gauge",
        f"Number of sub-tasks of jobs that have not ended, by state, zero for a known one that none is in. {_LIST}",
        _subtasks,
        ("subtask", "status"),
    ),
    Family(
        JOBS_PREFIX + "completed_job_duration_seconds",
        "summary",
        f"Seconds from creation to end of the jobs completed within baseline_window. {_LIST}",
        _completed_durations,
        ("base_model", "customization_type"),
    ),
)
"""About all jobs of a target; exact."""

JOB_FAMILIES: tuple[Family[JobSeries], ...] = (
    Family(
        JOBS_PREFIX + "job_info",
        "gauge",
        f"What is fixed about a job, always 1. {_LIST}",
        _job_info,
        ("job_arn", "base_model", "custom_model_name"),
    ),
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
        JOBS_PREFIX + "job_expected_duration_seconds",
        "gauge",
        "0.95 quantile of the durations of completed peers (same target, base model and type; at least 5) of a job "
        f"that runs. {_LIST}",
        _job_expected_duration,
    ),
    Family(
        JOBS_PREFIX + "subtask_status",
        "gauge",
        f"1 for the current state of a sub-task of a job; there is no series for the others. {_LIST}",
        _subtask_status,
        ("subtask", "status"),
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
    Family(
        JOBS_PREFIX + "subtask_duration_seconds",
        "gauge",
        f"Seconds from the start of a sub-task to its end, or to now while it runs; absent before. {_GROWS}",
        _subtask_duration,
        ("subtask",),
        grows=True,
    ),
    Family(
        JOBS_PREFIX + "job_time_since_last_modified_seconds",
        "gauge",
        f"Seconds since the last modification of a job. {_GROWS}",
        _job_time_since_last_modified,
        grows=True,
    ),
    Family(
        JOBS_PREFIX + "job_duration_seconds",
        "gauge",
        f"Seconds from creation to the end of a job, or to now while it runs. {_GROWS}",
        _job_duration,
        grows=True,
    ),
    Family(
        JOBS_PREFIX + "job_waiting_seconds",
        "gauge",
        "Seconds that an InProgress job has had no sub-task running while one is NotStarted, counted from the end of "
        f"the last one or from creation; absent when it does not wait. {_GROWS}",
        _job_waiting,
        grows=True,
    ),
)
"""About one job; for the jobs within the budget."""

TARGET_FAMILIES: tuple[Family[TargetState], ...] = (
    Family(
        EXPORTER_PREFIX + "target_up",
        "gauge",
        "1 if the last walk of the target succeeded, 0 if it failed or none has ended yet. From the exporter.",
        _target_up,
    ),
    Family(
        EXPORTER_PREFIX + "target_failure_info",
        "gauge",
        "Why the last walk of the target failed, always 1; absent when it succeeded. From the exporter.",
        _target_failure,
        ("reason",),
    ),
    Family(
        EXPORTER_PREFIX + "target_last_walk_timestamp_seconds",
        "gauge",
        "Unix time at which the last walk ended, well or badly. From the exporter.",
        _target_last_walk,
    ),
    Family(
        EXPORTER_PREFIX + "target_last_success_timestamp_seconds",
        "gauge",
        "Unix time at which the last good walk ended: the age of the target's data. From the exporter.",
        _target_last_success,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_pages",
        "gauge",
        "Pages of the list in the last good walk. From the exporter.",
        _target_pages,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_jobs",
        "gauge",
        "Distinct jobs in the last good walk, malformed ones not counted. From the exporter.",
        _target_jobs,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_failures_total",
        "counter",
        "Failed walks by reason. From the exporter.",
        _target_failures,
        ("reason",),
    ),
    Family(
        EXPORTER_PREFIX + "target_malformed_jobs_total",
        "counter",
        "Job summaries that could not be read and were left out, counted anew in every good walk. From the exporter.",
        _target_malformed,
    ),
    Family(
        EXPORTER_PREFIX + "target_job_series_omitted",
        "gauge",
        "Ended jobs within retain that have no series of their own, as job_series.max_jobs is reached. "
        "From the exporter; as old as the last good walk.",
        _target_omitted,
    ),
)
"""About one target; they stay when its job series go."""

FAMILIES: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES, *TARGET_FAMILIES)
"""Every family of the table, in the order of the design; `telemetry` adds the exporter's own."""

LABEL_NAMES = frozenset(
    {*TARGET_LABELS, *JOB_LABELS, *(label for family in FAMILIES for label in family.labels)}
    | {"quantile", "le", "job", "instance"}
)
"""Names that a target's own labels can't have: the table's own, and those that Prometheus sets at the scrape."""
