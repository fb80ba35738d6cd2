"""Jobs for tests, told in seconds from `NOW`."""

from datetime import UTC, datetime
from typing import Any

from exporter.jobs.fold import Fold
from exporter.jobs.job import Job, StatusDetails, SubTask
from exporter.jobs.snapshot import Budget, Snapshot

NOW = 1_790_856_000.0  # 2026-10-01T12:00:00Z
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ACCOUNT = "111122223333"
PREFIX = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/amazon.nova-lite-v1:0:300k/"
MODELS = "arn:aws:bedrock:us-east-1::foundation-model/"
NOVA = "amazon.nova-lite-v1:0:300k"
EVERYTHING = Budget(retain=10_000 * DAY, max_jobs=100_000, baseline_window=10_000 * DAY)


def at(seconds: float) -> datetime:
    """So many seconds after NOW."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def job(id_: str = "q4ad8z8tioq8", /, **changes: Any) -> Job:
    """A job that was created three hours ago, modified two hours ago and runs, with these attributes changed."""
    attributes: dict[str, Any] = {
        "job_arn": PREFIX + id_,
        "job_name": "tone-7",
        "status": "InProgress",
        "customization_type": "FINE_TUNING",
        "base_model_arn": MODELS + NOVA,
        "custom_model_name": "tone",
        "creation_time": at(-3 * HOUR),
        "last_modified_time": at(-2 * HOUR),
    }
    return Job(**attributes | changes)


def completed(id_: str, seconds: float, /, *, end: float = -HOUR, **changes: Any) -> Job:
    """A job that took so many seconds."""
    return job(id_, **{"status": "Completed", "creation_time": at(end - seconds), "end_time": at(end)} | changes)


def subtask(status: str, start: float | None = None, modified: float | None = None) -> SubTask:
    """A sub-task with times in seconds from NOW."""
    times = [None if seconds is None else at(seconds) for seconds in (start, modified)]
    return SubTask(status=status, creation_time=times[0], last_modified_time=times[1])


def details(
    validation: SubTask | None = None, processing: SubTask | None = None, training: SubTask | None = None
) -> StatusDetails:
    """Status details with these sub-tasks."""
    return StatusDetails(validation_details=validation, data_processing_details=processing, training_details=training)


def snapshot_of(*jobs: Job, budget: Budget = EVERYTHING) -> Snapshot:
    """The snapshot of a list of one page at NOW."""
    fold = Fold(budget, NOW)
    fold.add(jobs)
    return fold.snapshot()
