"""The alerts that ship, as one table.

`tools/rules.py` writes them as plain Prometheus rules and as rules of the chart, `tools/alerts_page.py` into
`docs/alerts.md`.

In an expression `$name` is the threshold of that name, `$name_seconds` the same in seconds. `$scope` stands for the
matchers of the exporters that the rules are about, in every selector. `$replica` stands for
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

REPLICA_LABELS = (
    *("instance", "pod", "container", "endpoint", "node"),  # Prometheus and its operator
    *("pod_name", "pod_uid", "uid", "pod_ip", "host_ip", "host", "hostname", "nodename", "node_name", "zone"),
    *("pod_template_hash", "controller_revision_hash", "apps_kubernetes_io_pod_index", "pod_index"),
    *("statefulset_kubernetes_io_pod_name", "pod_template_generation"),  # what controllers put on pods
    *("helm_sh_chart", "chart", "app_kubernetes_io_version", "version", "image", "image_tag"),  # a chart's upgrade
)
"""What tells one scrape of a target from another: the two of a pair, the old and the new pod of a rollout.

Where Prometheus copies the pods' labels to series (`podTargetLabels`, `labelmap`), those that a rollout changes are
among them. A target's own label of one of these names would be aggregated away, too.
"""

SCOPE = 'job=~".*"'
"""The matchers of the plain rules: every exporter. It stands in every selector, so that one command can replace it."""


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
    Threshold("jobQueued", "24h", "How long one may while other jobs of its base model and type begin sub-tasks"),
    Threshold("jobValidation", "45m", "How long the validation of a job may run", True),
    Threshold("jobDataProcessing", "3h", "How long the data processing of a job may run", True),
    Threshold("jobTraining", "48h", "How long a training may run whose peers are not known (fewer than ten)", True),
    Threshold(
        "subtaskSlow",
        3,
        "How many times the 0.95 quantile of its completed peers a sub-task may run; raises the two above, too",
        True,
    ),
    Threshold(
        "jobNotProgressing", "12h", "How long a job without status details and known peers may go unmodified", True
    ),
    Threshold("jobSlow", 2, "How many times the 0.95 quantile of its peers a job without status details may run", True),
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


def _series(name: str, matchers: str = "", *, types: bool = False) -> str:
    """A selector within the scope.

    Args:
        name: of the metric.
        matchers: further ones.
        types: whether it stands in a `by_type`, which may select a customization type.
    """
    return f"{name}{{$scope{', ' * bool(matchers)}{matchers}{'$types' * types}}}"


def _of_job(name: str, matchers: str = "", *, types: bool = False) -> str:
    return _series(JOBS_PREFIX + name, matchers, types=types)


def _of_exporter(name: str, matchers: str = "") -> str:
    return _series(EXPORTER_PREFIX + name, matchers)


_JOB_LABELS = ", ".join((*JOB_LABELS, "subtask"))
_ONE_JOB = "aws_account_id, aws_region, job_id"
_PEERS = "aws_account_id, aws_region, customization_type, base_model"
_TARGET_UP = _of_exporter("target_up")
_WAITING = _of_job("job_waiting_seconds")
_EXPECTED = _of_job("job_expected_duration_seconds")
_SUBTASK = _of_job("subtask_status")
_SUBTASK_RUNS = _of_job("subtask_status", 'status="InProgress"')
_SUBTASK_EXPECTED = _of_job("subtask_expected_duration_seconds")

_LAST_GOOD = f"target:{EXPORTER_PREFIX}target_last_success_timestamp_seconds:known"
_QUEUED = f"customization_job:{JOBS_PREFIX}job_info:queued"
_FAILED_JOBS = f"customization_job:{JOBS_PREFIX}job_status:failed"
_INVALID_JOBS = f"customization_job:{JOBS_PREFIX}job_status:failed_in_validation"
_STOPPING_JOBS = f"customization_job:{JOBS_PREFIX}job_status:stopping"
_WAITING_JOBS = f"customization_job:{JOBS_PREFIX}job_waiting_seconds:stuck"
_STUCK_JOBS = f"customization_job:{JOBS_PREFIX}subtask_duration_seconds:stuck"
_STILL_JOBS = f"customization_job:{JOBS_PREFIX}job_time_since_last_modified_seconds:stuck"
_SLOW_JOBS = f"customization_job:{JOBS_PREFIX}job_duration_seconds:slow"
_EXPORTERS = f"instance:{EXPORTER_PREFIX}build_info:known"

_RECENT = f"""\
(
  max without ($replica) ({_TARGET_UP})
  or
  max without ($replica) (last_over_time({_TARGET_UP}[1h])) * 0
)"""
"""1 if the last walk of a target was good; 0 if not, and while nobody knows: for an hour after it was last seen."""

RECORDINGS = (
    Recording(
        _LAST_GOOD,
        f"""\
