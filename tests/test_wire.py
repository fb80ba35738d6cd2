"""The service's JSON becomes pages and jobs, whatever it leaves out, and nothing that can't be read is guessed."""

import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.bedrock.wire import MalformedJobError, WirePage, parse_job, parse_page, parse_time
from exporter.model import FailureReason, Job, SubTask, WalkError

RECORDED = Path(__file__).parent / "data" / "recorded-job-summaries.json"
ARN = "arn:aws:bedrock:us-east-1:111122223333:model-customization-job/amazon.nova-lite-v1:0:300k/q4ad8z8tioq8"
NOON = 1_790_856_000.0  # 2026-10-01T12:00:00Z


def wire(**fields: Any) -> dict[str, Any]:
    """The smallest summary that is a job, with these fields added or replaced."""
    return {
        "jobArn": ARN,
        "jobName": "support-tone-7",
        "status": "InProgress",
        "creationTime": "2026-10-01T12:00:00Z",
        **fields,
    }


SMALLEST = Job(
    arn=ARN,
    name="support-tone-7",
    status="InProgress",
    customization_type="unknown",
    base_model="unknown",
    custom_model_name="",
    created=NOON,
    last_modified=None,
    end_time=None,
    subtasks=(),
)


def test_recorded_summaries() -> None:
    """Two summaries that the real service sent are read in full."""
    assert [parse_job(summary) for summary in json.loads(RECORDED.read_bytes())] == [
        Job(
            arn="arn:aws:bedrock:us-east-1:644160558196:model-customization-job/"
            "cohere.command-text-v14:7:4k/q4ad8z8tioq8",
            name="c7n-test-ab",
            status="InProgress",
            customization_type="FINE_TUNING",
            base_model="cohere.command-text-v14:7:4k",
            custom_model_name="c7n-test-ab",
            created=1707988077.356,
            last_modified=1707988106.657,
            end_time=None,
            subtasks=(),
        ),
        Job(
            arn="arn:aws:bedrock:us-east-1:644160558196:model-customization-job/"
            "cohere.command-text-v14:7:4k/eys9455tunxa",
            name="c7n-test-14",
            status="InProgress",
            customization_type="FINE_TUNING",
            base_model="cohere.command-text-v14:7:4k",
            custom_model_name="c7n-test-14",
            created=1707928053.963,
            last_modified=1707928490.108,
            end_time=None,
            subtasks=(),
        ),
    ]


def test_job_with_every_field() -> None:
    """Each field of a summary has its place in the job, and what the exporter doesn't know is passed over."""
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
    assert parse_job(summary) == Job(
        arn=ARN,
        name="support-tone-7",
        status="Failed",
        customization_type="DISTILLATION",
        base_model="amazon.nova-lite-v1:0:300k",
        custom_model_name="tone",
        created=NOON,
        last_modified=NOON + 300,
        end_time=NOON + 360,
        subtasks=(
            SubTask("validation", "Completed", NOON + 1, NOON + 180),
            SubTask("data_processing", "Failed", NOON + 181, None),
            SubTask("training", "NotStarted", None, None),
        ),
    )


def test_smallest_job() -> None:
    """Four fields are enough for a job."""
    assert parse_job(wire()) == SMALLEST


@pytest.mark.parametrize(
    "field",
    [
        "baseModelArn",
        "customizationType",
        "lastModifiedTime",
        "endTime",
        "customModelArn",
        "customModelName",
        "statusDetails",
    ],
)
def test_null_is_missing(field: str) -> None:
    """A field that is null says as little as one that is missing."""
    assert parse_job(wire(**{field: None})) == SMALLEST


@pytest.mark.parametrize("field", ["baseModelArn", "customizationType", "customModelName"])
def test_empty_text_is_missing(field: str) -> None:
    """An empty text says as little as none."""
    assert parse_job(wire(**{field: ""})) == SMALLEST


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({}, id="no sub-task"),
        pytest.param({"validationDetails": None, "dataProcessingDetails": None, "trainingDetails": None}, id="null"),
        pytest.param({"validationDetails": {}}, id="empty"),
        pytest.param({"trainingDetails": {"status": None, "creationTime": None}}, id="no status"),
        pytest.param({"trainingDetails": {"status": "", "creationTime": "2026-10-01T12:00:00Z"}}, id="empty status"),
    ],
)
def test_subtasks_that_say_nothing(details: Any) -> None:
    """A sub-task without a status is none."""
    assert parse_job(wire(statusDetails=details)) == SMALLEST


