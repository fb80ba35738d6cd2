"""Pages of jobs → `Snapshot`. Pure: the time is an argument."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from exporter.jobs.bounds import OTHER, LabelBounds
from exporter.jobs.job import (
    CUSTOMIZATION_TYPES,
    LATEST,
    RUNNING_STATUSES,
    STATUSES,
    SUBTASK_STATUSES,
    SUBTASKS,
    Job,
)
from exporter.jobs.snapshot import Budget, DurationSummary, Snapshot

_RUNNING_PER_ENDED = 5
"""The limit of running jobs with series, as a multiple of that of ended jobs."""

_SLACK = 1000
"""Jobs kept beyond twice the budget before the oldest are dropped, so that sorting is rare."""

_Durations: TypeAlias = "defaultdict[str, array[float]]"
"""Sub-task, or "" for the whole job → seconds."""


class Fold:
    """Folds the jobs of a list, page by page, and keeps as little as possible.

    Most jobs of a long list ended long ago: only a hash of their ARN and a count are kept.

    Args:
        budget: which jobs count for what.
        now: Unix seconds at the start of the walk.

    Attributes:
        account_id: the account in the first ARN that has one; None until then.
    """

    def __init__(self, budget: Budget, now: float) -> None:
        self.account_id: str | None = None
        self._max_ended = budget.max_jobs
        self._max_running = _RUNNING_PER_ENDED * budget.max_jobs
        self._retained_after = _moment(now - budget.retain)
        self._baseline_after = _moment(now - budget.baseline_window)
        self._seen: set[int] = set()
        self._jobs: Counter[tuple[str, str]] = Counter()
        self._subtasks: Counter[tuple[str, str]] = Counter()
        self._running: list[Job] = []
        self._ended: list[Job] = []
        self._eligible = 0  # jobs that would have series without a budget
        self._durations: defaultdict[tuple[str, str], _Durations] = defaultdict(_no_durations)

    @property
    def count(self) -> int:
        """The number of distinct jobs so far."""
        return len(self._seen)

    def add(self, jobs: Sequence[Job]) -> None:
        """Add the jobs of a page. If an ARN repeats, its first occurrence counts."""
        hashes = [hash(job.job_arn) >> 4 for job in jobs]  # an int of 60 bits takes 32 bytes, one of 64 takes 48
        keys = set(hashes)
        if len(keys) != len(jobs) or not keys.isdisjoint(self._seen):
            distinct: dict[int, Job] = {}
            for key, job in zip(hashes, jobs, strict=True):
                distinct.setdefault(key, job)
            jobs = [job for key, job in distinct.items() if key not in self._seen]
        self._seen |= keys
        if self.account_id is None:
            self.account_id = next((account for job in jobs if (account := job.account_id)), None)
        self._jobs.update([(job.status, job.customization_type) for job in jobs])
        cutoff = min(self._retained_after, self._baseline_after)
        for job in [
            job for job in jobs if (end := job.end_time) is None or end >= cutoff or job.status in RUNNING_STATUSES
        ]:
            if job.has_ended:
                self._add_ended(job)
            else:
                self._add_running(job)
        if len(self._running) > 2 * self._max_running + _SLACK:
            self._running = _newest(self._running, _created, self._max_running)
        if len(self._ended) > 2 * self._max_ended + _SLACK:
            self._ended = _newest(self._ended, _order, self._max_ended)

    def _add_running(self, job: Job) -> None:
        self._running.append(job)
        self._eligible += 1
        self._subtasks.update([(name, subtask.status) for name, subtask in job.subtasks])

    def _add_ended(self, job: Job) -> None:
        order = _order(job)
        if order >= self._retained_after:
            self._ended.append(job)
            self._eligible += 1
        if job.status == "Completed" and order >= self._baseline_after:
            peers = self._durations[job.base_model, job.customization_type]
            if order is not job.creation_time:  # else its end is unknown
                peers[""].append(_seconds(job.creation_time, order))
            for name, subtask in job.subtasks:
                start, end = subtask.creation_time, subtask.last_modified_time
                if subtask.status == "Completed" and start and end:
                    peers[name].append(_seconds(start, end))

    def snapshot(self) -> Snapshot:
        """The snapshot of the jobs added so far."""
        running = self._running
        if len(running) > self._max_running:
            running = _newest(running, _created, self._max_running)
        series = [*running, *_newest(self._ended, _order, self._max_ended)]
        bounds = self._bounds(series)
        if bounds.folded:
            series = [bounds.relabel(job) for job in series]
        distinct = _distinct(series)
        jobs = Counter({(status, kind): 0 for status in STATUSES for kind in CUSTOMIZATION_TYPES})
        for (status, kind), number in self._jobs.items():
            jobs[bounds.status(status), bounds.customization_type(kind)] += number
        subtasks = Counter({(name, status): 0 for name in SUBTASKS for status in SUBTASK_STATUSES})
        for (name, status), number in self._subtasks.items():
            subtasks[name, bounds.status(status)] += number
        durations: defaultdict[tuple[str, str], _Durations] = defaultdict(_no_durations)
        for (model, kind), by_name in sorted(self._durations.items()):
            peers = durations[bounds.base_model(model), bounds.customization_type(kind)]
            for name, seconds in sorted(by_name.items()):
                peers[name] += seconds
        completed: dict[tuple[str, str], DurationSummary] = {}
        completed_subtasks: dict[tuple[str, str, str], DurationSummary] = {}
        for (model, kind), by_name in durations.items():
            for name, seconds in by_name.items():
                summary = summarize(seconds, alike=OTHER not in {model, kind})
                if name:
                    completed_subtasks[model, kind, name] = summary
                else:
                    completed[model, kind] = summary
        return Snapshot(
            jobs=dict(jobs),
            subtasks=dict(subtasks),
            completed=completed,
            completed_subtasks=completed_subtasks,
            job_series=distinct,
            job_series_omitted=self._eligible - len(distinct),
            label_values_folded=bounds.folded,
        )

    def _bounds(self, series: Sequence[Job]) -> LabelBounds:
        statuses: Counter[str] = Counter()
        types: Counter[str] = Counter()
        for (status, kind), number in self._jobs.items():
            statuses[status] += number
            types[kind] += number
        for (_, status), number in self._subtasks.items():
            statuses[status] += number
        models = Counter([job.base_model for job in series])
        for (model, _), by_name in self._durations.items():
            models[model] += sum(map(len, by_name.values()))
        return LabelBounds(statuses, types, models)


def _no_durations() -> _Durations:
    return defaultdict(lambda: array("d"))


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(0.0, seconds), LATEST), UTC)


def _created(job: Job) -> datetime:
    return job.creation_time


def _order(job: Job) -> datetime:
    """When an ended job ended; falls back to the last modification, then to creation."""
    return job.end_time or job.last_modified_time or job.creation_time


def _newest(jobs: Iterable[Job], key: Callable[[Job], datetime], limit: int) -> list[Job]:
    """The `limit` jobs with the latest times, latest first; ties in the order of the list."""
    return sorted(jobs, key=key, reverse=True)[:limit]


def _distinct(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """The jobs in order, without those that would repeat the labels of an earlier one.

    The last part of an ARN is unique in the real service, but that is not documented, and Prometheus rejects the whole
    scrape if two series are equal.
    """
    distinct: dict[tuple[str, str, str], Job] = {}
    for job in jobs:
        distinct.setdefault((job.id, job.job_name, job.customization_type), job)
    return tuple(distinct.values())


def summarize(durations: Iterable[float], *, alike: bool = True) -> DurationSummary:
    """Count and sum of one or more durations, in seconds; median and 0.95 quantile, too, if they are `alike`."""
    ordered = sorted(durations)
    median, p95 = (quantile(ordered, 0.5), quantile(ordered, 0.95)) if alike else (None, None)
    return DurationSummary(len(ordered), sum(ordered), median, p95)


def quantile(ordered: Sequence[float], q: float) -> float:
    """The `q` quantile (0 to 1) of an ascending, non-empty list, interpolated between neighbours as PromQL does."""
    rank = q * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)
