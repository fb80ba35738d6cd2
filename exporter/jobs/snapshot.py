"""The result of one complete walk of a target's list. Immutable values, created by `fold`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.jobs.job import Job

MIN_PEERS = 5
"""The fewest completed jobs from which an expected duration is computed."""

MIN_SUBTASK_PEERS = 10
"""The fewest completed sub-tasks from which an expected duration is computed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Which jobs get series, and which count as peers.

    Attributes:
        retain: seconds for which a job keeps series of its own after its end.
        max_jobs: the most ended jobs with series of their own; for running jobs, five times as many.
        baseline_window: jobs that completed within this many seconds count as peers.
    """

    retain: float
    max_jobs: int
    baseline_window: float


@dataclass(frozen=True, slots=True)
class DurationSummary:
    """Durations of peers, in seconds: completed jobs of one base model and type, or one of their sub-tasks.

    The quantiles are None if the model or type is ``other``, because such jobs have nothing in common.
    """

    count: int
    sum: float
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The result of one complete walk of a target's list.

    Attributes:
        jobs: (status, customization type) → number of jobs. Exact; zero-filled for every known pair.
        subtasks: (sub-task, status) → number of sub-tasks of jobs that have not ended. Zero-filled.
        completed: (base model, customization type) → durations of jobs completed within the baseline window.
        completed_subtasks: (base model, customization type, sub-task) → durations of their sub-tasks.
        job_series: the jobs with series of their own: running ones, then ended ones, newest end first.
        job_series_omitted: jobs that run or are within `retain`, but that the budget left out of `job_series`.
        label_values_folded: statuses, customization types and base models that are shown as ``other``.
    """

    jobs: Mapping[tuple[str, str], int]
    subtasks: Mapping[tuple[str, str], int]
    completed: Mapping[tuple[str, str], DurationSummary]
    completed_subtasks: Mapping[tuple[str, str, str], DurationSummary]
    job_series: tuple[Job, ...]
    job_series_omitted: int
    label_values_folded: int = 0

    def expected_duration(self, job: Job) -> float | None:
        """0.95 quantile of the durations of a running job's peers, seconds; None below `MIN_PEERS` peers."""
        peers = self.completed.get((job.base_model, job.customization_type))
        return peers.p95 if peers and peers.count >= MIN_PEERS and not job.has_ended else None

    def expected_subtask_duration(self, job: Job, subtask: str) -> float | None:
        """The same for a running sub-task, one of `SUBTASKS`; None below `MIN_SUBTASK_PEERS` peers."""
        peers = self.completed_subtasks.get((job.base_model, job.customization_type, subtask))
        return peers.p95 if peers and peers.count >= MIN_SUBTASK_PEERS and not job.has_ended else None
