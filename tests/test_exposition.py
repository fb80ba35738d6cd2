"""Snapshots and states become the text of `/metrics`: a job beside the exposition that it must give."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import plain
import prometheus_client
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import core
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from exporter.bedrock import parse_job
from exporter.exposition import (
    Format,
    Page,
    PageCache,
    accepts_gzip,
    compose,
    escape,
    header,
    negotiate,
)
from exporter.metrics import FAMILIES, SNAPSHOT_FAMILIES, TARGET_FAMILIES, JobSeries
from exporter.model import (
    Budget,
    Failed,
    FailureReason,
    Job,
    Since,
    Snapshot,
    SubTask,
    Target,
    TargetState,
)

HOUR, DAY = 3600.0, 86400.0
NOW = 1_790_856_000.0
ACCOUNT = "111122223333"
PREFIX = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-customization-job/amazon.nova-lite-v1:0:300k/"
TARGET = Target("targets[0]", "us-east-1")
END = {Format.TEXT: b"", Format.OPENMETRICS: b"# EOF\n"}


def job(id_: str = "q4ad8z8tioq8", /, **changes: Any) -> Job:
    """A job that was made three hours ago and runs, with these attributes changed."""
    return Job(
        arn=PREFIX + id_,
        name="tone-7",
        status="InProgress",
        customization_type="FINE_TUNING",
        base_model="amazon.nova-lite-v1:0:300k",
        custom_model_name="tone",
        created=NOW - 3 * HOUR,
        last_modified=NOW - 2 * HOUR,
        end_time=None,
        subtasks=(),
    )._replace(**changes)


def snapshot_of(*jobs: Job, max_jobs: int = 1000) -> Snapshot:
    """The snapshot of these jobs at NOW."""
    return plain.snapshot_of(jobs, Budget(retain=14 * DAY, max_jobs=max_jobs, baseline_window=90 * DAY), NOW)


def state_of(
    *jobs: Job, target: Target = TARGET, account_id: str = ACCOUNT, max_jobs: int = 1000, **changes: Any
) -> TargetState:
    """The state of a target after a good walk that showed these jobs, with these attributes changed."""
    snapshot = snapshot_of(*jobs, max_jobs=max_jobs)
    state = TargetState(
        target=target,
        account_id=account_id,
        last_walk=NOW,
        last_success=NOW,
        pages=1,
        jobs=len(jobs),
        omitted=snapshot.job_series_omitted,
        snapshot=snapshot,
        rendered=plain.render_snapshot(target, account_id, snapshot),
    )
    return replace(state, **changes)


def text_of(*states: TargetState, now: float = NOW, format_: Format = Format.TEXT) -> str:
    """What a scrape at `now` shows of these states."""
    return compose(states, format_).body(now, END[format_]).decode()


def samples_of(*states: TargetState, now: float = NOW) -> list[str]:
    """The lines of a scrape that are samples."""
    return [line for line in text_of(*states, now=now).split("\n") if line and not line.startswith("#")]


# One job, complete.

STUCK = job(
    subtasks=(
        SubTask("validation", "Completed", NOW - 2.75 * HOUR, NOW - 2.5 * HOUR),
        SubTask("training", "NotStarted", None, None),
    )
)

PAGE = """\
# HELP bedrock_model_customization_jobs Number of jobs in the list, of those that match the filter if the target has one, zero for a known status and type that no job has. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_jobs gauge
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="InProgress",customization_type="FINE_TUNING"} 1
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="InProgress",customization_type="CONTINUED_PRE_TRAINING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="InProgress",customization_type="DISTILLATION"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="InProgress",customization_type="REINFORCEMENT_FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="InProgress",customization_type="IMPORTED"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Completed",customization_type="FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Completed",customization_type="CONTINUED_PRE_TRAINING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Completed",customization_type="DISTILLATION"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Completed",customization_type="REINFORCEMENT_FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Completed",customization_type="IMPORTED"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Failed",customization_type="FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Failed",customization_type="CONTINUED_PRE_TRAINING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Failed",customization_type="DISTILLATION"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Failed",customization_type="REINFORCEMENT_FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Failed",customization_type="IMPORTED"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopping",customization_type="FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopping",customization_type="CONTINUED_PRE_TRAINING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopping",customization_type="DISTILLATION"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopping",customization_type="REINFORCEMENT_FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopping",customization_type="IMPORTED"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopped",customization_type="FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopped",customization_type="CONTINUED_PRE_TRAINING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopped",customization_type="DISTILLATION"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopped",customization_type="REINFORCEMENT_FINE_TUNING"} 0
bedrock_model_customization_jobs{aws_account_id="111122223333",aws_region="us-east-1",status="Stopped",customization_type="IMPORTED"} 0
# HELP bedrock_model_customization_subtasks Number of sub-tasks of jobs that have not ended, by state, zero for a known one that none is in. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_subtasks gauge
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="NotStarted"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="InProgress"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="Completed"} 1
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="Failed"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="Stopping"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="validation",status="Stopped"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="NotStarted"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="InProgress"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="Completed"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="Failed"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="Stopping"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="data_processing",status="Stopped"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="NotStarted"} 1
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="InProgress"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="Completed"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="Failed"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="Stopping"} 0
bedrock_model_customization_subtasks{aws_account_id="111122223333",aws_region="us-east-1",subtask="training",status="Stopped"} 0
# HELP bedrock_model_customization_job_info What is fixed about a job, always 1. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_job_info gauge
bedrock_model_customization_job_info{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",job_arn="arn:aws:bedrock:us-east-1:111122223333:model-customization-job/amazon.nova-lite-v1:0:300k/q4ad8z8tioq8",base_model="amazon.nova-lite-v1:0:300k",custom_model_name="tone"} 1
# HELP bedrock_model_customization_job_status 1 for the current status of a job, 0 for the other known ones. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_job_status gauge
bedrock_model_customization_job_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",status="InProgress"} 1
bedrock_model_customization_job_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",status="Completed"} 0
bedrock_model_customization_job_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",status="Failed"} 0
bedrock_model_customization_job_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",status="Stopping"} 0
bedrock_model_customization_job_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",status="Stopped"} 0
# HELP bedrock_model_customization_job_created_timestamp_seconds Unix time of creation. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_job_created_timestamp_seconds gauge
bedrock_model_customization_job_created_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"} 1790845200.0
# HELP bedrock_model_customization_job_last_modified_timestamp_seconds Unix time of the last modification; absent if AWS gives none. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_job_last_modified_timestamp_seconds gauge
bedrock_model_customization_job_last_modified_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"} 1790848800.0
# HELP bedrock_model_customization_subtask_status 1 for the current state of a sub-task of a job; there is no series for the others. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_subtask_status gauge
bedrock_model_customization_subtask_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",subtask="validation",status="Completed"} 1
bedrock_model_customization_subtask_status{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",subtask="training",status="NotStarted"} 1
# HELP bedrock_model_customization_subtask_started_timestamp_seconds Unix time at which a sub-task started; absent before. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_subtask_started_timestamp_seconds gauge
bedrock_model_customization_subtask_started_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",subtask="validation"} 1790846100.0
# HELP bedrock_model_customization_subtask_last_modified_timestamp_seconds Unix time of the last modification of a sub-task, the end of one that has ended. From ListModelCustomizationJobs; as old as the last good walk.
# TYPE bedrock_model_customization_subtask_last_modified_timestamp_seconds gauge
bedrock_model_customization_subtask_last_modified_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",subtask="validation"} 1790847000.0
# HELP bedrock_exporter_target_up 1 if the last walk of the target succeeded, 0 if it failed or none has ended yet. From the exporter.
# TYPE bedrock_exporter_target_up gauge
bedrock_exporter_target_up{aws_account_id="111122223333",aws_region="us-east-1"} 1
# HELP bedrock_exporter_target_last_walk_timestamp_seconds Unix time at which the last walk ended, well or badly. From the exporter.
# TYPE bedrock_exporter_target_last_walk_timestamp_seconds gauge
bedrock_exporter_target_last_walk_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1"} 1790856000.0
# HELP bedrock_exporter_target_last_success_timestamp_seconds Unix time at which the last good walk ended: the age of the target's data. From the exporter.
# TYPE bedrock_exporter_target_last_success_timestamp_seconds gauge
bedrock_exporter_target_last_success_timestamp_seconds{aws_account_id="111122223333",aws_region="us-east-1"} 1790856000.0
# HELP bedrock_exporter_target_walk_pages Pages of the list in the last good walk. From the exporter.
# TYPE bedrock_exporter_target_walk_pages gauge
bedrock_exporter_target_walk_pages{aws_account_id="111122223333",aws_region="us-east-1"} 1
# HELP bedrock_exporter_target_walk_jobs Distinct jobs in the last good walk, malformed ones not counted. From the exporter.
# TYPE bedrock_exporter_target_walk_jobs gauge
bedrock_exporter_target_walk_jobs{aws_account_id="111122223333",aws_region="us-east-1"} 1
# HELP bedrock_exporter_target_walk_failures_total Failed walks by reason. From the exporter.
# TYPE bedrock_exporter_target_walk_failures_total counter
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="throttled"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="access_denied"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="assume_role_denied"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="credentials"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="unsupported_region"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="timeout"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="network"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="server_error"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="malformed_response"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="runaway_pagination"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="duplicate_target"} 0
bedrock_exporter_target_walk_failures_total{aws_account_id="111122223333",aws_region="us-east-1",reason="internal"} 0
# HELP bedrock_exporter_target_malformed_jobs_total Job summaries that could not be read and were left out, counted anew in every good walk. From the exporter.
# TYPE bedrock_exporter_target_malformed_jobs_total counter
bedrock_exporter_target_malformed_jobs_total{aws_account_id="111122223333",aws_region="us-east-1"} 0
# HELP bedrock_exporter_target_job_series_omitted Ended jobs within retain that have no series of their own, as job_series.max_jobs is reached. From the exporter; as old as the last good walk.
# TYPE bedrock_exporter_target_job_series_omitted gauge
bedrock_exporter_target_job_series_omitted{aws_account_id="111122223333",aws_region="us-east-1"} 0
# HELP bedrock_model_customization_subtask_duration_seconds Seconds from the start of a sub-task to its end, or to now while it runs; absent before. From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape.
# TYPE bedrock_model_customization_subtask_duration_seconds gauge
bedrock_model_customization_subtask_duration_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING",subtask="validation"} 900.0
# HELP bedrock_model_customization_job_time_since_last_modified_seconds Seconds since the last modification of a job. From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape.
# TYPE bedrock_model_customization_job_time_since_last_modified_seconds gauge
bedrock_model_customization_job_time_since_last_modified_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"} 7260.000
# HELP bedrock_model_customization_job_duration_seconds Seconds from creation to the end of a job, or to now while it runs. From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape.
# TYPE bedrock_model_customization_job_duration_seconds gauge
bedrock_model_customization_job_duration_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"} 10860.000
# HELP bedrock_model_customization_job_waiting_seconds Seconds that an InProgress job has had no sub-task running while one is NotStarted, counted from the end of the last one or from creation; absent when it does not wait. From ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape.
# TYPE bedrock_model_customization_job_waiting_seconds gauge
bedrock_model_customization_job_waiting_seconds{aws_account_id="111122223333",aws_region="us-east-1",job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"} 9060.000
"""  # noqa: E501 - lines are as long as they are

UNITS = """\
# UNIT bedrock_model_customization_job_created_timestamp_seconds seconds
# UNIT bedrock_model_customization_job_last_modified_timestamp_seconds seconds
# UNIT bedrock_model_customization_subtask_started_timestamp_seconds seconds
# UNIT bedrock_model_customization_subtask_last_modified_timestamp_seconds seconds
# UNIT bedrock_exporter_target_last_walk_timestamp_seconds seconds
# UNIT bedrock_exporter_target_last_success_timestamp_seconds seconds
# UNIT bedrock_model_customization_job_time_since_last_modified_seconds seconds
# UNIT bedrock_model_customization_job_duration_seconds seconds
# UNIT bedrock_model_customization_job_waiting_seconds seconds
# UNIT bedrock_model_customization_subtask_duration_seconds seconds
"""


def test_page_in_text() -> None:
    """A job that waits for its training gives this page, a minute after the walk."""
    assert text_of(state_of(STUCK), now=NOW + 60) == PAGE


def test_page_in_openmetrics() -> None:
    """In OpenMetrics counters are named without _total in their headers, seconds have a UNIT, and there is an end."""
    expected = PAGE
    for counter in ("target_walk_failures", "target_malformed_jobs"):
        for keyword in ("HELP", "TYPE"):
            expected = expected.replace(
                f"# {keyword} bedrock_exporter_{counter}_total ", f"# {keyword} bedrock_exporter_{counter} "
            )
    for unit in UNITS.splitlines():
        type_line = unit.replace("# UNIT", "# TYPE").removesuffix("seconds") + "gauge\n"
        assert type_line in expected
        expected = expected.replace(type_line, f"{type_line}{unit}\n")
    assert text_of(state_of(STUCK), now=NOW + 60, format_=Format.OPENMETRICS) == expected + "# EOF\n"


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (Format.TEXT, '# HELP a_seconds_total One \\\\ two "\\n".\n# TYPE a_seconds_total counter\n'),
        (
            Format.OPENMETRICS,
            '# HELP a_seconds One \\\\ two \\"\\n\\".\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n',
        ),
    ],
    ids=["text", "openmetrics"],
)
def test_header(format_: Format, text: str) -> None:
    """HELP is escaped as its format wants it."""
    assert header("a_seconds_total", "counter", 'One \\ two "\n".', format_).decode() == text


# One job, family by family.

COMMON = f'aws_account_id="{ACCOUNT}",aws_region="us-east-1"'
OF_JOB = ',job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"'


def told(state: TargetState, *families: str, now: float = NOW) -> str:
    """The samples of these families of one job, without the prefix and the labels that all of them have."""
    lines = []
    for line in samples_of(state, now=now):
        name, _, rest = line.partition("{")
        if name.removeprefix("bedrock_model_customization_") in families:
            assert rest.startswith(COMMON + OF_JOB)
            lines.append(name.removeprefix("bedrock_model_customization_") + "{" + rest.removeprefix(COMMON + OF_JOB))
    return "\n".join(lines).replace("{,", "{").replace("{} ", " ")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param(
            {},
            f'job_info{{job_arn="{PREFIX}q4ad8z8tioq8",base_model="amazon.nova-lite-v1:0:300k",'
            'custom_model_name="tone"} 1',
            id="all known",
        ),
        pytest.param(
            {"base_model": "unknown", "custom_model_name": ""},
            f'job_info{{job_arn="{PREFIX}q4ad8z8tioq8",base_model="unknown",custom_model_name=""}} 1',
            id="little known",
        ),
    ],
)
def test_job_info(changes: Mapping[str, Any], text: str) -> None:
    """What is fixed about a job stands in the labels of one series."""
    assert told(state_of(job(**changes)), "job_info") == text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(
            "Stopping",
            """\
job_status{status="InProgress"} 0
job_status{status="Completed"} 0
job_status{status="Failed"} 0
job_status{status="Stopping"} 1
job_status{status="Stopped"} 0""",
            id="known",
        ),
        pytest.param(
            "Paused",
            """\
job_status{status="InProgress"} 0
job_status{status="Completed"} 0
job_status{status="Failed"} 0
job_status{status="Stopping"} 0
job_status{status="Stopped"} 0
job_status{status="Paused"} 1""",
            id="new to us",
        ),
    ],
)
def test_job_status(status: str, text: str) -> None:
    """The current status is 1, the other known ones are 0."""
    assert told(state_of(job(status=status)), "job_status") == text


TIMES = (
    "job_created_timestamp_seconds",
    "job_last_modified_timestamp_seconds",
    "job_ended_timestamp_seconds",
    "job_time_since_last_modified_seconds",
    "job_duration_seconds",
)


@pytest.mark.parametrize(
    ("changes", "now", "text"),
    [
        pytest.param(
            {},
            NOW,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_time_since_last_modified_seconds 7200.000
job_duration_seconds 10800.000""",
            id="running",
        ),
        pytest.param(
            {},
            NOW + 0.0625,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_time_since_last_modified_seconds 7200.062
job_duration_seconds 10800.062""",
            id="running, a moment later",
        ),
        pytest.param(
            {},
            NOW - DAY,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_time_since_last_modified_seconds 0.000
job_duration_seconds 0.000""",
            id="running, by a clock that is behind",
        ),
        pytest.param(
            {"last_modified": None, "created": 1790845200.125},
            NOW,
            """\
job_created_timestamp_seconds 1790845200.125
job_duration_seconds 10799.875""",
            id="never modified",
        ),
        pytest.param(
            {"status": "Completed", "end_time": NOW - HOUR},
            NOW + DAY,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_ended_timestamp_seconds 1790852400.0
job_time_since_last_modified_seconds 93600.000
job_duration_seconds 7200.0""",
            id="completed",
        ),
        pytest.param(
            {"status": "Failed"},
            NOW + DAY,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_ended_timestamp_seconds 1790848800.0
job_time_since_last_modified_seconds 93600.000
job_duration_seconds 3600.0""",
            id="failed without an endTime",
        ),
        pytest.param(
            {"status": "Stopped", "last_modified": None},
            NOW,
            "job_created_timestamp_seconds 1790845200.0",
            id="stopped who knows when",
        ),
        pytest.param(
            {"end_time": NOW - HOUR},
            NOW,
            """\
job_created_timestamp_seconds 1790845200.0
job_last_modified_timestamp_seconds 1790848800.0
job_time_since_last_modified_seconds 7200.000
job_duration_seconds 10800.000""",
            id="in progress with an endTime, as moto has it",
        ),
        pytest.param(
            {"status": "Completed", "end_time": NOW - 4 * HOUR, "last_modified": None},
            NOW,
            """\
job_created_timestamp_seconds 1790845200.0
job_ended_timestamp_seconds 1790841600.0
job_duration_seconds 0.0""",
            id="ended before it was made",
        ),
    ],
)
def test_job_times(changes: Mapping[str, Any], now: float, text: str) -> None:
    """What a job's times say: durations grow at the scrape, stop at the end, and are never below 0."""
    assert told(state_of(job(**changes)), *TIMES, now=now) == text


