"""The alerts that ship, as one table.

`tools/rules.py` writes them as plain Prometheus rules and as rules of the chart, `tools/alerts_page.py` into
`docs/alerts.md`.

In an expression `$name` is the threshold of that name, `$name_seconds` the same in seconds, and `$replica` stands for
the labels that tell one replica of the exporter from another. They are aggregated away at the last moment: what is
known of a job and of its target must come from the same replica. All other labels stay, so a target's own, such as a
team, are there to route by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.config.duration import seconds
from exporter.jobs.families import EXPORTER_PREFIX, JOB_LABELS, JOBS_PREFIX

HOMEPAGE = "https://github.com/bedrock-customization-exporter/bedrock-customization-exporter"
RUNBOOKS = f"{HOMEPAGE}/blob/main/docs/runbooks"

REPLICA_LABELS = ("instance", "pod", "container", "endpoint", "node")
"""What tells one scrape of a target from another: the two of a pair, the old and the new pod of a rollout."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number of an alert that users may set.

    Attributes:
        name: in the chart's values and in expressions.
        default: a duration, or a bare number.
        about: what it is.
        by_type: whether a customization type may have its own.
    """

    name: str
    default: str | int
    about: str
    by_type: bool = False

    @property
    def number(self) -> int:
        """Seconds of a duration, else the number."""
        return self.default if isinstance(self.default, int) else round(seconds(self.default))


THRESHOLDS = (
    Threshold("jobFailed", "1h", "How long an alert on a failed job lasts, from when the exporter first saw it fail"),
    Threshold("jobWaiting", "2h", "How long an InProgress job may go without a running sub-task", True),
    Threshold("jobNotProgressing", "12h", "How long an InProgress job without known peers may go unmodified", True),
    Threshold("jobSlow", 2, "How many times the 0.95 quantile of its completed peers a job may run", True),
    Threshold("jobStopping", "1h", "How long a job may be Stopping", True),
    Threshold("targetDown", "10m", "How long a target's walks may fail; above 5m, or a restart fires it"),
    Threshold(
        "targetStale",
        "15m",
        "How long a target's walks may fail until its series end: as poll.stale_after, and above 5m",
    ),
    Threshold("throttled", 5, "How many throttled walks within 30 minutes fire it"),
    Threshold("jobSeriesOmitted", "1h", "How long the budget may leave out jobs"),
    Threshold("configReloadFailed", "5m", "How long the last reload may have failed"),
    Threshold("discoveryFailed", "3h", "How old the last good listing of the organization's accounts may be"),
    Threshold("exporterDown", "5m", "How long Prometheus may fail to scrape the exporter"),
)

Dashboard = Literal["overview", "job", "exporter"]
Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule.

    Attributes:
        record: the name of the series.
        expr: what they are.
        why: for people who read the rules.
    """

    record: str
    expr: str
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Attributes:
        name: of the alert; also of its runbook and of its test file.
        severity: critical wakes somebody.
        fires: when, in words.
        expr: PromQL; of an alert on jobs, what must be seen in a good walk for it to fire.
        why: why the expression is written this way; for people who read the rules.
        summary: one line, a template; `$name` is a threshold in it, too.
        description: what is known, and what it means; a template.
        dashboard: the one that shows more.
        wait: a threshold's name or a duration for which the expression must hold; empty if at once.
        record: of an alert on jobs, the series that it is recorded as, see `held`.
    """

    name: str
    severity: Severity
    fires: str
    expr: str
    why: str
    summary: str
    description: str
    dashboard: Dashboard
    wait: str = ""
    record: str = ""


def by_type(name: str, comparison: str) -> str:
    """A comparison with a threshold that a customization type may have of its own; it stands on lines of its own.

    In it, `$types` is the selector of the types that a threshold is for, and `$threshold` that.
    """
    return f"«{name}|{comparison}»"


_JOB_LABELS = ", ".join(JOB_LABELS)
_TARGET_UP = EXPORTER_PREFIX + "target_up"
_TARGET_SUCCESS = EXPORTER_PREFIX + "target_last_success_timestamp_seconds"
_IN_PROGRESS = JOBS_PREFIX + 'job_status{status="InProgress"}'
_WAITING = JOBS_PREFIX + "job_waiting_seconds"
_UNMODIFIED = JOBS_PREFIX + "job_time_since_last_modified_seconds"
_DURATION = JOBS_PREFIX + "job_duration_seconds"
_EXPECTED = JOBS_PREFIX + "job_expected_duration_seconds"

RECENT = f"target:{_TARGET_UP}:recent"
_WHY = (
    f'{{{{ with printf "{JOBS_PREFIX}job_failure_info{{aws_account_id=%q,aws_region=%q,job_id=%q}}" '
    "$labels.aws_account_id $labels.aws_region $labels.job_id | query }}"
    ' (reason: {{ . | first | label "reason" }}){{ end }}'
)
"""Why a job failed, where the exporter's details tell; else nothing."""

