"""The table of metric families about targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.errors import FailureReason
from exporter.fleet.details import DETAIL_FAILURES
from exporter.jobs.families import EXPORTER_PREFIX, Family, Sample

if TYPE_CHECKING:
    from exporter.fleet.state import TargetState


def _target_up(state: TargetState) -> Iterator[Sample]:
    yield Sample(int(state.up))


def _target_failure(state: TargetState) -> Iterator[Sample]:
    if state.failure is not None:
        yield Sample(1, (state.failure.reason,))


def _target_last_walk(state: TargetState) -> Iterator[Sample]:
    if state.last_walk is not None:
        yield Sample(state.last_walk)


def _target_last_success(state: TargetState) -> Iterator[Sample]:
    if state.last_success is not None:
        yield Sample(state.last_success)


def _target_pages(state: TargetState) -> Iterator[Sample]:
    if state.good is not None:
        yield Sample(state.good.pages)


def _target_jobs(state: TargetState) -> Iterator[Sample]:
    if state.good is not None:
        yield Sample(state.good.jobs)


def _target_failures(state: TargetState) -> Iterator[Sample]:
    for reason in FailureReason:
        yield Sample(state.failures.get(reason, 0), (reason,))


def _target_malformed(state: TargetState) -> Iterator[Sample]:
    yield Sample(state.malformed)


def _target_omitted(state: TargetState) -> Iterator[Sample]:
    if state.good is not None:
        yield Sample(state.good.snapshot.job_series_omitted)


def _target_folded(state: TargetState) -> Iterator[Sample]:
    if state.good is not None:
        yield Sample(state.good.snapshot.label_values_folded)


def _target_detail_failures(state: TargetState) -> Iterator[Sample]:
    if state.details.known.settings.wanted:
        for reason in DETAIL_FAILURES:
            yield Sample(state.details.failures.get(reason, 0), (reason,))


def _target_series(state: TargetState) -> Iterator[Sample]:
    own = sum(1 for family in TARGET_FAMILIES if family.samples is not _target_series for _ in family.samples(state))
    yield Sample(state.job_series + own + 1)


TARGET_FAMILIES: tuple[Family[TargetState], ...] = (
    Family(
        EXPORTER_PREFIX + "target_up",
        "gauge",
        "1 if the last walk of the target succeeded, 0 if it failed or none has ended yet. From the exporter.",
        _target_up,
    ),
    Family(
        EXPORTER_PREFIX + "target_failure_info",
        "gauge",
        "Why the last walk of the target failed, always 1; absent when it succeeded. From the exporter.",
        _target_failure,
        ("reason",),
    ),
    Family(
        EXPORTER_PREFIX + "target_last_walk_timestamp_seconds",
        "gauge",
        "Unix time at which the last walk ended, failed ones included. From the exporter.",
        _target_last_walk,
    ),
    Family(
        EXPORTER_PREFIX + "target_last_success_timestamp_seconds",
        "gauge",
        "Unix time at which the last good walk ended: the age of the target's data. From the exporter.",
        _target_last_success,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_pages",
        "gauge",
        "Pages of the list in the last good walk. From the exporter.",
        _target_pages,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_jobs",
        "gauge",
        "Distinct jobs in the last good walk, malformed ones not counted. From the exporter.",
        _target_jobs,
    ),
    Family(
        EXPORTER_PREFIX + "target_walk_failures_total",
        "counter",
        "Failed walks by reason. From the exporter.",
        _target_failures,
        ("reason",),
    ),
    Family(
        EXPORTER_PREFIX + "target_malformed_jobs_total",
        "counter",
        "Job summaries that were malformed and left out, counted in every good walk. From the exporter.",
        _target_malformed,
    ),
    Family(
        EXPORTER_PREFIX + "target_job_series_omitted",
        "gauge",
        "Running jobs, and jobs that ended within retain, without series of their own because job_series.max_jobs was "
        "reached. From the exporter; as old as the last good walk.",
        _target_omitted,
    ),
    Family(
        EXPORTER_PREFIX + "target_label_values_folded",
        "gauge",
        "Statuses, customization types and base models that are shown as other, as the target has too many of them. "
        "From the exporter; as old as the last good walk.",
        _target_folded,
    ),
    Family(
        EXPORTER_PREFIX + "target_detail_failures_total",
        "counter",
        "Failed calls for details or tags of jobs by reason; absent without details.enabled and job_series.tags. "
        "From the exporter.",
        _target_detail_failures,
        ("reason",),
    ),
    Family(
        EXPORTER_PREFIX + "target_series",
        "gauge",
        "Series that the exporter exports for the target, including this one. A sampleLimit has to allow their sum "
        "over all targets, plus about a hundred for the exporter itself. From the exporter.",
        _target_series,
    ),
)
"""Families about one target; they stay when its job series end."""
