"""The specification of the metrics: a job beside the exposition text that it must give."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jobs.make import ACCOUNT, DAY, HOUR, MINUTE, NOVA, NOW, PREFIX, at, completed, details, job, snapshot_of, subtask

from exporter.fleet.families import TARGET_FAMILIES
from exporter.jobs.details import NOTHING, DetailSettings, JobDetails, Known
from exporter.jobs.families import (
    DETAIL_FAMILIES,
    EXPORTER_PREFIX,
    JOB_FAMILIES,
    JOB_LABELS,
    JOBS_PREFIX,
    LABEL_NAMES,
    SNAPSHOT_FAMILIES,
    TARGET_LABELS,
    Family,
)
from exporter.jobs.job import Job
from exporter.jobs.page import Format, compose
from exporter.jobs.snapshot import Budget, Snapshot
from exporter.jobs.text import render_details, render_snapshot
from exporter.labels import Labels

EXAMPLE = Path(__file__).parents[1] / "data" / "exposition.txt"
LABELS: Labels = (("aws_account_id", ACCOUNT), ("aws_region", "us-east-1"))
COMMON = f'aws_account_id="{ACCOUNT}",aws_region="us-east-1"'
OF_JOB = ',job_id="q4ad8z8tioq8",job_name="tone-7",customization_type="FINE_TUNING"'


def page_of(snapshot: Snapshot, seconds: float, known: Known = NOTHING) -> str:
    """What a scrape shows of it so many seconds after NOW."""
    text = {**dict(render_snapshot(LABELS, snapshot)), **render_details(LABELS, snapshot, known)}
    return b"".join(compose((*SNAPSHOT_FAMILIES, *JOB_FAMILIES), [text], Format.TEXT, NOW + seconds)).decode()


# All families: whoever adds one finds its place here.


def example() -> Snapshot:
    """A job in training, one that waits for it, one that failed, and peers that are too old for series of their own."""
    validated = subtask("Completed", -2.75 * HOUR, -2.5 * HOUR)
    trains = details(validated, subtask("Completed", -2.5 * HOUR, -2 * HOUR), subtask("InProgress", -2 * HOUR, -HOUR))
    peers = [
        completed(
            str(hours), hours * HOUR, end=-20 * DAY, status_details=details(training=subtask("Completed", 0, hours))
        )
        for hours in range(1, 11)
    ]
    return snapshot_of(
        *peers,
        job(status_details=trains),
        job("eys9455tunxa", job_name="stuck", status_details=details(validated, None, subtask("NotStarted"))),
        job(
            "d3pfailed000",
            job_name="bad",
            status="Failed",
            base_model_arn="",
            custom_model_name="",
            end_time=at(-HOUR),
            status_details=details(validated),
        ),
        budget=Budget(retain=14 * DAY, max_jobs=1000, baseline_window=90 * DAY),
    )


KNOWN = Known(
    DetailSettings(enabled=True, hyperparameters=("epochCount",)),
    details={
        PREFIX + "q4ad8z8tioq8": JobDetails("", 0.75, (("0", 0.8), ("1", 0.9)), (("batchSize", 8), ("epochCount", 2))),
        PREFIX + "d3pfailed000": JobDetails("Unable to parse Amazon S3 file: a.jsonl."),
    },
)


def test_example() -> None:
    """This list gives this page, a minute after the walk."""
    assert page_of(example(), MINUTE, KNOWN) == EXAMPLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("status", "series"),
    [("Completed", 23), ("InProgress", 24)],
)
def test_series_of_a_job(status: str, series: int) -> None:
    """As many as README says: of a job that has completed, and of one whose training runs and has peers."""
    done = subtask("Completed", -3 * HOUR, -2 * HOUR)
    peers = [completed(str(n), HOUR, status_details=details(training=subtask("Completed", 0, HOUR))) for n in range(10)]
    ended = {"end_time": at(-HOUR)} if status == "Completed" else {}
    one = job(status=status, status_details=details(done, done, subtask(status, -2 * HOUR, -HOUR)), **ended)
    page = page_of(snapshot_of(one, *peers), 0)
    assert len(re.findall(r'^bedrock_\w+\{.*job_id="q4ad8z8tioq8"', page, re.MULTILINE)) == series


# One job, family by family.


def told(one: Job, *families: str, seconds: float, known: Known = NOTHING) -> list[str]:
    """The samples of these families of one job, without the prefix and the labels that all of them have."""
    lines = page_of(snapshot_of(one), seconds, known).splitlines()
    samples = []
    for family in families:
        start = f"{JOBS_PREFIX}{family}{{{COMMON}{OF_JOB}"
        own = [line.removeprefix(start).removeprefix(",") for line in lines if line.startswith(start)]
        samples += [(f"{family}{{{labels}").replace("{} ", " ") for labels in own]
    return samples


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        pytest.param(
            {}, f'job_arn="{PREFIX}q4ad8z8tioq8",base_model="{NOVA}",custom_model_name="tone"', id="all-known"
        ),
        pytest.param(
            {"base_model_arn": "", "custom_model_name": ""},
            f'job_arn="{PREFIX}q4ad8z8tioq8",base_model="unknown",custom_model_name=""',
            id="little-known",
        ),
    ],
)
def test_job_info(changes: Mapping[str, Any], labels: str) -> None:
    """What is fixed about a job stands in the labels of one series."""
    assert told(job(**changes), "job_info", seconds=0) == [f"job_info{{{labels}}} 1"]


def test_tags_are_labels_of_every_job() -> None:
    """The same labels on every job, empty where a tag is unset or not known yet."""
    settings = DetailSettings(tags=(("team", "tag_team"), ("cost-center", "tag_cost_center")))
    known = Known(settings, tags={PREFIX + "q4ad8z8tioq8": {"team": 'the "A"', "other": "x"}})

    asked = told(job(), "job_info", seconds=0, known=known)
    unasked = told(job("another"), "job_info", seconds=0, known=known)

    assert asked[0].startswith(r'job_info{tag_team="the \"A\"",tag_cost_center="",job_arn=')
    assert len(asked) == 1
    assert unasked == []  # `told` is about the first job
    assert 'tag_team="",tag_cost_center="",job_arn=' in page_of(snapshot_of(job("another")), 0, known)


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_only_a_failed_job_has_a_reason(status: str) -> None:
    """The reason is that of the configuration, else of the table; a job that was stopped has none."""
    message = JobDetails("The LICENSE server of KMS said no")
    known = {PREFIX + "q4ad8z8tioq8": message}
    own = DetailSettings(enabled=True, failure_reasons=(("license", "licence"),))

    for settings, reason in ((own, "licence"), (DetailSettings(enabled=True), "kms_access")):
        expected = [f'job_failure_info{{reason="{reason}"}} 1'] if status == "Failed" else []
        assert told(job(status=status), "job_failure_info", seconds=0, known=Known(settings, known)) == expected


@pytest.mark.parametrize(("status", "ones"), [("Stopping", "00010"), ("Completed", "01000"), ("Paused", "000001")])
def test_job_status(status: str, ones: str) -> None:
    """The current status is 1, also one that is new to us; the other known ones are 0."""
    names = ["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Paused"]
    expected = [f'job_status{{status="{name}"}} {one}' for name, one in zip(names, ones, strict=False)]
    assert told(job(status=status), "job_status", seconds=0) == expected


TIMES = (
    "job_created_timestamp_seconds",
    "job_last_modified_timestamp_seconds",
    "job_ended_timestamp_seconds",
    "job_time_since_last_modified_seconds",
    "job_duration_seconds",
)
MADE = ["job_created_timestamp_seconds 1790845200.0", "job_last_modified_timestamp_seconds 1790848800.0"]


@pytest.mark.parametrize(
    ("changes", "seconds", "lines"),
    [
        pytest.param(
            {},
            0.0625,
            [*MADE, "job_time_since_last_modified_seconds 7200.062", "job_duration_seconds 10800.062"],
            id="running",
        ),
        pytest.param(
            {},
            -DAY,
            [*MADE, "job_time_since_last_modified_seconds 0.000", "job_duration_seconds 0.000"],
            id="running-by-a-clock-that-is-behind",
        ),
        pytest.param(
            {"last_modified_time": None, "creation_time": at(-10799.875)},
            0,
            ["job_created_timestamp_seconds 1790845200.125", "job_duration_seconds 10799.875"],
            id="never-modified",
        ),
        pytest.param(
            {"status": "Completed", "end_time": at(-HOUR)},
            DAY,
            [
                *MADE,
                "job_ended_timestamp_seconds 1790852400.0",
                "job_time_since_last_modified_seconds 93600.000",
                "job_duration_seconds 7200.0",
            ],
            id="completed",
        ),
        pytest.param(
            {"status": "Failed"},
            DAY,
            [
                *MADE,
                "job_ended_timestamp_seconds 1790848800.0",
                "job_time_since_last_modified_seconds 93600.000",
                "job_duration_seconds 3600.0",
            ],
            id="failed-without-an-end",
        ),
        pytest.param({"status": "Stopped", "last_modified_time": None}, 0, MADE[:1], id="stopped-nobody-knows-when"),
        pytest.param(
            {"end_time": at(-HOUR)},
            0,
            [*MADE, "job_time_since_last_modified_seconds 7200.000", "job_duration_seconds 10800.000"],
            id="in-progress-with-an-end-as-in-moto",
        ),
        pytest.param(
            {"status": "Completed", "end_time": at(-4 * HOUR), "last_modified_time": None},
            0,
            [MADE[0], "job_ended_timestamp_seconds 1790841600.0", "job_duration_seconds 0.0"],
            id="ended-before-it-was-created",
        ),
    ],
)
def test_job_times(changes: Mapping[str, Any], seconds: float, lines: list[str]) -> None:
    """Ages and durations of what runs grow at the scrape, stop at the end, and are never below 0."""
    assert told(job(**changes), *TIMES, seconds=seconds) == lines


SUBTASK_FAMILIES = (
    "subtask_status",
    "subtask_started_timestamp_seconds",
    "subtask_last_modified_timestamp_seconds",
    "subtask_duration_seconds",
    "job_waiting_seconds",
)


@pytest.mark.parametrize(
    ("changes", "seconds", "lines"),
    [
        pytest.param({}, 0, [], id="none-known"),
        pytest.param(
            {"status_details": details(training=subtask("InProgress", -HOUR, -MINUTE))},
            1.5,
            [
                'subtask_status{subtask="training",status="InProgress"} 1',
                'subtask_started_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_last_modified_timestamp_seconds{subtask="training"} 1790855940.0',
                'subtask_duration_seconds{subtask="training"} 3601.500',
            ],
            id="one-runs",
        ),
        pytest.param(
            {"status_details": details(training=subtask("InProgress", -HOUR))},
            -DAY,
            [
                'subtask_status{subtask="training",status="InProgress"} 1',
                'subtask_started_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_duration_seconds{subtask="training"} 0.000',
            ],
            id="one-runs-by-a-clock-that-is-behind",
        ),
        pytest.param(
            {"status_details": details(subtask("Completed", -HOUR, -MINUTE), None, subtask("NotStarted", None, -HOUR))},
            30 * HOUR,
            [
                'subtask_status{subtask="validation",status="Completed"} 1',
                'subtask_status{subtask="training",status="NotStarted"} 1',
                'subtask_started_timestamp_seconds{subtask="validation"} 1790852400.0',
                'subtask_last_modified_timestamp_seconds{subtask="validation"} 1790855940.0',
                'subtask_last_modified_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_duration_seconds{subtask="validation"} 3540.0',
                "job_waiting_seconds 108060.000",
            ],
            id="stuck",
        ),
        pytest.param(
            {
                "status": "Stopped",
                "end_time": at(-MINUTE),
                "status_details": details(training=subtask("Stopping", -HOUR)),
            },
            DAY,
            [
                'subtask_status{subtask="training",status="Stopping"} 1',
                'subtask_started_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_duration_seconds{subtask="training"} 3540.0',
            ],
            id="still-stopping-in-a-job-that-has-stopped",
        ),
        pytest.param(
            {
                "status": "Failed",
                "last_modified_time": None,
                "status_details": details(training=subtask("InProgress", -HOUR, -MINUTE)),
            },
            DAY,
            [
                'subtask_status{subtask="training",status="InProgress"} 1',
                'subtask_started_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_last_modified_timestamp_seconds{subtask="training"} 1790855940.0',
            ],
            id="still-running-in-a-job-that-failed-nobody-knows-when",
        ),
        pytest.param(
            {"status_details": details(training=subtask("Rewinding", -MINUTE, -HOUR)), "status": "Stopping"},
            0,
            [
                'subtask_status{subtask="training",status="Rewinding"} 1',
                'subtask_started_timestamp_seconds{subtask="training"} 1790855940.0',
                'subtask_last_modified_timestamp_seconds{subtask="training"} 1790852400.0',
                'subtask_duration_seconds{subtask="training"} 0.0',
            ],
            id="new-to-us-and-modified-before-it-started",
        ),
    ],
)
def test_subtasks(changes: Mapping[str, Any], seconds: float, lines: list[str]) -> None:
    """A sub-task's duration is from its start to its end, grows while it runs, and is absent before."""
    assert told(job(**changes), *SUBTASK_FAMILIES, seconds=seconds) == lines


