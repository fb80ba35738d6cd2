"""The room that knows boto3 turns whatever AWS and the network do into pages or a reason: real boto3, real HTTP."""

import contextlib
import json
import logging
import math
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import botocore.exceptions as boto
import faults
import pytest
import trustme
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from faults import ACCOUNT, HTML, OTHER, ROLE, Service, error, job, page
from urllib3.exceptions import NameResolutionError

from exporter.bedrock import Lifeline, Sessions, TargetClient, WirePage, default_region
from exporter.bedrock.errors import walk_error
from exporter.model import AssumeRole, AwsSettings, Budget, FailureReason, JobFilter, Rendered, Target, WalkError
from exporter.simulator import Request, Respond, Response, Server, World, access_key_id, answer, serve
from exporter.walk import read

EPOCH = 1_790_000_000.0
SETTINGS = AwsSettings(
    endpoint_url=None, use_fips=None, connect_timeout=5, read_timeout=30, max_attempts=1
)  # one attempt: botocore sleeps for up to seconds ahead of the next one
TARGET = Target("targets[0]", "us-east-1", account_id=ACCOUNT)
ASKING = replace(TARGET, account_id=None)
IN_ROLE = Target("targets[1]", "us-east-1", account_id=OTHER, assume_role=AssumeRole(ROLE, external_id="exporter"))
LIST_JOBS, WHO_AM_I, ASSUME = "ListModelCustomizationJobs", "GetCallerIdentity", "AssumeRole"

Connect = Callable[..., TargetClient]


@pytest.fixture(scope="module")
def loader() -> Loader:
    """One for all tests, as reading the service models takes longer than most of them."""
    return Loader()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


@pytest.fixture
def requests() -> list[str]:
    """The operations of all requests that left the machine."""
    return []


