"""A target's list is read page by page, or the walk fails for a reason: real boto3, real HTTP."""

import json
import math
import socket
from dataclasses import replace
from datetime import datetime
from typing import Any

import faults
import pytest
from bedrock.scene import ASKING, EPOCH, IN_ROLE, LIST, TARGET, WHO_AM_I, Aws, failure, lent, names, reason, walk
from botocore.exceptions import ClientError
from faults import ACCOUNT, HTML, OTHER, Service, body_of, error, job, page

from exporter.bedrock import clients, pages
from exporter.errors import FailureReason
from exporter.simulator import Request, Respond, Response, Server, World, serve
from exporter.targets.target import JobFilter


def test_pages_of_a_thousand_by_creation_time(aws: Aws) -> None:
    """A walk asks for pages of 1,000 by creation time ascending, goes by the tokens, and yields every page."""
    service = Service(page(job(1), job(2), token="one"), page(job(3), token="two"), page(job(4)))
    assert names(walk(aws.reader(service))) == ["job-1", "job-2", "job-3", "job-4"]
    asked = {"maxResults": "1000", "sortBy": "CreationTime", "sortOrder": "Ascending"}
    tokens: tuple[dict[str, str], ...] = ({}, {"nextToken": "one"}, {"nextToken": "two"})
    assert [request.query for request in service.seen] == [asked | token for token in tokens]


@pytest.mark.parametrize("size", [1000, 7])
def test_every_job_of_the_simulator(monkeypatch: pytest.MonkeyPatch, aws: Aws, size: int) -> None:
    """Whatever the page size, the pages hold every job of the simulator once, oldest first."""
    monkeypatch.setattr(pages, "PAGE_SIZE", size)
    world = World.demo(EPOCH)
    expected = [job.name for job in world.jobs(ACCOUNT, "us-east-1", EPOCH)]
    with serve(world, now=lambda: EPOCH) as simulator:
        read = walk(aws.reader(simulator.url))
    assert (names(read), len(read)) == (expected, math.ceil(len(expected) / size))


@pytest.mark.parametrize(
    ("job_filter", "contains", "after"),
    [
        (JobFilter(), None, None),
        (JobFilter(name_contains="prod-"), "prod-", None),
        (JobFilter(created_after=EPOCH), None, EPOCH),
        (JobFilter("prod-", created_within=60), "prod-", EPOCH - 60),
    ],
    ids=str,
)
def test_filters(aws: Aws, job_filter: JobFilter, contains: str | None, after: float | None) -> None:
    """A target's filter goes to AWS with every page; one that reaches back from now moves on with each walk."""
    service = Service(page(token="more"), page(), page())
    reader = aws.reader(service, replace(TARGET, job_filter=job_filter))
    walk(reader)
    walk(reader, now=EPOCH + 3600)
    moves = 3600 if job_filter.created_within else 0
    for request, moved in zip(service.seen, (0, 0, moves), strict=True):
        times = [datetime.fromisoformat(text).timestamp() for text in [request.query.get("creationTimeAfter")] if text]
        assert request.query.get("nameContains") == contains
        assert times == ([] if after is None else [after + moved])


@pytest.mark.parametrize(("tokens", "requests"), [("aa", 2), ("aba", 3), ("abcb", 4)])
def test_token_loops(aws: Aws, tokens: str, requests: int) -> None:
    """A token that was there before ends the walk at once; the next walk may see it again."""
    service = Service(*(page(job(1), token=token) for token in tokens), page(token="a"), page())
    reader = aws.reader(service)
    assert reason(reader) is FailureReason.RUNAWAY_PAGINATION
    assert len(service.seen) == requests
    assert len(walk(reader)) == 2


def test_max_pages(aws: Aws) -> None:
    """A list of max_pages pages is read; one with more is a runaway, and the message names the setting."""

    def respond(request: Request) -> Response:
        number = int(request.query.get("nextToken", "0")) + 1
        return page(job(number), token=str(number) if number < 5 else None)

    reader = aws.reader(respond)
    assert len(walk(reader, max_pages=5)) == 5
    too_many = failure(reader, max_pages=4)
    assert too_many.reason is FailureReason.RUNAWAY_PAGINATION
    assert "poll.max_pages" in too_many.message


