"""Pages of jobs → `Snapshot`. Pure: the time of the walk is handed in."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable

from exporter.model import (
    CUSTOMIZATION_TYPES,
    STATUSES,
    SUBTASK_STATUSES,
    SUBTASKS,
    Budget,
    DurationSummary,
    Job,
    Snapshot,
)


class Fold:
    """What one page of the list comes to. Jobs are taken in one by one, each once; later it only gets less.

    It holds the jobs that run and those that ended within `retain`; of all others only counts and, of those completed
    within the baseline window, durations. What is left out is too old at `now` and can't become younger, so a fold is
    good for as long as the page stays the same and the clock does not go back.

    Attributes:
        bygone: Unix seconds; of a job that ended before this, status and type are all that counts.
        keys: a hash of the ARN of every job counted; the ARNs of a long list would take many times the memory.
    """

    def __init__(self, budget: Budget, now: float) -> None:
        self._budget = budget
        self._retained_after = now - budget.retain
        self._baseline_after = now - budget.baseline_window
        self.bygone = min(self._retained_after, self._baseline_after)
        self.keys = array("q")
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.running: list[Job] = []
        self.ended: list[tuple[float, Job]] = []
        self.durations: list[tuple[float, tuple[str, str], float]] = []

    def count(self, key: int, status: str, customization_type: str) -> None:
        """Count a job. One that did not end before `bygone` is to be added, too."""
        self.keys.append(key)
        self.jobs[status, customization_type] += 1

    def keeps(self, job: Job) -> bool:
        """Whether a job may get series of its own, and not only be counted."""
        return not job.has_ended or _order(job) >= self._retained_after

    def add(self, job: Job) -> None:
        """Take in what matters of a job beyond the count."""
        if not job.has_ended:
            self.running.append(job)
            return
        order = _order(job)
        if order >= self._retained_after:
            self.ended.append((order, job))
        if job.status == "Completed" and order >= self._baseline_after and job.ended is not None:
            peers = (job.base_model, job.customization_type)
            self.durations.append((order, peers, max(0.0, order - job.created)))

    def expire(self, now: float) -> None:
        """Let go of what has become too old since: a fold that is kept for a year costs no more than a new one."""
        self.ended = [entry for entry in self.ended if entry[0] >= now - self._budget.retain]
        self.durations = [entry for entry in self.durations if entry[0] >= now - self._budget.baseline_window]


def _order(job: Job) -> float:
    """When an ended job ended; where AWS did not say, its creation must do."""
    if job.end_time is not None:
        return job.end_time
    return job.created if job.last_modified is None else job.last_modified


def combine(folds: Iterable[Fold], max_jobs: int) -> Snapshot:
    """The snapshot of all pages, each folded or expired at the time of the walk. No job may be in two of the folds."""
    jobs = Counter({(status, kind): 0 for status in STATUSES for kind in CUSTOMIZATION_TYPES})
    subtasks = Counter({(name, status): 0 for name in SUBTASKS for status in SUBTASK_STATUSES})
    durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    running: list[Job] = []
    ended: list[tuple[float, Job]] = []
    for fold in folds:
        jobs.update(fold.jobs)
        running += fold.running
        ended += fold.ended
        for _, peers, seconds in fold.durations:
            durations[peers].append(seconds)
    subtasks.update((subtask.name, subtask.status) for job in running for subtask in job.subtasks)
    newest = heapq.nlargest(max_jobs, ended)
    series = [*running, *(job for _, job in newest)]
    distinct = _distinct_series(series)
    return Snapshot(
        jobs=dict(jobs),
        subtasks=dict(subtasks),
        completed={peers: summarize(seconds) for peers, seconds in sorted(durations.items())},
        job_series=distinct,
        job_series_omitted=len(running) + len(ended) - len(distinct),
    )


def _distinct_series(jobs: list[Job]) -> tuple[Job, ...]:
    """Jobs whose series can be told apart by their labels, in order; a later namesake is dropped.

    The last part of an ARN is unique for the real service, but no document promises it, and two equal series would
    make Prometheus refuse the whole scrape.
    """
    distinct: dict[tuple[str, str, str], Job] = {}
    for job in jobs:
        distinct.setdefault((job.id, job.name, job.customization_type), job)
    return tuple(distinct.values())


def summarize(durations: list[float]) -> DurationSummary:
    """Count, sum, median and 0.95 quantile of one or more durations, in seconds."""
    ordered = sorted(durations)
    return DurationSummary(len(ordered), sum(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))


def quantile(ordered: list[float], q: float) -> float:
    """The `q` quantile (0 to 1) of an ascending, non-empty list, interpolated between neighbours as PromQL does."""
    rank = q * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)