max without ($replica) (0 < {_of_exporter("target_last_success_timestamp_seconds")} <= time())
or
max without ($replica) ({_TARGET_UP} == 1) * 0 + time()
or
max without ($replica) (max_over_time({_series(_LAST_GOOD)}[7d])) > time() - 691200""",
        "When the last good walk of a target ended, remembered for eight days. A clock that is ahead is not believed: "
        "while walks are good, the time is then Prometheus's.",
    ),
    Recording(
        _QUEUED,
        f"""\
max by ({_PEERS}, job_id) ({_of_job("job_info")})
unless on ({_ONE_JOB}) {_of_job("subtask_status", 'status=~"Failed|Stopped"')}
unless on ({_ONE_JOB}) {_of_job("subtask_status", 'subtask="training", status="Completed"')}
and on ({_PEERS})
  (
    max by ({_PEERS}, job_id) ({_of_job("job_info")})
    and on ({_ONE_JOB}) time() - {_of_job("subtask_started_timestamp_seconds")} < $jobWaiting_seconds
  )""",
        "Jobs that may be in a queue that moves: they have sub-tasks before them, and another job of the same target, "
        "base model and type has begun one within $jobWaiting.",
    ),
)
"""What the alerts on jobs build on."""

_ONE_EXPORTER = "namespace, job, instance"

EXPORTER_RECORDINGS = (
    Recording(
        _EXPORTERS,
        f"""\
group by ({_ONE_EXPORTER}) (last_over_time({_of_exporter("build_info")}[1d]))
or
(group by ({_ONE_EXPORTER}) ({_series("up")}) and last_over_time({_EXPORTERS}[15m]))""",
        "Instances that are exporters: seen within a day, or still a scrape target.",
    ),
)
"""What the alerts on the exporter build on."""


def held(alert: Alert) -> str:
    """What is recorded for an alert on jobs: what good walks show, and while there are none, what the last ones did.

    So an outage of AWS or of the exporter neither starts such an alert nor ends it. The series that the exporter
    shows meanwhile would do both: some of their values go on growing, and after `stale_after` they are gone.

    The record is read over an hour, so that evaluations may be minutes apart, or written with a delay. What ceases to
    hold is recorded as -1 for that hour, or an outage soon after would bring it back.
    """
    record = _series(alert.record)
    return f"""\
{alert.expr}
or
(last_over_time({record}[1h]) > 0 and ignoring ({_JOB_LABELS}) {_RECENT} == 0)
or
(max_over_time({record}[1h]) > 0) * 0 - 1"""


def _seen(what: str, status: str, also: str = "") -> str:
    """What holds of jobs in a state, according to replicas whose last walk was good; without the label `also`."""
    return f"""\
max without ($replica{also}) (
  (
    {what.replace(chr(10), chr(10) + "    ")}
  )
  and ignoring (status, subtask) {_of_job("job_status", f'status="{status}"')} == 1
  and ignoring ({_JOB_LABELS}) {_TARGET_UP} == 1
)"""


def _latest(family: str, window: str) -> str:
    """The last value within a window, so that a missed scrape or a restart changes nothing."""
    return f"max without ($replica) (last_over_time({_of_exporter(family)}[{window}]))"


_DOWN = f"""\
(
  max without ($replica) (last_over_time({_of_exporter("target_up", 'aws_account_id!="unknown"')}[5m]))
  or
  max without ($replica) ({_of_exporter("target_up", 'aws_account_id="unknown"')})
) == 0
unless ignoring (reason)
  max without ($replica) ({_of_exporter("target_failure_info", 'reason="unsupported_region"')})"""


def _subtask(threshold: str, name: str, comparison: str) -> str:
    duration = _of_job("subtask_duration_seconds", f'subtask="{name}"', types=True)
    return by_type(threshold, f"{duration} {comparison}")


_STUCK = f"""\
(
  {_subtask("jobValidation", "validation", "> $threshold")}
  or
  {_subtask("jobDataProcessing", "data_processing", "> $threshold")}
)
and ignoring (status) {_SUBTASK_RUNS}
unless
{by_type("subtaskSlow", f"{_of_job('subtask_duration_seconds', types=True)} <= $threshold * {_SUBTASK_EXPECTED}")}"""

_UNMODIFIED_LONG = f"""\
{_subtask("jobTraining", "training", "> $threshold")}
  and ignoring (status) {_SUBTASK_RUNS}
  unless {_SUBTASK_EXPECTED}
