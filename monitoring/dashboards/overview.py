"""The overview: what all jobs do, and which of them want a look."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from monitoring.dashboards import parts, promql
from monitoring.dashboards.ended import ENDED_ABOUT, JOB_LINK, NO_JOBS, ended, everything
from monitoring.dashboards.parts import Column, Shape
from monitoring.dashboards.promql import JOB, LIMIT, TARGET, of_jobs, of_jobs_of_any_type, of_targets, one, or_zero

UP = one(TARGET, of_targets("target_up"))
UNSUPPORTED = one(TARGET, of_targets("target_failure_info", 'reason="unsupported_region"'))
LAST_SUCCESS = one(TARGET, of_targets("target_last_success_timestamp_seconds"))


def build() -> models.Dashboard:
    """The dashboard."""
    return parts.assemble(
        parts.OVERVIEW,
        "Bedrock customization / Overview",
        "Amazon Bedrock model customization jobs: what is running, what failed, and what is stuck.",
        since="now-24h",
        variables=[parts.cluster(), parts.account(), parts.region(), parts.customization_type(), parts.target_labels()],
        sections={"Now": _now(), "Jobs that run": _running(), "Jobs that ended": ended(), "All jobs": everything()},
    )


def _now() -> list[parts.Panel]:
    running = f"sum({one(f'{TARGET}, status, customization_type', of_jobs('jobs', _is('InProgress', 'Stopping')))})"
    oldest = f"time() - min({LAST_SUCCESS})"
    exporter = ("Open the exporter", parts.link_to(parts.EXPORTER))
    return [
        parts.number(
            Shape("Running", "Jobs that are InProgress or Stopping, exact.", units.Short, NO_JOBS, 4, 4), running
        ),
        parts.number(
            Shape(
                "Waiting",
                "InProgress jobs without a running sub-task. A few seconds are normal.",
                units.Short,
                NO_JOBS,
                4,
                4,
            ),
            or_zero(f"count({promql.WAITING})"),
        ),
        parts.number(
            Shape(
                "Longest wait",
                "The longest time that an InProgress job has had no running sub-task. Healthy jobs continue "
                "within seconds; stuck jobs have waited for days, without any failure message.",
                units.Seconds,
                "None waits",
                4,
                4,
                ((None, parts.GREEN), (LIMIT["jobWaiting"] / 2, parts.YELLOW), (LIMIT["jobWaiting"], parts.RED)),
            ),
            f"max({promql.WAITING})",
        ),
        parts.number(
            Shape(
                "Failed in the time range",
                f"Jobs that ended as Failed. {ENDED_ABOUT}",
                units.Short,
                NO_JOBS,
                4,
                4,
                parts.from_zero(),
            ),
            or_zero(f"sum({promql.is_in_range('Failed')})"),
        ),
        parts.number(
            Shape(
                "Targets down",
                "Accounts and regions whose last walk failed, except regions without the feature. Their jobs are shown "
                "as of the last good walk, until stale_after (15 minutes).",
                units.Short,
                "Not scraped: no exporter is.",
                4,
                4,
                parts.from_zero(),
            ),
            f"count({UP} == 0 unless on ({TARGET}) {UNSUPPORTED})\nor 0 * sum({UP})",
            link=exporter,
        ),
        parts.number(
            Shape(
                "Oldest data",
                "Time since the last good walk, of the target where it is longest.",
                units.Seconds,
                "No good walk: none has succeeded yet.",
                4,
                4,
                ((None, parts.GREEN), (300, parts.YELLOW), (900, parts.RED)),
            ),
            oldest,
            link=exporter,
        ),
        parts.rows(
            Shape(
                "Alerts",
                "Alerts of the rules that ship with the exporter, as far as this Prometheus evaluates them.",
                units.String,
                "No alert is pending or firing; or the rules are not loaded here.",
                24,
                5,
            ),
            {"A": _ALERTS},
            [
                Column("alertname", "Alert"),
                Column("alertstate", "State", names=[("firing", parts.RED), ("pending", parts.YELLOW)], width=90),
                Column("severity", "Severity", width=90),
                Column("job_name", "Job", link=JOB_LINK, width=260),
                Column("aws_account_id", "Account", width=130),
                Column("aws_region", "Region", width=130),
                Column("job_id", "Job id", width=130),
            ],
            by="State",
            falling=False,
        ),
    ]


# Alerts about an exporter are about no account, region or type: whichever are chosen, they are shown.
_ALERTS = (
    "max by (alertname, alertstate, severity, aws_account_id, aws_region, customization_type, job_id, job_name) ("
    "ALERTS{"
    'alertname=~"Bedrock(Customization|Exporter).+",cluster=~"$cluster|",'
    'aws_account_id=~"$account|",aws_region=~"$region|",customization_type=~"$type|"})'
)


def _running() -> list[parts.Panel]:
    model = one("job_id, base_model", of_jobs("job_info"))
    subtask = one(f"{JOB}, subtask", of_jobs("subtask_status", _is("InProgress", "Stopping")))
    waiting = f'label_replace({promql.WAITING}, "subtask", "waits", "", "")'
    return [
        parts.rows(
            Shape(
                "Running jobs",
                f"The {promql.MOST} running jobs with most trouble, the worst first. Trouble is how close a job is to "
                "its nearest threshold, by default: 2 h without a running sub-task, twice its expected "
                "duration, not modified for 12 h where none is known, or Stopping for 1 h; 100 % is the threshold. "
                "Expected is the 0.95 quantile of completed peers (same target, base model and type, at least 5).",
                units.Short,
                "No job runs, or no walk has succeeded.",
                24,
                10,
            ),
            {
                "A": promql.of_worst(f"{promql.RUNNING_STATUS} * on (job_id) group_left (base_model) {model}"),
                "B": promql.WORST,
                "C": promql.of_worst(f"{subtask}\nor {waiting}"),
                "D": promql.of_worst(promql.DURATION),
                "E": promql.of_worst(promql.EXPECTED),
                "F": promql.of_worst(f"{promql.DURATION}\n/ {promql.EXPECTED}"),
                "G": promql.of_worst(promql.WAITING),
                "H": promql.of_worst(promql.NOT_MODIFIED),
            },
            [
                Column("job_name", "Job", link=JOB_LINK, width=260),
                Column("trouble", "Trouble", width=110),
                Column("B", "Near to an alert", units.PercentUnit, _LIMITS, width=130),
                Column("status", "Status", names=[*parts.STATUS_COLORS.items()], width=100),
                Column("subtask", "Sub-task", width=130),
                Column("D", "Age", units.Seconds, width=90),
                Column("E", "Expected", units.Seconds, width=90),
                Column("F", "Age / expected", units.PercentUnit, _SLOW, gauge=LIMIT["jobSlow"], width=150),
                Column("G", "Waits for", units.Seconds, width=90),
                Column("H", "Not modified for", units.Seconds, width=130),
                Column("customization_type", "Type"),
                Column("base_model", "Base model"),
                Column("aws_account_id", "Account", width=130),
                Column("aws_region", "Region", width=120),
                Column("job_id", "Job id", width=130),
            ],
            by="Near to an alert",
        ),
        parts.over_time(
            Shape(
                "Running jobs by type",
                "Jobs that are InProgress or Stopping, exact, by customization type.",
                units.Short,
                NO_JOBS,
                8,
            ),
            {
                "{{customization_type}}": "sum by (customization_type) ("
                + one(f"{TARGET}, status, customization_type", of_jobs("jobs", _is("InProgress", "Stopping")))
                + ")"
            },
            stacked=True,
        ),
        parts.over_time(
            Shape(
                "Sub-tasks that run",
                "Running sub-tasks of all jobs that have not ended: where the jobs are. The series do not distinguish "
                "customization types.",
                units.Short,
                NO_JOBS,
                8,
            ),
            {
                "{{subtask}}": "sum by (subtask) ("
                + one(f"{TARGET}, subtask", of_jobs_of_any_type("subtasks", _is("InProgress")))
                + ")"
            },
            stacked=True,
        ),
        parts.over_time(
            Shape(
                "Waiting jobs",
                "Time without a running sub-task, of the ten jobs that wait longest. The line is the "
                "threshold of the alert. It keeps growing while AWS can't be reached.",
                units.Seconds,
                "No job waited in the time range.",
                8,
                steps=((None, parts.GREEN), (LIMIT["jobWaiting"], parts.RED)),
            ),
            {"{{job_name}}": f"topk(10, {promql.WAITING})"},
            limits=True,
            many=True,
            links=[parts.link_to_job("${__field.labels.job_id}")],
        ),
    ]


_LIMITS: parts.Steps = ((None, parts.GREEN), (0.5, parts.YELLOW), (1, parts.RED))
_SLOW: parts.Steps = ((None, parts.GREEN), (1, parts.YELLOW), (LIMIT["jobSlow"], parts.RED))


def _is(*statuses: str) -> str:
    return promql.any_of("status", statuses)
