"""Writes docs/metrics.md from the families of metrics, the exporter's own registry and one fixed example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporter.errors import FailureReason
from exporter.fleet.details import Details
from exporter.fleet.families import TARGET_FAMILIES
from exporter.fleet.page import compose
from exporter.fleet.state import Detailed, Failed, TargetState, Walked
from exporter.jobs.details import DetailSettings, JobDetails, Known
from exporter.jobs.families import (
    EXPORTER_PREFIX,
    JOB_FAMILIES,
    JOB_LABELS,
    SNAPSHOT_FAMILIES,
    TARGET_LABELS,
    Family,
)
from exporter.jobs.fold import Fold
from exporter.jobs.job import Job, StatusDetails, SubTask
from exporter.jobs.page import Format
from exporter.jobs.snapshot import Budget
from exporter.labels import UNKNOWN
from exporter.targets.target import Target
from exporter.telemetry import Telemetry

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT = "111122223333"

INTRO = f"""\
# Metrics

<!-- Written by tools/metrics_page.py from the tables of metrics in exporter: `make docs`. -->

Every series about a target or a job has the labels {{target_labels}},
then the target's own `labels` from the configuration: all series have the same label names, with an empty value if a
target does not have the label. An account that is not known yet is `{UNKNOWN}`. Series of one job add
{{job_labels}}.
A customization type that AWS does not report is `{UNKNOWN}`; a status or type that is new to the exporter is shown
unchanged. Below, *labels* are the additional labels of a metric.

Data from AWS are as old as the last good walk of their target: see
`{EXPORTER_PREFIX}target_last_success_timestamp_seconds`. While walks fail, the last good data stay; after
`stale_after` the target's job series end. A value that *grows* is computed at each scrape as the time since a
fixed moment, so it keeps growing while AWS is unreachable; it is never below 0.

Metrics without samples are left out of a scrape. The examples show one account at one moment.
"""

SECTIONS = (
    (
        "All jobs",
        "Exact: all jobs in the list are counted or, for a target with a `filter`, all that match it.",
        SNAPSHOT_FAMILIES,
    ),
    (
        "One job",
        """\
For the newest running jobs, at most five times `job_series.max_jobs`, and for the newest jobs that ended within
`job_series.retain`, at most `max_jobs`.

The tags that `job_series.tags` lists become labels of `bedrock_model_customization_job_info` only: `tag_` and the key,
with `_` for characters that label names can't have; empty if the job has no such tag. This query adds a tag to another
series, even if several exporters watch the job:

```promql
bedrock_model_customization_job_duration_seconds
* on (aws_account_id, aws_region, job_id) group_left (tag_team)
  max by (aws_account_id, aws_region, job_id, tag_team) (bedrock_model_customization_job_info)
```

In the chart, `prometheusRule.labelsFromTags` adds tags to the alerts on jobs, so that Alertmanager can route by
them.""",
        JOB_FAMILIES,
    ),
    ("Targets", "About one account in one region. They stay when the series of its jobs end.", TARGET_FAMILIES),
)

TELEMETRY_INTRO = """\
About the process, without labels for account and region.
"""

TELEMETRY_OUTRO = """\
### `process_*` and `python_*`