@pytest.fixture
def connect(requests: list[str], loader: Loader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Make clients of a target on a server with such answers, or on a URL."""
    with contextlib.ExitStack() as stack:

        def connect(to: Respond | str, target: Target = TARGET, **settings: Any) -> TargetClient:
            url = to if isinstance(to, str) else stack.enter_context(Server(to)).url
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            sessions = Sessions(replace(SETTINGS, **settings), requests.append)
            sessions._loader = loader
            client = TargetClient(target, sessions)
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture
def stall() -> Iterator[faults.Stall]:
    stall = faults.Stall()
    yield stall
    stall.release()


def walk(client: TargetClient, *, max_pages: int = 100, now: float = EPOCH) -> list[WirePage]:
    return list(client.pages(max_pages, now))


def names(pages: list[WirePage]) -> list[str]:
    return [summary["jobName"] for page in pages for summary in page.summaries()]


def failure(client: TargetClient, **how: Any) -> WalkError:
    with pytest.raises(WalkError) as caught:
        walk(client, **how)
    return caught.value


# Pages


def test_pages_of_a_thousand_by_creation_time(connect: Connect) -> None:
    """A walk asks for pages of 1,000 by creation time ascending, goes by the tokens, and yields every page."""
    service = Service(page(job(1), job(2), token="one"), page(job(3), token="two"), page(job(4)))
    assert names(walk(connect(service))) == ["job-1", "job-2", "job-3", "job-4"]
    asked = {"maxResults": "1000", "sortBy": "CreationTime", "sortOrder": "Ascending"}
    assert [request.query for request in service.seen] == [
        asked,
        {**asked, "nextToken": "one"},
        {**asked, "nextToken": "two"},
    ]


def test_every_job_of_the_simulator(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """Whatever the page size, the pages hold every job of the simulator once, oldest first."""
    world = World.demo(EPOCH)
    expected = [job.name for job in world.jobs(ACCOUNT, "us-east-1", EPOCH)]
    with serve(world, now=lambda: EPOCH) as simulator:
        client = connect(simulator.url)
        for size, pages in ((1000, 1), (7, math.ceil(len(expected) / 7))):
            monkeypatch.setattr("exporter.bedrock.client.PAGE_SIZE", size)
            read = walk(client)
            assert names(read) == expected
            assert len(read) == pages


@pytest.mark.parametrize("token", [None, ""])
def test_last_page(connect: Connect, token: str | None) -> None:
    """A token that is absent, null or empty ends the list."""
    body = json.dumps({"modelCustomizationJobSummaries": [], "nextToken": token}).encode()
    assert [page.summaries() for page in walk(connect(Service(faults.body_of(body))))] == [[]]


@pytest.mark.parametrize(
    ("job_filter", "query"),
    [
        (JobFilter(), {}),
        (JobFilter(name_contains="prod-"), {"nameContains": "prod-"}),
        (JobFilter(created_after=EPOCH), {"creationTimeAfter": EPOCH}),
        (JobFilter(created_within=3600), {"creationTimeAfter": EPOCH - 3600}),
        (JobFilter("prod-", created_within=60), {"nameContains": "prod-", "creationTimeAfter": EPOCH - 60}),
    ],
    ids=str,
)
def test_filters_are_parameters(connect: Connect, job_filter: JobFilter, query: dict[str, Any]) -> None:
    """A target's filter goes to AWS on every page, so that AWS sends nothing that is not wanted."""
    service = Service(page(token="more"), page())
    walk(connect(service, replace(TARGET, job_filter=job_filter)))
    for request in service.seen:
        asked = {name: value for name, value in request.query.items() if name in {"nameContains", "creationTimeAfter"}}
        if "creationTimeAfter" in asked:
            asked["creationTimeAfter"] = datetime.fromisoformat(asked["creationTimeAfter"]).timestamp()  # type: ignore[assignment]
        assert asked == query


def test_created_within_moves_on(connect: Connect) -> None:
    """A filter that reaches back from now reaches back from the start of each walk."""
    service = Service(page())
    client = connect(service, replace(TARGET, job_filter=JobFilter(created_within=60)))
    for now in (EPOCH, EPOCH + 3600):
        walk(client, now=now)
    times = [datetime.fromisoformat(request.query["creationTimeAfter"]).timestamp() for request in service.seen]
    assert times == [EPOCH - 60, EPOCH + 3540]


@pytest.mark.parametrize(("tokens", "pages"), [("aa", 2), ("aba", 3), ("abcb", 4)])
def test_token_loops(connect: Connect, tokens: str, pages: int) -> None:
    """A token that was there before ends the walk at once: no loop, however long, is run through twice."""
    service = Service(*(page(job(1), token=token) for token in tokens))
    assert failure(connect(service)).reason is FailureReason.RUNAWAY_PAGINATION
    assert len(service.seen) == pages


def test_token_may_come_again_in_the_next_walk(connect: Connect) -> None:
    """Tokens are compared within one walk only."""
    client = connect(Service(page(token="a"), page(), page(token="a"), page()))
    assert [len(walk(client)) for _ in range(2)] == [2, 2]


def test_max_pages(connect: Connect) -> None:
    """A list of max_pages pages is read; one with more is a runaway, and the message names the setting."""

    def respond(request: Request) -> Response:
        number = int(request.query.get("nextToken", "0")) + 1
        return page(job(number), token=str(number) if number < 5 else None)

    client = connect(respond)
    assert len(walk(client, max_pages=5)) == 5
    too_many = failure(client, max_pages=4)
    assert too_many.reason is FailureReason.RUNAWAY_PAGINATION
    assert "poll.max_pages" in too_many.message


# Answers that are not the list


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"{}",
        b"null",
        b"[]",
        b'"text"',
        b"{" * 100_000,
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b'{"modelCustomizationJobSummaries": [{"jobArn": ',
        b'{"modelCustomizationJobSummaries": null}',
        b'{"modelCustomizationJobSummaries": "none"}',
        b'{"modelCustomizationJobSummaries": 0}',
        b'{"modelCustomizationJobSummaries": {}}',
        b'{"modelCustomizationJobSummaries": [], "nextToken": 1}',
        b'{"message": "Forbidden"}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_200_without_the_list(connect: Connect, body: bytes) -> None:
    """A 200 that is not a page of the list is never "no jobs", and the message shows how it begins."""
    for answers in ([faults.body_of(body)], [page(job(1), token="more"), faults.body_of(body)]):
        refused = failure(connect(Service(*answers)))
        assert refused.reason is FailureReason.MALFORMED_RESPONSE
        assert repr(body[:20])[:-1] in refused.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"modelCustomizationJobSummaries": [null, 1, {}], "new": {"things": 1}}',
        b'{"modelCustomizationJobSummaries": []}',
    ],
)
def test_200_with_the_list(connect: Connect, body: bytes) -> None:
    """Jobs are handed on unseen, the list may be empty, and what is new to us does not matter."""
    (read,) = walk(connect(Service(faults.body_of(body))))
    assert (read.summaries(), read.next_token) == (json.loads(body)["modelCustomizationJobSummaries"], None)


REFUSALS = {
    "throttled": (error(429, "ThrottlingException"), FailureReason.THROTTLED),
    "throttled by a proxy": (faults.body_of(HTML, 429, "text/html"), FailureReason.THROTTLED),
    "throttled with 400": (error(400, "ThrottlingException"), FailureReason.THROTTLED),
    "denied": (error(403, "AccessDeniedException"), FailureReason.ACCESS_DENIED),
    "denied by a proxy": (faults.body_of(HTML, 403, "text/html"), FailureReason.ACCESS_DENIED),
    "internal": (error(500, "InternalServerException"), FailureReason.SERVER_ERROR),
    "unavailable": (error(503, "ServiceUnavailableException"), FailureReason.SERVER_ERROR),
    "unavailable in HTML": (faults.body_of(HTML, 503, "text/html"), FailureReason.SERVER_ERROR),
    "bad gateway, empty": (faults.body_of(b"", 502), FailureReason.SERVER_ERROR),
    "expired": (error(403, "ExpiredTokenException"), FailureReason.CREDENTIALS),
    "unrecognized": (error(403, "UnrecognizedClientException"), FailureReason.CREDENTIALS),
    "bad signature": (error(403, "InvalidSignatureException"), FailureReason.CREDENTIALS),
    "not found in HTML": (faults.body_of(HTML, 404, "text/html"), FailureReason.MALFORMED_RESPONSE),
    "not found, empty": (faults.body_of(b"", 404), FailureReason.MALFORMED_RESPONSE),
    "unknown operation": (error(404, "UnknownOperationException"), FailureReason.UNSUPPORTED_REGION),
    "invalid operation": (
        error(400, "ValidationException", "Unknown Operation"),
        FailureReason.UNSUPPORTED_REGION,
    ),
    "unknown operation with 200": (
        faults.body_of(faults.CORAL_UNKNOWN_OPERATION),
        FailureReason.UNSUPPORTED_REGION,
    ),
    "invalid": (error(400, "ValidationException", "nextToken is invalid"), FailureReason.INTERNAL),
}