def test_a_subtask_that_has_not_started_has_no_start() -> None:
    """The time at which a waiting sub-task was entered into the list is no start of it."""
    entered = {"status": "NotStarted", "creationTime": "2026-10-01T12:00:00Z", "lastModifiedTime": NOON}
    job = parse_job(wire(statusDetails={"trainingDetails": entered}))
    assert job.subtasks == (SubTask("training", "NotStarted", None, NOON),)


@pytest.mark.parametrize(
    ("arn", "model"),
    [
        pytest.param("arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0:4k", "a.b-v1:0:4k", id="foundation model"),
        pytest.param("arn:aws-cn:bedrock:cn-north-1::foundation-model/a.b-v1", "a.b-v1", id="other partition"),
        pytest.param("arn:aws:bedrock:r:1:custom-model/a.b-v1:0/abcdef", "a.b-v1:0/abcdef", id="custom model"),
        pytest.param("a.b-v1:0", "a.b-v1:0", id="bare id"),
        pytest.param("arn:aws:bedrock:us-east-1::foundation-model/", "arn:aws:bedrock:us-east-1::foundation-model/"),
    ],
)
def test_base_model(arn: str, model: str) -> None:
    """The base model is the part of its ARN that names it."""
    assert parse_job(wire(baseModelArn=arn)).base_model == model


@pytest.mark.parametrize(
    ("arn", "id_"),
    [
        pytest.param(ARN, "q4ad8z8tioq8", id="normal"),
        pytest.param("arn:aws:bedrock:us-east-1:1:model-customization-job/q4ad8z8tioq8", "q4ad8z8tioq8", id="no model"),
        pytest.param("arn:aws-us-gov:bedrock:r:1:model-customization-job/m:7:4k/abc", "abc", id="other partition"),
        pytest.param("job-without-slash", "job-without-slash", id="no ARN"),
    ],
)
def test_job_id(arn: str, id_: str) -> None:
    """The id of a job is the last part of its ARN."""
    assert parse_job(wire(jobArn=arn)).id == id_


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-10-01T12:00:00Z", NOON),
        ("2026-10-01T12:00:00.5Z", NOON + 0.5),
        ("2026-10-01T12:00:00.25Z", NOON + 0.25),
        ("2026-10-01T12:00:00.125Z", NOON + 0.125),
        ("2026-10-01T12:00:00.0625Z", NOON + 0.0625),
        ("2026-10-01T12:00:00.03125Z", NOON + 0.03125),
        ("2026-10-01T12:00:00.015625Z", NOON + 0.015625),
        ("2026-10-01T12:00:00+00:00", NOON),
        ("2026-10-01T14:00:00.125+02:00", NOON + 0.125),
        ("2026-10-01T06:30:00-05:30", NOON),
        ("2026-10-01T12:00:00", NOON),
        ("2026-10-01 12:00:00", NOON),
        ("2026-10-01T12:00:00.125", NOON + 0.125),
        ("1970-01-01T00:00:00Z", 0.0),
        ("9999-12-31T23:59:59Z", 253402300799.0),
        (1_790_856_000, NOON),
        (1_790_856_000.125, NOON + 0.125),
        (0, 0.0),
        (None, None),
    ],
)
def test_time(value: str | float | None, seconds: float | None) -> None:
    """ISO 8601 with 0 to 6 fraction digits and any zone, none being UTC, and epoch numbers are times."""
    assert parse_time(value) == seconds


@pytest.mark.parametrize("value", [1_790_856_000, "2026-10-01T12:00:00Z"])
def test_times_are_floats(value: Any) -> None:
    """A time is a float, whatever AWS wrote."""
    assert isinstance(parse_time(value), float)