_FAILED_JOBS = f"customization_job:{JOBS_PREFIX}job_status:failed"
_STOPPING_JOBS = f"customization_job:{JOBS_PREFIX}job_status:stopping"
_WAITING_JOBS = f"customization_job:{_WAITING}:stuck"
_STILL_JOBS = f"customization_job:{_UNMODIFIED}:stuck"
_SLOW_JOBS = f"customization_job:{_DURATION}:slow"
_EXPORTERS = f"instance:{EXPORTER_PREFIX}build_info:known"

RECORDINGS = (
    Recording(
        RECENT,
        f"""\
max without ($replica) ({_TARGET_UP})
or
max without ($replica) (last_over_time({_TARGET_UP}[1h])) * 0""",
        "1 if the last walk of a target was good; 0 if it was not, and while nobody knows: for an hour after the "
        "target was last seen.",
    ),
)
"""What the alerts on jobs build on."""

EXPORTER_RECORDINGS = (
    Recording(
        _EXPORTERS,
        f"""\
group by (job, instance) (last_over_time({EXPORTER_PREFIX}build_info[1d]))
or
({_EXPORTERS} and on (job, instance) up)""",
        "Instances that are exporters: seen within a day, or still a scrape target.",
    ),
)
"""What the alerts on the exporter build on."""


def held(alert: Alert) -> str:
    """What is recorded for an alert on jobs: what good walks show, and while there are none, what the last ones did.

    So an outage of AWS or of the exporter neither starts such an alert nor ends it. The series that the exporter
    shows meanwhile would do both: some of their values go on growing, and after `stale_after` they are gone.
    """
    return f"{alert.expr}\nor\n({alert.record} and ignoring ({_JOB_LABELS}) {RECENT} == 0)"


def _seen(what: str, status: str) -> str:
    """What holds of jobs in a state, according to replicas whose last walk was good."""
    return f"""\
max without ($replica) (
  {what}
  and ignoring (status) {JOBS_PREFIX}job_status{{status="{status}"}} == 1
  and ignoring ({_JOB_LABELS}) {_TARGET_UP} == 1
)"""


def _latest(family: str, window: str) -> str:
    """The last value within a window, so that a missed scrape or a restart changes nothing."""
    return f"max without ($replica) (last_over_time({EXPORTER_PREFIX}{family}[{window}]))"


_DOWN = f"""\
{_latest("target_up", "5m")} == 0
unless ignoring (reason)
  max without ($replica) ({EXPORTER_PREFIX}target_failure_info{{reason="unsupported_region"}})"""

_UNMODIFIED_LONG = f"""\
{by_type("jobNotProgressing", f"{_UNMODIFIED}$types > $threshold")}
  unless {_EXPECTED}
  unless {_WAITING}"""

_SLOW = f"""\
{by_type("jobSlow", f"{_DURATION}$types > $threshold * {_EXPECTED}")}
  unless {_WAITING}"""

_PLACE = "account {{ $labels.aws_account_id }} in {{ $labels.aws_region }}"
_JOB = "{{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of " + _PLACE
_AGE = "{{ $value | humanizeDuration }}"
_REASON = (
    '{{ with printf "max by (reason) (' + EXPORTER_PREFIX + 'target_failure_info{aws_account_id=%q,aws_region=%q})" '
    '$labels.aws_account_id $labels.aws_region | query }} Reason: {{ . | first | label "reason" }}.{{ end }}'
)

