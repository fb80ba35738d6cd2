"""The body of a page becomes jobs, whatever it leaves out; what can't be read is counted and named, never guessed."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.bedrock.wire import JobPage, read_page
from exporter.errors import FailureReason, WalkError
from exporter.jobs.job import Job, StatusDetails, SubTask

RECORDED = Path(__file__).parents[1] / "data" / "recorded-job-summaries.json"
ARN = "arn:aws:bedrock:us-east-1:111122223333:model-customization-job/amazon.nova-lite-v1:0:300k/q4ad8z8tioq8"
EPOCH = datetime.fromtimestamp(0, UTC)
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LIST = "modelCustomizationJobSummaries"


def wire(**members: Any) -> dict[str, Any]:
    """The smallest summary that is a job, with these members added or replaced."""
    smallest = {"jobArn": ARN, "jobName": "tone-7", "status": "InProgress", "creationTime": "2026-10-01T12:00:00Z"}
    return smallest | members


def body(*summaries: object, **members: object) -> bytes:
    return json.dumps({LIST: summaries} | members).encode()


def read(summary: object) -> Job:
    """The job that a summary is, alone on its page."""
    page = read_page(body(summary))
    assert (page.malformed, page.complaints) == (0, ())
    return page.jobs[0]


SMALLEST = Job(job_arn=ARN, job_name="tone-7", status="InProgress", creation_time=NOON)


# Jobs


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


DETAILS = ("validationDetails", "dataProcessingDetails", "trainingDetails")
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


# One job never harms another, nor does it matter how a page is read

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
WORD = st.sampled_from(["InProgress", "Completed", "Failed", "NotStarted", "Rewinding"])
ZONE = st.sampled_from([UTC, timezone(timedelta(hours=-9))])
ISO = st.integers(0, 10**16).flatmap(
    lambda microseconds: ZONE.map(
        lambda zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone).isoformat()
    )
)
PART = st.fixed_dictionaries(
    {"status": WORD}, optional={"creationTime": ISO, "lastModifiedTime": ISO, "endTime": TEXT, "attempts": TEXT}
)
GOOD = st.fixed_dictionaries(
    {"jobArn": TEXT.map("arn/{}".format), "jobName": TEXT, "status": WORD | TEXT, "creationTime": ISO},
    optional={
        "customizationType": TEXT,
        "baseModelArn": TEXT,
        "customModelName": TEXT,
        "customModelArn": TEXT,
        "lastModifiedTime": ISO,
        "endTime": ISO,
        "statusDetails": st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(DETAILS, PART),
                "deploymentDetails": TEXT | st.fixed_dictionaries({"creationTime": TEXT}),
            },
        ),
        "J": TEXT,
    },
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
WILD_TIME = ISO | ANY_JSON | st.floats(0, 2e9) | st.text("0123456789-:TZ.+ ", max_size=30)
WILD_PART = st.fixed_dictionaries({}, optional={"status": WORD | ANY_JSON, "creationTime": WILD_TIME}) | ANY_JSON
WILD = ANY_JSON | st.builds(
    lambda good, bad: good | bad,
    GOOD,
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("jobArn", "jobName", "status", "customizationType", "baseModelArn"), ANY_JSON),
            **dict.fromkeys(("creationTime", "lastModifiedTime", "endTime"), WILD_TIME),
            "statusDetails": ANY_JSON | st.fixed_dictionaries({}, optional={"trainingDetails": WILD_PART}),
        },
    ),
)


@given(st.lists(GOOD, max_size=4), st.booleans())
@example([wire(statusDetails={"trainingDetails": {"status": "Completed", "endTime": "soon"}})], True)
@example([wire(statusDetails={"deploymentDetails": {"creationTime": "soon"}})], True)
def test_both_ways_come_to_the_same(summaries: list[dict[str, Any]], escaped: bool) -> None:
    """A page of good jobs is read the same straight and, because of what stands beside them, job by job."""
    text = json.dumps({LIST: summaries}, ensure_ascii=escaped)
    straight = read_page(text.encode())
    beside_a_bad_one = read_page(json.dumps({LIST: [*summaries, {}]}, ensure_ascii=escaped).encode())
    with_an_escape = read_page(text.replace(LIST, LIST.replace("J", r"\u004a")).encode())
    assert straight == with_an_escape == JobPage(beside_a_bad_one.jobs, None)
    assert len(straight.jobs) == len(summaries)


@given(st.lists(GOOD | WILD, min_size=1, max_size=5))
@example([wire(jobName="\ud800", status="\udfff", statusDetails={"trainingDetails": {"status": "\udbff"}})])
@example([wire(jobArn="\udfff/\ud800", creationTime="\ud800"), wire()])
def test_jobs_do_not_depend_on_their_neighbours(summaries: list[Any]) -> None:
    """Whatever JSON the summaries are, a page comes to what its summaries come to one by one."""
    alone = [read_page(body(summary)) for summary in summaries]
    together = read_page(body(*summaries))
    assert list(together.jobs) == [job for page in alone for job in page.jobs]
    assert together.complaints == tuple(complaint for page in alone for complaint in page.complaints)
    assert len(together.jobs) + together.malformed == len(summaries)


@given(WILD)
def test_whatever_is_read_can_be_published(summary: Any) -> None:
    """A job has its texts, which UTF-8 can carry, and times from 1970 to 9999; a complaint can be logged."""
    page = read_page(body(summary))
    for complaint in page.complaints:
        complaint.encode()
    for job in page.jobs:
        parts = [part for _, part in job.subtasks]
        texts = (job.job_arn, job.job_name, job.status, job.customization_type, job.base_model)
        assert all(texts)
        "".join((*texts, job.custom_model_name, *(part.status for part in parts))).encode()
        times = (job.created, job.last_modified, job.ended, *(part.started for part in parts))
        assert all(moment is None or 0 <= moment < 253402300800 for moment in times)


# Pages


@pytest.mark.parametrize(
    ("text", "token"),
    [
        pytest.param(f'{{"{LIST}": []}}', None, id="none"),
        pytest.param(f'{{"{LIST}": [], "nextToken": null}}', None, id="null"),
        pytest.param(f'{{"{LIST}": [], "nextToken": ""}}', None, id="empty"),
        pytest.param(f'{{"nextToken": "a/b=", "{LIST}": []}}', "a/b=", id="first"),
        pytest.param(f'{{"{LIST}": [], "nextToken": "J\\u0062"}}', "Jb", id="escaped"),
        pytest.param(f'\ufeff{{"{LIST}": [], "nextToken": "J"}}', "J", id="byte-order-mark"),
        pytest.param(f'{{"{LIST}": [], "nextToken": "modelCustomizationJobSummaries"}}', LIST, id="like-the-list"),
        pytest.param(f'{{"nextToken": "\\u0061", "nextToken": "b", "{LIST}": []}}', "b", id="twice"),
    ],
)
def test_token(text: str, token: str | None) -> None:
    """A page has the token of the next one, if there is one."""
    assert read_page(text.encode()) == JobPage([], token)


NOT_JSON = "a 200 whose body is not JSON ("
TOO_MUCH = "a 200 with far more in it than a page of jobs"
NO_LIST = "a 200 without the list modelCustomizationJobSummaries"
TWICE = "a 200 with the list modelCustomizationJobSummaries twice"


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        pytest.param(b"", NOT_JSON, id="empty"),
        pytest.param(b"<html>Sign in to the proxy</html>", NOT_JSON, id="HTML"),
        pytest.param(b'{"modelCustomizationJobSummaries": [{"jobArn": "arn', NOT_JSON, id="truncated"),
        pytest.param(b'{"modelCustomizationJobSummaries": []}{}', NOT_JSON, id="more-after-the-end"),
        pytest.param(b"[" * 40_000 + b"]" * 40_000, NOT_JSON, id="deep-nesting"),
        pytest.param(b'{"a":' * 40_000 + b"1" + b"}" * 40_000, NOT_JSON, id="deep-objects"),
        pytest.param(b"null", "a 200 whose JSON is not an object", id="null"),
        pytest.param(b"9" * 5000, "a 200 whose JSON is not an object", id="long-number"),
        pytest.param(b"[]", "a 200 whose JSON is not an object", id="list"),
        pytest.param(b"{}", NO_LIST, id="empty-object"),
        pytest.param(b'{"modelCustomizationJobSummaries": null}', NO_LIST, id="null-list"),
        pytest.param(b'{"modelCustomizationJobSummaries": {}}', NO_LIST, id="object-as-list"),
        pytest.param(b'{"Output": null}', NO_LIST, id="no-Coral-answer"),
        pytest.param(b'{"Output": {"__type": "com.amazon.coral.service#OtherException"}}', NO_LIST, id="other-Coral"),
        pytest.param(body(nextToken=7), "a nextToken that is not text", id="number-as-token"),
        pytest.param(body(nextToken=[]), "a nextToken that is not text", id="list-as-token"),
        pytest.param(body(*[wire()] * 1001), "a 200 with 1001 jobs, where 1000 are the most", id="too-many-jobs"),
        pytest.param(body(*[{}] * 1001), "a 200 with 1001 jobs, where 1000 are the most", id="too-many-bad-jobs"),
        pytest.param(body([0] * 50_000), TOO_MUCH, id="too-many-numbers"),
        pytest.param(b"[" * 50_001, TOO_MUCH, id="too-many-lists"),
        pytest.param(b"{" * 50_001, TOO_MUCH, id="too-many-objects"),
        pytest.param(b'{"%b":[],"%b":[]}' % ((LIST.encode(),) * 2), TWICE, id="list-twice"),
        pytest.param(b'{"%b":[],"model\\u0043ustomizationJobSummaries":[]}' % LIST.encode(), TWICE, id="one-escaped"),
        pytest.param(body(wire())[:-1] + b',"%b": null}' % LIST.encode(), TWICE, id="list-and-null"),
    ],
)
def test_no_page(sent: bytes, what: str) -> None:
    """A 200 that is not a page of the list is a failure that shows how the body begins, never an empty list."""
    with pytest.raises(WalkError) as caught:
        read_page(sent)
    assert caught.value.reason is FailureReason.MALFORMED_RESPONSE
    begin, _, end = caught.value.message.partition("; it begins ")
    assert begin.startswith(f"ListModelCustomizationJobs answered {what}")
    assert end == f"{sent[:80]!r}; is a proxy or a wrong endpoint_url in between?"


def test_a_full_page() -> None:
    """The service's largest page has a thousand jobs."""
    assert len(read_page(body(*[wire()] * 1000)).jobs) == 1000


