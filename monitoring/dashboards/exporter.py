"""The exporter itself: whether it sees every target, how old its data are, and how its processes do."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from monitoring.dashboards import parts
from monitoring.dashboards.parts import Column, Shape
from monitoring.dashboards.processes import NOT_SCRAPED, discovery, processes
from monitoring.dashboards.promql import TARGET, of_processes, of_targets, one

UP = one(TARGET, of_targets("target_up"))
FAILURE = one(f"{TARGET}, reason", of_targets("target_failure_info"))
AGE = f"time() - {one(TARGET, of_targets('target_last_success_timestamp_seconds'))}"
UNSUPPORTED = one(TARGET, of_targets("target_failure_info", 'reason="unsupported_region"'))
FRESH: parts.Steps = ((None, parts.GREEN), (300, parts.YELLOW), (900, parts.RED))


def build() -> models.Dashboard:
    """The dashboard."""
    return parts.assemble(
        parts.EXPORTER,
        "Bedrock customization / Exporter",
        "The exporter of Amazon Bedrock model customization jobs: its targets, its walks and its processes.",
        since="now-6h",
        variables=[parts.cluster(), parts.account(), parts.region(), parts.instance(), parts.target_labels()],
        sections={
            "Targets": _targets(),
            "Walks": _walks(),
            "Processes": processes(),
            "Discovery of accounts": discovery(),
        },
    )


def _targets() -> list[parts.Panel]:
    up_by_region = "{{aws_account_id}} {{aws_region}}"
    ever_down = f"min by ({TARGET}) (min_over_time({of_targets('target_up')}[$__range] @ end())) == 0"
    return [
        parts.number(
            Shape("Targets", "Accounts and regions that the exporters know.", units.Short, NOT_SCRAPED, 6, 4),
            f"count({UP})",
        ),
        parts.number(
            Shape(
                "Targets that are down",
                "Targets whose last walk failed, except regions without the feature: these are asked hourly, and fire "
                "no alert.",
                units.Short,
                NOT_SCRAPED,
                6,
                4,
                parts.from_zero(),
            ),
            f"count({UP} == 0 unless on ({TARGET}) {UNSUPPORTED})\nor 0 * sum({UP})",
        ),
        parts.number(
            Shape(
                "Age of the oldest data",
                "Time since the last good walk, of the target where it is longest. After stale_after "
                "(15 minutes) the series of a target's jobs end.",
                units.Seconds,
                "No good walk: none has succeeded yet.",
                6,
                4,
                FRESH,
            ),
            f"max({AGE})",
        ),
        parts.number(
            Shape(
                "Failed walks in the time range",
                "Walks that failed, all targets and reasons.",
                units.Short,
                NOT_SCRAPED,
                6,
                4,
                parts.from_zero(bad=parts.YELLOW),
            ),
            f"sum({_failures('$__range')})",
            decimals=0,
        ),
        parts.rows(
            Shape(
                "Targets by trouble",
                "All targets, those that are down first. docs/reference.md explains each reason and what to do; the "
                "exporter's status page and log have the full message.",
                units.Short,
                NOT_SCRAPED,
                24,
                9,
            ),
            {
                "A": UP,
                "B": FAILURE,
                "C": AGE,
                "D": f"time() - {one(TARGET, of_targets('target_last_walk_timestamp_seconds'))}",
                "E": f"round(sum by ({TARGET}) ({_failures('$__range')}))",
                "F": one(TARGET, of_targets("target_walk_jobs")),
                "G": one(TARGET, of_targets("target_walk_pages")),
                "H": one(TARGET, of_targets("target_job_series_omitted")),
            },
            [
                Column("aws_account_id", "Account", width=130),
                Column("aws_region", "Region", width=130),
                Column("A", "State", units.Short, names=[("down", parts.RED), ("up", parts.GREEN)], width=80),
                Column("reason", "Reason"),
                Column("C", "Age of data", units.Seconds, FRESH),
                Column("D", "Last walk ended ago", units.Seconds),
                Column("E", "Failed walks", units.Short),
                Column("F", "Jobs", units.Short),
                Column("G", "Pages", units.Short),
                Column("H", "Jobs without series", units.Short),
            ],
            by="State",
            falling=False,
        ),
        parts.states(
            Shape(
                "Targets that were down",
                "Every target whose last walk had failed at some time in the time range, or that had not had its "
                "first walk yet.",
                units.Short,
                "No target was down in the time range.",
                12,
            ),
            {up_by_region: f"{UP}\nand on ({TARGET}) {ever_down}"},
            [("down", parts.RED), ("up", parts.GREEN)],
        ),
        parts.over_time(
            Shape(
                "Age of data",
                "Time since the last good walk, of the ten targets where it is longest. It normally stays below "
                "poll.interval plus the duration of a walk; the line is the default of stale_after, 15 minutes.",
                units.Seconds,
                "No good walk: none has succeeded yet.",
                12,
                steps=((None, parts.GREEN), (900, parts.RED)),
            ),
            {up_by_region: f"topk(10, {AGE})"},
            limits=True,
            many=True,
        ),
    ]


def _failures(over: str) -> str:
    return one(f"{TARGET}, reason", f"increase({of_targets('target_walk_failures_total')}[{over}])")


def _walks() -> list[parts.Panel]:
    buckets = f"sum by (le) (rate({of_processes('target_walk_duration_seconds_bucket')}[$__rate_interval]))"
    delays = f"sum by (le) (rate({of_processes('walk_start_delay_seconds_bucket')}[$__rate_interval]))"
    failed = f"rate({of_processes('api_request_failures_total')}[$__rate_interval])"
    of_target = "{{aws_account_id}} {{aws_region}}"
    return [
        parts.over_time(
            Shape(
                "Failed walks by reason",
                "Walks that failed in each interval, over all chosen targets.",
                units.Short,
                "No walk failed in the time range.",
                8,
            ),
            {"{{reason}}": f"sum by (reason) ({_failures('$__rate_interval')}) > 0"},
            stacked=True,
        ),
        parts.over_time(
            Shape(
                "Walk duration",
                "How long walks take, good or bad, over all targets of the chosen exporters. Walks that reach "
                "poll.timeout (45 s) fail.",
                units.Seconds,
                NOT_SCRAPED,
                8,
            ),
            {f"quantile {quantile}": f"histogram_quantile({quantile}, {buckets})" for quantile in (0.5, 0.95, 0.99)},
        ),
        parts.over_time(
            Shape(
                "API requests",
                "Requests to AWS, including every attempt and every exporter, but not those of credential providers.",
                units.RequestsPerSecond,
                NOT_SCRAPED,
                8,
            ),
            {"{{operation}}": f"sum by (operation) (rate({of_processes('api_requests_total')}[$__rate_interval]))"},
            stacked=True,
        ),
        parts.over_time(
            Shape(
                "Jobs in the list",
                "Distinct jobs in the last good walk, of the ten targets that have most. A page has 1,000 jobs.",
                units.Short,
                "No good walk: none has succeeded yet.",
                8,
            ),
            {of_target: f"topk(10, {one(TARGET, of_targets('target_walk_jobs'))})"},
            many=True,
        ),
        parts.over_time(
            Shape(
                "Malformed jobs",
                "Jobs that could not be read and were left out, counted again in every good walk. The exporter's log "
                "has their ARNs.",
                units.Short,
                "No malformed job.",
                8,
            ),
            {
                of_target: one(TARGET, f"increase({of_targets('target_malformed_jobs_total')}[$__rate_interval])")
                + " > 0"
            },
            many=True,
        ),
        parts.over_time(
            Shape(
                "Jobs without series",
                "Running jobs, and jobs that ended within job_series.retain, without series of their own because "
                "job_series.max_jobs was reached. The panels of the overview about single and ended jobs lack them.",
                units.Short,
                "Every job that runs or ended within job_series.retain has series of its own.",
                8,
            ),
            {of_target: one(TARGET, of_targets("target_job_series_omitted")) + " > 0"},
            many=True,
        ),
        parts.over_time(
            Shape(
                "Start delay",
                "How late walks start because no slot is free. If this approaches poll.interval, raise "
                "poll.concurrency.",
                units.Seconds,
                NOT_SCRAPED,
                8,
            ),
            {f"quantile {quantile}": f"histogram_quantile({quantile}, {delays})" for quantile in (0.5, 0.95, 0.99)},
        ),
        parts.over_time(
            Shape(
                "Failed API requests",
                "Requests to AWS that failed, including attempts whose walk succeeded in the end.",
                units.RequestsPerSecond,
                "No request failed.",
                8,
            ),
            {"{{operation}} {{reason}}": f"sum by (operation, reason) ({failed}) > 0"},
            stacked=True,
        ),
        parts.over_time(
            Shape(
                "Series",
                "Series of the ten targets that have most. A sampleLimit must allow the sum over all targets.",
                units.Short,
                NOT_SCRAPED,
                8,
            ),
            {of_target: f"topk(10, {one(TARGET, of_targets('target_series'))})"},
        ),
    ]