or
(
  {by_type("jobNotProgressing", f"{_of_job('job_time_since_last_modified_seconds', types=True)} > $threshold")}
  or
  {by_type("jobTraining", f"{_of_job('job_duration_seconds', types=True)} > $threshold")}
)
  unless {_EXPECTED}
  unless ignoring (subtask, status) {_SUBTASK}"""

_SLOW = f"""\
{_subtask("subtaskSlow", "training", f"> $threshold * {_SUBTASK_EXPECTED}")}
  and ignoring (status) {_SUBTASK_RUNS}
or
{by_type("jobSlow", f"{_of_job('job_duration_seconds', types=True)} > $threshold * {_EXPECTED}")}
  unless ignoring (subtask, status) {_SUBTASK}"""

_DURATION = f"""\
{_of_job("subtask_duration_seconds", 'subtask="training"')}
or
{_of_job("job_duration_seconds")}
  unless ignoring (subtask, status) {_SUBTASK}"""

_FAILED = f"""\
(
  {_seen(f"clamp_min(time() - {_of_job('job_ended_timestamp_seconds')}, 1)", "Failed").replace(chr(10), chr(10) + "  ")}
  < ignoring ({_JOB_LABELS}) group_left ()
    (
      time() - max without ($replica) (max_over_time({_series(_LAST_GOOD)}[7d] offset $jobFailed))
      or {_RECENT.replace(chr(10), chr(10) + "      ")} * 0 + $jobFailed_seconds
    ) + 300
)"""
_STOPPING = by_type(
    "jobStopping",
    f"({_of_job('job_time_since_last_modified_seconds', types=True)} or {_of_job('job_duration_seconds', types=True)}) "
    "> $threshold",
)
_FAILED_VALIDATION = _of_job("subtask_status", 'subtask="validation", status="Failed"')
_IN_VALIDATION = f"on ({_ONE_JOB}) {_FAILED_VALIDATION}"

_DOWN_EXPORTER = f"{_series('up')} == 0 and on ({_ONE_EXPORTER}) {_EXPORTERS}"
_NOTHING_LEFT = f"""\
on ({_ONE_EXPORTER})
  (
    {_EXPORTERS} unless on (namespace, job) ({_series("up")} == 1 and on ({_ONE_EXPORTER}) {_EXPORTERS})
    or
    last_over_time({_of_exporter("target_up", 'aws_account_id!="unknown"')}[1d])
    unless on (aws_account_id, aws_region) {_TARGET_UP}
  )"""

_PLACE = "account {{ $labels.aws_account_id }} in {{ $labels.aws_region }}"
_JOB = "{{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of " + _PLACE
_AGE = "{{ $value | humanizeDuration }}"
_OF_TARGET = "{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q}"
_TARGET = "$labels.namespace $labels.job $labels.aws_account_id $labels.aws_region"
_REASON = (
    f'{{{{ with printf "max by (reason) ({EXPORTER_PREFIX}target_failure_info{_OF_TARGET})" {_TARGET} | query }}}} '
    'Reason: {{ . | first | label "reason" }}.{{ end }}'
)
_LAST_SUCCESS = (
    f'{{{{ with printf "time() - max (last_over_time({_LAST_GOOD}{_OF_TARGET}[1h]))" {_TARGET} | query }}}} '
    "The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }}"
)

JOB_ALERTS = (
    Alert(
        "BedrockCustomizationJobFailed",
        "critical",
        "a job has Failed after its validation, and $jobFailed ago no good walk could have shown it",
        f"{_FAILED}\nunless {_IN_VALIDATION}",
        "The job ended after the walk that was the last good one $jobFailed ago, so nobody could know then; 5 minutes "
        "more are for jobs that ended while that walk was under way. Without such a walk, as with a new target, it "
        "ended within $jobFailed. So a job that failed in an outage alerts when it is seen, and last week's do not.",
        "Job {{ $labels.job_name }} has failed",
        f"The {_JOB} failed {_AGE} ago. Bedrock's failure message says why; nothing starts it again by itself.",
        "job",
        record=_FAILED_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobInvalid",
        "warning",
        "a job has Failed in its validation, and $jobFailed ago no good walk could have shown it",
        f"{_FAILED}\nand {_IN_VALIDATION}",
        "As the one above; but who submits bad data is still there, and nothing is lost.",
        "Job {{ $labels.job_name }} has failed in validation",
        f"The {_JOB} failed {_AGE} ago, in validation. Bedrock's failure message says what is wrong with its data.",
        "job",
        record=_INVALID_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobStuck",
        "critical",
        "the validation of a job has run for $jobValidation or its data processing for $jobDataProcessing, and "
        "$subtaskSlow times as long as those of its peers (their 0.95 quantile), where ten are known",
        _seen(_STUCK, "InProgress"),
        "Both usually take minutes. Peers only raise the floor.",
        "Job {{ $labels.job_name }} is stuck in {{ $labels.subtask }}",
        f"The {_JOB} has been in {{{{ $labels.subtask }}}} for {_AGE}, which should take far less.",
        "job",
        record=_STUCK_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobWaiting",
        "critical",
        "an InProgress job has had no sub-task running for $jobWaiting, or for $jobQueued in a queue that moves",
        f"""\