SUBTASK_FAMILIES = (
    "subtask_status",
    "subtask_started_timestamp_seconds",
    "subtask_last_modified_timestamp_seconds",
    "subtask_duration_seconds",
    "job_waiting_seconds",
)


@pytest.mark.parametrize(
    ("changes", "now", "text"),
    [
        pytest.param({}, NOW, "", id="none known"),
        pytest.param(
            {"subtasks": (SubTask("training", "InProgress", NOW - HOUR, NOW - 60),)},
            NOW + 1.5,
            """\
subtask_status{subtask="training",status="InProgress"} 1
subtask_started_timestamp_seconds{subtask="training"} 1790852400.0
subtask_last_modified_timestamp_seconds{subtask="training"} 1790855940.0
subtask_duration_seconds{subtask="training"} 3601.500""",
            id="one runs",
        ),
        pytest.param(
            {"subtasks": (SubTask("training", "InProgress", NOW - HOUR, None),)},
            NOW - DAY,
            """\
subtask_status{subtask="training",status="InProgress"} 1
subtask_started_timestamp_seconds{subtask="training"} 1790852400.0
subtask_duration_seconds{subtask="training"} 0.000""",
            id="one runs, by a clock that is behind",
        ),
        pytest.param(
            {"subtasks": (SubTask("validation", "Completed", NOW - HOUR, NOW - 60),)},
            NOW + DAY,
            """\
subtask_status{subtask="validation",status="Completed"} 1
subtask_started_timestamp_seconds{subtask="validation"} 1790852400.0
subtask_last_modified_timestamp_seconds{subtask="validation"} 1790855940.0
subtask_duration_seconds{subtask="validation"} 3540.0""",
            id="one has ended",
        ),
        pytest.param(
            {"subtasks": (SubTask("training", "NotStarted", None, NOW - HOUR),)},
            NOW,
            """\
subtask_status{subtask="training",status="NotStarted"} 1
subtask_last_modified_timestamp_seconds{subtask="training"} 1790852400.0
job_waiting_seconds 10800.000""",
            id="nothing has started",
        ),
        pytest.param(
            {
                "subtasks": (
                    SubTask("validation", "Completed", NOW - HOUR, NOW - 60),
                    SubTask("training", "NotStarted", None, None),
                )
            },
            NOW + 30 * HOUR,
            """\
subtask_status{subtask="validation",status="Completed"} 1
subtask_status{subtask="training",status="NotStarted"} 1
subtask_started_timestamp_seconds{subtask="validation"} 1790852400.0
subtask_last_modified_timestamp_seconds{subtask="validation"} 1790855940.0
subtask_duration_seconds{subtask="validation"} 3540.0
job_waiting_seconds 108060.000""",
            id="stuck",
        ),
        pytest.param(
            {
                "status": "Stopped",
                "end_time": NOW - 60,
                "subtasks": (SubTask("training", "Stopping", NOW - HOUR, None),),
            },
            NOW + DAY,
            """\
subtask_status{subtask="training",status="Stopping"} 1
subtask_started_timestamp_seconds{subtask="training"} 1790852400.0
subtask_duration_seconds{subtask="training"} 3540.0""",
            id="still stopping in a job that has stopped",
        ),
        pytest.param(
            {
                "status": "Failed",
                "last_modified": None,
                "subtasks": (SubTask("training", "InProgress", NOW - HOUR, NOW - 60),),
            },
            NOW + DAY,
            """\
subtask_status{subtask="training",status="InProgress"} 1
subtask_started_timestamp_seconds{subtask="training"} 1790852400.0
subtask_last_modified_timestamp_seconds{subtask="training"} 1790855940.0""",
            id="still running in a job that failed who knows when",
        ),
        pytest.param(
            {"subtasks": (SubTask("training", "Rewinding", NOW - 60, NOW - HOUR),)},
            NOW,
            """\
subtask_status{subtask="training",status="Rewinding"} 1
subtask_started_timestamp_seconds{subtask="training"} 1790855940.0
subtask_last_modified_timestamp_seconds{subtask="training"} 1790852400.0
subtask_duration_seconds{subtask="training"} 0.0""",
            id="new to us and modified before it started",
        ),
    ],
)
def test_subtasks(changes: Mapping[str, Any], now: float, text: str) -> None:
    """What a job's sub-tasks say: a duration from the start to the end, growing while it runs, none before."""
    assert told(state_of(job(**changes)), *SUBTASK_FAMILIES, now=now) == text


