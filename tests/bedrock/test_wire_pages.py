"""One job never harms another, and what is no page is a failure, never an empty list."""

import json
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from bedrock.summaries import DETAILS, EPOCH, LIST, SMALLEST, body, wire
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.bedrock.wire import JobPage, read_page
from exporter.errors import FailureReason, WalkError

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
