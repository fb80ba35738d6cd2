"""Writes docs/metrics.md from the metric table, the exporter's own registry and one fixed example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exporter.exposition import Format, Renderer, compose
from exporter.metrics import (
    EXPORTER_PREFIX,
    JOB_FAMILIES,
    JOB_LABELS,
    SNAPSHOT_FAMILIES,
    TARGET_FAMILIES,
    TARGET_LABELS,
    Family,
)
from exporter.model import UNKNOWN, Budget, Failed, FailureReason, Job, SubTask, Target, TargetState
from exporter.snapshot import Fold, combine
from exporter.telemetry import Telemetry

PLACE = Path(__file__).with_name("metrics.md")

NOW = 1_790_856_000.0  # 2026-10-01T12:00:00Z
HOUR = 3600.0
ACCOUNT = "111122223333"

INTRO = f"""\
# Metrics

<!-- Written by docs/build_metrics.py from exporter/metrics.py and exporter/telemetry.py: `make docs`. -->

Every series about a target or a job has the labels {{target_labels}},
then the target's own `labels` from the configuration: the same names on every series, empty where a target has no such
label. An account that can't be learnt yet is `{UNKNOWN}`. Series of one job add
{{job_labels}}.
A customization type that AWS does not give is `{UNKNOWN}`; a status or type that the exporter does not know passes
through as it is. Below, *labels* are those that a family has beyond these.

What comes from AWS is as old as the last good walk of its target, see
`{EXPORTER_PREFIX}target_last_success_timestamp_seconds`. While walks fail the last good data stay, and after
`stale_after` the series of the target's jobs end. A value that *grows* is kept as the moment since which it does
and filled in at each scrape, so it goes on while AWS is out of reach, at no cost; it is never below 0.

A family without samples is left out of the page. The examples show one account at one moment.
"""

SECTIONS = (
    (
        "All jobs",
        "Exact, over every job in the list; for a target with a `filter`, over the jobs that match it.",
        SNAPSHOT_FAMILIES,
    ),
    (
        "One job",
        "For each job that runs, then for ended ones, newest first, within `job_series.retain` and `max_jobs`.",
        JOB_FAMILIES,
    ),
    ("Targets", "About one account in one region. They stay when the series of its jobs end.", TARGET_FAMILIES),
)

TELEMETRY_INTRO = """\
About the process; these have no account and no region.
"""

TELEMETRY_OUTRO = """\
### `process_*` and `python_*`