def test_expected_duration() -> None:
    """A job that runs shows what is expected of it, and the summary of its peers stands beside the jobs."""
    peers = [
        job(str(seconds), status="Completed", created=NOW - DAY, end_time=NOW - DAY + seconds)
        for seconds in (10, 20, 30, 40, 50)
    ]
    state = state_of(job(), *peers, max_jobs=0)
    assert told(state, "job_expected_duration_seconds") == "job_expected_duration_seconds 48.0"
    labels = f'{{{COMMON},base_model="amazon.nova-lite-v1:0:300k",customization_type="FINE_TUNING"'
    name = "bedrock_model_customization_completed_job_duration_seconds"
    assert [line for line in samples_of(state) if line.startswith(name)] == [
        name + labels + ',quantile="0.5"} 30.0',
        name + labels + ',quantile="0.95"} 48.0',
        name + "_sum" + labels + "} 150.0",
        name + "_count" + labels + "} 5",
    ]
    assert f"bedrock_exporter_target_job_series_omitted{{{COMMON}}} 5" in samples_of(state)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("plain é 😀", "plain é 😀", id="nothing to escape"),
        pytest.param('say "hi"', r"say \"hi\"", id="quotes"),
        pytest.param("a\\b", r"a\\b", id="backslash"),
        pytest.param("a\nb", r"a\nb", id="line feed"),
        pytest.param("\\n", r"\\n", id="backslash before n"),
        pytest.param('\\"\n', r"\\\"\n", id="all three"),
        pytest.param("100 %s %% {}", "100 %s %% {}", id="what templates know"),
        pytest.param("a\r\t\0\u2028b", "a\r\t\0\u2028b", id="other control characters"),
    ],
)
def test_escaping(text: str, escaped: str) -> None:
    """Backslash, quote and line feed are escaped in every label value, and nothing else."""
    assert escape(text) == escaped
    running = job(name=text, subtasks=(SubTask("training", "InProgress", NOW, NOW),))
    lines = [line for line in samples_of(state_of(running, job("b", name=text, status="Failed"))) if "job_name" in line]
    assert len(lines) == 25
    assert [line for line in lines if f',job_name="{escaped}",' not in line] == []


