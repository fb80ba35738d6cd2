"""The part of the overview that is about jobs that ended, and about all jobs of the lists."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from monitoring.dashboards import parts, promql
from monitoring.dashboards.parts import Column, Shape
from monitoring.dashboards.promql import JOB, TARGET, of_jobs, one

JOB_LINK = parts.link_to_job("${__data.fields.job_id}")
NO_JOBS = "No job list: no exporter is scraped, or no walk has succeeded."
ENDED_ABOUT = (
    "By the end that AWS reports, wherever the exporter was then. Of jobs with series of their own, which ended jobs "
    "have for job_series.retain (14 days) and up to job_series.max_jobs."
)

JOBS_BY_STATUS = one(f"{TARGET}, status, customization_type", of_jobs("jobs"))


def ended() -> list[parts.Panel]:
    """What ended in the time range."""
    ended = one(JOB, of_jobs("job_ended_timestamp_seconds"))
    reasons = f"{one(f'{JOB}, reason', of_jobs('job_failure_info'))}\nand on (job_id) ({ended} > {promql.START})"
    return [
        parts.over_time(
            Shape(
                "Failures over time",
                f"Jobs that failed in each interval, by customization type. {ENDED_ABOUT}",
                units.Short,
                "No job failed in the time range.",
                8,
            ),
            {"{{customization_type}}": promql.ended_in_step("customization_type", "Failed")},
            stacked=True,
            steps=True,
        ),
        parts.over_time(
            Shape(
                "Ended jobs over time",
                f"Jobs that ended in each interval, by how. {ENDED_ABOUT}",
                units.Short,
                "No job ended in the time range.",
                8,
            ),
            {"{{status}}": promql.ended_in_step("status", promql.ENDED)},
            stacked=True,
            steps=True,
            colors=parts.STATUS_COLORS,
        ),
        parts.number(
            Shape(
                "Success rate",
                f"Completed among the jobs that completed or failed; stopped ones do not count. {ENDED_ABOUT}",
                units.PercentUnit,
                "None ended: no job completed or failed in the time range.",
                3,
                steps=_SUCCESS,
            ),
            f"avg({promql.SUCCESS})",
            decimals=1,
        ),
        parts.bars(
            Shape(
                "Success rate by type",
                f"Completed among the jobs that completed or failed. {ENDED_ABOUT}",
                units.PercentUnit,
                "None ended: no job completed or failed in the time range.",
                5,
                steps=_SUCCESS,
            ),
            {"{{customization_type}}": f"avg by (customization_type) ({promql.SUCCESS})"},
            largest=1,
        ),
        parts.bars(
            Shape(
                "Failures by reason",
                f"Why jobs failed, as their failure messages say. Needs details.enabled. {ENDED_ABOUT}",
                units.Short,
                "None known: no job failed in the time range, or details are off.",
                5,
            ),
            {"{{reason}}": f"count by (reason) ({reasons})"},
        ),
        parts.rows(
            Shape(
                "Failed jobs",
                f"Jobs that failed in the time range, the last one first. The reason needs details.enabled; "
                f"`aws bedrock get-model-customization-job` has the whole message. {ENDED_ABOUT}",
                units.Short,
                "No job failed in the time range.",
                19,
            ),
            {
                "A": f"1000 * ({ended} > {promql.START})\nand on (job_id) {promql.in_state('Failed')}",
                "B": f"{promql.DURATION}\nand on (job_id) ({ended} > {promql.START})\n"
                f"and on (job_id) {promql.in_state('Failed')}",
                "C": f"{one(f'{JOB}, base_model', of_jobs('job_info'))}\n"
                f"and on (job_id) ({ended} > {promql.START})\nand on (job_id) {promql.in_state('Failed')}",
                "D": reasons,
            },
            [
                Column("job_name", "Job", link=JOB_LINK, width=260),
                Column("A", "Failed at", units.DatetimeISO, width=170),
                Column("reason", "Reason"),
                Column("B", "After", units.Seconds),
                Column("customization_type", "Type"),
                Column("base_model", "Base model"),
                Column("aws_account_id", "Account", width=130),
                Column("aws_region", "Region", width=120),
                Column("job_id", "Job id", width=130),
            ],
            by="Failed at",
        ),
    ]


_SUCCESS: parts.Steps = ((None, parts.RED), (0.8, parts.YELLOW), (0.95, parts.GREEN))


def everything() -> list[parts.Panel]:
    """All jobs of the lists."""
    return [
        parts.matrix(
            Shape(
                "Jobs by status and type",
                "All jobs in the lists, exact. AWS never takes one off its list: what has ended only ever grows.",
                units.Short,
                NO_JOBS,
                12,
                7,
            ),
            f"sum by (status, customization_type) ({JOBS_BY_STATUS})",
            row="status",
            column="customization_type",
        ),
        parts.rows(
            Shape(
                "Durations by base model",
                "From creation to end, of the jobs completed within baseline_window (90 days). Count and mean are over "
                "all chosen targets; quantiles can't be put together, so they are those of the slowest target.",
                units.Seconds,
                "No job completed within baseline_window.",
                12,
                7,
            ),
            {
                "A": f"sum by (base_model, customization_type) ({_completed('_count')})",
                "B": f"sum by (base_model, customization_type) ({_completed('_sum')})\n"
                f"/ sum by (base_model, customization_type) ({_completed('_count')})",
                "C": f"max by (base_model, customization_type) ({_quantile(0.5)})",
                "D": f"max by (base_model, customization_type) ({_quantile(0.95)})",
            },
            [
                Column("base_model", "Base model"),
                Column("customization_type", "Type"),
                Column("A", "Completed", units.Short, width=100),
                Column("B", "Mean", units.Seconds, width=90),
                Column("C", "Median", units.Seconds, width=90),
                Column("D", "0.95 quantile", units.Seconds, width=120),
            ],
            by="0.95 quantile",
        ),
    ]


def _completed(part: str, *matchers: str) -> str:
    family = of_jobs(f"completed_job_duration_seconds{part}", *matchers)
    return one(f"{TARGET}, base_model, customization_type", family)


def _quantile(of: float) -> str:
    return _completed("", f'quantile="{of}"')