The usual ones of prometheus_client: CPU, memory, open files and start time of the process (on Linux), garbage
collection, and the version of Python.
"""


def build() -> str:
    """The text of docs/metrics.md."""
    lines = compose((_example(), _down()), Format.TEXT).body(NOW, b"").decode().splitlines()
    parts = [INTRO.format(target_labels=_names(TARGET_LABELS), job_labels=_names(JOB_LABELS))]
    for title, about, families in SECTIONS:
        parts.append(f"## {title}\n\n{about}\n")
        parts += [_entry(family, lines) for family in families]
    parts.append(f"## The exporter\n\n{TELEMETRY_INTRO}")
    parts += _telemetry()
    parts.append(TELEMETRY_OUTRO)
    return "\n".join(parts)


def _entry(family: Family[Any], lines: list[str]) -> str:
    kind: str = family.kind
    if family.kind == "summary":
        kind += " of quantiles 0.5 and 0.95 with `_sum` and `_count`"
    # The fixed samples of a family that grows stand before those that do.
    example = _sample(family.name, lines[::-1] if family.grows else lines)
    return _section(family.name, kind, family.labels, family.help, example, grows=family.grows)


def _section(name: str, kind: str, labels: Sequence[str], help_: str, example: str, *, grows: bool = False) -> str:
    facts = f"{kind.capitalize()}, {'labels ' + _names(labels) if labels else 'no labels of its own'}"
    return f"### `{name}`\n\n{facts}{', grows' if grows else ''}.\n\n{help_}\n\n```text\n{example}\n```\n"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sample(name: str, lines: list[str]) -> str:
    """The first sample of a family that is not 0, as that says more, or else the first."""
    samples = [line for line in lines if re.match(rf"{name}(_bucket|_sum|_count)?[{{ ]", line)]
    return next((line for line in samples if not re.search(r" 0(\.0)?$", line)), samples[0])


def _telemetry() -> Iterator[str]:
    telemetry = Telemetry()
    telemetry.config_loaded("0123456789abcdef", NOW)
    telemetry.observe_walk(0.4)
    telemetry.count_request("ListModelCustomizationJobs")
    telemetry.discovery.switch(on=True)
    telemetry.discovery.listed(12, NOW)
    telemetry.discovery.failed(FailureReason.THROTTLED)
    lines = telemetry.render(Format.TEXT).decode().splitlines()
    for metric in telemetry.registry.collect():
        if not metric.name.startswith(EXPORTER_PREFIX):
            continue
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels)
        # What differs from one version of the exporter or of Python to the next must not change this page.
        example = re.sub(r'version="[^"]*"', 'version="…"', _sample(name, lines))
        yield _section(name, metric.type, tuple(labels), metric.documentation, example)


def _example() -> TargetState:
    """A target with a job that trains, one that waits, one that failed, and the five peers of these."""
    trains = _job("q4ad8z8tioq8", "support-tone", hours_ago=3.0)._replace(
        subtasks=(
            SubTask("validation", "Completed", NOW - 3 * HOUR, NOW - 2.95 * HOUR),
            SubTask("data_processing", "Completed", NOW - 2.95 * HOUR, NOW - 2.75 * HOUR),
            SubTask("training", "InProgress", NOW - 2.75 * HOUR, NOW - 0.5 * HOUR),
        )
    )
    waits = _job("eys9455tunxa", "summaries", hours_ago=30.0)._replace(
        subtasks=(
            SubTask("validation", "Completed", NOW - 30 * HOUR, NOW - 29.95 * HOUR),
            SubTask("training", "NotStarted", None, None),
        )
    )
    failed = _job("k2m9xw41pz7c", "labels", hours_ago=8.0)._replace(status="Failed", end_time=NOW - 7 * HOUR)
    peers = [
        _job(f"peer0000000{number}", f"tone-{number}", hours_ago=24.0 * number)._replace(
            status="Completed", end_time=NOW - 24 * HOUR * number + (3.5 + number / 4) * HOUR
        )
        for number in range(1, 6)
    ]
    budget = Budget(retain=14 * 24 * HOUR, max_jobs=5, baseline_window=90 * 24 * HOUR)
    fold = Fold(budget, NOW)
    for job in (trains, waits, failed, *peers):
        fold.count(hash(job.arn), job.status, job.customization_type)
        fold.add(job)
    snapshot = combine([fold], budget.max_jobs)
    target = Target("targets[0]", "us-east-1", labels=(("team", "research"),))
    return TargetState(
        target,
        ACCOUNT,
        last_walk=NOW - 20,
        last_success=NOW - 20,
        pages=1,
        jobs=8,
        omitted=snapshot.job_series_omitted,
        snapshot=snapshot,
        rendered=Renderer(target).render(ACCOUNT, snapshot),
        failures={FailureReason.THROTTLED: 2},
        malformed=1,
    )


def _down() -> TargetState:
    """Another target, which can't be walked."""
    target = Target("targets[1]", "us-west-2", labels=(("team", "research"),))
    return TargetState(target, ACCOUNT, Failed(ACCOUNT, FailureReason.ACCESS_DENIED, "denied"), last_walk=NOW - 20)


def _job(id_: str, name: str, *, hours_ago: float) -> Job:
    model = "amazon.nova-lite-v1:0:300k"
    return Job(
        arn=f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/{model}/{id_}",
        name=name,
        status="InProgress",
        customization_type="FINE_TUNING",
        base_model=model,
        custom_model_name=name,
        created=NOW - hours_ago * HOUR,
        last_modified=NOW - hours_ago * HOUR + 90,
        end_time=None,
        subtasks=(),
    )


if __name__ == "__main__":
    PLACE.write_text(build(), encoding="utf-8")