# Several targets.

OTHER = Target("targets[1]", "eu-west-1", labels=(("team", "research"),))
LABELLED = Target("targets[0]", "us-east-1", labels=(("team", ""),))


@pytest.mark.parametrize("format_", list(Format), ids=["text", "openmetrics"])
def test_one_block_per_family(format_: Format) -> None:
    """However many targets there are, a family has one HELP, one TYPE and all its samples below."""
    states = [
        state_of(STUCK, target=LABELLED),
        state_of(STUCK, target=OTHER, account_id="444455556666"),
        state_of(job("b", status="Failed"), target=OTHER),
    ]
    names: list[str] = []
    for line in text_of(*states, format_=format_).splitlines():
        if line.startswith("# TYPE"):
            names.append(line.split()[2])
        elif not line.startswith("#"):
            name = line.partition("{")[0]
            assert name.removesuffix("_total").startswith(names[-1].removesuffix("_total"))
    assert len(names) == len(set(names)) == 22


def test_target_labels_are_uniform() -> None:
    """Every series has the labels of its target, in one place, also where their value is empty."""
    lines = samples_of(state_of(STUCK, target=LABELLED), state_of(STUCK, target=OTHER, account_id="444455556666"))
    own = [line for line in lines if f'{{{COMMON},team=""' in line]
    other = [line for line in lines if '{aws_account_id="444455556666",aws_region="eu-west-1",team="research"' in line]
    assert len(own) == len(other) > 50
    assert len(own) + len(other) == len(lines)


