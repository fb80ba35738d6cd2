"""The plain way from jobs to a snapshot and its text: what the page by page way must come to."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.exposition import Renderer
from exporter.model import Budget, Job, Rendered, Snapshot, Target
from exporter.snapshot import Fold, combine


def snapshot_of(jobs: Iterable[Job], budget: Budget, now: float) -> Snapshot:
    """The snapshot of a list of distinct jobs."""
    fold = Fold(budget, now)
    for job in jobs:
        fold.count(hash(job.arn), job.status, job.customization_type)
        fold.add(job)
    return combine([fold], budget.max_jobs)


def render_snapshot(target: Target, account_id: str, snapshot: Snapshot) -> Rendered:
    """The text of a snapshot, rendered for the first time."""
    return Renderer(target).render(account_id, snapshot)