The standard metrics of prometheus_client: CPU, memory, open files and start time of the process (on Linux), garbage
collection, and the version of Python.
"""


def files() -> dict[Path, str]:
    """The page."""
    return {Path(__file__).parents[1] / "docs" / "metrics.md": _page()}


def _page() -> str:
    states = (_example(), _down())
    lines = b"".join(compose(states, Format.TEXT, NOW.timestamp())).decode().splitlines()
    growing = {
        name
        for state in states
        for text in (state.text, state.good.text if state.good else {})
        for name, samples in text.items()
        if samples.growing
    }
    parts = [INTRO.format(target_labels=_names(TARGET_LABELS), job_labels=_names(JOB_LABELS))]
    for title, about, families in SECTIONS:
        parts.append(f"## {title}\n\n{about}\n")
        parts += [_entry(family, lines, grows=family.name in growing) for family in families]
    parts.append(f"## The exporter\n\n{TELEMETRY_INTRO}")
    parts += _telemetry()
    parts.append(TELEMETRY_OUTRO)
    return "\n".join(parts)


def _entry(family: Family[Any], lines: list[str], *, grows: bool) -> str:
    kind: str = family.kind
    if family.kind == "summary":
        kind += " of quantiles 0.5 and 0.95 with `_sum` and `_count`"
    example = _sample(family.name, lines[::-1] if grows else lines)  # samples that grow come after those that don't
    return _section(family.name, kind, family.labels, family.help, example, grows=grows)


def _section(name: str, kind: str, labels: Sequence[str], help_: str, example: str, *, grows: bool = False) -> str:
    facts = f"{kind.capitalize()}, {'labels ' + _names(labels) if labels else 'no labels of its own'}"
    return f"### `{name}`\n\n{facts}{', grows' if grows else ''}.\n\n{help_}\n\n```text\n{example}\n```\n"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sample(name: str, lines: list[str]) -> str:
    """The first sample of a family that is not 0, as that says more, or else the first.

    Raises:
        ValueError: there is none.
    """
    samples = [line for line in lines if re.match(rf"{name}(_bucket|_sum|_count)?[{{ ]", line)]
    if not samples:
        raise ValueError(f"extend `_example` or `_telemetry` in tools/metrics_page.py: no sample of {name}")
    return next((line for line in samples if not re.search(r" 0(\.0)?$", line)), samples[0])


def _telemetry() -> Iterator[str]:
    telemetry = Telemetry()
    telemetry.config_loaded("0123456789abcdef", NOW.timestamp())
    telemetry.observe_walk(0.4)
    telemetry.observe_delay(0.02)
    telemetry.count_request("ListModelCustomizationJobs")
    telemetry.count_http_request("/metrics", 200)
    telemetry.discovery.switch(on=True)
    telemetry.discovery.listed(12, NOW.timestamp())
    telemetry.discovery.failed(FailureReason.THROTTLED)
    telemetry.web.loaded(NOW.timestamp() + 60 * 24 * 3600)
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
    """A target with a job that trains, one that waits, one that failed, and their peers."""
    trains = _job("q4ad8z8tioq8", "support-tone", 3.0, details=_details(3.0, _subtask(2.75, 0.5, "InProgress")))
    waits = _job("eys9455tunxa", "summaries", 30.0, details=_details(30.0, SubTask(status="NotStarted")))
    failed = _job("k2m9xw41pz7c", "labels", 8.0, status="Failed", ended=7.0)
    peers = [
        _job(
            f"peer{number:08d}",
            f"tone-{number}",
            start,
            status="Completed",
            ended=start - 3.5 - number / 4,
            details=_details(start, _subtask(start - 0.25, start - 3.5 - number / 4, "Completed")),
        )
        for number, start in ((number, 24.0 * number) for number in range(1, 11))
    ]
    jobs = [trains, waits, failed, *peers]
    fold = Fold(Budget(retain=14 * 24 * 3600, max_jobs=5, baseline_window=90 * 24 * 3600), NOW.timestamp())
    fold.add(jobs)
    target = Target("targets[0]", "us-east-1", labels=(("team", "research"),))
    walked_at = NOW.timestamp() - 20
    good = Walked(target, ACCOUNT, fold.snapshot(), pages=1, jobs=len(jobs))
    known = Known(
        DetailSettings(enabled=True, hyperparameters=("epochCount",)),
        details={
            failed.job_arn: JobDetails("Unable to parse Amazon S3 file: train.jsonl."),
            peers[0].job_arn: JobDetails("", 0.71, (("0", 0.83),), (("epochCount", 2.0),)),
        },
    )
    return TargetState(
        target,
        ACCOUNT,
        last_walk=walked_at,
        last_success=walked_at,
        good=good,
        details=Details(known, failures={FailureReason.THROTTLED: 1}),
        detailed=Detailed(good, known),
        failures={FailureReason.THROTTLED: 2},
        malformed=1,
    )


def _down() -> TargetState:
    """Another target, whose walks fail."""
    target = Target("targets[1]", "us-west-2", labels=(("team", "research"),))
    failure = Failed(ACCOUNT, FailureReason.ACCESS_DENIED, "denied")
    return TargetState(target, ACCOUNT, failure=failure, last_walk=NOW.timestamp() - 20)


def _job(
    id_: str,
    name: str,
    start: float,
    *,
    status: str = "InProgress",
    ended: float | None = None,
    details: StatusDetails | None = None,
) -> Job:
    """A job; `start` and `ended` are hours ago."""
    model = "amazon.nova-lite-v1:0:300k"
    return Job(
        job_arn=f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/{model}/{id_}",
        job_name=name,
        status=status,
        creation_time=NOW - start * HOUR,
        base_model_arn=f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
        customization_type="FINE_TUNING",
        last_modified_time=NOW - (start * HOUR if ended is None else ended * HOUR) + timedelta(seconds=90),
        end_time=None if ended is None else NOW - ended * HOUR,
        custom_model_name=name,
        status_details=details,
    )


def _details(start: float, training: SubTask) -> StatusDetails:
    """The sub-tasks of a job that was created `start` hours ago."""
    return StatusDetails(
        validation_details=_subtask(start, start - 0.05, "Completed"),
        data_processing_details=_subtask(start - 0.05, start - 0.25, "Completed"),
        training_details=training,
    )


def _subtask(start: float, modified: float, status: str) -> SubTask:
    """A sub-task; its times are hours ago."""
    return SubTask(status=status, creation_time=NOW - start * HOUR, last_modified_time=NOW - modified * HOUR)
