"""Limits the label values that AWS can cause: values beyond the limit are shown as `OTHER`. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping

from msgspec import structs

from exporter.jobs.job import CUSTOMIZATION_TYPES, SUBTASK_STATUSES, Job, StatusDetails, SubTask
from exporter.labels import UNKNOWN

OTHER = "other"
"""Label value for all values beyond the limit."""

MAX_STATUSES = 20
MAX_TYPES = 20
MAX_BASE_MODELS = 200


class Bound:
    """Chooses which values of a label are shown: known ones first, then the most frequent, ties by name.

    Args:
        counts: value → how often it occurs.
        known: values that are chosen first.
        limit: the most values that are shown.

    Attributes:
        folded: the values that are shown as `OTHER`.
    """

    def __init__(self, counts: Mapping[str, int], known: Container[str], limit: int) -> None:
        ranked = sorted(counts, key=lambda value: (value not in known, -counts[value], value))
        self.folded = frozenset(ranked[limit:])

    def __call__(self, value: str) -> str:
        """The value to show for this one."""
        return OTHER if value in self.folded else value


class LabelBounds:
    """The bounds of all labels of a target.

    Args:
        statuses: status of a job or sub-task → how many have it.
        types: customization type → how many jobs have it.
        base_models: base model → how many jobs with series or among the peers have it.
    """

    def __init__(self, statuses: Mapping[str, int], types: Mapping[str, int], base_models: Mapping[str, int]) -> None:
        self.status = Bound(statuses, SUBTASK_STATUSES, MAX_STATUSES)
        self.customization_type = Bound(types, (*CUSTOMIZATION_TYPES, UNKNOWN), MAX_TYPES)
        self.base_model = Bound(base_models, (UNKNOWN,), MAX_BASE_MODELS)

    @property
    def folded(self) -> int:
        """Label values that are shown as `OTHER`."""
        return sum(len(bound.folded) for bound in (self.status, self.customization_type, self.base_model))

    def relabel(self, job: Job) -> Job:
        """The job with the label values to show."""
        details = job.status_details
        return structs.replace(
            job,
            status=self.status(job.status),
            customization_type=self.customization_type(job.customization_type),
            base_model_arn=OTHER if job.base_model in self.base_model.folded else job.base_model_arn,
            status_details=details and self._relabel_details(details),
        )

    def _relabel_details(self, details: StatusDetails) -> StatusDetails:
        def relabel(subtask: SubTask | None) -> SubTask | None:
            return subtask and structs.replace(subtask, status=self.status(subtask.status))

        return StatusDetails(
            validation_details=relabel(details.validation_details),
            data_processing_details=relabel(details.data_processing_details),
            training_details=relabel(details.training_details),
        )
