"""The states of all targets → their lines on the metrics page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from exporter.fleet.families import TARGET_FAMILIES
from exporter.fleet.state import TargetState
from exporter.jobs import page
from exporter.jobs.families import JOB_FAMILIES, SNAPSHOT_FAMILIES, Family
from exporter.labels import UNKNOWN, Labels

FAMILIES: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES, *TARGET_FAMILIES)
"""Every family of the tables, in the order of the page; `telemetry` adds the exporter's own."""


def compose(states: Sequence[TargetState], format_: page.Format, now: float) -> Iterator[bytes]:
    """What is known of all targets at `now` (Unix seconds), in one format, family by family."""
    shown = _distinct(states)
    jobs = [state.jobs_text for state in shown if state.shown is not None]
    return page.compose(FAMILIES, [*jobs, *(state.text for state in shown)], format_, now)


def _distinct(states: Iterable[TargetState]) -> list[TargetState]:
    """Merge states with the same labels: two series with the same labels would break the scrape.

    Accounts that are not known yet share the label `UNKNOWN`, and a duplicate target may have its owner's labels. The
    first state's samples are used, with the failures and malformed jobs of all added up. While the account is unknown,
    it is up only if all are.
    """
    merged: dict[Labels, TargetState] = {}
    for state in states:
        labels = state.target.series_labels(state.account_id)
        merged[labels] = _merged(merged[labels], state) if labels in merged else state
    return list(merged.values())


def _merged(first: TargetState, second: TargetState) -> TargetState:
    failures = dict(first.failures)
    for reason, count in second.failures.items():
        failures[reason] = failures.get(reason, 0) + count
    failure = first.failure
    if failure is None and first.account_id == UNKNOWN:
        failure = second.failure
    return replace(first, failures=failures, malformed=first.malformed + second.malformed, failure=failure)
