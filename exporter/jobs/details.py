"""What is known of a job beyond the list: `GetModelCustomizationJob` and its tags. Immutable, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from exporter.jobs.failures import classify
from exporter.jobs.job import Job

MAX_MESSAGE = 2048
"""Characters of a failure message: ``ErrorMessage`` in botocore's service model."""

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
"""Numeric hyper-parameters: those of the user guide ("Custom model hyperparameters"), those of reinforcement
fine-tuning in botocore's service model."""


class JobDetails(Struct, frozen=True, gc=False):
    """What `GetModelCustomizationJob` adds to the list.

    Attributes:
        failure_message: printable, at most `MAX_MESSAGE` characters; empty if there is none.
        training_loss: None if AWS gives none.
        validation_losses: (number of the validator from 0, loss), without those that AWS gives none for.
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
    """Which details to ask for, and at what price.

    Attributes:
        enabled: whether to call ``GetModelCustomizationJob``.
        running: also for jobs that run.
        calls_per_walk: of one target, at most, after each of its walks; tags included.
        calls_per_second: of the whole process, on average; tags included.
        hyperparameters: names of those to export, of `HYPERPARAMETERS`.
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
        """Whether there is anything to ask for."""
        return self.enabled or bool(self.tags)


OFF = DetailSettings()
"""Ask for nothing: the default."""


@dataclass(frozen=True)
class Known:
    """What is known of a target's jobs, by ARN.

    Attributes:
        settings: what is exported of it.
        details: of the jobs that have been asked about.
        tags: likewise.
    """

    settings: DetailSettings = OFF
    details: Mapping[str, JobDetails] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)

    def failure_reason(self, job: Job) -> str | None:
        """Why a job failed; None if it did not, or nobody has asked yet."""
        details = self.details.get(job.job_arn) if job.status == "Failed" else None
        return None if details is None else classify(details.failure_message, self.settings.failure_reasons)

    def tag_labels(self, job: Job) -> tuple[tuple[str, str], ...]:
        """The labels of a job's tags: the same names for every job, empty where a tag is unset or not known yet."""
        tags = self.tags.get(job.job_arn, {})
        return tuple([(label, tags.get(key, "")) for key, label in self.settings.tags])


NOTHING = Known()
"""Nothing is known, and nothing asked for."""