def test_two_targets_that_are_one() -> None:
    """Of two targets that are the same account and region the jobs are shown once, and the failures of both."""
    first = state_of(STUCK, failures={FailureReason.THROTTLED: 2}, malformed=1)
    second = state_of(
        STUCK,
        target=replace(TARGET, name="targets[1]"),
        failure=Failed(ACCOUNT, FailureReason.DUPLICATE_TARGET, "it is targets[0]"),
        failures={FailureReason.THROTTLED: 3, FailureReason.DUPLICATE_TARGET: 1},
        malformed=4,
    )
    page = text_of(first, second)
    expected = PAGE.replace("7260.000", "7200.000").replace("10860.000", "10800.000").replace("9060.000", "9000.000")
    for reason, count in (("throttled", 5), ("duplicate_target", 1)):
        expected = expected.replace(f'reason="{reason}"}} 0', f'reason="{reason}"}} {count}')
    expected = expected.replace(f"malformed_jobs_total{{{COMMON}}} 0", f"malformed_jobs_total{{{COMMON}}} 5")
    assert page == expected


def test_two_targets_that_are_one_with_labels_of_their_own() -> None:
    """Two targets that are one but for their labels both tell how they are, and the jobs are the first one's."""
    first = state_of(STUCK, target=LABELLED)
    second = state_of(STUCK, target=replace(LABELLED, labels=(("team", "research"),)), failure=FAILURE)
    lines = samples_of(first, second)
    assert [line for line in lines if line.startswith("bedrock_exporter_target_up")] == [
        f'bedrock_exporter_target_up{{{COMMON},team=""}} 1',
        f'bedrock_exporter_target_up{{{COMMON},team="research"}} 0',
    ]
    assert not [line for line in lines if line.startswith("bedrock_model") and "research" in line]


