"""A target's state: its last good walk, and the outcome of later walks. Immutable, replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from exporter.errors import FailureReason
from exporter.fleet.details import Details
from exporter.fleet.families import TARGET_FAMILIES
from exporter.jobs.details import Known
from exporter.jobs.snapshot import Snapshot
from exporter.jobs.text import Text, count_series, render, render_details, render_snapshot
from exporter.labels import UNKNOWN
from exporter.targets.target import Target
from exporter.work import giving_way


@dataclass(frozen=True)
class Walked:
    """A complete walk.

    Attributes:
        target: as configured at the walk, or with the name and labels of a later reload.
        account_id: the account that was walked; None if unknown.
        snapshot: what it showed.
        pages: pages read.
        jobs: distinct jobs in the list, malformed ones not counted.
        malformed: jobs left out.
        complaints: what was wrong with the first few of those, and with which job.
    """

    target: Target
    account_id: str | None
    snapshot: Snapshot
    pages: int
    jobs: int
    malformed: int = 0
    complaints: tuple[str, ...] = ()

    @cached_property
    def text(self) -> Text:
        """The samples of every family about the snapshot and its jobs; rendered first in the walk's own thread."""
        return dict(giving_way(render_snapshot(self.target.series_labels(self.account_id or UNKNOWN), self.snapshot)))

    @cached_property
    def series(self) -> int:
        """How many series the text has."""
        return count_series(self.text)


@dataclass(frozen=True)
class Detailed:
    """A good walk together with the details of its jobs.

    Attributes:
        good: the walk.
        known: the details.
    """

    good: Walked
    known: Known

    @cached_property
    def text(self) -> Text:
        """The walk's samples with the details; rendered when the details change."""
        if not self.known.settings.wanted:
            return self.good.text
        labels = self.good.target.series_labels(self.good.account_id or UNKNOWN)
        return {**self.good.text, **render_details(labels, self.good.snapshot, self.known)}

    @cached_property
    def series(self) -> int:
        """How many series the text has."""
        return count_series(self.text)


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed walk; none of its jobs are published.

    Attributes:
        account_id: the account, if it was known before the failure.
        reason: the label value that counts it.
        message: what happened, where, and what to do; for the log.
        traceback: of a bug in the exporter, as text; otherwise empty.
    """

    account_id: str | None
    reason: FailureReason
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class TargetState:
    """Everything that is known about a target.

    Attributes:
        target: the target.
        account_id: as soon as it is known, else `UNKNOWN`.
        last_walk: when the last walk ended, even in failure. Unix seconds; None before the first.
        last_success: when the last good walk ended. Unix seconds; None before the first.
        failure: why the last walk failed; None when it succeeded, and before the first.
        good: the last good walk; None before the first.
        stale: whether the good walk is too old for its jobs to be shown.
        failures: failed walks by reason since the start.
        malformed: malformed jobs since the start, counted in every good walk.
        details: the details of its jobs, and the calls for them.
        detailed: the good walk with the details; None before the first.
    """

    target: Target
    account_id: str = UNKNOWN
    last_walk: float | None = None
    last_success: float | None = None
    failure: Failed | None = None
    good: Walked | None = None
    stale: bool = False
    failures: Mapping[FailureReason, int] = field(default_factory=dict)
    malformed: int = 0
    details: Details = field(default_factory=Details)
    detailed: Detailed | None = field(default=None, compare=False)  # derived from the rest

    @property
    def up(self) -> bool:
        """Whether the last walk succeeded; False before the first."""
        return self.last_walk is not None and self.failure is None

    @property
    def shown(self) -> Walked | None:
        """The good walk whose jobs are shown; None when there is none or it is stale."""
        return None if self.stale else self.good

    @property
    def jobs_text(self) -> Text:
        """The samples of the jobs that are shown; empty if none are."""
        return self._jobs.text if self._jobs is not None else {}

    @property
    def job_series(self) -> int:
        """The number of series in `jobs_text`."""
        return self._jobs.series if self._jobs is not None else 0

    @property
    def _jobs(self) -> Detailed | Walked | None:
        """The walk whose jobs are shown, with details if there are any."""
        is_newest = self.detailed is not None and self.detailed.good is self.shown
        return self.detailed if is_newest else self.shown

    @property
    def is_unsupported(self) -> bool:
        """Whether the region lacks the service, according to the last walk."""
        return self.failure is not None and self.failure.reason is FailureReason.UNSUPPORTED_REGION

    @cached_property
    def text(self) -> Text:
        """The samples of every family about the target itself."""
        return render(TARGET_FAMILIES, self.target.series_labels(self.account_id), self)


def advance(state: TargetState, outcome: Walked | Failed, now: float) -> TargetState:
    """The state of a target after a walk that ended at `now` (Unix seconds).

    A failed walk leaves the last good one as it is, except in two cases: a duplicate target's jobs belong to another
    target, and jobs shown under an unknown account can't stay there once the account is known.
    """
    if isinstance(outcome, Walked):
        return replace(
            state,
            account_id=outcome.account_id or UNKNOWN,  # an account learnt from earlier credentials may be wrong now
            last_walk=now,
            last_success=now,
            failure=None,
            good=outcome,
            stale=False,
            malformed=state.malformed + outcome.malformed,
        )
    account_id = outcome.account_id or state.account_id
    failures = {**state.failures, outcome.reason: state.failures.get(outcome.reason, 0) + 1}
    ends = outcome.reason is FailureReason.DUPLICATE_TARGET or account_id != state.account_id
    return replace(
        state,
        account_id=account_id,
        last_walk=now,
        failure=outcome,
        stale=state.stale or ends,
        failures=failures,
    )
