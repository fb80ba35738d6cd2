"""One model customization job, as `ListModelCustomizationJobs` sends it.

The structs follow the API reference (``ModelCustomizationJobSummary``), so that a page is decoded straight into them;
properties say what the values mean. Times on the wire become aware datetimes; properties give float Unix
seconds. Structs are immutable and not tracked by the garbage collector, as they can't refer back to themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from exporter.labels import UNKNOWN, account_of

STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")
"""Job statuses in botocore's service model. Other statuses are passed through."""

CUSTOMIZATION_TYPES = (
    "FINE_TUNING",
    "CONTINUED_PRE_TRAINING",
    "DISTILLATION",
    "REINFORCEMENT_FINE_TUNING",
    "IMPORTED",
)
"""Customization types in botocore's service model. AWS adds new ones; they are passed through."""

SUBTASKS = ("validation", "data_processing", "training")
"""Sub-tasks in the order in which they run."""

SUBTASK_STATUSES = ("NotStarted", *STATUSES)

TERMINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
"""Statuses that never change again."""

RUNNING_STATUSES = frozenset({"InProgress", "Stopping"})

MAX_ARN, MAX_NAME, MAX_WORD = 1011, 256, 64
"""The most characters of an ARN, as in botocore's service model; of a name (63 today); of a status or type."""

LATEST = 253402300799.0
"""The last second of the year 9999, Unix seconds; later times, possible in other time zones, are cut to it."""

Time = Annotated[datetime, Meta(tz=True)]
Arn = Annotated[str, Meta(min_length=1, max_length=MAX_ARN)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Word = Annotated[str, Meta(min_length=1, max_length=MAX_WORD)]


class SubTask(Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """One sub-task of a job: ``ValidationDetails``, ``DataProcessingDetails`` or ``TrainingDetails``.

    Attributes:
        status: one of `SUBTASK_STATUSES`, or a new one as AWS sent it; empty if AWS sent none.
        creation_time: its start, but see `started`.
        last_modified_time: also its end once it has ended: AWS sends no other.
    """

    status: Annotated[str, Meta(max_length=MAX_WORD)] = ""
    creation_time: Time | None = None
    last_modified_time: Time | None = None

    @property
    def runs(self) -> bool:
        """Whether it has started and not ended."""
        return self.status in RUNNING_STATUSES

    @property
    def started(self) -> float | None:
        """Unix seconds; None while it is NotStarted, even if AWS sends a time."""
        return None if self.status == "NotStarted" else _seconds(self.creation_time)

    @property
    def last_modified(self) -> float | None:
        """Unix seconds."""
        return _seconds(self.last_modified_time)


class StatusDetails(Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """The sub-tasks of a job; each may be missing."""

    validation_details: SubTask | None = None
    data_processing_details: SubTask | None = None
    training_details: SubTask | None = None


SubTasks = tuple[tuple[str, SubTask], ...]
"""(one of `SUBTASKS`, the sub-task), in their order."""


class Job(Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """One model customization job.

    Attributes:
        job_arn: the key; unique across accounts and regions.
        job_name: unique per account and region in practice, but not by contract.
        status: one of `STATUSES`, or a new one as AWS sent it.
        creation_time: when it was submitted.
        base_model_arn: of a foundation model or a custom model; empty if AWS sent none.
        customization_type: one of `CUSTOMIZATION_TYPES`, a new one as AWS sent it, or `UNKNOWN`.
        last_modified_time: None if AWS sent none.
        end_time: ``endTime`` as sent. Use `ended` instead: AWS can set this on a running job.
        custom_model_name: name of the model that the job creates; empty if AWS sent none.
        status_details: the sub-tasks; None if AWS did not send any.
    """

    job_arn: Arn
    job_name: Name
    status: Word
    creation_time: Time
    base_model_arn: Annotated[str, Meta(max_length=MAX_ARN)] = ""
    customization_type: Word = UNKNOWN
    last_modified_time: Time | None = None
    end_time: Time | None = None
    custom_model_name: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    status_details: StatusDetails | None = None

    @property
    def id(self) -> str:
        """The last part of the ARN: 12 characters from the real service."""
        return self.job_arn.rpartition("/")[2]

    @property
    def account_id(self) -> str | None:
        """The account in the ARN; None if it has none."""
        return account_of(self.job_arn)

    @property
    def base_model(self) -> str:
        """The part of the base model's ARN that names the model, or `UNKNOWN`.

        ``arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-lite-v1:0:4k`` gives
        ``amazon.titan-text-lite-v1:0:4k``; a custom model keeps its id: ``amazon.nova-lite-v1:0/abcdefabcdef``.
        """
        return self.base_model_arn.partition("/")[2] or self.base_model_arn or UNKNOWN

    @property
    def created(self) -> float:
        """Unix seconds."""
        return min(self.creation_time.timestamp(), LATEST)

    @property
    def last_modified(self) -> float | None:
        """Unix seconds, or None if AWS sent none."""
        return _seconds(self.last_modified_time)

    @property
    def has_ended(self) -> bool:
        """Whether the job's status is terminal, so that it never changes again.

        An unknown status counts as terminal if the job has an ``endTime``.
        """
        return self.status in TERMINAL_STATUSES or (self.status not in RUNNING_STATUSES and self.end_time is not None)

    @property
    def ended(self) -> float | None:
        """When it ended: ``endTime``, else the last modification of a job in a terminal status; None while it runs."""
        return _seconds(self.end_time or self.last_modified_time) if self.has_ended else None

    @property
    def subtasks(self) -> SubTasks:
        """The sub-tasks that have a status."""
        details = self.status_details
        if details is None:
            return ()
        every = (
            ("validation", details.validation_details),
            ("data_processing", details.data_processing_details),
            ("training", details.training_details),
        )
        return tuple([(name, subtask) for name, subtask in every if subtask and subtask.status])

    @property
    def waiting_since(self) -> float | None:
        """When an InProgress job was left without a running sub-task; None if one runs.

        That is when the last sub-task ended, else the job's creation, whatever the statuses (NotStarted, missing,
        Failed, all Completed). None for a job without status details.
        """
        if self.status != "InProgress" or self.status_details is None:
            return None
        subtasks = [subtask for _, subtask in self.subtasks]
        if any(subtask.runs for subtask in subtasks):
            return None
        ends = [s.last_modified for s in subtasks if s.status != "NotStarted" and s.last_modified is not None]
        return max(ends, default=self.created)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else min(moment.timestamp(), LATEST)