@pytest.mark.parametrize(("refusal", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals(connect: Connect, refusal: Response, reason: FailureReason) -> None:
    """Each way in which AWS, or a proxy in its place, refuses has its reason, and the next walk starts afresh."""
    client = connect(Service(refusal, page(job(1))))
    assert failure(client).reason is reason
    assert names(walk(client)) == ["job-1"]


def test_message_says_what_to_do(connect: Connect) -> None:
    """The message holds the exception, what AWS said and the wish."""
    denied = failure(connect(Service(error(403, "AccessDeniedException", "User u is not authorized"))))
    assert "User u is not authorized" in denied.message
    assert "allow bedrock:ListModelCustomizationJobs" in denied.message
    assert isinstance(denied.__cause__, boto.ClientError)


# The network


def test_connection_refused(connect: Connect) -> None:
    """Nobody listens: network."""
    with faults.closed_port() as url:
        assert failure(connect(url)).reason is FailureReason.NETWORK


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (faults.drop, FailureReason.NETWORK),
        (faults.truncated(), FailureReason.NETWORK),
        (faults.truncated(b'{"modelCustomizationJobSummaries": []}'), FailureReason.NETWORK),
        (faults.body_of([]), FailureReason.MALFORMED_RESPONSE),
    ],
    ids=["before headers", "in mid-body", "after what could be all", "without length or body"],
)
def test_connection_closed(connect: Connect, answer: Response | Respond, reason: FailureReason) -> None:
    """A connection that closes too early is never "no jobs", and the next walk opens another one."""
    client = connect(Service(answer, page(job(1))))
    assert failure(client).reason is reason
    assert names(walk(client)) == ["job-1"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"modelCustomizationJobSummaries": []}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    ],
    ids=lambda sent: repr(sent[-30:]),
)
def test_connection_reset(connect: Connect, sent: bytes) -> None:
    """A connection that is reset, wherever in the answer, is the network's fault."""
    with faults.Peer(sent) as peer:
        assert failure(connect(peer.url)).reason is FailureReason.NETWORK