BAD_TIMES = [
    pytest.param("yesterday", "'yesterday' is no time", id="text"),
    pytest.param("", "'' is no time", id="empty text"),
    pytest.param("2026-13-01T00:00:00Z", "'2026-13-01T00:00:00Z' is no time", id="month 13"),
    pytest.param("2026-02-30T00:00:00Z", "'2026-02-30T00:00:00Z' is no time", id="30 February"),
    pytest.param("0000-01-01T00:00:00Z", "'0000-01-01T00:00:00Z' is no time", id="year 0"),
    pytest.param("10000-01-01T00:00:00Z", "'10000-01-01T00:00:00Z' is no time", id="year 10000"),
    pytest.param("0001-01-01T00:00:00+14:00", "'0001-01-01T00:00:00+14:00' is no time: out of range", id="year 1"),
    pytest.param(
        "9999-12-31T23:59:59-14:00", "'9999-12-31T23:59:59-14:00' is no time: out of range", id="year 10000 in UTC"
    ),
    pytest.param("1969-12-31T23:59:59Z", "'1969-12-31T23:59:59Z' is no time: out of range", id="before the epoch"),
    pytest.param("x" * 5_000_000, "'" + "x" * 39 + " is no time", id="very long"),
    pytest.param("\ud800", r"'\ud800' is no time", id="half a surrogate pair"),
    pytest.param(True, "True is no time", id="bool"),
    pytest.param([NOON], "[1790856000.0] is no time", id="list"),
    pytest.param({}, "{} is no time", id="object"),
    pytest.param(float("nan"), "nan is no time: out of range", id="NaN"),
    pytest.param(float("inf"), "inf is no time: out of range", id="Infinity"),
    pytest.param(float("-inf"), "-inf is no time: out of range", id="-Infinity"),
    pytest.param(-1, "-1 is no time: out of range", id="negative"),
    pytest.param(253_402_300_800, "253402300800 is no time: out of range", id="epoch of year 10000"),
    pytest.param(1_790_856_000_000, "1790856000000 is no time: out of range", id="milliseconds"),
    pytest.param(10**400, "1" + "0" * 39 + " is no time: out of range", id="huge int"),
]


@pytest.mark.parametrize(("value", "message"), BAD_TIMES)
def test_bad_time(value: Any, message: str) -> None:
    """What is no time is named, shortly."""
    with pytest.raises(ValueError, match="is no time") as caught:
        parse_time(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        pytest.param(None, "a job summary is None, not an object", id="null"),
        pytest.param("job", "a job summary is 'job', not an object", id="text"),
        pytest.param([1], "a job summary is [1], not an object", id="list"),
        pytest.param(["x" * 99], "a job summary is ['" + "x" * 78 + ", not an object", id="long list"),
        pytest.param({}, "job None: jobArn is None, not an ARN", id="empty object"),
        pytest.param(wire(jobArn=None), "job 'support-tone-7': jobArn is None, not an ARN", id="null ARN"),
        pytest.param(wire(jobArn=""), "job 'support-tone-7': jobArn is '', not an ARN", id="empty ARN"),
        pytest.param(wire(jobArn=7), "job 'support-tone-7': jobArn is 7, not an ARN", id="number as ARN"),
        pytest.param(wire(jobName=None), f"job {ARN}: jobName is missing", id="no name"),
        pytest.param(wire(jobName=""), f"job {ARN}: jobName is missing", id="empty name"),
        pytest.param(wire(jobName=["a"]), f"job {ARN}: jobName is ['a'], not text", id="list as name"),
        pytest.param(wire(status=None), f"job {ARN}: status is missing", id="no status"),
        pytest.param(wire(status=5), f"job {ARN}: status is 5, not text", id="number as status"),
        pytest.param(wire(customizationType=5), f"job {ARN}: customizationType is 5, not text", id="number as type"),
        pytest.param(wire(baseModelArn={}), f"job {ARN}: baseModelArn is {{}}, not text", id="object as base model"),
        pytest.param(wire(customModelName=False), f"job {ARN}: customModelName is False, not text", id="bool as model"),
        pytest.param(wire(creationTime=None), f"job {ARN}: creationTime is missing", id="no creation"),
        pytest.param(wire(creationTime="now"), f"job {ARN}: creationTime: 'now' is no time", id="bad creation"),
        pytest.param(wire(lastModifiedTime=-1), f"job {ARN}: lastModifiedTime: -1 is no time: out of range"),
        pytest.param(wire(endTime=True), f"job {ARN}: endTime: True is no time", id="bad end"),
        pytest.param(wire(statusDetails=[]), f"job {ARN}: statusDetails is [], not an object", id="list as details"),
        pytest.param(
            wire(statusDetails={"trainingDetails": "Completed"}),
            f"job {ARN}: trainingDetails is 'Completed', not an object",
            id="text as sub-task",
        ),
        pytest.param(
            wire(statusDetails={"validationDetails": {"status": 1}}),
            f"job {ARN}: validationDetails.status is 1, not text",
            id="number as sub-task status",
        ),
        pytest.param(
            wire(statusDetails={"dataProcessingDetails": {"status": "Completed", "creationTime": "soon"}}),
            f"job {ARN}: dataProcessingDetails.creationTime: 'soon' is no time",
            id="bad sub-task start",
        ),
        pytest.param(
            wire(statusDetails={"trainingDetails": {"status": "NotStarted", "creationTime": "soon"}}),
            f"job {ARN}: trainingDetails.creationTime: 'soon' is no time",
            id="bad start of one that has not started",
        ),
        pytest.param(
            wire(statusDetails={"trainingDetails": {"lastModifiedTime": []}}),
            f"job {ARN}: trainingDetails.lastModifiedTime: [] is no time",
            id="bad sub-task modification",
        ),
    ],
)
def test_malformed_job(summary: Any, message: str) -> None:
    """A summary that can't be read is refused with the job and the field at fault."""
    with pytest.raises(MalformedJobError) as caught:
        parse_job(summary)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(r"caf\u00e9", "café", id="accent"),
        pytest.param(r"\ud83d\ude00", "😀", id="pair"),
        pytest.param(r"a\ud83d", "a\ufffd", id="high half at the end"),
        pytest.param(r"\ud83db", "\ufffdb", id="high half"),
        pytest.param(r"\ude00b", "\ufffdb", id="low half"),
        pytest.param(r"\ude00\ud83d", "\ufffd\ufffd", id="halves in the wrong order"),
        pytest.param(r"\ufeffb\u0000", "\ufeffb\0", id="byte order mark and NUL"),
    ],
)
def test_half_a_surrogate_pair(sent: str, read: str) -> None:
    """JSON can spell text that UTF-8 can't carry; what can't be carried is replaced, all else is kept."""
    assert parse_job(json.loads(json.dumps(wire()).replace("support-tone-7", sent))).name == read


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ANY_TIME = (
    ANY_JSON
    | st.datetimes(timezones=st.none() | OFFSETS).map(lambda moment: moment.isoformat())
    | st.floats(0, 2e9)
    | st.text("0123456789-:TZ.+ ", max_size=30)
)
ANY_TEXT = ANY_JSON | st.text(st.characters(), min_size=1) | st.sampled_from(["InProgress", "Completed", "NotStarted"])
ANY_SUBTASK = st.fixed_dictionaries({}, optional={"status": ANY_TEXT, "creationTime": ANY_TIME}) | ANY_JSON
ANY_SUMMARY = ANY_JSON | st.fixed_dictionaries(
    {
        "jobArn": st.text(st.characters(), min_size=1) | ANY_JSON,
        "jobName": ANY_TEXT,
        "status": ANY_TEXT,
        "creationTime": st.just(NOON) | ANY_TIME,
    },
    optional={
        "baseModelArn": ANY_TEXT,
        "customizationType": ANY_TEXT,
        "customModelName": ANY_TEXT,
        "lastModifiedTime": ANY_TIME,
        "endTime": ANY_TIME,
        "statusDetails": ANY_JSON
        | st.fixed_dictionaries({}, optional={"validationDetails": ANY_SUBTASK, "trainingDetails": ANY_SUBTASK}),
    },
)