_LAST_SUCCESS = (
    '{{ with printf "time() - max (last_over_time(' + _TARGET_SUCCESS + '{aws_account_id=%q,aws_region=%q}[3d]))" '
    "$labels.aws_account_id $labels.aws_region | query }} The last good one ended "
    "{{ . | first | value | humanizeDuration }} ago.{{ end }}"
)

JOB_ALERTS = (
    Alert(
        "BedrockCustomizationJobFailed",
        "critical",
        "a job has Failed, and $jobFailed ago no good walk could have shown it",
        f"""\
{_seen(f"time() - {JOBS_PREFIX}job_ended_timestamp_seconds", "Failed")}
< ignoring ({_JOB_LABELS}) group_left ()
  (
    time() - max without ($replica) (max_over_time({_TARGET_SUCCESS}[3d] offset $jobFailed))
    or {RECENT} * 0 + $jobFailed_seconds
  ) + 300""",
        "The job ended after the walk that was the last good one $jobFailed ago, so nobody could know then; 5 minutes "
        "more are for jobs that ended while that walk was under way. Without such a walk, as with a new target, it "
        "ended within $jobFailed. So a job that failed in an outage alerts when it is seen, and last week's do not.",
        "Job {{ $labels.job_name }} has failed",
        f"The {_JOB} failed {_AGE} ago{_WHY}. Bedrock's failure message says why; nothing starts it again by itself.",
        "job",
        record=_FAILED_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobWaiting",
        "critical",
        "an InProgress job has had no sub-task running for $jobWaiting",
        f"""\
max without ($replica) (
  {by_type("jobWaiting", f"{_WAITING}$types > $threshold")}
  and ignoring ({_JOB_LABELS}) {_TARGET_UP} == 1
)""",
        "The age of a job does not show it, the time without a running sub-task does.",
        "Job {{ $labels.job_name }} has no running sub-task",
        f"The {_JOB} is InProgress, yet for {_AGE} none of its sub-tasks has run. Such jobs have stayed like this for "
        "days, until somebody stopped them.",
        "job",
        record=_WAITING_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobNotProgressing",
        "warning",
        "an InProgress job with fewer than five completed peers, which does not wait for a sub-task, has not been "
        "modified for $jobNotProgressing",
        _seen(_UNMODIFIED_LONG, "InProgress"),
        "AWS may not modify a job while it trains. So where it is known how long its peers took, that is what counts: "
        "see BedrockCustomizationJobSlow.",
        "Job {{ $labels.job_name }} does not progress",
        f"The {_JOB} is InProgress and was last modified {_AGE} ago.",
        "job",
        record=_STILL_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobSlow",
        "warning",
        "an InProgress job that does not wait for a sub-task has run $jobSlow times as long as its completed peers "
        "(their 0.95 quantile)",
        f"""\
{_seen(_SLOW, "InProgress")}
or
({_seen(_DURATION, "InProgress")} and {_SLOW_JOBS})""",
        "Once slow, a job stays so until it ends: slow peers that complete meanwhile raise what is expected.",
        "Job {{ $labels.job_name }} is slower than its peers",
        f"The {_JOB} has run for {_AGE}, which is far longer than 95 in 100 completed jobs of its base model and type.",
        "job",
        record=_SLOW_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobStopping",
        "warning",
        "a job has been Stopping for $jobStopping",
        f"""\
{_seen(by_type("jobStopping", f"({_UNMODIFIED}$types or {_DURATION}$types) > $threshold"), "Stopping")}
unless max without ($replica, status) (max_over_time({_IN_PROGRESS}[$jobStopping])) == 1""",
        "AWS may not say when it was asked to stop, so nor may it have been seen InProgress within $jobStopping.",
        "Job {{ $labels.job_name }} does not stop",
        f"The {_JOB} was asked to stop, last modified {_AGE} ago, and is still Stopping.",
        "job",
        record=_STOPPING_JOBS,
    ),
)