FAILURE = Failed(None, FailureReason.ACCESS_DENIED, "no")


@pytest.mark.parametrize(
    ("failures", "up"),
    [
        pytest.param((None, None), 1, id="both are up"),
        pytest.param((FAILURE, None), 0, id="the first is down"),
        pytest.param((None, FAILURE), 0, id="the second is down"),
    ],
)
def test_targets_whose_account_is_unknown(failures: Iterable[Failed | None], up: int) -> None:
    """Targets that can't be told apart yet are one series, which is up only if all of them are."""
    states = [
        TargetState(replace(TARGET, name=f"targets[{number}]"), last_walk=NOW, failure=failure)
        for number, failure in enumerate(failures)
    ]
    lines = [line for line in samples_of(*states) if line.startswith("bedrock_exporter_target_up")]
    assert lines == [f'bedrock_exporter_target_up{{aws_account_id="unknown",aws_region="us-east-1"}} {up}']


# What becomes of a target.


def of_target(state: TargetState) -> str:
    """The samples about the target, but for the failures that did not happen."""
    lines = [
        line.removeprefix("bedrock_exporter_target_")
        for line in samples_of(state)
        if line.startswith("bedrock_exporter_target_") and not (line.endswith(" 0") and "reason=" in line)
    ]
    return "\n".join(lines).replace(COMMON, "")


@pytest.mark.parametrize(
    ("state", "text", "jobs"),
    [
        pytest.param(
            TargetState(TARGET, ACCOUNT),
            """\
up{} 0
malformed_jobs_total{} 0""",
            False,
            id="before the first walk",
        ),
        pytest.param(
            TargetState(TARGET, ACCOUNT, failure=FAILURE, last_walk=NOW, failures={FailureReason.ACCESS_DENIED: 1}),
            """\
up{} 0
failure_info{,reason="access_denied"} 1
last_walk_timestamp_seconds{} 1790856000.0
walk_failures_total{,reason="access_denied"} 1
malformed_jobs_total{} 0""",
            False,
            id="never succeeded",
        ),
        pytest.param(
            state_of(STUCK, pages=3, malformed=2),
            """\
up{} 1
last_walk_timestamp_seconds{} 1790856000.0
last_success_timestamp_seconds{} 1790856000.0
walk_pages{} 3
walk_jobs{} 1
malformed_jobs_total{} 2
job_series_omitted{} 0""",
            True,
            id="good",
        ),
        pytest.param(
            state_of(STUCK, failure=FAILURE, last_success=NOW - 60, failures={FailureReason.ACCESS_DENIED: 1}),
            """\
up{} 0
failure_info{,reason="access_denied"} 1
last_walk_timestamp_seconds{} 1790856000.0
last_success_timestamp_seconds{} 1790855940.0
walk_pages{} 1
walk_jobs{} 1
walk_failures_total{,reason="access_denied"} 1
malformed_jobs_total{} 0
job_series_omitted{} 0""",
            True,
            id="failed, and the last good jobs stay",
        ),
        pytest.param(
            state_of(
                STUCK,
                failure=FAILURE,
                last_success=NOW - HOUR,
                failures={FailureReason.ACCESS_DENIED: 60},
                snapshot=None,
                rendered={},
            ),
            """\
up{} 0
failure_info{,reason="access_denied"} 1
last_walk_timestamp_seconds{} 1790856000.0
last_success_timestamp_seconds{} 1790852400.0
walk_pages{} 1
walk_jobs{} 1
walk_failures_total{,reason="access_denied"} 60
malformed_jobs_total{} 0
job_series_omitted{} 0""",
            False,
            id="stale, and the jobs go",
        ),
    ],
)
def test_target_state(state: TargetState, text: str, jobs: bool) -> None:
    """What a target tells of itself stays, whatever becomes of its jobs."""
    assert of_target(state) == text
    assert any(line.startswith("bedrock_model_customization_") for line in samples_of(state)) is jobs


def test_no_targets() -> None:
    """Without a target the page is what the process tells of itself."""
    assert compose((), Format.TEXT).body(NOW, b"tail\n") == b"tail\n"


# Whatever AWS sends.

ANY_TEXT = st.text(st.characters() | st.sampled_from('"\\\n\r%{}, #=\0\ud800'), max_size=12)
UTF8_TEXT = ANY_TEXT.map(lambda text: text.encode(errors="replace").decode())
ANY_TIME = st.none() | st.floats(NOW - 90 * DAY, NOW + DAY)
SUBTASK_TEXT = st.sampled_from(["NotStarted", "InProgress", "Completed"]) | ANY_TEXT
ANY_SUBTASK = st.fixed_dictionaries({"status": SUBTASK_TEXT, "creationTime": ANY_TIME, "lastModifiedTime": ANY_TIME})
ANY_SUMMARY = st.fixed_dictionaries(
    {
        "jobArn": (ANY_TEXT | st.just(PREFIX)).flatmap(lambda start: ANY_TEXT.map(lambda end: f"a{start}/{end}")),
        "jobName": ANY_TEXT.map(lambda text: text or "tone"),
        "status": st.sampled_from(["InProgress", "Completed", "Failed"]) | ANY_TEXT.map(lambda text: text or "Stopped"),
        "creationTime": st.floats(NOW - 90 * DAY, NOW + DAY),
    },
    optional={
        "customizationType": st.sampled_from(["FINE_TUNING", "IMPORTED"]) | ANY_TEXT,
        "baseModelArn": ANY_TEXT,
        "customModelName": ANY_TEXT,
        "lastModifiedTime": ANY_TIME,
        "endTime": ANY_TIME,
        "statusDetails": st.fixed_dictionaries(
            {}, optional={"validationDetails": ANY_SUBTASK, "trainingDetails": ANY_SUBTASK}
        ),
    },
)


