"""What is known about a job beyond the list: `GetModelCustomizationJob` and its tags. Immutable, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from exporter.jobs.failures import classify
from exporter.jobs.job import Job

MAX_MESSAGE = 2048
"""The most characters of a failure message: ``ErrorMessage`` in botocore's service model."""

HYPERPARAMETERS = (
    "batchSize",
    "earlyStoppingPatience",
    "earlyStoppingThreshold",
    "epochCount",
    "evalInterval",
    "evalPercentage",
    "inferenceMaxTokens",
    "learningRate",
    "learningRateMultiplier",
    "learningRateWarmupSteps",
    "maxPromptLength",
    "maxResponseLengthForInference",
    "stepCount",
    "trainingSamplePerPrompt",
)
"""Numeric hyper-parameters: from the user guide ("Custom model hyperparameters") and, for reinforcement
fine-tuning, from botocore's service model."""


class JobDetails(Struct, frozen=True, gc=False):
    """What `GetModelCustomizationJob` adds to the list.

    Attributes:
        failure_message: printable, at most `MAX_MESSAGE` characters; empty if there is none.
        training_loss: None if AWS sent none.
        validation_losses: (the validator's number, from 0; its loss), for those with a loss.
        hyperparameters: (name, value) of the numeric ones.
    """

    failure_message: str = ""
    training_loss: float | None = None
    validation_losses: tuple[tuple[str, float], ...] = ()
    hyperparameters: tuple[tuple[str, float], ...] = ()


Tags = Mapping[str, str]
"""Key → value; all tags of a job."""


@dataclass(frozen=True, slots=True)
class DetailSettings:
    """Which details to read, and how many calls that may take.

    Attributes:
        enabled: whether to call ``GetModelCustomizationJob``.
        running: also for running jobs.
        calls_per_walk: the most calls for a target after each of its walks, tags included.
        calls_per_second: average of the whole process, tags included.
        hyperparameters: names from `HYPERPARAMETERS` to export.
        failure_reasons: (text, reason), as `classify` takes them.
        tags: (key, name of the label) to put on ``job_info``.
    """

    enabled: bool = False
    running: bool = False
    calls_per_walk: int = 20
    calls_per_second: float = 5.0
    hyperparameters: tuple[str, ...] = ()
    failure_reasons: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether any call is to be made."""
        return self.enabled or bool(self.tags)


OFF = DetailSettings()
"""No calls: the default."""


@dataclass(frozen=True)
class Known:
    """The details of a target's jobs, by ARN.

    Attributes:
        settings: which of them to export.
        details: answers of ``GetModelCustomizationJob`` so far.
        tags: answers of ``ListTagsForResource`` so far.
    """

    settings: DetailSettings = OFF
    details: Mapping[str, JobDetails] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)

    def failure_reason(self, job: Job) -> str | None:
        """Why a job failed; None if it did not, or its details are not known yet."""
        details = self.details.get(job.job_arn) if job.status == "Failed" else None
        return None if details is None else classify(details.failure_message, self.settings.failure_reasons)

    def tag_labels(self, job: Job) -> tuple[tuple[str, str], ...]:
        """The labels of a job's tags: the same names for every job, empty where a tag is unset or not known yet."""
        tags = self.tags.get(job.job_arn, {})
        return tuple([(label, tags.get(key, "")) for key, label in self.settings.tags])


NOTHING = Known()
"""No details, and no calls for them."""