def test_expected_duration_of_what_runs() -> None:
    """Only a sub-task that runs has one, and peers that are folded into other give none."""
    lines = page_of(example(), 0).splitlines()
    expected = [line for line in lines if line.startswith(JOBS_PREFIX + "subtask_expected_duration_seconds{")]
    assert [re.findall('job_name="(.*?)".*subtask="(.*?)"', line) for line in expected] == [[("tone-7", "training")]]


# Rules for every family.

FAMILIES: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES, *TARGET_FAMILIES)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@each_family
def test_name(family: Family[Any]) -> None:
    """Counters, and only they, end with _total; times are in seconds; no name takes a suffix that has a meaning."""
    prefix = EXPORTER_PREFIX + "target_" if family in TARGET_FAMILIES else JOBS_PREFIX
    assert re.fullmatch(prefix + "[a-z]+(_[a-z]+)*", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert not re.search("_(count|sum|bucket|created|gauge|counter|summary|minutes|hours|days|ms)$", family.name)
    if re.search("duration|waiting|since|timestamp", family.name):
        assert family.name.endswith("_timestamp_seconds" if "timestamp" in family.name else "_seconds")


@each_family
def test_help(family: Family[Any]) -> None:
    """HELP says what it is, and then where it comes from and how old it is."""
    meaning, _, source = family.help.partition(". From ")
    assert len(meaning) > 15
    if family in TARGET_FAMILIES:
        assert re.fullmatch(r"the exporter(; as old as the last good walk)?\.", source)
    elif family in DETAIL_FAMILIES[1:]:
        assert source.startswith("GetModelCustomizationJob, so only with details.enabled; as old as the last call")
    else:
        assert source.startswith("ListModelCustomizationJobs; as old as the last good walk")


@each_family
def test_labels(family: Family[Any]) -> None:
    """Labels have plain names, none that Prometheus sets itself, none twice, and none that a target may have, too."""
    names = (*TARGET_LABELS, *(JOB_LABELS if family in JOB_FAMILIES else ()), *family.labels)
    assert len(set(names)) == len(names)
    assert not {"job", "instance", "region", "type", "quantile", "le"}.intersection(names)
    assert {"job", "instance", "quantile", "le", *names} <= LABEL_NAMES


@pytest.mark.parametrize("family", [*SNAPSHOT_FAMILIES, *JOB_FAMILIES], ids=lambda family: family.name)
def test_samples(family: Family[Any]) -> None:
    """The example has samples of the family; they have its labels, which tell them apart, and a summary quantiles."""
    labels = re.findall(rf"^{family.name}(_sum|_count|){{(.*)}} ", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(labels)) == len(labels) > 0
    names = [*TARGET_LABELS, *(JOB_LABELS if family in JOB_FAMILIES else ()), *family.labels]
    for suffix, own in labels:
        quantile = ["quantile"] if family.kind == "summary" and not suffix else []
        assert re.findall(r'(\w+)="', own) == names + quantile