@settings(deadline=None)
@given(ANY_SUMMARY)
@example(wire(jobName="\ud800", status="\udfff", statusDetails={"trainingDetails": {"status": "\udbff"}}))
@example(wire(jobArn="\udfff/\ud800", creationTime="\ud800"))
def test_any_json_is_a_job_or_malformed(summary: Any) -> None:
    """Whatever JSON a summary is, it is a job whose texts and times can be published, or it is malformed."""
    try:
        job = parse_job(summary)
    except MalformedJobError as error:
        str(error).encode()
        return
    for text in (*job[:6], *(text for subtask in job.subtasks for text in subtask[:2])):
        text.encode()
    assert all((job.arn, job.name, job.status, job.customization_type, job.base_model))
    for moment in (*job[6:9], *(moment for subtask in job.subtasks for moment in subtask[2:])):
        assert moment is None or 0 <= moment < 253402300800


@pytest.mark.parametrize(
    ("body", "page"),
    [
        pytest.param('{"modelCustomizationJobSummaries": []}', ([], None), id="no jobs"),
        pytest.param('{"modelCustomizationJobSummaries": [], "nextToken": null}', ([], None), id="null token"),
        pytest.param('{"modelCustomizationJobSummaries": [], "nextToken": ""}', ([], None), id="empty token"),
        pytest.param('{"modelCustomizationJobSummaries": [], "nextToken": "a/b="}', ([], "a/b="), id="token"),
        pytest.param('{"modelCustomizationJobSummaries": [1, {}]}', ([1, {}], None), id="summaries as they are"),
        pytest.param('\ufeff{"modelCustomizationJobSummaries": []}', ([], None), id="byte order mark"),
    ],
)
def test_page(body: str, page: tuple[list[object], str | None]) -> None:
    """A page is its summaries, not yet looked at, and the token of the next one, if there is one."""
    read = parse_page(body.encode())
    assert (read.summaries(), read.next_token) == page


