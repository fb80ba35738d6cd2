"""The part of the exporter's dashboard that is about processes and the listing of accounts, not about targets."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from monitoring.dashboards import parts
from monitoring.dashboards.parts import Column, Shape
from monitoring.dashboards.promql import of_any_process, of_processes, one

NOT_SCRAPED = "Not scraped: no exporter is, or a filter on target labels is set, which series of processes lack."
DISCOVERY_OFF = "No discovery: there is one only with discovery.organizations in the configuration."


def processes() -> list[parts.Panel]:
    """CPU, memory and files of the processes, and what they are asked."""

    def each(family: str) -> str:
        return one("job, instance", of_any_process(family))

    instance = "{{instance}}"
    return [
        parts.rows(
            Shape(
                "Exporters",
                "Every exporter that was scraped in the time range, also those that can't be now. Two that share their "
                "configuration have the same hash.",
                units.Short,
                NOT_SCRAPED,
                24,
                6,
            ),
            {
                "A": each("up"),
                "B": one("job, instance, version, python_version", of_processes("build_info")),
                "C": one("job, instance, sha256", of_processes("config_hash_info")),
                "D": one("job, instance", of_processes("config_last_reload_successful")),
                "E": f"time() - {one('job, instance', of_processes('config_last_reload_success_timestamp_seconds'))}",
                "F": f"time() - {each('process_start_time_seconds')}",
                "G": each("scrape_samples_scraped"),
            },
            [
                Column("instance", "Instance"),
                Column("job", "Scrape job"),
                Column("A", "Scrape", units.Short, names=[("fails", parts.RED), ("works", parts.GREEN)]),
                Column("version", "Version"),
                Column("python_version", "Python"),
                Column("sha256", "Configuration"),
                Column("D", "Last reload", units.Short, names=[("failed", parts.RED), ("good", parts.GREEN)]),
                Column("E", "In use for", units.Seconds),
                Column("F", "Up for", units.Seconds),
                Column("G", "Samples", units.Short),
            ],
            by="Scrape",
            falling=False,
        ),
        parts.over_time(
            Shape("Memory", "Resident memory of each exporter.", units.BytesIEC, NOT_SCRAPED, 6),
            {instance: each("process_resident_memory_bytes")},
            many=True,
        ),
        parts.over_time(
            Shape("CPU", "CPU time that each exporter uses; 100 % is one core.", units.PercentUnit, NOT_SCRAPED, 6),
            {
                instance: "max by (job, instance) (rate(process_cpu_seconds_total"
                '{cluster=~"$cluster",instance=~"$instance"}[$__rate_interval])\n'
                f"and on (job, instance) {of_processes('build_info')})"
            },
            many=True,
        ),
        parts.over_time(
            Shape(
                "Open files",
                "Files and connections that each exporter holds open, as part of what the system allows.",
                units.PercentUnit,
                NOT_SCRAPED,
                6,
            ),
            {instance: f"{each('process_open_fds')}\n/ {each('process_max_fds')}"},
            many=True,
        ),
        parts.over_time(
            Shape(
                "Scrape duration",
                "What a scrape of each exporter takes, as Prometheus sees it. Scrapes never wait for AWS.",
                units.Seconds,
                NOT_SCRAPED,
                6,
            ),
            {instance: each("scrape_duration_seconds")},
            many=True,
        ),
    ]


def discovery() -> list[parts.Panel]:
    """Listing the accounts of an organization."""
    success = "discovery_last_success_timestamp_seconds"  # 0 before the first
    return [
        parts.states(
            Shape(
                "Discovery",
                "Whether the exporters could read the accounts of the organization when they last tried.",
                units.Short,
                DISCOVERY_OFF,
                8,
                7,
            ),
            {"{{instance}}": one("job, instance", of_processes("discovery_up"))},
            [("failed", parts.RED), ("good", parts.GREEN)],
        ),
        parts.over_time(
            Shape(
                "Discovered accounts",
                "Accounts that discovery found. While it fails, the last good answer stays in use.",
                units.Short,
                DISCOVERY_OFF,
                8,
                7,
            ),
            {"{{instance}}": one("job, instance", of_processes("discovery_accounts"))},
            many=True,
        ),
        parts.over_time(
            Shape(
                "Failed discoveries by reason",
                "Attempts to read the organization's accounts that failed, in each interval.",
                units.Short,
                "No discovery failed; or there is none in the configuration.",
                8,
                7,
            ),
            {
                "{{reason}}": f"sum by (reason) (increase({of_processes('discovery_failures_total')}"
                "[$__rate_interval])) > 0"
            },
            stacked=True,
        ),
        parts.number(
            Shape(
                "Age of the account list",
                "Time since discovery last succeeded; none until it does.",
                units.Seconds,
                DISCOVERY_OFF,
                24,
                3,
            ),
            {"{{instance}}": f"time() - ({one('job, instance', of_processes(success))} > 0)"},
        ),
    ]
