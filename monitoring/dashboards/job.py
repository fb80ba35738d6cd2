"""One job: how far it is, what each sub-task took, and how that compares with its peers."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from exporter.jobs.job import SUBTASKS
from monitoring.dashboards import parts, promql
from monitoring.dashboards.parts import Column, Shape
from monitoring.dashboards.promql import JOB, LIMIT, TARGET, of_jobs, one

THIS, OTHERS = 'job_id="$job_id"', 'job_id!="$job_id"'
GONE = "No series: the job is not in the time range, or ended before job_series.retain (14 days)."
LOSS_ABOUT = "As AWS reports it of a completed job. Needs details.enabled."
NO_LOSS = "No loss: AWS reports none, or details are off."
STATES = [(name, parts.STATUS_COLORS.get(name, "text")) for name in promql.STATE_NAMES]

PEER = f"{TARGET}, base_model, customization_type"
"""What peers have in common."""

MODEL = one(PEER, of_jobs("job_info", THIS))

PEERS = (
    one(f"job_id, {PEER}", of_jobs("job_info", OTHERS)) + "\n"
    f"and on ({PEER}) {MODEL}\n"
    f"and on (job_id) {promql.in_state('Completed')}"
)
"""The job's completed peers that have series of their own: 1 each."""


def build() -> models.Dashboard:
    """The dashboard."""
    return parts.assemble(
        parts.JOB,
        "Bedrock customization / Job",
        "One Amazon Bedrock model customization job: its sub-tasks, and its durations against those of its peers.",
        since="now-24h",
        variables=[
            parts.cluster(),
            parts.account(),
            parts.region(),
            parts.customization_type(),
            parts.job(),
            parts.target_labels(),
        ],
        sections={"The job": _now(), "Sub-tasks": _subtasks(), "Progress": _progress(), "Peers": _peers()},
    )


def _now() -> list[parts.Panel]:
    duration = one(JOB, of_jobs("job_duration_seconds", THIS))
    return [
        parts.number(
            Shape("Status", "The job's current status, as old as the last good walk.", units.String, GONE, 4, 4),
            one("status", of_jobs("job_status", THIS) + " == 1"),
            label="status",
            colors=parts.STATUS_COLORS,
        ),
        parts.number(
            Shape("Duration", "From creation to the end, or to now while it runs.", units.Seconds, GONE, 4, 4), duration
        ),
        parts.number(
            Shape(
                "Duration / expected",
                "The duration relative to the expected one, the 0.95 quantile of completed peers (same target, base "
                "model and type, at least 5). Only while the job runs. A job without "
                "status details fires an alert at 200 %; others are judged by their sub-tasks.",
                units.PercentUnit,
                "None: the job has ended, or has fewer than 5 completed peers.",
                4,
                4,
                ((None, parts.GREEN), (1, parts.YELLOW), (LIMIT["jobSlow"], parts.RED)),
            ),
            f"{duration}\n/ {one(JOB, of_jobs('job_expected_duration_seconds', THIS))}",
        ),
        parts.number(
            Shape(
                "Waits for",
                "Time since the last sub-task ended, or since creation, while the job is InProgress and none runs.",
                units.Seconds,
                "Not waiting",
                4,
                4,
                ((None, parts.GREEN), (LIMIT["jobWaiting"] / 2, parts.YELLOW), (LIMIT["jobWaiting"], parts.RED)),
            ),
            one(JOB, of_jobs("job_waiting_seconds", THIS)),
        ),
        parts.number(
            Shape(
                "Not modified for",
                "Time since the last modification that AWS reports, of the job as a whole. Hours are normal in a long "
                "training; in a job that has ended it is the time since the end.",
                units.Seconds,
                GONE,
                4,
                4,
            ),
            one(JOB, of_jobs("job_time_since_last_modified_seconds", THIS)),
        ),
        parts.number(
            Shape("Created", "When the job was created.", units.DateTimeFromNow, GONE, 4, 4),
            f"1000 * {one(JOB, of_jobs('job_created_timestamp_seconds', THIS))}",
        ),
        parts.number(
            Shape(
                "Failure reason",
                "Why the job failed, as its failure message says. Needs details.enabled.",
                units.String,
                "Not known: it has not failed, or details are off.",
                8,
                3,
            ),
            one("reason", of_jobs("job_failure_info", THIS)),
            label="reason",
        ),
        parts.number(
            Shape("Training loss", LOSS_ABOUT, units.Short, NO_LOSS, 8, 3),
            one(JOB, of_jobs("job_training_loss", THIS)),
            decimals=3,
        ),
        parts.number(
            Shape("Validation loss", f"The least of all validators. {LOSS_ABOUT}", units.Short, NO_LOSS, 8, 3),
            f"min by ({JOB}) ({of_jobs('job_validation_loss', THIS)})",
            decimals=3,
        ),
        parts.rows(
            Shape("Facts", "What does not change about the job.", units.String, GONE, 24, 3),
            {"A": one(f"{JOB}, base_model, custom_model_name, job_arn", of_jobs("job_info", THIS))},
            [
                Column("job_name", "Job"),
                Column("customization_type", "Type"),
                Column("base_model", "Base model"),
                Column("custom_model_name", "Custom model"),
                Column("aws_account_id", "Account", width=130),
                Column("aws_region", "Region", width=120),
                Column("job_arn", "ARN"),
            ],
            by="Job",
        ),
    ]


