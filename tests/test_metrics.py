"""The table of metric families keeps the rules that Prometheus and the design set."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from plain import snapshot_of

from exporter.metrics import (
    EXPORTER_PREFIX,
    FAMILIES,
    JOB_FAMILIES,
    JOB_LABELS,
    JOBS_PREFIX,
    LABEL_NAMES,
    SNAPSHOT_FAMILIES,
    TARGET_FAMILIES,
    TARGET_LABELS,
    Family,
    JobSeries,
)
from exporter.model import (
    Budget,
    Failed,
    FailureReason,
    Job,
    Sample,
    Since,
    SubTask,
    Target,
    TargetState,
)

NOW = 1_790_856_000.0

DESIGN = [
    ("bedrock_model_customization_jobs", "gauge", ("status", "customization_type")),
    ("bedrock_model_customization_subtasks", "gauge", ("subtask", "status")),
    (
        "bedrock_model_customization_completed_job_duration_seconds",
        "summary",
        ("base_model", "customization_type"),
    ),
    ("bedrock_model_customization_job_info", "gauge", ("job_arn", "base_model", "custom_model_name")),
    ("bedrock_model_customization_job_status", "gauge", ("status",)),
    ("bedrock_model_customization_job_created_timestamp_seconds", "gauge", ()),
    ("bedrock_model_customization_job_last_modified_timestamp_seconds", "gauge", ()),
    ("bedrock_model_customization_job_ended_timestamp_seconds", "gauge", ()),
    ("bedrock_model_customization_job_time_since_last_modified_seconds", "gauge", ()),
    ("bedrock_model_customization_job_duration_seconds", "gauge", ()),
    ("bedrock_model_customization_job_expected_duration_seconds", "gauge", ()),
    ("bedrock_model_customization_job_waiting_seconds", "gauge", ()),
    ("bedrock_model_customization_subtask_status", "gauge", ("subtask", "status")),
    ("bedrock_model_customization_subtask_duration_seconds", "gauge", ("subtask",)),
    ("bedrock_model_customization_subtask_started_timestamp_seconds", "gauge", ("subtask",)),
    ("bedrock_model_customization_subtask_last_modified_timestamp_seconds", "gauge", ("subtask",)),
    ("bedrock_exporter_target_up", "gauge", ()),
    ("bedrock_exporter_target_failure_info", "gauge", ("reason",)),
    ("bedrock_exporter_target_last_walk_timestamp_seconds", "gauge", ()),
    ("bedrock_exporter_target_last_success_timestamp_seconds", "gauge", ()),
    ("bedrock_exporter_target_walk_pages", "gauge", ()),
    ("bedrock_exporter_target_walk_jobs", "gauge", ()),
    ("bedrock_exporter_target_walk_failures_total", "counter", ("reason",)),
    ("bedrock_exporter_target_malformed_jobs_total", "counter", ()),
    ("bedrock_exporter_target_job_series_omitted", "gauge", ()),
]
"""Every family of the design that needs no details, but for the ones of the process; and why a target is down."""

GROW = {
    "bedrock_model_customization_job_time_since_last_modified_seconds",
    "bedrock_model_customization_job_duration_seconds",
    "bedrock_model_customization_job_waiting_seconds",
    "bedrock_model_customization_subtask_duration_seconds",
}

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def test_families_are_those_of_the_design() -> None:
    """The table has the families of the design, each with its type and its labels, and no other."""
    assert sorted((family.name, family.kind, family.labels) for family in FAMILIES) == sorted(DESIGN)


def test_families_that_grow() -> None:
    """Ages and durations grow at the scrape, and nothing else does."""
    assert {family.name for family in FAMILIES if family.grows} == GROW


@pytest.mark.parametrize(
    ("families", "prefix"),
    [
        pytest.param(SNAPSHOT_FAMILIES, JOBS_PREFIX, id="all jobs"),
        pytest.param(JOB_FAMILIES, JOBS_PREFIX, id="one job"),
        pytest.param(TARGET_FAMILIES, EXPORTER_PREFIX + "target_", id="targets"),
    ],
)
def test_prefix(families: tuple[Family[Any], ...], prefix: str) -> None:
    """What is about jobs and what is about targets can be told by the name."""
    assert [family.name for family in families if not re.fullmatch(prefix + "[a-z]+(_[a-z]+)*", family.name)] == []


@each_family
def test_name(family: Family[Any]) -> None:
    """Counters, and only they, end with _total; times are in seconds; no name takes a suffix that has a meaning."""
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert not re.search(
        r"_(count|sum|bucket|created|gauge|counter|summary|minutes|hours|days|ms|milliseconds)$", family.name
    )
    if re.search("duration|waiting|since|timestamp", family.name):
        assert family.name.endswith("_seconds")
    if "timestamp" in family.name:
        assert family.name.endswith("_timestamp_seconds")


@each_family
def test_help(family: Family[Any]) -> None:
    """HELP says what it is, and then where it comes from and how old it is."""
    meaning, _, source = family.help.partition(". From ")
    assert len(meaning) > 15
    assert source in {
        "ListModelCustomizationJobs; as old as the last good walk.",
        "ListModelCustomizationJobs; as old as the last good walk, the time filled in at the scrape.",
        "the exporter.",
        "the exporter; as old as the last good walk.",
    }
    assert source.endswith("filled in at the scrape.") == family.grows


@each_family
def test_labels(family: Family[Any]) -> None:
    """Labels have plain names, none that Prometheus sets itself, and none twice."""
    common = (*TARGET_LABELS, *(JOB_LABELS if family in JOB_FAMILIES else ()))
    assert len({*common, *family.labels}) == len(common) + len(family.labels)
    for label in (*common, *family.labels):
        assert re.fullmatch("[a-z]+(_[a-z]+)*", label)
        assert label not in {"job", "instance", "region", "type", "quantile", "le"}


@pytest.mark.parametrize(
    "label",
    ["aws_account_id", "aws_region", "job_id", "job_arn", "status", "reason", "quantile", "le", "job", "instance"],
)
def test_labels_that_a_target_cannot_have(label: str) -> None:
    """A target's own label can't take the name of another."""
    assert label in LABEL_NAMES


def jobs() -> Iterator[Job]:
    """Jobs in every state, with every combination of what may be missing."""
    statuses = ("InProgress", "Stopping", "Completed", "Failed", "Stopped", "Paused")
    trainings = ("NotStarted", "InProgress", "Completed", "Rewinding")
    for number, (status, training, last, end) in enumerate(
        product(statuses, trainings, (None, NOW - 60), (None, NOW - 30))
    ):
        yield Job(
            arn=f"arn:aws:bedrock:us-east-1:111122223333:model-customization-job/m/{number}",
            name=f"job-{number}",
            status=status,
            customization_type="FINE_TUNING",
            base_model="m",
            custom_model_name="",
            created=NOW - 7200,
            last_modified=last,
            end_time=end,
            subtasks=(
                SubTask("validation", "Completed", NOW - 3600, last),
                SubTask("training", training, None if training == "NotStarted" else NOW - 1800, last),
            ),
        )


def samples(family: Family[Any]) -> list[list[Sample]]:
    """The samples that a family gives, for each of many things that it can be about."""
    snapshot = snapshot_of(jobs(), Budget(retain=1e6, max_jobs=1000, baseline_window=1e6), NOW)
    target = Target("targets[0]", "us-east-1")
    failure = Failed(None, FailureReason.TIMEOUT, "too slow")
    subjects: list[Any]
    if family in SNAPSHOT_FAMILIES:
        subjects = [snapshot]
    elif family in JOB_FAMILIES:
        subjects = [JobSeries(job, snapshot) for job in snapshot.job_series]
    else:
        good = TargetState(target, last_walk=NOW, last_success=NOW, pages=1, jobs=9, omitted=2, snapshot=snapshot)
        bad = TargetState(target, failure=failure, last_walk=NOW, failures={FailureReason.TIMEOUT: 3}, malformed=2)
        subjects = [TargetState(target), good, bad]
    return [list(family.samples(subject)) for subject in subjects]


@each_family
def test_samples_have_the_labels_of_their_family(family: Family[Any]) -> None:
    """A sample has the labels that its family declares, no more and no less, but for the quantile of a summary."""
    found = [sample for group in samples(family) for sample in group]
    assert found
    for sample in found:
        quantile = {"quantile"} if family.kind == "summary" and not sample.suffix else set()
        assert sample.labels.keys() == {*family.labels, *quantile}
        assert sample.suffix in ({"", "_sum", "_count"} if family.kind == "summary" else {""})


@each_family
def test_samples_grow_only_where_the_family_does(family: Family[Any]) -> None:
    """A family that grows has samples that do, and no other has."""
    assert any(isinstance(sample.value, Since) for group in samples(family) for sample in group) == family.grows


@each_family
def test_samples_differ(family: Family[Any]) -> None:
    """No two samples about the same thing have the same labels."""
    for group in samples(family):
        keys = [(sample.suffix, *sorted(sample.labels.items())) for sample in group]
        assert len(keys) == len(set(keys))


def test_every_failure_reason_is_counted_from_zero() -> None:
    """Each reason has a series before it happens, so that the first failure is an increase."""
    family = next(family for family in TARGET_FAMILIES if family.name.endswith("walk_failures_total"))
    assert [(sample.labels["reason"], sample.value) for sample in samples(family)[0]] == [
        ("throttled", 0),
        ("access_denied", 0),
        ("assume_role_denied", 0),
        ("credentials", 0),
        ("unsupported_region", 0),
        ("timeout", 0),
        ("network", 0),
        ("server_error", 0),
        ("malformed_response", 0),
        ("runaway_pagination", 0),
        ("duplicate_target", 0),
        ("internal", 0),
    ]