@st.composite
def any_states(draw: st.DrawFn) -> list[TargetState]:
    """Up to four targets, some of them the same or unknown, some failed or stale, with jobs as AWS might send them."""
    states = []
    for number in range(draw(st.integers(0, 4))):
        labels = (("cost_center", draw(UTF8_TEXT)), ("team", draw(st.sampled_from(["", "research"]))))
        target = Target(f"targets[{number}]", draw(st.sampled_from(["us-east-1", "eu-west-1"])), labels=labels)
        jobs = {each.arn: each for each in map(parse_job, draw(st.lists(ANY_SUMMARY, max_size=4)))}
        changes: dict[str, Any] = draw(
            st.sampled_from(
                [{}, {"failure": FAILURE}, {"failure": FAILURE, "snapshot": None, "rendered": {}}, {"jobs": None}]
            )
        )
        states.append(
            state_of(
                *jobs.values(),
                target=target,
                account_id=draw(st.sampled_from([ACCOUNT, "444455556666", "unknown"])),
                max_jobs=draw(st.integers(0, 3)),
                failures=draw(st.dictionaries(st.sampled_from(FailureReason), st.integers(1, 9), max_size=2)),
                **changes,
            )
        )
    return states


Series = tuple[str, tuple[tuple[str, str], ...]]