max without ($replica) (
  {by_type("jobWaiting", f"{_of_job('job_waiting_seconds', types=True)} > $threshold")}
  and ignoring ({_JOB_LABELS}) {_TARGET_UP} == 1
)
unless on ({_ONE_JOB})
  ({_WAITING} <= $jobQueued_seconds and on ({_ONE_JOB}) {_QUEUED})""",
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
        "a training with fewer than ten completed peers has run for $jobTraining; or an InProgress job without status "
        "details, with fewer than five, has not been modified for $jobNotProgressing or has run for $jobTraining",
        _seen(_UNMODIFIED_LONG, "InProgress", ", subtask"),
        "AWS may not modify a job while it trains. So where it is known how long its peers took, that is what counts: "
        "see BedrockCustomizationJobSlow.",
        "Job {{ $labels.job_name }} does not progress",
        f"The {_JOB} is InProgress, and for {_AGE} nothing has shown that it goes on.",
        "job",
        record=_STILL_JOBS,
    ),
    Alert(
        "BedrockCustomizationJobSlow",
        "warning",
        "a training has run $subtaskSlow times as long as those of its completed peers (their 0.95 quantile), where "
        "ten are known; or a job without status details $jobSlow times as long as five or more",
        f"""\
{_seen(_SLOW, "InProgress", ", subtask")}
or
({_seen(_DURATION, "InProgress", ", subtask")} and last_over_time({_series(_SLOW_JOBS)}[1h]) > 0)""",
        "The time for which a job waited for its training does not count. "
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
{_seen(_STOPPING, "Stopping")}
unless
  max without ($replica, status) (max_over_time({_of_job("job_status", 'status="InProgress"')}[$jobStopping])) == 1""",
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
        f"""\
max without ($replica) (increase({_of_exporter("target_walk_failures_total", 'reason="throttled"')}[30m]))
>= $throttled""",
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
        f"last_over_time({_of_exporter('config_last_reload_successful')}[5m]) == 0",
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
time() - last_over_time({_of_exporter("discovery_last_success_timestamp_seconds")}[5m]) > $discoveryFailed_seconds
and last_over_time({_of_exporter("discovery_up")}[5m]) == 0""",
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
        "a scrape of the exporter fails and no other one watches its targets, or there is no exporter to scrape, for "
        "$exporterDown",
        f"""\
{_DOWN_EXPORTER}
and {_NOTHING_LEFT}
or
absent({_of_exporter("build_info")}) unless on () ({_DOWN_EXPORTER})""",
        "What was an exporter can't be scraped, and none of its job is left or some of its targets are nobody's; or "
        "there is none, nor one that is known to be down.",
        "The exporter for Bedrock customization jobs is down",
        "Prometheus can't scrape {{ with $labels.instance }}the exporter {{ . }}{{ else }}any exporter for Bedrock "
        "customization jobs{{ end }}. Nobody watches its jobs.",
        "exporter",
        wait="exporterDown",
    ),
    Alert(
        "BedrockExporterReplicaDown",
        "warning",
        "a scrape of an exporter fails for $exporterDown while others watch all its targets",
        f"""\
{_DOWN_EXPORTER}
unless {_NOTHING_LEFT}""",
        "One of a pair: nothing is lost yet.",
        "A replica of the exporter for Bedrock customization jobs is down",
        "Prometheus can't scrape the exporter {{ $labels.instance }}. Another replica watches its jobs.",
        "exporter",
        wait="exporterDown",
    ),
)

ALERTS = (*JOB_ALERTS, *EXPORTER_ALERTS)
"""All of them, in the order of the documents."""