def _subtasks() -> list[parts.Panel]:
    def each(family: str) -> str:
        return one("subtask", of_jobs(family, THIS))

    def state_of(subtask: str) -> str:
        return one("subtask, status", of_jobs("subtask_status", THIS, f'subtask="{subtask}"'))

    def of_peers(quantile: float) -> str:
        durations = one("job_id, subtask", of_jobs("subtask_duration_seconds", OTHERS))
        return f"quantile by (subtask) ({quantile}, {durations}\nand on (job_id) ({PEERS}))"

    return [
        parts.states(
            Shape(
                "Sub-tasks over time",
                "The state of each sub-task, from top to bottom in the order in which they run. A job whose upper "
                "lanes are Completed while the next one stays NotStarted is stuck between them.",
                units.Short,
                GONE,
                24,
                7,
            ),
            {subtask: promql.state_numbers("subtask_status", THIS, f'subtask="{subtask}"') for subtask in SUBTASKS},
            STATES,
        ),
        parts.rows(
            Shape(
                "Sub-tasks",
                "Times as AWS reports them; the last modification of an ended sub-task is its end. For comparison, the "
                "durations of completed peers (same target, base model and type) that have series of their own.",
                units.Seconds,
                GONE,
                24,
                5,
            ),
            {
                "A": "\nor ".join(f"{step} * {state_of(subtask)}" for step, subtask in enumerate(SUBTASKS, start=1)),
                "B": f"1000 * {each('subtask_started_timestamp_seconds')}",
                "C": f"1000 * {each('subtask_last_modified_timestamp_seconds')}",
                "D": each("subtask_duration_seconds"),
                "E": of_peers(0.5),
                "F": of_peers(0.95),
            },
            [
                Column("A", "Step", units.Short, width=70),
                Column("subtask", "Sub-task"),
                Column("status", "State", names=[*parts.STATUS_COLORS.items()]),
                Column("B", "Started", units.DatetimeISO),
                Column("C", "Last modified", units.DatetimeISO),
                Column("D", "Duration", units.Seconds),
                Column("E", "Peers: median", units.Seconds),
                Column("F", "Peers: 0.95 quantile", units.Seconds),
            ],
            by="Step",
            falling=False,
        ),
    ]


def _progress() -> list[parts.Panel]:
    return [
        parts.over_time(
            Shape(
                "Duration against expected",
                "The job's duration and, while it runs, the expected one: the 0.95 quantile of completed peers.",
                units.Seconds,
                GONE,
                8,
            ),
            {
                "Duration": one("job_id", of_jobs("job_duration_seconds", THIS)),
                "Expected": one("job_id", of_jobs("job_expected_duration_seconds", THIS)),
            },
            colors={"Duration": parts.BLUE, "Expected": parts.YELLOW},
        ),
        parts.over_time(
            Shape(
                "Time since last modified",
                "As AWS reports it. It keeps growing while AWS can't be reached; the line is the alert's threshold.",
                units.Seconds,
                GONE,
                8,
                steps=((None, parts.GREEN), (LIMIT["jobNotProgressing"], parts.RED)),
            ),
            {"Not modified for": one("job_id", of_jobs("job_time_since_last_modified_seconds", THIS))},
            limits=True,
        ),
        parts.over_time(
            Shape(
                "Waiting for a sub-task",
                "How long the job has been InProgress without a running sub-task; the line is the alert's threshold.",
                units.Seconds,
                "The job did not wait in the time range.",
                8,
                steps=((None, parts.GREEN), (LIMIT["jobWaiting"], parts.RED)),
            ),
            {"Waits for": one("job_id", of_jobs("job_waiting_seconds", THIS))},
            limits=True,
        ),
    ]


def _peers() -> list[parts.Panel]:
    summary = one(f"{PEER}, quantile", of_jobs("completed_job_duration_seconds"))
    duration = one(JOB, of_jobs("job_duration_seconds", OTHERS))
    ended = one(JOB, of_jobs("job_ended_timestamp_seconds", OTHERS))
    return [
        parts.bars(
            Shape(
                "Duration against peers",
                "The job's duration and the quantiles of jobs of the same target, base model and type that "
                "completed within baseline_window (90 days).",
                units.Seconds,
                GONE,
                8,
            ),
            {
                "This job": one("job_id", of_jobs("job_duration_seconds", THIS)),
                "Completed peers, quantile {{quantile}}": f"{summary}\nand on ({PEER}) {MODEL}",
            },
        ),
        parts.rows(
            Shape(
                "Completed peers",
                "Jobs of the same target, base model and type that completed and still have series of their own, the "
                "last one first.",
                units.Seconds,
                "No completed peer has series of its own.",
                16,
            ),
            {
                "A": f"1000 * {ended}\nand on (job_id) ({PEERS})",
                "B": f"{duration}\nand on (job_id) ({PEERS})",
                "C": f"min by ({JOB}) ({of_jobs('job_validation_loss', OTHERS)})\nand on (job_id) ({PEERS})",
            },
            [
                Column("job_name", "Job", link=parts.link_to_job("${__data.fields.job_id}")),
                Column("A", "Completed at", units.DatetimeISO),
                Column("B", "Duration", units.Seconds),
                Column("C", "Validation loss", units.Short),
                Column("job_id", "Job id", width=130),
            ],
            by="Completed at",
        ),
    ]