def parsed(page: bytes, format_: Format) -> dict[Series, float]:
    """The series of a page as prometheus_client reads it; no series is there twice."""
    parse: Any = {
        Format.TEXT: text_string_to_metric_families,
        Format.OPENMETRICS: openmetrics_parser.text_string_to_metric_families,
    }[format_]
    series: dict[Series, float] = {}
    for family in parse(page.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in series
            series[key] = sample.value
    assert len(series) == sum(not line.startswith(b"#") for line in page.split(b"\n") if line)
    return series


class Oracle:
    """The same states as a prometheus_client collector, for its own renderer."""

    def __init__(self, states: Iterable[TargetState], now: float) -> None:
        self._states = tuple(states)
        self._now = now

    def collect(self) -> Iterator[core.Metric]:
        for family in FAMILIES:
            kind: Any = {
                "gauge": core.GaugeMetricFamily,
                "counter": core.CounterMetricFamily,
                "summary": core.SummaryMetricFamily,
            }[family.kind]
            metric = kind(family.name, family.help)
            for common, subject in self._subjects(family):
                for value, labels, suffix in family.samples(subject):
                    number = round(max(0.0, self._now - value[0]), 3) if isinstance(value, Since) else value
                    metric.add_sample(family.name + suffix, {**common, **labels}, number)
            yield metric

    def _subjects(self, family: Any) -> Iterator[tuple[dict[str, str], Any]]:
        for state in self._states:
            place = {"aws_account_id": state.account_id, "aws_region": state.target.region, **dict(state.target.labels)}
            if family in TARGET_FAMILIES:
                yield place, state
            elif state.snapshot is not None and family in SNAPSHOT_FAMILIES:
                yield place, state.snapshot
            elif state.snapshot is not None:
                for one in state.snapshot.job_series:
                    of_job = {"job_id": one.id, "job_name": one.name, "customization_type": one.customization_type}
                    yield {**place, **of_job}, JobSeries(one, state.snapshot)


NOWS = st.floats(NOW - 30 * DAY, NOW + 400 * DAY)
RENDERERS: dict[Format, Any] = {
    Format.TEXT: prometheus_client.generate_latest,
    Format.OPENMETRICS: openmetrics_exposition.generate_latest,
}
AS_SENT = {"jobArn": 'a/\ud800"\\\n', "jobName": "%s\r\0", "status": "\udfff", "creationTime": NOW}
NASTY = state_of(
    parse_job(AS_SENT),
    parse_job({**AS_SENT, "jobArn": "b/%d%%", "customizationType": "\u2028\x85\x1c"}),
    target=replace(TARGET, labels=(("cost_center", "50 %"), ("team", '"\\\n'))),
)


@pytest.mark.parametrize("format_", list(Format), ids=["text", "openmetrics"])
@settings(deadline=None, max_examples=35, suppress_health_check=[HealthCheck.too_slow])
@given(states=any_states(), now=NOWS)
@example(states=[NASTY], now=NOW)
def test_prometheus_client_agrees(format_: Format, states: list[TargetState], now: float) -> None:
    """A page of targets that differ gives prometheus_client the same series as prometheus_client's own page of them."""
    places = {(state.account_id, state.target.region): state for state in states}
    distinct = list(places.values())
    ours = parsed(compose(distinct, format_).body(now, END[format_]), format_)
    theirs = parsed(RENDERERS[format_](Oracle(distinct, now)), format_)
    assert ours == pytest.approx(theirs, rel=0, abs=0.0011)


@pytest.mark.parametrize("format_", list(Format), ids=["text", "openmetrics"])
@settings(deadline=None, max_examples=35, suppress_health_check=[HealthCheck.too_slow])
@given(states=any_states(), now=NOWS)
@example(states=[NASTY, NASTY], now=NOW)
def test_no_series_twice(format_: Format, states: list[TargetState], now: float) -> None:
    """Whatever the targets turn out to be, no two series of a page are equal, and none has lost its target's labels."""
    for _, labels in parsed(compose(states, format_).body(now, END[format_]), format_):
        assert {"aws_account_id", "aws_region", "cost_center", "team"} <= dict(labels).keys()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(states=any_states(), nows=st.lists(NOWS, min_size=1, max_size=4), tail=st.binary(max_size=40))
@example(states=[NASTY], nows=[NOW, NOW], tail=b"")
@example(states=[], nows=[NOW], tail=b"")
def test_gzip(states: list[TargetState], nows: list[float], tail: bytes) -> None:
    """The compressed page is one gzip member that holds the plain page, at any time and in any order."""
    page = compose(states, Format.TEXT)
    for now in nows:
        unpacker = zlib.decompressobj(wbits=31)
        assert unpacker.decompress(page.gzipped(now, tail)) + unpacker.flush() == page.body(now, tail)
        assert unpacker.eof
        assert unpacker.unused_data == b""


def test_gzip_of_a_large_page() -> None:
    """A page far larger than the compressor's window comes out as it went in, and much smaller."""
    page = compose([state_of(*(job(f"job-{number}") for number in range(2000)))], Format.TEXT)
    packed = page.gzipped(NOW + 7, b"tail\n")
    assert zlib.decompress(packed, wbits=31) == page.body(NOW + 7, b"tail\n")
    assert len(packed) * 10 < len(page.body(NOW + 7, b"tail\n"))


def test_page_fills_in_what_grows() -> None:
    """A page is its fixed part, then the template with the seconds since each time, then the tail."""
    page = Page(b"100%\n", b"a %.3f\nb%% %.3f\n", [NOW, NOW + 9])
    assert page.body(NOW + 1.5, b"end\n") == b"100%\na 1.500\nb% 0.000\nend\n"
    assert page.body(NOW + 10, b"") == b"100%\na 10.000\nb% 1.000\n"


def test_pages_are_composed_once() -> None:
    """A page is kept for as long as the states are the same tuple, one for each format."""
    cache = PageCache()
    states = (state_of(STUCK),)
    text, openmetrics = cache.page(states, Format.TEXT), cache.page(states, Format.OPENMETRICS)
    assert cache.page(states, Format.TEXT) is text
    assert cache.page(states, Format.OPENMETRICS) is openmetrics
    assert openmetrics is not text
    later = (state_of(STUCK),)
    assert later == states
    assert cache.page(later, Format.TEXT) is not text
    assert cache.page(later, Format.OPENMETRICS) is not openmetrics


def test_render_snapshot_knows_every_family() -> None:
    """A snapshot without jobs has a place for each family that is about jobs."""
    rendered = plain.render_snapshot(TARGET, ACCOUNT, snapshot_of())
    assert list(rendered) == [family.name for family in FAMILIES if family not in TARGET_FAMILIES]


# What the scraper asks for.


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        pytest.param(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus 2.42",
        ),
        pytest.param(
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus 2.5",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format.OPENMETRICS,
            id="Prometheus 3",
        ),
        pytest.param(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus 3 with native histograms",
        ),
        pytest.param("text/plain;version=0.0.4;q=0.3,*/*;q=0.2", Format.TEXT, id="Prometheus told to use text"),
        pytest.param(
            "application/openmetrics-text;version=0.0.1;q=0.2,text/plain;q=0.3", Format.TEXT, id="text rather"
        ),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT, id="browser"),
        pytest.param("*/*", Format.TEXT, id="curl"),
        pytest.param("", Format.TEXT, id="none"),
        pytest.param("application/openmetrics-text", Format.OPENMETRICS, id="any version"),
        pytest.param("APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=0.5", Format.OPENMETRICS, id="capitals, spaces"),
        pytest.param("application/openmetrics-text;version=2.0.0", Format.TEXT, id="a version that is not spoken"),
        pytest.param("application/openmetrics-text;q=0", Format.TEXT, id="refused"),
        pytest.param("application/openmetrics-text;q=0.5,text/plain;q=0.5", Format.OPENMETRICS, id="as gladly"),
        pytest.param("application/openmetrics-text;q=0.4,text/*;q=0.5", Format.TEXT, id="any text rather"),
        pytest.param("application/openmetrics-text;q=much", Format.TEXT, id="q is no number"),
        pytest.param("application/openmetrics-text;q=nan", Format.TEXT, id="q is nan"),
        pytest.param("application/openmetrics-text;q=", Format.TEXT, id="q is empty"),
        pytest.param(";;;,=,;q=1;q,\x00", Format.TEXT, id="nonsense"),
    ],
)
def test_negotiate(accept: str, format_: Format) -> None:
    """OpenMetrics is for those who name it at least as gladly as plain text, text is for all others."""
    assert negotiate(accept) is format_


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        pytest.param("gzip", True, id="Prometheus"),
        pytest.param("gzip, deflate, br, zstd", True, id="browser"),
        pytest.param("deflate, GZIP;q=0.5", True, id="capitals and q"),
        pytest.param("x-gzip", True, id="old name"),
        pytest.param("gzip;q=0.001", True, id="hardly"),
        pytest.param("gzip;q=0", False, id="refused"),
        pytest.param("br, gzip ; q=0.000", False, id="refused at length"),
        pytest.param("", False, id="none"),
        pytest.param("identity", False, id="plain"),
        pytest.param("deflate, br", False, id="others"),
        pytest.param("*", False, id="any, so plain will do"),
        pytest.param("gzipped", False, id="another word"),
        pytest.param(";q=1,,gz ip", False, id="nonsense"),
    ],
)
def test_accepts_gzip(accept_encoding: str, accepted: bool) -> None:
    """The page is compressed for those who ask for gzip and don't refuse it."""
    assert accepts_gzip(accept_encoding) is accepted


@settings(deadline=None)
@given(st.text() | st.text("gzip;q=0.1, */-text", max_size=40))
def test_any_header_is_understood(text: str) -> None:
    """Whatever a header holds, there is an answer to it."""
    assert negotiate(text) in Format
    assert accepts_gzip(text) in {True, False}