NOT_JSON = "a 200 whose body is not JSON ("
NO_LIST = "a 200 without the list modelCustomizationJobSummaries"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        pytest.param(b"", NOT_JSON, id="empty"),
        pytest.param(b"<html>Sign in to the proxy</html>", NOT_JSON, id="HTML"),
        pytest.param(b'{"modelCustomizationJobSummaries": [{"jobArn": "arn', NOT_JSON, id="truncated"),
        pytest.param(b'{"modelCustomizationJobSummaries": []}{}', NOT_JSON, id="more after the end"),
        pytest.param(b'{"modelCustomizationJobSummaries": ["\xff"]}', NOT_JSON, id="not UTF-8"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, NOT_JSON, id="deep nesting"),
        pytest.param(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, NOT_JSON, id="deep objects"),
        pytest.param(b"null", "a 200 whose JSON is not an object", id="null"),
        pytest.param(b'"text"', "a 200 whose JSON is not an object", id="string"),
        pytest.param(b"7", "a 200 whose JSON is not an object", id="number"),
        pytest.param(b"[]", "a 200 whose JSON is not an object", id="list"),
        pytest.param(b"{}", NO_LIST, id="empty object"),
        pytest.param(b'{"modelCustomizationJobSummaries": null}', NO_LIST, id="null list"),
        pytest.param(b'{"modelCustomizationJobSummaries": {}}', NO_LIST, id="object as list"),
        pytest.param(b'{"modelCustomizationJobSummaries": "none"}', NO_LIST, id="text as list"),
        pytest.param(b'{"Output": null}', NO_LIST, id="no Coral answer"),
        pytest.param(b'{"Output": {"__type": "com.amazon.coral.service#OtherException"}}', NO_LIST, id="other Coral"),
        pytest.param(b'{"modelCustomizationJobSummaries": [], "nextToken": 7}', "a nextToken that is not text"),
        pytest.param(b'{"modelCustomizationJobSummaries": [], "nextToken": false}', "a nextToken that is not text"),
        pytest.param(b'{"modelCustomizationJobSummaries": [], "nextToken": []}', "a nextToken that is not text"),
    ],
)
def test_no_page(body: bytes, what: str) -> None:
    """A 200 that is no page of the list is a failure that shows how the body begins, never an empty list."""
    with pytest.raises(WalkError) as caught:
        parse_page(body)
    assert caught.value.reason is FailureReason.MALFORMED_RESPONSE
    begin, _, end = caught.value.message.partition("; it begins ")
    assert begin.startswith(f"ListModelCustomizationJobs answered {what}")
    assert end == f"{body[:80]!r}; is a proxy or a wrong endpoint_url in between?"


def test_coral_unknown_operation() -> None:
    """The answer, with status 200, of an endpoint that lacks the operation means that the region lacks the feature."""
    body = (
        b'{"Output": {"__type": "com.amazon.coral.service#UnknownOperationException", "message": null}, "Version": 1}'
    )
    with pytest.raises(WalkError) as caught:
        parse_page(body)
    assert caught.value.reason is FailureReason.UNSUPPORTED_REGION
    assert caught.value.message == (
        "the endpoint does not know the operation ListModelCustomizationJobs: the region lacks the feature"
    )


def page_or_reason(body: bytes) -> WirePage | FailureReason:
    try:
        return parse_page(body)
    except WalkError as error:
        return error.reason


ANY_PAGE = ANY_JSON | st.fixed_dictionaries(
    {}, optional={"modelCustomizationJobSummaries": ANY_JSON, "nextToken": ANY_JSON, "Output": ANY_JSON}
)


@settings(deadline=None)
@given(st.binary() | ANY_PAGE.map(lambda page: json.dumps(page).encode()))
@example(b'{"modelCustomizationJobSummaries": [' + b"9" * 5000 + b"]}")
def test_any_bytes_are_a_page_or_a_failure(body: bytes) -> None:
    """Whatever a 200 carries, it is a page or one of two reasons."""
    outcome = page_or_reason(body)
    if isinstance(outcome, WirePage):
        assert type(outcome.summaries()) is list
        assert outcome.next_token != ""
    else:
        assert outcome in {FailureReason.MALFORMED_RESPONSE, FailureReason.UNSUPPORTED_REGION}
