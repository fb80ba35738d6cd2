"""What the dashboards ask Prometheus, put together from a few parts.

A target may be scraped more than once: by a pair of exporters, by the old and the new pod of a rollout, or by two
shards while targets move between them. Copies differ in ``instance``, ``pod`` and the like, so every expression first
takes the ``max`` by what makes a thing itself, and only then adds up. Neither copies nor labels of the scrape count.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.jobs.families import EXPORTER_PREFIX, JOBS_PREFIX
from exporter.jobs.job import STATUSES, SUBTASK_STATUSES, TERMINAL_STATUSES
from monitoring.alerts import THRESHOLDS

TARGET = "aws_account_id, aws_region"
"""What makes a target itself."""

JOB = f"{TARGET}, customization_type, job_id, job_name"
"""What tells one job from another; in a table, also what people know it by."""

_CHOSEN_CLUSTERS = 'cluster=~"$cluster"'
_CHOSEN_TARGETS = f'{_CHOSEN_CLUSTERS},aws_account_id=~"$account",aws_region=~"$region"'
_CHOSEN_PROCESSES = f'{_CHOSEN_CLUSTERS},instance=~"$instance"'
_CHOSEN_JOBS = f'{_CHOSEN_TARGETS},customization_type=~"$type"'

ENDED = "|".join(status for status in STATUSES if status in TERMINAL_STATUSES)
"""Matches the states that a job never leaves; what is in none of them runs, new states included."""


def of_targets(family: str, *matchers: str) -> str:
    """The chosen targets' series of an own family of the exporter."""
    return _selector(EXPORTER_PREFIX + family, _CHOSEN_TARGETS, *matchers)


def of_jobs(family: str, *matchers: str) -> str:
    """The chosen targets' series of a family about jobs, of the chosen customization types."""
    return _selector(JOBS_PREFIX + family, _CHOSEN_JOBS, *matchers)


def of_jobs_of_any_type(family: str, *matchers: str) -> str:
    """The same of a family whose series say nothing of the type."""
    return _selector(JOBS_PREFIX + family, _CHOSEN_TARGETS, *matchers)


def of_processes(family: str, *matchers: str) -> str:
    """The chosen exporters' series of an own family of the exporter that is not about a target."""
    return _selector(EXPORTER_PREFIX + family, _CHOSEN_PROCESSES, *matchers)


def of_any_process(family: str) -> str:
    """The chosen exporters' series of a family that all sorts of processes have.

    Which of them are exporters is not said by their own labels; that they had an exporter's series in the time range
    is. So one that can't be scraped any more is among them.
    """
    exporters = f"last_over_time({of_processes('build_info')}[$__range] @ end())"
    return f"{_selector(family, _CHOSEN_PROCESSES)} and on (job, instance) {exporters}"


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{','.join(matchers)}}}"


def one(by: str, series: str) -> str:
    """The one value of each thing, however often it is scraped."""
    return f"max by ({by}) ({series})"


def any_of(label: str, values: Iterable[str]) -> str:
    """Matches a label that has one of these values."""
    joined = "|".join(values)
    return f'{label}=~"{joined}"'


def or_zero(count: str) -> str:
    """A count, or 0 where there is nothing to count but the job list is known: silence is not zero."""
    return f"{count}\nor 0 * sum({of_jobs('jobs')})"


_RUNS = of_jobs("job_status", f'status!~"{ENDED}"') + " == 1"

RUNNING = one(JOB, _RUNS)
"""The jobs that run: 1 each."""

RUNNING_STATUS = one(f"{JOB}, status", _RUNS)
"""The same, with their status."""

WAITING = one(JOB, of_jobs("job_waiting_seconds"))
DURATION = one(JOB, of_jobs("job_duration_seconds"))
EXPECTED = one(JOB, of_jobs("job_expected_duration_seconds"))
NOT_MODIFIED = one(JOB, of_jobs("job_time_since_last_modified_seconds"))


def in_state(status: str) -> str:
    """The jobs in this state: 1 each."""
    return one(JOB, of_jobs("job_status", f'status="{status}"') + " == 1")


LIMIT = {threshold.name: threshold.number for threshold in THRESHOLDS}
"""The thresholds of the alerts, as they ship."""

