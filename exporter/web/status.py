"""The states of all targets → the values that people see, frozen. Pure.

The status page and the API show the same values; only the page spells them out. Times are Unix seconds, durations
seconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from exporter.fleet.state import TargetState
from exporter.jobs.job import RUNNING_STATUSES, Job
from exporter.jobs.snapshot import Snapshot
from exporter.scrub import scrub
from exporter.web.reasons import EXPLANATIONS
from exporter.web.selection import Selection
from exporter.web.views import GROUPS, Failure, Group, Jobs, JobView, Status, SubTaskView, Targets, TargetView

LATELY = 86400.0
"""Seconds for which a failed job needs attention."""

# The thresholds of the alerts, as they are unless somebody sets others (monitoring/thresholds.py).
WAITING = 7200.0
STOPPING = 3600.0
"""Seconds after which a job that waits between sub-tasks, or is stopping, needs attention."""

LONGEST: Mapping[str, float] = {"validation": 2700.0, "data_processing": 10800.0, "training": 172800.0}
"""Seconds that a sub-task may run before its job needs attention."""

SUBTASK_SLOW = 3.0
"""Multiple of the 0.95 quantile of its peers that a sub-task may run, if that is longer; a training in any case."""

JOB_SLOW = 2.0
"""Multiple of the 0.95 quantile of its peers that a job without status details may run."""


def status(
    states: Sequence[TargetState],
    selection: Selection,
    *,
    now: float,
    started: float,
    ready: bool,
    troubles: tuple[str, ...] = (),
) -> Status:
    """What the status page shows.

    Args:
        states: of every target.
        selection: which of the targets and jobs.
        now: Unix seconds.
        started: when the exporter started, Unix seconds.
        ready: whether every target has finished its first walk.
        troubles: what is wrong with the exporter itself.
    """
    fitting = [state for state in states if _fits_place(state, selection)]
    shown_targets = targets(states, selection).targets
    counts: Counter[tuple[str, str]] = Counter()
    for state in fitting:
        if state.shown is not None:
            counts.update(state.shown.snapshot.jobs)
    statuses: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for (job_status, kind), number in counts.items():
        statuses[job_status] += number
        types[kind] += number
    return Status(
        now=now,
        started=started,
        ready=ready,
        selection=selection,
        targets=shown_targets,
        jobs=jobs(states, selection, now=now),
        summary=_summary(states, Counter(group for group, *_ in _each(states, Selection(), now))),
        statuses={name: number for name, number in statuses.items() if number},
        types={name: number for name, number in types.items() if number},
        accounts=tuple(sorted({state.account_id for state in states})),
        regions=tuple(sorted({state.target.region for state in states})),
        watched=len(states),
        troubles=troubles,
    )


def targets(states: Iterable[TargetState], selection: Selection) -> Targets:
    """The targets of an account and a region; other filters apply only to jobs."""
    return Targets(tuple([_target(state) for state in states if _fits_place(state, selection)]))


def jobs(states: Iterable[TargetState], selection: Selection, *, now: float) -> Jobs:
    """One page of the matching jobs, those that need attention first; after the last page, the last."""
    candidates = sorted(_each(states, selection, now), key=lambda each: (GROUPS.index(each[0]), each[1]))
    pages = max(1, -(-len(candidates) // selection.limit))
    page = min(selection.page, pages)
    groups = Counter(group for group, *_ in candidates)
    shown = candidates[(page - 1) * selection.limit : page * selection.limit]
    return Jobs(
        jobs=tuple([_job(group, job, state, now) for group, _, job, state in shown]),
        total=len(candidates),
        page=page,
        pages=pages,
        groups={group: groups[group] for group in GROUPS if groups[group]},
    )


_Candidate = tuple[Group, float, Job, TargetState]
"""Group, rank in it, and the job."""


def _each(states: Iterable[TargetState], selection: Selection, now: float) -> Iterator[_Candidate]:
    for state in states:
        if state.shown is None or not _fits_place(state, selection):
            continue
        snapshot = state.shown.snapshot
        labels = [value for _, value in state.target.labels]
        for job in snapshot.job_series:
            if selection.status and job.status != selection.status:
                continue
            if selection.text and not _contains(
                selection.text,
                job.job_name,
                job.id,
                job.base_model,
                job.custom_model_name,
                job.customization_type,
                *labels,
            ):
                continue
            yield (*_rank(job, snapshot, now), job, state)


def _rank(job: Job, snapshot: Snapshot, now: float) -> tuple[Group, float]:
    if job.has_ended:
        ended = job.ended or job.created
        return ("failed" if job.status == "Failed" and now - ended < LATELY else "ended"), -ended
    if job.waiting_since is not None and now - job.waiting_since >= WAITING:
        return "waiting", job.waiting_since
    if job.status == "Stopping":
        since = job.last_modified or job.created
        return ("stopping" if now - since >= STOPPING else "running"), since
    return ("slow" if _is_slow(job, snapshot, now) else "running"), job.created


def _is_slow(job: Job, snapshot: Snapshot, now: float) -> bool:
    """Judged by the sub-tasks that run: time that a job spends in a queue says nothing about its speed."""
    if not job.subtasks:
        expected = snapshot.expected_duration(job)
        return expected is not None and now - job.created > JOB_SLOW * expected
    for name, subtask in job.subtasks:
        if not subtask.runs or subtask.started is None:
            continue
        expected, longest = snapshot.expected_subtask_duration(job, name), LONGEST[name]
        if expected is not None:
            longest = max(SUBTASK_SLOW * expected, 0.0 if name == "training" else longest)
        if now - subtask.started > longest:
            return True
    return False


def _job(group: Group, job: Job, state: TargetState, now: float) -> JobView:
    snapshot = state.shown.snapshot if state.shown else None
    until = now if job.ended is None and not job.has_ended else (job.ended or job.created)
    return JobView(
        arn=job.job_arn,
        id=job.id,
        name=job.job_name,
        account_id=state.account_id,
        region=state.target.region,
        status=job.status,
        customization_type=job.customization_type,
        base_model=job.base_model,
        custom_model=job.custom_model_name,
        group=group,
        created=job.created,
        ended=job.ended,
        last_modified=job.last_modified,
        duration=max(0.0, until - job.created),
        expected_duration=snapshot.expected_duration(job) if snapshot else None,
        waiting=None if job.waiting_since is None else max(0.0, now - job.waiting_since),
        failure=_failure(job, state),
        subtasks=tuple(_subtasks(job, snapshot, now)),
        console=console(job.job_arn, state.target.region),
    )


def _failure(job: Job, state: TargetState) -> Failure | None:
    known = state.details.known
    reason = known.failure_reason(job)
    return None if reason is None else Failure(reason, scrub(known.details[job.job_arn].failure_message))


def _subtasks(job: Job, snapshot: Snapshot | None, now: float) -> Iterator[SubTaskView]:
    for name, subtask in job.subtasks:
        start = subtask.started
        end = now if subtask.runs and not job.has_ended else subtask.last_modified
        runs = subtask.runs and not job.has_ended
        yield SubTaskView(
            name=name,
            status=subtask.status,
            started=start,
            duration=None if start is None or end is None else max(0.0, end - start),
            expected_duration=snapshot.expected_subtask_duration(job, name) if snapshot and runs else None,
        )


def _target(state: TargetState) -> TargetView:
    failure, good = state.failure, state.good
    explanation = EXPLANATIONS[failure.reason] if failure else None
    kind: Literal["up", "down", "unsupported", "new"] = "up" if state.up else "new"
    if failure:
        kind = "unsupported" if state.is_unsupported and good is None else "down"
    return TargetView(
        account_id=state.account_id,
        region=state.target.region,
        labels={name: value for name, value in state.target.labels if value},
        state=kind,
        reason=failure.reason.value if failure else None,
        meaning=explanation.meaning if explanation else None,
        remedy=explanation.remedy if explanation else None,
        last_walk=state.last_walk,
        last_success=state.last_success,
        stale=state.stale,
        jobs=good.jobs if good else None,
        jobs_omitted=good.snapshot.job_series_omitted if good else None,
    )


def _summary(states: Sequence[TargetState], groups: Mapping[str, int]) -> str:
    down = sum(_target(state).state == "down" for state in states)
    counts = [state.shown.snapshot.jobs for state in states if state.shown is not None]
    running = sum(number for each in counts for (name, _), number in each.items() if name in RUNNING_STATUSES)
    about_targets = f"{_number(len(states), 'target')}, {down:,} down" if down else _number(len(states), "target")
    parts = [f"{_number(running, 'job')} running" if counts else "no jobs known"]
    parts += [f"{groups[group]:,} {word}" for group, word in _WORDS if groups.get(group)]
    return f"{about_targets}; {', '.join(parts)}"


_WORDS = (
    ("waiting", "waiting"),
    ("slow", "slow"),
    ("stopping", "stopping for too long"),
    ("failed", "failed in the last 24 hours"),
)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _fits_place(state: TargetState, selection: Selection) -> bool:
    return selection.account in {"", state.account_id} and selection.region in {"", state.target.region}


def _contains(text: str, *words: str) -> bool:
    folded = text.casefold()
    return any(folded in word.casefold() for word in words)


_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}


def console(arn: str, region: str) -> str:
    """A region's Amazon Bedrock console, custom models; empty for an unknown partition or region."""
    host = _CONSOLES.get(arn.split(":")[1] if arn.startswith("arn:") else "")
    if host is None or not re.fullmatch(r"[a-z0-9-]{1,32}", region):
        return ""
    return f"https://{region}.{host}/bedrock/home?region={region}#/custom-models"
