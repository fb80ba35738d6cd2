"""A summary becomes a job, whatever it leaves out; what can't be read is counted and named, never guessed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bedrock.summaries import ARN, DETAILS, EPOCH, NOON, RECORDED, SMALLEST, body, read, wire

from exporter.bedrock.wire import read_page
from exporter.jobs.job import Job, StatusDetails, SubTask


def test_recorded_summaries() -> None:
    """Two summaries that the real service sent are read in full."""
    jobs = read_page(body(*json.loads(RECORDED.read_bytes()))).jobs
    assert [(job.id, job.job_name, job.base_model, job.created, job.last_modified, job.ended) for job in jobs] == [
        ("q4ad8z8tioq8", "c7n-test-ab", "cohere.command-text-v14:7:4k", 1707988077.356, 1707988106.657, None),
        ("eys9455tunxa", "c7n-test-14", "cohere.command-text-v14:7:4k", 1707928053.963, 1707928490.108, None),
    ]


def test_job_with_every_member() -> None:
    """Each member of a summary has its place in the job, and those that are new to the exporter are passed over."""
    summary = wire(
        status="Failed",
        baseModelArn="arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k",
        customizationType="DISTILLATION",
        lastModifiedTime="2026-10-01T12:05:00Z",
        endTime="2026-10-01T12:06:00Z",
        customModelArn="arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0/abcdefabcdef",
        customModelName="tone",
        statusDetails={
            "trainingDetails": {"status": "NotStarted"},
            "validationDetails": {
                "status": "Completed",
                "creationTime": "2026-10-01T12:00:01Z",
                "lastModifiedTime": "2026-10-01T12:03:00Z",
            },
            "dataProcessingDetails": {"status": "Failed", "creationTime": "2026-10-01T12:03:01Z"},
            "celebrationDetails": {"status": "Completed"},
        },
        somethingNew={"deep": [1, 2]},
    )
    assert read(summary) == Job(
        job_arn=ARN,
        job_name="tone-7",
        status="Failed",
        creation_time=NOON,
        base_model_arn="arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k",
        customization_type="DISTILLATION",
        last_modified_time=NOON + timedelta(minutes=5),
        end_time=NOON + timedelta(minutes=6),
        custom_model_name="tone",
        status_details=StatusDetails(
            validation_details=SubTask(
                status="Completed",
                creation_time=NOON + timedelta(seconds=1),
                last_modified_time=NOON + timedelta(minutes=3),
            ),
            data_processing_details=SubTask(status="Failed", creation_time=NOON + timedelta(seconds=181)),
            training_details=SubTask(status="NotStarted"),
        ),
    )


@pytest.mark.parametrize(
    "members",
    [
        {},
        dict.fromkeys(
            ["baseModelArn", "customizationType", "lastModifiedTime", "endTime", "customModelName", "statusDetails"]
        ),
        dict.fromkeys(["baseModelArn", "customizationType", "customModelName"], ""),
    ],
    ids=["missing", "null", "empty"],
)
def test_smallest_job(members: dict[str, Any]) -> None:
    """Four members are enough for a job; others that are null or empty text say as little as missing ones."""
    assert read(wire(**members)) == SMALLEST


@pytest.mark.parametrize(
    "details",
    [{}, {"validationDetails": None}, {"trainingDetails": {}}, {"trainingDetails": {"status": None, "endTime": 5}}],
    ids=str,
)
def test_subtasks_that_say_nothing(details: Any) -> None:
    """A sub-task without a status is none."""
    assert read(wire(statusDetails=details)).subtasks == ()


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-10-01T12:00:00Z", NOON),
        ("2026-10-01T12:00:00.1Z", NOON + timedelta(milliseconds=100)),
        ("2026-10-01T12:00:00.123Z", NOON + timedelta(milliseconds=123)),
        ("2026-10-01T12:00:00.123456Z", NOON + timedelta(microseconds=123456)),
        ("2026-10-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123457)),
        ("2026-10-01T14:00:00+02:00", NOON),
        ("2026-10-01T06:30:00-0530", NOON),
        ("2026-10-01 12:00:00", NOON),
        ("2026-10-01T12:00:00.5", NOON + timedelta(milliseconds=500)),
        ("2026-10-01T12:00", NOON),
        ("2026-10-01", NOON - timedelta(hours=12)),
        ("20261001T120000Z", NOON),
        ("1970-01-01T00:00:00Z", EPOCH),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (NOON.timestamp(), NOON),
        (1790856000, NOON),
        (1790856000.125, NOON + timedelta(milliseconds=125)),
        (0, EPOCH),
        (253402300799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_time(value: str | float, moment: datetime) -> None:
    """ISO 8601 with any fraction and any zone, none being UTC, and epoch numbers are times, wherever they stand."""
    details = {"trainingDetails": {"creationTime": value, "lastModifiedTime": value}}
    job = read(wire(creationTime=value, lastModifiedTime=value, endTime=value, statusDetails=details))
    part = SubTask(creation_time=moment, last_modified_time=moment)
    assert [job.creation_time, job.last_modified_time, job.end_time] == [moment] * 3
    assert job.status_details == StatusDetails(training_details=part)


PATHS = [
    *("creationTime", "lastModifiedTime", "endTime"),
    *(f"statusDetails.{part}.{name}" for part in DETAILS for name in ("creationTime", "lastModifiedTime")),
]
BAD_TIMES = [
    *("yesterday", "", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01"),
    *(True, [0], {}, -1, -0.5, 253402300800, 1790856000000, 10**400, 1e400, float("nan"), float("-inf")),
]


@pytest.mark.parametrize("value", BAD_TIMES, ids=lambda value: f"{value!r:.30}")
@pytest.mark.parametrize("path", PATHS)
def test_bad_time(value: Any, path: str) -> None:
    """What is not a time makes the job malformed, wherever it stands and however old the job is."""
    summary: dict[str, Any] = wire(status="Completed", endTime="2020-01-01T00:00:00Z")
    *parents, name = path.split(".")
    holder = summary
    for parent in parents:
        holder = holder.setdefault(parent, {})
    holder[name] = value
    page = read_page(body(summary).replace(b"Infinity", b"1e999"))
    assert (page.jobs, page.malformed) == ([], 1)
    assert page.complaints[0].startswith(f"job {ARN}: {path}: ")
    assert page.complaints[0].endswith(" is not a time from 1970 to 9999")
    assert len(page.complaints[0]) < 300


@pytest.mark.parametrize(
    ("summary", "complaint"),
    [
        pytest.param(None, "a job: None is not an object", id="null"),
        pytest.param(["x" * 99], "a job: ['" + "x" * 78 + " is not an object", id="long-list"),
        pytest.param({}, "a job: Object missing required field `jobArn`", id="empty"),
        pytest.param(wire(jobArn=None), "job tone-7: Object missing required field `jobArn`", id="null-ARN"),
        pytest.param(wire(jobArn=""), "job tone-7: Object missing required field `jobArn`", id="empty-ARN"),
        pytest.param(wire(jobArn=7), "job tone-7: jobArn: Expected `str`, got `int`", id="number-as-ARN"),
        pytest.param(wire(jobName=""), f"job {ARN}: Object missing required field `jobName`", id="empty-name"),
        pytest.param(wire(jobName=["a"]), f"job {ARN}: jobName: Expected `str`, got `array`", id="list-as-name"),
        pytest.param(wire(status=None), f"job {ARN}: Object missing required field `status`", id="null-status"),
        pytest.param(wire(creationTime=None), f"job {ARN}: Object missing required field `creationTime`", id="no-time"),
        pytest.param(wire(baseModelArn={}), f"job {ARN}: baseModelArn: Expected `str`, got `object`", id="model"),
        pytest.param(wire(endTime="soon"), f"job {ARN}: endTime: 'soon' is not a time from 1970 to 9999", id="end"),
        pytest.param(wire(statusDetails=5), f"job {ARN}: statusDetails: Expected `object | null`, got `int`", id="int"),
        pytest.param(
            wire(statusDetails={"trainingDetails": "Completed"}),
            f"job {ARN}: statusDetails.trainingDetails: Expected `object | null`, got `str`",
            id="text-as-sub-task",
        ),
        pytest.param(
            wire(statusDetails={"validationDetails": {"status": 1}}),
            f"job {ARN}: statusDetails.validationDetails.status: Expected `str`, got `int`",
            id="number-as-status-of-sub-task",
        ),
        pytest.param(wire(jobArn="a" * 1012), f"job {'a' * 200}: jobArn: Expected `str` of length <= 1011", id="ARN"),
        pytest.param(wire(jobName="n" * 257), f"job {ARN}: jobName: Expected `str` of length <= 256", id="long-name"),
        pytest.param(wire(status="s" * 65), f"job {ARN}: status: Expected `str` of length <= 64", id="long-status"),
    ],
)  # fmt: skip
def test_malformed_job(summary: Any, complaint: str) -> None:
    """A job that can't be read is left out, counted, and named with the member at fault; its neighbours are read."""
    page = read_page(body(wire(jobName="before"), summary, wire(jobName="after")))
    assert [job.job_name for job in page.jobs] == ["before", "after"]
    assert (page.malformed, page.complaints) == (1, (complaint,))


def test_complaints_are_bounded() -> None:
    """However many jobs can't be read, twenty are described and all are counted."""
    page = read_page(body(*[{}] * 30))
    assert (page.malformed, len(page.complaints)) == (30, 20)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        pytest.param(rb"caf\u00e9", "café", id="accent"),
        pytest.param(rb"\ud83d\ude00", "😀", id="pair"),
        pytest.param(rb"a\ud83d", "a\ufffd", id="high-half"),
        pytest.param(rb"\ude00\ud83d", "\ufffd\ufffd", id="halves-in-the-wrong-order"),
        pytest.param(b"a\xff", "a\ufffd", id="not-UTF-8"),
        pytest.param(b"a\xed\xa0\x80", "a\ufffd\ufffd\ufffd", id="half-in-UTF-8"),
        pytest.param(b"a\tb\x01", "a\tb\x01", id="control-characters"),
        pytest.param(rb"b\u0000\"\\", 'b\0"\\', id="escaped"),
    ],
)
def test_text(sent: bytes, name: str) -> None:
    """What UTF-8 can't carry is replaced, all else is kept."""
    page = read_page(body(wire()).replace(b"tone-7", sent))
    assert [job.job_name for job in page.jobs] == [name]
