"""What the status page and the API show, as frozen values. Times are Unix seconds, durations seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from exporter.web.selection import Selection

Group = Literal["failed", "waiting", "slow", "stopping", "running", "ended"]
GROUPS: tuple[Group, ...] = ("failed", "waiting", "slow", "stopping", "running", "ended")
"""In the order of display: jobs that need attention first."""

Seconds = Annotated[float, Meta(description="Seconds.")]
Moment = Annotated[float, Meta(description="Unix time in seconds.")]


class Failure(Struct, frozen=True):
    """Why a job failed, where that is known."""

    reason: str
    message: str = ""


class SubTaskView(Struct, frozen=True):
    """A sub-task of a job."""

    name: Annotated[str, Meta(description="validation, data_processing or training.")]
    status: Annotated[str, Meta(description="As Amazon Bedrock names it.")]
    started: Moment | None
    duration: Annotated[float | None, Meta(description="Seconds that it took, or has run; null before it starts.")]
    expected_duration: Annotated[
        float | None, Meta(description="0.95 quantile of completed peers, seconds; null without enough of them.")
    ]


class JobView(Struct, frozen=True):
    """A model customization job."""

    arn: str
    id: str
    name: str
    account_id: str
    region: str
    status: Annotated[str, Meta(description="As Amazon Bedrock names it.")]
    customization_type: str
    base_model: str
    custom_model: str
    group: Annotated[Group, Meta(description="Why it is shown where it is.")]
    created: Moment
    ended: Moment | None
    last_modified: Moment | None
    duration: Annotated[float, Meta(description="Seconds from creation to its end, or until now.")]
    expected_duration: Annotated[
        float | None, Meta(description="0.95 quantile of completed peers, seconds; null without enough of them.")
    ]
    waiting: Annotated[float | None, Meta(description="Seconds since a sub-task ran; null if one runs.")]
    failure: Annotated[Failure | None, Meta(description="Why it failed, where that is known.")]
    subtasks: tuple[SubTaskView, ...]
    console: Annotated[str, Meta(description="The region's Amazon Bedrock console.")]


class TargetView(Struct, frozen=True):
    """An account in a region that is watched."""

    account_id: Annotated[str, Meta(description="'unknown' until it is known.")]
    region: str
    labels: dict[str, str]
    state: Annotated[
        Literal["up", "down", "unsupported", "new"],
        Meta(description="How the last walk ended. unsupported: the region lacks the service. new: not walked yet."),
    ]
    reason: Annotated[str | None, Meta(description="Why it is down.")]
    meaning: Annotated[str | None, Meta(description="The reason in words.")]
    remedy: Annotated[str | None, Meta(description="What to do about it.")]
    last_walk: Moment | None
    last_success: Moment | None
    stale: Annotated[bool, Meta(description="Whether the last good walk is too old for its jobs to be shown.")]
    jobs: Annotated[int | None, Meta(description="Jobs in its list at the last good walk.")]
    jobs_omitted: Annotated[int | None, Meta(description="Jobs beyond job_series.max_jobs, which are only counted.")]


class Targets(Struct, frozen=True):
    """The targets that match a filter."""

    targets: tuple[TargetView, ...]


class Jobs(Struct, frozen=True):
    """One page of the jobs that match a filter."""

    jobs: tuple[JobView, ...]
    total: Annotated[int, Meta(description="Jobs that fit, on all pages.")]
    page: int
    pages: int
    groups: Annotated[dict[str, int], Meta(description="How many of them are in each group.")]


class Error(Struct, frozen=True):
    """Why a request was refused."""

    error: str


class Status(Struct, frozen=True):
    """Everything on the status page.

    Attributes:
        now: the time of the page.
        started: when the exporter started.
        ready: whether every target has finished its first walk.
        selection: the filter and page.
        targets: the matching targets.
        jobs: one page of the matching jobs.
        summary: a line about all targets and jobs.
        statuses: status → jobs of the matching targets, exact.
        types: customization type → jobs of the matching targets, exact.
        accounts: all accounts, to choose from.
        regions: all regions, to choose from.
        watched: the number of all targets.
        troubles: what is wrong with the exporter itself, a sentence or two each.
    """

    now: float
    started: float
    ready: bool
    selection: Selection
    targets: tuple[TargetView, ...]
    jobs: Jobs
    summary: str
    statuses: dict[str, int]
    types: dict[str, int]
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    watched: int
    troubles: tuple[str, ...] = ()

    @property
    def down(self) -> dict[str, tuple[TargetView, ...]]:
        """Reason → the targets that are down because of it, except those whose region lacks the service."""
        reasons = sorted({target.reason for target in self.targets if target.state == "down" and target.reason})
        return {
            reason: tuple(t for t in self.targets if t.state == "down" and t.reason == reason) for reason in reasons
        }

    @property
    def known(self) -> bool:
        """Whether the jobs of any target are known."""
        return any(target.jobs is not None and not target.stale for target in self.targets)

    @property
    def walked(self) -> int:
        """Targets whose first walk has ended."""
        return sum(target.state != "new" for target in self.targets)