def test_a_list_within_a_job_is_not_the_list() -> None:
    """Only the list of the page counts, whatever an unknown member of a job holds."""
    inner = f'{{"{LIST}": 1, "{LIST}": 2}}'
    text = json.dumps({LIST: [wire(new=0)]}).replace('"new": 0', f'"new": {inner}')
    assert read_page(text.encode()) == JobPage([SMALLEST], None)


def test_coral_unknown_operation() -> None:
    """The answer, with status 200, of an endpoint that lacks the operation means that the region lacks the feature."""
    sent = (
        b'{"Output": {"__type": "com.amazon.coral.service#UnknownOperationException", "message": null}, "Version": 1}'
    )
    with pytest.raises(WalkError) as caught:
        read_page(sent)
    assert caught.value.reason is FailureReason.UNSUPPORTED_REGION
    assert caught.value.message == (
        "the endpoint does not know the operation ListModelCustomizationJobs: the region lacks the feature"
    )


ANY_PAGE = ANY_JSON | st.fixed_dictionaries({}, optional=dict.fromkeys((LIST, "nextToken", "Output"), ANY_JSON))


@given(st.binary() | ANY_PAGE.map(lambda page: json.dumps(page).encode()), st.binary(max_size=3), st.integers(0, 50))
@example(b'{"modelCustomizationJobSummaries": [' + b"9" * 5000 + b"]}", b"", 0)
def test_any_bytes_are_a_page_or_a_failure(sent: bytes, put_in: bytes, place: int) -> None:
    """Whatever a 200 carries, also with a few bytes put in, it is a page or one of two reasons."""
    reason: FailureReason | None = None
    try:
        page = read_page(sent[:place] + put_in + sent[place:])
    except WalkError as error:
        reason = error.reason
        error.message.encode()
    else:
        assert page.next_token != ""
    assert reason in {FailureReason.MALFORMED_RESPONSE, FailureReason.UNSUPPORTED_REGION, None}
