"""What is known of a target: its last good walk, and how the walks since went. Immutable, replaced whole. Pure."""

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
        target: as it was when it was walked, or as a reload has named and labelled it since.
        account_id: the account that was walked; None if nobody could say.
        snapshot: what it showed.
        pages: pages read.
        jobs: distinct jobs in the list, malformed ones not counted.
        malformed: jobs left out.
        complaints: what was wrong with the first few of these, and whose it was.
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
        """The samples of every family about the snapshot and its jobs; the walk's own thread asks for it first."""
        return dict(giving_way(render_snapshot(self.target.series_labels(self.account_id or UNKNOWN), self.snapshot)))

    @cached_property
    def series(self) -> int:
        """How many series the text has."""
        return count_series(self.text)


@dataclass(frozen=True)
class Detailed:
    """A good walk, and what is known of its jobs beyond the list.

    Attributes:
        good: the walk.
        known: what is known.
    """

    good: Walked
    known: Known

    @cached_property
    def text(self) -> Text:
        """The walk's samples with what is known: rendered when that changes."""
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
    """A walk that failed; nothing of it is published.

    Attributes:
        account_id: the account, if it was learnt before the failure.
        reason: what is counted.
        message: what happened, where, and what to do; for the log.
        traceback: of a bug of ours, as text; empty for every other reason.
    """

    account_id: str | None
    reason: FailureReason
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class TargetState:
    """All that is known of a target.

    Attributes:
        target: the target.
        account_id: as soon as it is known, else `UNKNOWN`.
        last_walk: when the last walk ended, well or badly. Unix seconds; None before the first.
        last_success: when the last good walk ended. Unix seconds; None before the first.
        failure: why the last walk failed; None when it succeeded, and before the first.
        good: the last good walk; None before the first.
        stale: whether the good walk is too old for its jobs to be shown.
        failures: failed walks by reason since the start.
        malformed: malformed jobs met since the start, each once per good walk.
        details: what is known of its jobs beyond the list, and how asking for it went.
        detailed: the good walk together with that; None before the first.
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
    detailed: Detailed | None = field(default=None, compare=False)  # made of the rest

    @property
    def up(self) -> bool:
        """Whether the last walk succeeded. Not so before the first."""
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
        """How many series these are."""
        return self._jobs.series if self._jobs is not None else 0

    @property
    def _jobs(self) -> Detailed | Walked | None:
        """What is shown of the jobs."""
        is_newest = self.detailed is not None and self.detailed.good is self.shown
        return self.detailed if is_newest else self.shown

    @property
    def is_unsupported(self) -> bool:
        """Whether the region lacks the service, as far as the last walk could tell."""
        return self.failure is not None and self.failure.reason is FailureReason.UNSUPPORTED_REGION

    @cached_property
    def text(self) -> Text:
        """The samples of every family about the target itself."""
        return render(TARGET_FAMILIES, self.target.series_labels(self.account_id), self)


def advance(state: TargetState, outcome: Walked | Failed, now: float) -> TargetState:
    """The state of a target after a walk that ended at `now` (Unix seconds).

    A failed walk changes nothing of the last good one, with two exceptions: the jobs of a duplicate target belong to
    another; and what stands under an unknown account can't stay once the account is learnt.
    """
    if isinstance(outcome, Walked):
        return replace(
            state,
            account_id=outcome.account_id or UNKNOWN,  # what was learnt of other credentials is not theirs
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