EXPORTER_ALERTS = (
    Alert(
        "BedrockExporterTargetDown",
        "warning",
        "every walk of a target has failed for $targetDown",
        _DOWN,
        "Of several replicas one good walk is enough. 5 minutes bridge a restart. Where the region has no such service "
        "there is nothing to mend.",
        f"No successful walk of {_PLACE} for $targetDown",
        f"Every walk of {_PLACE} fails.{_REASON}{_LAST_SUCCESS} No alert on its jobs starts or ends meanwhile.",
        "exporter",
        wait="targetDown",
    ),
    Alert(
        "BedrockExporterTargetStale",
        "critical",
        "every walk of a target has failed for $targetStale, after which the series of its jobs end",
        _DOWN,
        "As the one above, for longer. The age of the last good walk would say nothing of a target that never had one, "
        "and too much of an exporter that has just come back.",
        f"No successful walk of {_PLACE} for $targetStale",
        f"Every walk of {_PLACE} has failed for so long that the series of its jobs have ended."
        f"{_REASON}{_LAST_SUCCESS} A job that fails or gets stuck now is alerted on when walks are good again.",
        "exporter",
        wait="targetStale",
    ),
    Alert(
        "BedrockExporterThrottled",
        "warning",
        "$throttled walks of a target within 30 minutes have failed as throttled",
        f'max without ($replica) (increase({EXPORTER_PREFIX}target_walk_failures_total{{reason="throttled"}}[30m]))\n'
        ">= $throttled",
        "A walk that is throttled now and then is made up for by the next one.",
        "AWS throttles the walks of " + _PLACE,
        f"{{{{ $value | humanize }}}} walks of {_PLACE} within 30 minutes have failed because AWS throttles "
        "ListModelCustomizationJobs.",
        "exporter",
    ),
    Alert(
        "BedrockExporterJobSeriesOmitted",
        "warning",
        "the budget has left out jobs of a target for $jobSeriesOmitted",
        f"{_latest('target_job_series_omitted', '1h')} > 0",
        "An hour of failures, or without the exporter, does not end it.",
        "Some jobs of " + _PLACE + " have no series",
        f"{{{{ $value }}}} jobs of {_PLACE}, running or ended within job_series.retain, have no series of their own, "
        "as job_series.max_jobs is reached. The oldest are left out first; no alert on them can fire.",
        "exporter",
        wait="jobSeriesOmitted",
    ),
    Alert(
        "BedrockExporterConfigReloadFailed",
        "warning",
        "the last reload of the configuration failed $configReloadFailed ago or longer",
        f"last_over_time({EXPORTER_PREFIX}config_last_reload_successful[5m]) == 0",
        "Each replica loads its configuration by itself. 5 minutes bridge a missed scrape.",
        "The exporter could not load its configuration",
        "The exporter {{ $labels.instance }} could not load its changed configuration and goes on with the one before. "
        "It would not start with the new one; its log says what is wrong.",
        "exporter",
        wait="configReloadFailed",
    ),
    Alert(
        "BedrockExporterDiscoveryFailed",
        "warning",
        "listing the organization's accounts fails, and has not been good for $discoveryFailed",
        f"""\
time() - last_over_time({EXPORTER_PREFIX}discovery_last_success_timestamp_seconds[5m]) > $discoveryFailed_seconds
and last_over_time({EXPORTER_PREFIX}discovery_up[5m]) == 0""",
        "Each replica lists the accounts by itself. One failed listing is made up for by the next.",
        "The exporter can't list the accounts of the organization",
        "The exporter {{ $labels.instance }} fails to list the accounts of the organization. It "
        "{{ if gt $value 1e9 }}never could, so it watches none of them.{{ else }}"
        f"last could {_AGE} ago, and does not see accounts made since.{{{{ end }}}}",
        "exporter",
        wait="5m",
    ),
    Alert(
        "BedrockExporterDown",
        "critical",
        "a scrape of the exporter fails, or there is no exporter to scrape, for $exporterDown",
        f"""\
up == 0 and on (job, instance) {_EXPORTERS}
or
absent({EXPORTER_PREFIX}build_info) unless on () (up == 0 and on (job, instance) {_EXPORTERS})""",
        "What was an exporter can't be scraped; or there is none, nor one that is known to be down.",
        "The exporter for Bedrock customization jobs is down",
        "Prometheus can't scrape {{ with $labels.instance }}the exporter {{ . }}{{ else }}any exporter for Bedrock "
        "customization jobs{{ end }}. Unless a replica of it runs, nobody watches its jobs.",
        "exporter",
        wait="exporterDown",
    ),
)

ALERTS = (*JOB_ALERTS, *EXPORTER_ALERTS)
"""All of them, in the order of the documents."""
