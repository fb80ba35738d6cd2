"""What alerts are made of: the types of rules, selectors of series, and what holds while there are no good walks.

In an expression `$name` is the threshold of that name, `$name_seconds` the same in seconds. `$scope` stands for the
matchers of the exporters that the rules are about, in every selector. `$replica` stands for
the labels that tell one replica of the exporter from another. They are aggregated away at the last moment: what is
known of a job and of its target must come from the same replica. All other labels stay, so a target's own, such as a
team, are there to route by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.jobs.families import EXPORTER_PREFIX, JOB_LABELS, JOBS_PREFIX

REPLICA_LABELS = (
    *("instance", "pod", "container", "endpoint", "node"),  # Prometheus and its operator
    *("pod_name", "pod_uid", "pod_ip", "host", "host_ip", "node_name", "kubernetes_pod_name", "kubernetes_node"),
    *("prometheus_replica", "replica"),  # of a pair of Prometheus, where rules are evaluated centrally
    *("pod_template_hash", "controller_revision_hash", "pod_template_generation"),  # what controllers put on pods
    *("apps_kubernetes_io_pod_index", "statefulset_kubernetes_io_pod_name"),
    *("helm_sh_chart", "chart", "app_kubernetes_io_version", "version"),  # a chart's upgrade
)
"""What tells one scrape of a target from another: the two of a pair, the old and the new pod of a rollout.

Where Prometheus copies the pods' labels to series (`podTargetLabels`, `labelmap`), those that a rollout changes are
among them. A target's own label of one of these names would be aggregated away, too.
"""

SCOPE = 'job=~".*"'
"""The matchers of the plain rules: every exporter."""

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


def series(name: str, matchers: str = "", *, types: bool = False) -> str:
    """A selector within the scope.

    Args:
        name: of the metric.
        matchers: further ones.
        types: whether it stands in a `by_type`, which may select a customization type.
    """
    return f"{name}{{$scope{', ' * bool(matchers)}{matchers}{'$types' * types}}}"


def of_jobs(name: str, matchers: str = "", *, types: bool = False) -> str:
    """The same of a family about jobs, without the prefix of its name."""
    return series(JOBS_PREFIX + name, matchers, types=types)


def of_exporter(name: str, matchers: str = "") -> str:
    """The same of a family about the exporter and its targets."""
    return series(EXPORTER_PREFIX + name, matchers)


def indented(text: str, spaces: int = 2) -> str:
    """An expression as part of another: all lines but the first are indented."""
    return text.replace("\n", "\n" + " " * spaces)


PLACE = "account {{ $labels.aws_account_id }} in {{ $labels.aws_region }}"
"""Where a target is, in the texts of alerts."""

AGE = "{{ $value | humanizeDuration }}"
"""The value of an alert whose value is a time."""

TARGET_UP = of_exporter("target_up")

ONE_JOB_LABELS = ", ".join((*JOB_LABELS, "subtask"))
"""The labels of a job's series beyond those of its target's."""

LAST_GOOD = f"target:{EXPORTER_PREFIX}target_last_success_timestamp_seconds:known"

LAST_GOOD_RECORDING = Recording(
    LAST_GOOD,
    f"""\
max without ($replica) ({of_exporter("target_last_success_timestamp_seconds")} <= time() and {TARGET_UP} == 1)
or
max without ($replica) ({TARGET_UP} == 1) * 0 + time()
or
max without ($replica) (max_over_time({series(LAST_GOOD)}[1h])) > time() - 691200""",
    "When the last good walk of a target ended, remembered for eight days. A clock that is ahead is not believed: "
    "the time is then Prometheus's.",
)


def held(alert: Alert) -> str:
    """What is recorded for an alert on jobs: what good walks show, and while there are none, what the last ones did.

    So an outage of AWS or of the exporter neither starts such an alert nor ends it. The series that the exporter
    shows meanwhile would do both: some of their values go on growing, and after `stale_after` they are gone.

    The record is read over an hour, so that evaluations may be minutes apart, or written with a delay. What ceases to
    hold is recorded as -1 for that hour, or an outage soon after would bring it back.
    """
    record = series(alert.record)
    return f"""\
{alert.expr}
or
(
  last_over_time({record}[1h]) > 0
  and on (aws_account_id, aws_region) last_over_time({TARGET_UP}[1h])
  unless on (aws_account_id, aws_region) {TARGET_UP} == 1
)
or
(max_over_time({record}[1h]) > 0) * 0 - 1"""


def recorded(alert: Alert) -> str:
    """The expression of an alert on jobs: what was last recorded for it, which may have been written with a delay."""
    return f"last_over_time({series(alert.record)}[15m]) > 0"