# How near a running job is to each alert on it: 1 is the alert's threshold.
_TROUBLES = {
    "waiting": f"{WAITING} / {LIMIT['jobWaiting']}",
    "not modified": f"({NOT_MODIFIED} and on (job_id) {in_state('InProgress')}"
    f" unless on (job_id) {WAITING} unless on (job_id) {EXPECTED})"
    f" / {LIMIT['jobNotProgressing']}",
    "slow": f"({DURATION} - {WAITING} or {DURATION}) / ({LIMIT['jobSlow']} * {EXPECTED})",
    "": f"0 * {RUNNING}",
    "stopping": f"({NOT_MODIFIED} and on (job_id) {in_state('Stopping')}) / {LIMIT['jobStopping']}",
}

TROUBLE = (
    f"topk by ({JOB}) (1,\n"
    + "\nor ".join(
        f'label_replace({nearness}, "trouble", "{trouble}", "", "")' for trouble, nearness in _TROUBLES.items()
    )
    + "\n)"
)
"""Of each running job the alert that it is nearest to, in the label ``trouble``, and how near: 1 is its threshold."""

MOST = 200
"""Running jobs that a table shows: browsers grow slow with thousands."""

WORST = f"topk({MOST}, {TROUBLE})"
"""The same of the jobs in most trouble."""


def of_worst(series: str) -> str:
    """Those that are about one of the running jobs in most trouble."""
    return f"({series})\nand on (job_id) {WORST}"


def _moment(ago: str, resolution: str) -> str:
    """The time so long ago, as a scalar; ``-`` before it is ahead.

    The time is rounded down to the resolution. In a query over a time range VictoriaMetrics evaluates a subquery at
    each multiple of its resolution, and refuses more than 30,000 of them.

    ``time() - $__range_s`` would be simpler. But Grafana puts ad hoc filters into all that looks like the name of a
    series before it fills in such variables, and one that stands by itself does. After `offset` it does not.
    """
    return f"scalar(last_over_time(vector(time())[{resolution}:{resolution}] offset {ago}))"


START = _moment("$__range", "1s")
"""The start of the time range, for an instant query."""


# What ended in the time range is read off the ends that AWS reports, not off counters or changes of a gauge. Those
# would take for new what an exporter finds when it starts, miss what ended while nothing was scraped, and put the rest
# where it was noticed. An end never changes, so the maximum over the time range is the end, also of a job whose series
# have gone meanwhile: old by `retain`, or stale. Accounts may be `unknown` at first and target labels may change, so
# in history a job is its `job_id` alone, which no two jobs share.


def ended_in_range() -> str:
    """The jobs that ended in the time range, for an instant query: 1 series each."""
    return f"{_history('job_ended_timestamp_seconds', 'job_id')} > {START}"


def is_in_range(status: str) -> str:
    """Whether each job ended in the time range ended in this state, for an instant query: 1 or 0."""
    return f"{_is(status)}\nand on (job_id) ({ended_in_range()})"


def _is(status: str) -> str:
    return _history("job_status", "customization_type, job_id", f'status="{status}"')


def ended_in_step(by: str, status: str) -> str:
    """How many jobs ended in each step of a range query, counted from the step's start.

    Args:
        by: ``customization_type`` or ``status``, or both.
        status: matches the state that they ended in.
    """
    # All is asked as of the end of the time range (and one step on, as Grafana rounds it down): at the step in which a
    # job ended, Prometheus did not know of it yet.
    when = "@ end() offset -$__interval"
    state = _history("job_status", "customization_type, job_id, status", f'status=~"{status}"', when=when)
    end = _history("job_ended_timestamp_seconds", "job_id", when=when)
    return (
        f"count by ({by}) ({state} == 1\nand on (job_id) ({end} > time() <= {_moment('-$__interval', '$__interval')}))"
    )


def _history(family: str, by: str, *matchers: str, when: str = "") -> str:
    return one(by, f"max_over_time({of_jobs(family, *matchers)}[$__range]{when and ' ' + when})")


SUCCESS = f"{is_in_range('Completed')}\nunless on (job_id) {_is('Stopped')} == 1"
"""1 for each job that completed in the time range, 0 for each that failed; a job that a person stopped is neither."""


def state_numbers(family: str, *matchers: str) -> str:
    """The state of each sub-task of a family like ``subtask_status`` as a number: its place in `STATE_NAMES`."""
    known = "|".join(SUBTASK_STATUSES)
    states = [f'status="{status}"' for status in SUBTASK_STATUSES] + [f'status!~"{known}"']
    return "\nor ".join(
        f"{number} * {one('subtask', of_jobs(family, *matchers, state) + ' == 1')}"
        for number, state in enumerate(states)
    )


STATE_NAMES = (*SUBTASK_STATUSES, "another state")