def test_headers_that_never_come(connect: Connect, stall: faults.Stall) -> None:
    """A peer that takes the request and says nothing ends by read_timeout."""
    assert failure(connect(stall.silent, read_timeout=0.2)).reason is FailureReason.TIMEOUT


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ("us-east-1", FailureReason.NETWORK),
        ("us-gov-west-1", FailureReason.NETWORK),
        ("ap-east-1", FailureReason.UNSUPPORTED_REGION),
    ],
)
def test_name_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch, region: str, reason: FailureReason) -> None:
    """A region's name fails to resolve: the network's fault if botocore has Bedrock there, else the region's."""
    asked = []

    def getaddrinfo(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    client = TargetClient(replace(TARGET, region=region), Sessions(SETTINGS))
    assert failure(client).reason is reason
    assert asked == [f"bedrock.{region}.amazonaws.com"]


# The lifeline


def finishes(thread: threading.Thread) -> bool:
    """Whether a thread ends by far sooner than read_timeout would end it."""
    thread.join(10)
    return not thread.is_alive()


def start_walk(client: TargetClient) -> tuple[Lifeline, threading.Thread, list[FailureReason]]:
    """A walk that is bound to fail, in a thread of its own; its lifeline, and where its reason will be."""
    lifeline = Lifeline()
    reasons: list[FailureReason] = []

    def work() -> None:
        with lifeline:
            reasons.append(failure(client).reason)

    thread = threading.Thread(target=work)
    thread.start()
    return lifeline, thread, reasons


@pytest.mark.parametrize("way", ["silent", "dripping"])
def test_cut_ends_a_walk(connect: Connect, stall: faults.Stall, way: str) -> None:
    """`cut` ends a walk that read_timeout can't end, no further attempt leaves, and the next walk is good."""
    service = Service(getattr(stall, way), page(job(1)))
    client = connect(service, max_attempts=5)
    lifeline, thread, reasons = start_walk(client)
    assert stall.reached.wait(10)
    lifeline.cut()
    assert finishes(thread)
    assert reasons == [FailureReason.TIMEOUT]
    assert len(service.seen) == 1
    with lifeline:
        assert failure(client).reason is FailureReason.TIMEOUT
    assert len(service.seen) == 1
    with Lifeline():
        assert names(walk(client)) == ["job-1"]


@pytest.mark.parametrize("way", ["silent", "dripping"])
def test_cut_ends_a_request_on_a_kept_connection(connect: Connect, stall: faults.Stall, way: str) -> None:
    """It does not matter which walk has made the connection."""
    service = Service(page(job(1)), getattr(stall, way), page(job(2)))
    client = connect(service)
    with Lifeline():
        assert names(walk(client)) == ["job-1"]
    lifeline, thread, _ = start_walk(client)
    assert stall.reached.wait(10)
    lifeline.cut()
    assert finishes(thread)
    assert names(walk(client)) == ["job-2"]


@pytest.mark.parametrize("target", [ASKING, IN_ROLE], ids=["asks who it is", "assumes a role"])
def test_cut_ends_a_question_to_sts(connect: Connect, stall: faults.Stall, target: Target) -> None:
    """`cut` also ends a walk that is held by STS, and the next one starts with STS again."""
    replies = iter([stall.dripping])
    good = identity_of(target)

    def sts(request: Request) -> Response:
        held = next(replies, None)
        return held(request) if held else good

    service = Service(page(job(1)), sts=sts)
    client = connect(service, target)
    lifeline, thread, _ = start_walk(client)
    assert stall.reached.wait(10)
    lifeline.cut()
    assert finishes(thread)
    assert service.lists == []
    assert names(walk(client)) == ["job-1"]
    assert client.account_id == (target.account_id or ACCOUNT)


def identity_of(target: Target) -> Response:
    return faults.identity() if target.assume_role is None else faults.assumed("token", timedelta(hours=1))


def test_cut_after_a_walk(connect: Connect) -> None:
    """A cut that comes when the walk has just ended does no harm to the connection that it leaves."""
    service = Service(page(job(1)), page(job(2)))
    client = connect(service)
    with Lifeline() as lifeline:
        walk(client)
    lifeline.cut()
    with Lifeline():
        assert names(walk(client)) == ["job-2"]


def test_cut_of_one_walk_leaves_others(connect: Connect) -> None:
    """Lifelines know nothing of each other."""
    service = Service(page(job(1)))
    one, other = connect(service), connect(service)
    with Lifeline() as lifeline:
        lifeline.cut()
        assert failure(one).reason is FailureReason.TIMEOUT
    with Lifeline():
        assert names(walk(other)) == ["job-1"]


# Attempts


def test_throttled_once(connect: Connect, requests: list[str]) -> None:
    """A page that is throttled once is asked for again, and every attempt is counted."""
    service = Service(page(job(1), token="a"), error(429, "ThrottlingException"), page(job(2)))
    assert names(walk(connect(service, max_attempts=2))) == ["job-1", "job-2"]
    assert requests == [LIST_JOBS] * 3
    assert [request.query.get("nextToken") for request in service.seen] == [None, "a", "a"]


@pytest.mark.parametrize("fault", [error(500, "InternalServerException"), faults.truncated(), faults.drop])
def test_attempts_are_bounded(connect: Connect, requests: list[str], fault: Response | Respond) -> None:
    """max_attempts is the number of requests that leave for one page, the first one included."""
    service = Service(fault)
    failure(connect(service, max_attempts=2))
    assert requests == [LIST_JOBS] * 2
    assert len(service.seen) == 2


def test_denials_are_not_tried_again(connect: Connect, requests: list[str]) -> None:
    """What would be refused again is asked once."""
    failure(connect(Service(error(403, "AccessDeniedException")), max_attempts=5))
    assert requests == [LIST_JOBS]


def test_every_operation_is_counted(connect: Connect, requests: list[str]) -> None:
    """Requests to STS count under their own names, and are made once."""
    service = Service(
        page(), sts=lambda request: identity_of(IN_ROLE if faults.action_of(request) == ASSUME else TARGET)
    )
    for target in (ASKING, IN_ROLE):
        client = connect(service, target)
        for _ in range(2):
            walk(client)
    assert requests == [WHO_AM_I, LIST_JOBS, LIST_JOBS, ASSUME, LIST_JOBS, LIST_JOBS]


# Credentials


def test_no_credentials(connect: Connect, monkeypatch: pytest.MonkeyPatch, requests: list[str]) -> None:
    """Without credentials anywhere nothing leaves the machine, and once there are some the next walk is good."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    client = connect(Service(page(job(1))), ASKING)
    assert failure(client).reason is FailureReason.CREDENTIALS
    assert requests == []


@pytest.mark.parametrize("target", [replace(TARGET, profile="missing"), replace(IN_ROLE, profile="missing")])
def test_unknown_profile(connect: Connect, target: Target) -> None:
    """A profile that is not in the user's AWS files is a matter of credentials; it hinders neither start nor region."""
    assert failure(connect(Service(page()), target)).reason is FailureReason.CREDENTIALS
    with pytest.raises(ValueError, match=r"The config profile \(missing\) could not be found"):
        default_region("missing")


def test_a_profile_that_is_a_role_finds_sts(connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the target's region, where neither the profile nor the environment names one that botocore reads."""
    (tmp_path / "config").write_text(
        f"[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = any\n"
        f"[profile member]\nrole_arn = {ROLE}\nsource_profile = base\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # which botocore does not read
    service = Service(page(job(1)), sts=faults.assumed("token", timedelta(hours=1)))
    assert walk(connect(service, replace(TARGET, profile="member", region="eu-west-1")))
    (asked,) = [request for request in service.seen if request.path == "/"]
    assert "/eu-west-1/sts/" in asked.headers["authorization"]


def test_unknown_default_profile(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is an AWS_PROFILE that does not exist, whatever the walk would have met after it."""
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with faults.closed_port() as url:
        assert failure(connect(url)).reason is FailureReason.CREDENTIALS


def test_bearer_token_of_the_environment_is_not_used(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_BEARER_TOKEN_BEDROCK, which botocore prefers to all, never takes the place of a target's credentials."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-of-someone")
    service = Service(page(), sts=faults.assumed("token", timedelta(hours=1)))
    walk(connect(service))
    walk(connect(service, IN_ROLE))
    own, in_role = (request.headers["authorization"] for request in service.lists)
    assert own.startswith(f"AWS4-HMAC-SHA256 Credential={access_key_id(ACCOUNT)}/")
    assert in_role.startswith("AWS4-HMAC-SHA256 Credential=ASIATEST/")


def test_bearer_token_is_used_where_there_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With no other credentials it is used, and that is said, once; not for a target with a role or a profile."""
    caplog.set_level(logging.INFO, "exporter")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-of-someone")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))  # botocore sends such a token over TLS only
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service = Service(page(job(1)))
    with Server(service) as server:
        server._listener.socket = context.wrap_socket(server._listener.socket, server_side=True)
        sessions = Sessions(replace(SETTINGS, endpoint_url=server.url.replace("http:", "https:")))
        for target in (TARGET, replace(TARGET, region="eu-west-1")):
            client = TargetClient(replace(target, account_id=ACCOUNT), sessions)
            assert len(walk(client)) == 1
            client.close()
        assert {request.headers["authorization"] for request in service.lists} == {"Bearer bedrock-api-key-of-someone"}
        assert [record.getMessage() for record in caplog.records] == [
            "there are no other AWS credentials; using the API key for Amazon Bedrock in AWS_BEARER_TOKEN_BEDROCK"
        ]
        assert failure(TargetClient(IN_ROLE, sessions)).reason is FailureReason.CREDENTIALS


def test_requests_name_the_exporter(connect: Connect) -> None:
    """The user agent ends with the exporter's name and version, for whoever reads CloudTrail."""
    service = Service(page())
    walk(connect(service))
    assert re.search(r" bedrock-customization-exporter/\d[\w.]*$", service.seen[0].headers["user-agent"])


def test_assumed_role(connect: Connect) -> None:
    """A target with a role sees the jobs of the role's account, through the simulator's own STS."""
    now = time.time()
    world = World.demo(now)
    with serve(world, now=lambda: now) as simulator:
        client = connect(simulator.url, IN_ROLE)
        assert names(walk(client)) == [job.name for job in world.jobs(OTHER, "us-east-1", now)]


def test_role_is_asked_for_as_configured(connect: Connect) -> None:
    """AssumeRole names role, external id and session, and is signed for the target's region."""
    service = Service(page(), sts=faults.assumed("token", timedelta(hours=1)))
    walk(connect(service, replace(IN_ROLE, region="eu-central-1")))
    asked = service.seen[0]
    parameters = dict(parse_qsl(asked.body.decode()))
    assert parameters["RoleArn"] == ROLE
    assert parameters["ExternalId"] == "exporter"
    assert parameters["RoleSessionName"] == "bedrock-customization-exporter"
    assert f"Credential={access_key_id(ACCOUNT)}/" in asked.headers["authorization"]
    assert "/eu-central-1/sts/" in asked.headers["authorization"]


def test_assume_role_denied(connect: Connect) -> None:
    """A role that can't be assumed has a reason of its own, and is used as soon as it can."""
    world = World.demo(time.time())
    elsewhere = AssumeRole(f"arn:aws:iam::{OTHER}:role/admin")
    with serve(world) as simulator:
        client = connect(simulator.url, replace(IN_ROLE, assume_role=elsewhere))
        assert failure(client).reason is FailureReason.ASSUME_ROLE_DENIED
    replies = iter([faults.sts_error(403, "AccessDenied")])
    service = Service(page(job(1)), sts=lambda _: next(replies, faults.assumed("token", timedelta(hours=1))))
    client = connect(service, IN_ROLE)
    assert failure(client).reason is FailureReason.ASSUME_ROLE_DENIED
    assert names(walk(client)) == ["job-1"]


def test_credentials_of_a_role_renew(connect: Connect) -> None:
    """Credentials of a role are kept while they are good, and renewed before they expire."""
    lives = iter([timedelta(minutes=5), timedelta(hours=1), timedelta(hours=1)])
    tokens = iter(["first", "second", "third"])
    service = Service(page(), sts=lambda _: faults.assumed(next(tokens), next(lives)))
    client = connect(service, IN_ROLE)
    for _ in range(4):
        walk(client)
    assert [request.headers["x-amz-security-token"] for request in service.lists] == ["first", *["second"] * 3]
    assert service.sts_actions == [ASSUME, ASSUME]


def test_walks_go_on_while_a_renewal_fails(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """When STS fails while the old credentials are still good, the list is read with these."""
    caplog.set_level(logging.CRITICAL, "botocore")
    replies = iter([faults.assumed("old", timedelta(minutes=12)), *[faults.sts_error(500, "InternalFailure")] * 2])
    service = Service(page(), sts=lambda _: next(replies, faults.assumed("new", timedelta(hours=1))))
    client = connect(service, IN_ROLE)
    for _ in range(4):
        walk(client)
    assert [request.headers["x-amz-security-token"] for request in service.lists] == ["old", "old", "old", "new"]


def test_simulated_role_expires_and_renews(connect: Connect) -> None:
    """Where the old credentials have expired for sure, as the simulator checks them, the next walk has new ones."""
    world = World.demo(time.time())
    behind = 3400.0

    def respond(request: Request) -> Response:
        return answer(world, request, time.time() - behind)

    client = connect(respond, IN_ROLE)
    assert names(walk(client))  # with credentials that the simulator takes for an hour, but expire in 200 seconds
    behind = -300.0
    assert names(walk(client))


# The account


def test_account_from_sts(connect: Connect) -> None:
    """STS says which account the default credentials belong to, once."""
    service = Service(page(job(1)), sts=faults.identity(OTHER))
    client = connect(service, ASKING)
    for _ in range(2):
        walk(client)
    assert client.account_id == OTHER
    assert service.sts_actions == [WHO_AM_I]


@pytest.mark.parametrize(
    "sts", [faults.sts_error(500, "InternalFailure"), faults.sts_error(403, "AccessDenied"), faults.drop]
)
def test_account_from_the_jobs(connect: Connect, sts: Response | Respond) -> None:
    """Where STS does not answer the list is read all the same, the ARNs say the account, and STS is asked next time."""
    service = Service(page(job(1)), sts=sts)
    client = connect(service, ASKING)
    budget = Budget(retain=1, max_jobs=1, baseline_window=1)

    def render(account_id: str, _: object) -> Rendered:
        assert account_id == ACCOUNT
        return {}

    for _ in range(2):
        walked = read(client, budget=budget, max_pages=1, now=EPOCH, render=render)
        assert walked.account_id == ACCOUNT
    assert client.account_id is None
    assert service.sts_actions == [WHO_AM_I, WHO_AM_I]


def test_account_as_configured(connect: Connect) -> None:
    """An account that the configuration names is not asked for."""
    service = Service(page())
    client = connect(service)
    walk(client)
    assert client.account_id == ACCOUNT
    assert service.sts_actions == []


# The clients


def test_one_loader_for_all_targets(connect: Connect) -> None:
    """Every client is built on the same service model in memory; a further target loads nothing."""
    connect(Service(page(), sts=faults.assumed("token", timedelta(hours=1))))
    sessions: Any = Sessions(SETTINGS)
    other_role = AssumeRole(f"arn:aws:iam::{ACCOUNT}:role/other")
    models, loaded = [], []
    for target in (IN_ROLE, TARGET, replace(TARGET, region="us-west-2"), replace(IN_ROLE, assume_role=other_role)):
        client = TargetClient(target, sessions)
        walk(client)
        models.append(id(client._bedrock.meta.service_model._service_description))
        loaded.append({key: id(value) for key, value in sessions._loader._cache.items()})
        client.close()
    assert models == models[:1] * 4
    assert loaded == loaded[:1] * 4
    assert sessions._loader.search_paths == [Loader.BUILTIN_DATA_PATH]


def test_clients_are_pinned(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries, timeouts and signature are the configuration's, whatever the environment and botocore's defaults say."""
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "mobile")
    service = Service(page(), sts=faults.assumed("token", timedelta(hours=1)))
    for target in (TARGET, IN_ROLE):
        client = connect(service, target, connect_timeout=1.5, read_timeout=2.5, max_attempts=3)
        walk(client)
        config = client._bedrock.meta.config
        assert config.retries["mode"] == "standard"
        assert config.retries["total_max_attempts"] == 3
        assert (config.connect_timeout, config.read_timeout) == (1.5, 2.5)
        assert config.signature_version == "v4"


@pytest.mark.parametrize(
    ("region", "variables", "bedrock", "sts"),
    [
        ("eu-central-1", {}, "bedrock.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"),
        ("cn-north-1", {}, "bedrock.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", {}, "bedrock.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"),
        (
            "us-east-1",
            {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "bedrock.us-east-1.api.aws",
            "sts.us-east-1.api.aws",
        ),
        (
            "us-east-1",
            {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
            "bedrock.us-east-1.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
        ),
    ],
)
def test_endpoints(  # noqa: PLR0917 - as pytest wants
    region: str, variables: dict[str, str], bedrock: str, sts: str, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are of the target's own region, in whatever partition, with IPv6 where that is asked for."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    sessions = Sessions(SETTINGS)
    sessions._loader = loader
    target = replace(TARGET, region=region)
    client = sessions.bedrock(target)
    assert client.meta.endpoint_url == f"https://{bedrock}"
    assert sessions._sts(sessions._profile(target), target, sessions._config).meta.endpoint_url == f"https://{sts}"


@pytest.mark.parametrize(
    ("region", "errno", "was_read"),
    [
        ("ap-east-1", socket.EAI_NONAME, True),
        ("ap-east-1", socket.EAI_AGAIN, False),
        ("xx-new-1", socket.EAI_NONAME, False),
    ],
    ids=["has-been-read", "name-service-is-down", "new-region"],
)
def test_a_region_is_not_called_unsupported_for_nothing(
    region: str, errno: int, was_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where there was the service, where nobody can say, and where the region is newer than botocore."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client = TargetClient(replace(TARGET, region=region), Sessions(SETTINGS))
    client._was_read = was_read
    assert failure(client).reason is FailureReason.NETWORK


def test_fips(monkeypatch: pytest.MonkeyPatch) -> None:
    """FIPS endpoints are used where the configuration says so."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    client = TargetClient(TARGET, Sessions(replace(SETTINGS, use_fips=True)))
    failure(client)
    assert client._bedrock.meta.endpoint_url == "https://bedrock-fips.us-east-1.amazonaws.com"


def test_targets_walk_at_the_same_time(connect: Connect) -> None:
    """Clients of many targets may be made and used from as many threads."""
    service = Service(page(job(1)), sts=faults.assumed("token", timedelta(hours=1)))
    first = connect(service)
    targets = [TARGET, IN_ROLE, replace(TARGET, region="us-west-2"), replace(IN_ROLE, region="us-west-2")] * 3
    clients = [TargetClient(target, first._sessions) for target in targets]
    with ThreadPoolExecutor(len(clients)) as pool:
        assert [names(pages) for pages in pool.map(walk, clients)] == [["job-1"]] * len(clients)
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, None),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, "eu-west-1"),
    ],
    ids=str,
)
def test_default_region(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], region: str | None) -> None:
    """The default region is AWS_REGION's, then what botocore finds."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_region(None) == region


# Exceptions → reasons


def client_error(code: str, status: int, operation: str = LIST_JOBS, message: str = "") -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


URL = {"endpoint_url": "https://bedrock.us-east-1.amazonaws.com"}
EXCEPTIONS: list[tuple[Exception, FailureReason]] = [
    (WalkError(FailureReason.RUNAWAY_PAGINATION, "as it is"), FailureReason.RUNAWAY_PAGINATION),
    (client_error("ThrottlingException", 429), FailureReason.THROTTLED),
    (client_error("TooManyRequestsException", 400), FailureReason.THROTTLED),
    (client_error("Throttling", 400, ASSUME), FailureReason.THROTTLED),
    (client_error("AccessDeniedException", 403), FailureReason.ACCESS_DENIED),
    (client_error("AccessDenied", 403, WHO_AM_I), FailureReason.ACCESS_DENIED),
    (client_error("AccessDenied", 403, ASSUME), FailureReason.ASSUME_ROLE_DENIED),
    (client_error("AccessDenied", 403, "AssumeRoleWithWebIdentity"), FailureReason.ASSUME_ROLE_DENIED),
    (client_error("RegionDisabledException", 403, ASSUME), FailureReason.ASSUME_ROLE_DENIED),
    (client_error("ExpiredToken", 403, ASSUME), FailureReason.CREDENTIALS),
    (client_error("InvalidClientTokenId", 403, ASSUME), FailureReason.CREDENTIALS),
    (client_error("UnrecognizedClientException", 403), FailureReason.CREDENTIALS),
    (client_error("SignatureDoesNotMatch", 403), FailureReason.CREDENTIALS),
    (client_error("UnknownOperationException", 404), FailureReason.UNSUPPORTED_REGION),
    (
        client_error("ValidationException", 400, message="Unknown Operation"),
        FailureReason.UNSUPPORTED_REGION,
    ),
    (client_error("ValidationException", 400, message="maxResults"), FailureReason.INTERNAL),
    (client_error("InternalServerException", 500), FailureReason.SERVER_ERROR),
    (client_error("ServiceUnavailable", 503, ASSUME), FailureReason.SERVER_ERROR),
    (client_error("404", 404), FailureReason.MALFORMED_RESPONSE),
    (client_error("", 302), FailureReason.MALFORMED_RESPONSE),
    (boto.ClientError({}, LIST_JOBS), FailureReason.MALFORMED_RESPONSE),
    (boto.EndpointConnectionError(**URL), FailureReason.NETWORK),
    (boto.ConnectionClosedError(**URL), FailureReason.NETWORK),
    (boto.ProxyConnectionError(proxy_url="http://proxy"), FailureReason.NETWORK),
    (boto.SSLError(**URL, error=OSError("certificate has expired")), FailureReason.NETWORK),
    (boto.ResponseStreamingError(error="incomplete"), FailureReason.NETWORK),
    (boto.HTTPClientError(error="anything"), FailureReason.NETWORK),
    (boto.ConnectTimeoutError(**URL), FailureReason.TIMEOUT),
    (boto.ReadTimeoutError(**URL), FailureReason.TIMEOUT),
    (boto.NoCredentialsError(), FailureReason.CREDENTIALS),
    (boto.PartialCredentialsError(provider="env", cred_var="secret"), FailureReason.CREDENTIALS),
    (boto.CredentialRetrievalError(provider="process", error_msg="exit 1"), FailureReason.CREDENTIALS),
    (boto.MetadataRetrievalError(error_msg="IMDS"), FailureReason.CREDENTIALS),
    (boto.ProfileNotFound(profile="p"), FailureReason.CREDENTIALS),
    (boto.TokenRetrievalError(provider="sso", error_msg="expired"), FailureReason.CREDENTIALS),
    (boto.UnauthorizedSSOTokenError(), FailureReason.CREDENTIALS),
    (boto.SSOTokenLoadError(error_msg="none"), FailureReason.CREDENTIALS),
    (boto.InfiniteLoopConfigError(source_profile="p", visited_profiles=["p"]), FailureReason.CREDENTIALS),
    (boto.UnknownCredentialError(name="n"), FailureReason.CREDENTIALS),
    (boto.NoRegionError(), FailureReason.CREDENTIALS),
    (boto.InvalidRegionError(region_name="???"), FailureReason.UNSUPPORTED_REGION),
    (ResponseParserError("not XML"), FailureReason.MALFORMED_RESPONSE),
    (ValueError("anything else"), FailureReason.INTERNAL),
]


@pytest.mark.parametrize(
    ("exception", "reason"), EXCEPTIONS, ids=[f"{type(each).__name__}: {each}"[:90] for each, _ in EXCEPTIONS]
)
def test_reason_of_an_exception(exception: Exception, reason: FailureReason) -> None:
    """Every exception has one of the bounded reasons, and the message holds what it said."""
    explained = walk_error(exception)
    assert explained.reason is reason
    if not isinstance(exception, WalkError):
        assert str(exception) in explained.message


def test_reason_where_the_region_has_no_service() -> None:
    """A name that is not there means an unsupported region; whatever else goes wrong there is what it is."""
    unresolved = NameResolutionError("bedrock.xx-new-1.amazonaws.com", None, socket.gaierror())  # type: ignore[arg-type]
    unresolved.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    for exception, reason in (
        (boto.EndpointConnectionError(**URL, error=unresolved), FailureReason.UNSUPPORTED_REGION),
        (boto.EndpointConnectionError(**URL, error=ConnectionRefusedError()), FailureReason.NETWORK),
        (boto.ConnectTimeoutError(**URL), FailureReason.TIMEOUT),
        (boto.ConnectionClosedError(**URL), FailureReason.NETWORK),
    ):
        assert walk_error(exception, lambda: True).reason is reason
    assert walk_error(boto.EndpointConnectionError(**URL, error=unresolved), lambda: False).reason is (
        FailureReason.NETWORK
    )


@pytest.mark.parametrize(
    ("files", "variables"),
    [
        pytest.param({"config": "[default"}, {}, id="a configuration that can't be parsed"),
        pytest.param({"config": "[default]\ncredential_process = /no/such"}, {}, id="a command that is not there"),
        pytest.param({"config": "[default]\ncredential_process = echo x"}, {}, id="a command that prints no JSON"),
        pytest.param(
            {}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such", "AWS_ROLE_ARN": ROLE}, id="a token file that is not there"
        ),
        pytest.param({}, {"AWS_ACCESS_KEY_ID": "x", "AWS_DEFAULTS_MODE": "x"}, id="a mode that there is not"),
    ],
)
def test_faults_of_the_aws_set_up(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    files: dict[str, str],
    variables: dict[str, str],
) -> None:
    """They are a matter of credentials, for the user to mend, and never called a bug of ours."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / name))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert failure(connect(Service(page()))).reason is FailureReason.CREDENTIALS


def test_a_provider_of_credentials_that_is_not_there(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that it can't resolve, ahead of any client of ours, is the network's matter and no region's."""
    unresolved = NameResolutionError("portal.sso.example", None, socket.gaierror())  # type: ignore[arg-type]
    client = connect(Service(page()))

    def unreachable(_: Target) -> None:
        raise boto.EndpointConnectionError(**URL, error=unresolved)

    monkeypatch.setattr(client._sessions, "bedrock", unreachable)
    assert failure(client).reason is FailureReason.NETWORK


def test_credentials_that_somebody_writes_anew(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file with new credentials, in the place of those that have expired, is read without a restart."""
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = x\n", encoding="utf-8")
    service = Service(error(403, "ExpiredTokenException"), page(job(1)))
    client = connect(service)
    assert failure(client).reason is FailureReason.CREDENTIALS
    file.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = x\n", encoding="utf-8")
    assert names(walk(client)) == ["job-1"]
    keys = [re.findall(r"Credential=(\w+)/", request.headers["authorization"])[0] for request in service.lists]
    assert keys == ["OLD", "NEW"]


def test_cut_reaches_a_socket_within_tls_within_tls() -> None:
    """Behind a proxy that is itself reached by TLS, what urllib3 calls the socket only holds one."""

    class Transport:
        def __init__(self, inner: object) -> None:
            self.socket = inner

    ours, theirs = socket.socketpair()
    with ours, theirs:
        lifeline = Lifeline()
        lifeline.hold(Transport(ours))
        lifeline.cut()
        assert theirs.recv(1) == b""


def test_cut_leaves_a_connection_that_went_back_to_its_pool(connect: Connect) -> None:
    """Between two requests a lifeline holds nothing: another walk may be using what it used."""
    client = connect(Service(page(job(1)), page(job(2))))
    with Lifeline() as lifeline:
        walk(client)
        assert lifeline._socket is None


def test_credentials_that_take_for_ever_hold_up_no_other_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loader: Loader
) -> None:
    """A command that gives no credentials, and no error either, is waited for by the targets of its profile only."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = tmp_path / "config"
    config.write_text(f"[profile hangs]\ncredential_process = cat {pipe}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with Server(Service(page(job(1)))) as server:
        sessions = Sessions(replace(SETTINGS, endpoint_url=server.url))
        sessions._loader = loader
        hanging = TargetClient(replace(TARGET, profile="hangs"), sessions)
        thread = threading.Thread(target=lambda: failure(hanging))
        thread.start()
        with pipe.open("w"):  # opens once the command reads
            good = TargetClient(TARGET, sessions)
            assert names(walk(good)) == ["job-1"]
            assert thread.is_alive()
            good.close()
        assert finishes(thread)