GOOD = json.loads(page(job(1)).body)  # type: ignore[arg-type] # bytes
ANSWERS: dict[str, tuple[Response | Respond, FailureReason]] = {
    "throttled": (error(429, "ThrottlingException"), FailureReason.THROTTLED),
    "throttled by a proxy": (body_of(HTML, 429, "text/html"), FailureReason.THROTTLED),
    "throttled with 400": (error(400, "ThrottlingException"), FailureReason.THROTTLED),
    "denied": (error(403, "AccessDeniedException"), FailureReason.ACCESS_DENIED),
    "denied by a proxy": (body_of(HTML, 403, "text/html"), FailureReason.ACCESS_DENIED),
    "internal": (error(500, "InternalServerException"), FailureReason.SERVER_ERROR),
    "unavailable in HTML": (body_of(HTML, 503, "text/html"), FailureReason.SERVER_ERROR),
    "bad gateway, empty": (body_of(b"", 502), FailureReason.SERVER_ERROR),
    "expired": (error(403, "ExpiredTokenException"), FailureReason.CREDENTIALS),
    "bad signature": (error(403, "InvalidSignatureException"), FailureReason.CREDENTIALS),
    "not found in HTML": (body_of(HTML, 404, "text/html"), FailureReason.MALFORMED_RESPONSE),
    "redirected": (body_of(b"", 302), FailureReason.MALFORMED_RESPONSE),
    "an error that is a number": (body_of(b"1", 400), FailureReason.MALFORMED_RESPONSE),
    "a code that is a number": (body_of(b'{"code": 1, "message": []}', 503), FailureReason.SERVER_ERROR),
    "not UTF-8": (body_of(b"\xff" * 900, 500), FailureReason.SERVER_ERROR),
    "unknown operation": (error(404, "UnknownOperationException"), FailureReason.MALFORMED_RESPONSE),
    "invalid operation": (error(400, "ValidationException", "Unknown Operation"), FailureReason.MALFORMED_RESPONSE),
    "unknown with 200": (body_of(faults.CORAL_UNKNOWN_OPERATION), FailureReason.MALFORMED_RESPONSE),
    "invalid": (error(400, "ValidationException", "nextToken is invalid"), FailureReason.INTERNAL),
    "HTML with 200": (body_of(HTML), FailureReason.MALFORMED_RESPONSE),
    "empty": (body_of(b""), FailureReason.MALFORMED_RESPONSE),
    "without length or body": (body_of([]), FailureReason.MALFORMED_RESPONSE),
    **{
        f"the list with {status}": (body_of(json.dumps(GOOD).encode(), status), FailureReason.MALFORMED_RESPONSE)
        for status in (201, 203, 206)
    },
    "no content": (Response(204), FailureReason.MALFORMED_RESPONSE),
    "dropped": (faults.drop, FailureReason.NETWORK),
    "cut short": (faults.truncated(), FailureReason.NETWORK),
    "cut short after what could be all": (faults.truncated(json.dumps(GOOD).encode()), FailureReason.NETWORK),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_that_are_not_the_list(aws: Aws, answer: Response | Respond, expected: FailureReason) -> None:
    """Whatever AWS, or a proxy in its place, answers instead has its reason, and the next walk starts afresh."""
    reader = aws.reader(Service(answer, page(job(1)), page(job(1), token="more"), answer, page(job(2))))
    assert reason(reader) is expected
    assert names(walk(reader)) == ["job-1"]
    assert reason(reader) is expected
    assert names(walk(reader)) == ["job-2"]


def test_message_says_what_to_do(aws: Aws) -> None:
    """The message holds what AWS said and the advice; AWS's answer stays behind it for who asks, and nothing else."""
    denied = failure(aws.reader(Service(error(403, "AccessDeniedException", "User u is not authorized"))))
    assert denied.message == (
        "AccessDeniedException from ListModelCustomizationJobs: User u is not authorized; "
        "allow bedrock:ListModelCustomizationJobs on Resource '*' for this identity"
    )
    assert isinstance(denied.__cause__, ClientError)
    assert failure(aws.reader(Service(faults.drop))).__cause__ is None


def test_a_bug_of_ours_stays_what_it_is(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    """So that whoever logs it has its traceback."""

    def bug(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pages, "read_page", bug)
    with pytest.raises(ZeroDivisionError):
        walk(aws.reader(Service(page())))


def test_connection_refused(aws: Aws) -> None:
    with faults.closed_port() as url:
        refused = failure(aws.reader(url))
    assert refused.reason is FailureReason.NETWORK
    assert refused.message.startswith(
        f'EndpointConnectionError: Could not connect to the endpoint URL: "{url}{faults.LIST}" (Connection refused); '
    )


def test_headers_that_never_come(aws: Aws, stall: faults.Stall) -> None:
    """A peer that takes the request and says nothing ends by read_timeout."""
    assert failure(aws.reader(stall.silent, read_timeout=0.2)).message.startswith("ReadTimeoutError: Read timeout on ")


def test_a_peer_that_is_held_to_the_deadline(aws: Aws, stall: faults.Stall) -> None:
    """The message tells a deadline that came first."""
    message = failure(aws.reader(stall.silent), seconds=0.2).message
    assert message.startswith("the deadline has passed: ReadTimeoutError: Read timeout on ")
    assert "raise aws.read_timeout and poll.timeout" in message


OWN = "bedrock.{}.amazonaws.com"
NAME_ERRORS: dict[str, tuple[str, str, int, bool, FailureReason]] = {
    "Bedrock": ("us-east-1", OWN, socket.EAI_NONAME, False, FailureReason.NETWORK),
    "Bedrock in GovCloud": ("us-gov-west-1", OWN, socket.EAI_NONAME, False, FailureReason.NETWORK),
    "no Bedrock": ("ap-east-1", OWN, socket.EAI_NONAME, False, FailureReason.UNSUPPORTED_REGION),
    "no Bedrock, but it was read": ("ap-east-1", OWN, socket.EAI_NONAME, True, FailureReason.NETWORK),
    "no Bedrock, nor a name service": ("ap-east-1", OWN, socket.EAI_AGAIN, False, FailureReason.NETWORK),
    "an endpoint of one's own": ("ap-east-1", "bedrock.example", socket.EAI_NONAME, False, FailureReason.NETWORK),
    "unknown": ("xx-new-1", OWN, socket.EAI_NONAME, False, FailureReason.NETWORK),
}


@pytest.mark.parametrize(("region", "host", "errno", "was_read", "expected"), NAME_ERRORS.values(), ids=NAME_ERRORS)
def test_names_that_cannot_be_resolved(  # noqa: PLR0917 - the columns of a table
    monkeypatch: pytest.MonkeyPatch,
    aws: Aws,
    region: str,
    host: str,
    errno: int,
    was_read: bool,
    expected: FailureReason,
) -> None:
    """A region is unsupported only if its name is known not to exist and botocore knows no Bedrock there."""
    resolve, asked, host = socket.getaddrinfo, [], host.format(region)
    answers = iter([True] * was_read)

    def getaddrinfo(host: str, *args: Any) -> Any:
        asked.append(host)
        if next(answers, False):
            return resolve("127.0.0.1", *args)
        raise socket.gaierror(errno, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Server(Service(page())) as server:
        reader = aws.reader(server.url.replace("127.0.0.1", host), replace(TARGET, region=region))
        if was_read:
            walk(reader)
    assert reason(reader) is expected
    assert set(asked) == {host}


UNKNOWN_OPERATIONS = (
    error(404, "UnknownOperationException"),
    error(400, "ValidationException", "Unknown Operation"),
    error(400, "ValidationException", "Operation unknown"),
    body_of(faults.CORAL_UNKNOWN_OPERATION),
)
UNSUPPORTED: dict[str, tuple[str, str, bool, str]] = {
    "AWS's own": ("sa-east-1", OWN, False, "unsupported_region: "),
    "AWS's own with FIPS": ("sa-east-1", "bedrock-fips.{}.amazonaws.com", False, "unsupported_region: "),
    "AWS's own of both IP families": ("sa-east-1", "bedrock.{}.api.aws", False, "unsupported_region: "),
    "it was read": ("sa-east-1", OWN, True, "does not know ListModelCustomizationJobs; it did before, so wait"),
    "another service": ("sa-east-1", "bedrock-runtime.{}.amazonaws.com", False, "is it bedrock-runtime's?"),
    "another region": (
        "sa-east-1",
        "bedrock.us-east-1.amazonaws.com",
        False,
        "AWS_ENDPOINT_URL_BEDROCK or aws.endpoint_url",
    ),
    "an endpoint of one's own": (
        "sa-east-1",
        "bedrock.{}.example",
        False,
        "AWS_ENDPOINT_URL_BEDROCK or aws.endpoint_url",
    ),
    "unknown": ("us-east-1a", OWN, False, "aws.endpoint_url and the region"),
}


@pytest.mark.parametrize("answer", UNKNOWN_OPERATIONS)
@pytest.mark.parametrize(("region", "host", "was_read", "expected"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_endpoints_that_do_not_know_the_list(  # noqa: PLR0917 - the columns of a table
    monkeypatch: pytest.MonkeyPatch,
    aws: Aws,
    answer: Response,
    region: str,
    host: str,
    was_read: bool,
    expected: str,
) -> None:
    """A region is unsupported, without an alert, only if AWS's own endpoint of a known region always said so."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **__: resolve("127.0.0.1", *args))
    answers = [page(), answer] if was_read else [answer]
    with Server(Service(*answers)) as server:
        url = server.url.replace("127.0.0.1", host.format(region))
        reader = aws.reader(url, replace(TARGET, region=region))
        if was_read:
            walk(reader)
        assert expected in str(failure(reader))


def test_account_of_the_credentials(aws: Aws) -> None:
    """STS says once which account they belong to, unless the configuration does."""
    service = Service(page(job(1)), sts=faults.identity(OTHER))
    reader = aws.reader(service, ASKING)
    assert reader.account_id is None
    for _ in range(2):
        walk(reader)
        assert reader.account_id == OTHER
    assert service.sts_actions == [WHO_AM_I]
    for target in (TARGET, IN_ROLE):
        service = Service(page(), sts=lent())
        reader = aws.reader(service, target)
        walk(reader)
        assert reader.account_id == target.account_id
        assert WHO_AM_I not in service.sts_actions


@pytest.mark.parametrize("sts", [faults.sts_error(500, "InternalFailure"), faults.drop, body_of(HTML), body_of(b"")])
def test_account_that_sts_does_not_tell(aws: Aws, sts: Response | Respond, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is read all the same, and STS is asked again after a while, once each; a job tells the account, too."""
    reader = aws.reader(Service(page(), sts=sts), ASKING, max_attempts=3)
    for _ in range(2):
        assert names(walk(reader)) == []
        assert reader.account_id is None
    assert aws.requests == [WHO_AM_I, LIST, LIST]

    monkeypatch.setattr(clients, "IDENTITY_PAUSE", 0.0)
    reader = aws.reader(Service(page(), sts=sts), ASKING)
    aws.requests.clear()
    for _ in range(2):
        walk(reader)
    assert aws.requests == [WHO_AM_I, LIST] * 2


def test_the_account_that_jobs_tell_is_kept(aws: Aws) -> None:
    """While the credentials are the same, also when the list is empty."""
    reader = aws.reader(Service(page(job(1)), page(), sts=faults.drop), ASKING)
    for told in (["job-1"], []):
        assert names(walk(reader)) == told
        assert reader.account_id == ACCOUNT
    assert aws.requests == [WHO_AM_I, LIST, LIST]


def test_a_question_to_sts_is_short(monkeypatch: pytest.MonkeyPatch, aws: Aws, stall: faults.Stall) -> None:
    """The list does not wait for an STS that takes long; but after the walk's own deadline nothing more leaves."""
    reader = aws.reader(Service(page(job(1)), sts=stall.silent), ASKING)
    assert reason(reader, seconds=0.2) is FailureReason.TIMEOUT
    assert aws.requests == [WHO_AM_I]
    monkeypatch.setattr(clients, "IDENTITY_TIMEOUT", 0.2)
    assert names(walk(reader)) == ["job-1"]
