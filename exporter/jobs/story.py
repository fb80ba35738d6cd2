"""What happened to jobs between two walks, for the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.jobs.job import Job


class Event(NamedTuple):
    """Something that happened to a job.

    Attributes:
        what: the log message.
        about: its fields.
    """

    what: str
    about: Mapping[str, object]


def about(job: Job) -> dict[str, object]:
    """The fields that identify a job in the log."""
    return {
        "job_id": job.id,
        "job_name": job.job_name,
        "job_arn": job.job_arn,
        "customization_type": job.customization_type,
        "base_model": job.base_model,
        "status": job.status,
    }


def events(before: Mapping[str, Job], after: Mapping[str, Job], started: float) -> Iterator[Event]:
    """The events between two good walks.

    Args:
        before: the jobs with series in the earlier one, by ARN; empty if there was none.
        after: the jobs with series in the later one.
        started: when the process started, Unix seconds: a job that had already ended is not news.
    """
    for arn, job in after.items():
        old = before.get(arn)
        if old is None:
            if not job.has_ended or (job.ended or 0.0) >= started:
                yield Event("job first seen", {**about(job), **_subtasks(job)})
        elif old != job:
            if old.status != job.status:
                yield Event("job changed", {**about(job), "was": old.status})
            was = dict(old.subtasks)
            for name, subtask in job.subtasks:
                earlier = was[name].status if name in was else "NotStarted"
                if earlier != subtask.status:
                    yield Event(
                        "sub-task changed",
                        {**about(job), "subtask": name, "subtask_status": subtask.status, "was": earlier},
                    )


def _subtasks(job: Job) -> dict[str, object]:
    return {name: subtask.status for name, subtask in job.subtasks}
