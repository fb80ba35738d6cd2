"""The table of what goes wrong between the exporter and AWS: how it is injected, and what users must see of it.

`test_aws.py` proves every line of it; docs/reliability.md shows it.
"""

import contextlib
import gzip
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import faults
from bedrock.peers import Peer, read_head, send
from faults import ACCOUNT, HTML, body_of, error, page

from exporter.errors import FailureReason
from exporter.simulator import Request, Respond, Response
from reliability.rows import Row
from reliability.scene import GOOD, HALF, Aws, at, ended, pages, running

Inject = Callable[[Aws], AbstractContextManager[object]]
"""Puts a fault into a fake AWS for as long as the context lasts."""

FILE = "tests/reliability/test_aws.py"

UNKNOWN_OPERATION = error(400, "ValidationException", "Unknown Operation")
"""What a region without model customization says [rec]."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what users see.

    A fault with a reason fails every walk as long as it lasts; without one, walks stay good.

    Attributes:
        slug: the parameter of the test.
        name: as users would say it.
        inject: how.
        reason: what is counted.
        log: what the one log line says: a part of its `detail`. Empty where there is no line.
        also: what users see beyond what every fault of its kind shows; proven by `shows` and `gone`.
        region: of the target.
        service: whose endpoint of AWS it is led to.
        role: whether the target assumes a role.
        from_start: the fault is there when the exporter starts, and there is no good walk ahead of it.
        at_deadline: only the deadline of the walk ends it.
        malformed: jobs left out and counted in each walk.
        jobs: distinct jobs in the list while the fault is there, beyond those of the good list.
        gone: ids of jobs whose series end.
        shows: samples that are on the page meanwhile: (how it begins, a label, value).
        hides: what no sample may hold meanwhile.
        settings: of `poll` and `aws`, in the place of the test's own.
        attempts: requests for pages in each walk, where that is the point.
    """

    slug: str
    name: str
    inject: Inject
    reason: FailureReason | None = None
    log: str = ""
    also: str = ""
    region: str = "us-east-1"
    service: str = "bedrock"
    role: bool = False
    from_start: bool = False
    at_deadline: bool = False
    malformed: int = 0
    jobs: int = 0
    gone: tuple[str, ...] = ()
    shows: tuple[tuple[str, str, str], ...] = ()
    hides: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    attempts: int | None = None

    @property
    def row(self) -> Row:
        """The line in docs/reliability.md."""
        test = f"{FILE}::test_{'failing' if self.reason else 'harmless'}_fault[{self.slug}]"
        seen = log = ""
        if self.reason:
            seen = f'`target_up` 0, `target_walk_failures_total{{reason="{self.reason}"}}` grows'
            log = f"`target is down`, `reason={self.reason}`, “{self.log}”"
        elif self.malformed:
            grows = f"`target_malformed_jobs_total` grows by {self.malformed} a walk"
            seen = f"`target_up` 1, {grows}; what can't be read is left out"
            log = f"`malformed job left out`, “{self.log}”"
        else:
            seen = "`target_up` 1"
        return Row(self.name, "; ".join(filter(None, (seen, self.also))), log or "—", test)


# Ways to put a fault in


def listing(answer: Response | Respond, *, all_pages: bool = False) -> Inject:
    """List is answered so: on the first page of the first walk, on the second page of the next one, and so on.

    Args:
        answer: the fault.
        all_pages: every page, of every walk.
    """

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        walks = 0

        def respond(request: Request) -> Response:
            nonlocal walks
            first = "nextToken" not in request.query
            walks += first
            if first and walks % 2 == 0 and not all_pages:
                return page(*HALF, token="1")
            return answer if isinstance(answer, Response) else answer(request)

        aws.list = respond
        yield

    return inject


def stalling(answer: Callable[[threading.Event], Response]) -> Inject:
    """List is answered by something that takes until the event that it is given is set."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        over = threading.Event()
        with listing(lambda _: answer(over))(aws):
            try:
                yield
            finally:
                over.set()

    return inject


def silent(over: threading.Event) -> Response:
    """Not even headers."""
    over.wait()
    raise ConnectionAbortedError


def dripping(over: threading.Event) -> Response:
    """Headers at once, then a byte a second."""
    return Response(200, _drops(over), {"Content-Type": "application/json", "Content-Length": "1000000"})


def _drops(over: threading.Event) -> Iterator[bytes]:
    while not over.wait(1):
        yield b" "


def sts(answer: Response | Respond) -> Inject:
    """STS is answered so."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        before, aws.sts = aws.sts, answer
        yield
        aws.sts = before

    return inject


@contextlib.contextmanager
def silent_sts(aws: Aws) -> Iterator[None]:
    """STS takes every request and says nothing."""
    over = threading.Event()
    with sts(lambda _: silent(over))(aws):
        try:
            yield
        finally:
            over.set()


@contextlib.contextmanager
def refusing(aws: Aws) -> Iterator[None]:
    """Nobody listens."""
    with aws.closed() as port, faults.closed_port(port):
        yield


def below_http(start: bytes, again: bytes = b"", pause: float = 0.0) -> Inject:
    """Every connection gets these bytes, then some again and again with pauses, or a reset where there are none."""

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        if again:
            send(connection, itertools.chain([start], itertools.repeat(again)), pause)
        else:
            connection.sendall(start)
            # No lingering: the other side gets a RST in the place of a FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        with aws.closed() as port, Peer(talk, port=port):
            yield

    return inject


@contextlib.contextmanager
def nameless(aws: Aws) -> Iterator[None]:
    """The name of the endpoint can't be resolved, and no connection is left."""
    aws.names.forgotten.add(aws.region)
    aws.cut()
    yield
    aws.names.forgotten.clear()


@contextlib.contextmanager
def no_credentials(aws: Aws) -> Iterator[None]:
    """Whoever gives out credentials does so no more."""
    aws.take_credentials()
    yield
    aws.give_credentials()


@contextlib.contextmanager
def no_credentials_at_all(aws: Aws) -> Iterator[None]:
    """The profile says nothing of credentials."""
    aws.write_profile(with_credentials=False)
    yield
    aws.write_profile(with_credentials=True)


def junk(printed: bytes) -> Inject:
    """The program that gives out credentials prints this."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        aws.give_junk(printed)
        yield
        aws.give_credentials()

    return inject


def clock_off(seconds: float) -> Inject:
    """The exporter's own clock is set."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        aws.clock.now += seconds
        yield
        aws.clock.now -= seconds

    return inject


def together(*injections: Inject) -> Inject:
    """All of these at once."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for each in injections:
                stack.enter_context(each(aws))
            yield

    return inject


def endless(_: Request) -> Response:
    """A body at full speed."""
    return Response(200, itertools.repeat(b" " * 65536))


def with_jobs(*more: object) -> Inject:
    """The good list, and more on its last page."""
    return listing(pages((*GOOD[:-1], (*GOOD[-1], *more))), all_pages=True)


def list_of(count: int) -> Respond:
    """The good list, and so many pages more, a job on each."""
    return pages((*GOOD, *((ended(100 + number, "Stopped"),) for number in range(count))))


def hiccup(answer: Response) -> Inject:
    """The second page is answered so once in each walk; asked for again, it is there."""
    again = False

    def respond(request: Request) -> Response:
        nonlocal again
        again = "nextToken" in request.query and not again
        return answer if again else pages(GOOD)(request)

    return listing(respond, all_pages=True)


def signature_expired(request: Request) -> Response:
    """AWS's clock is an hour ahead of the one that requests are signed by."""
    signed = request.headers["x-amz-date"]
    now = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(hours=1)
    return error(403, "InvalidSignatureException", f"Signature expired: {signed} is now earlier than {now}")


def short_role(request: Request) -> Response:
    """Credentials of a role that are good for so short that every request looks for new ones."""
    del request
    return faults.assumed("token", timedelta(minutes=5))


# The table

R = FailureReason
NOT_JSON = "answered a 200 whose body is not JSON"
NO_LIST = "answered a 200 without the list modelCustomizationJobSummaries"
LOST = "check the network, DNS, the proxy and aws.endpoint_url"
DEADLINE = "poll.timeout"
TOO_MANY = json.dumps({"modelCustomizationJobSummaries": [running(number) for number in range(1001)]}).encode()
GOOD_BODY = json.dumps({"modelCustomizationJobSummaries": [each for part in GOOD for each in part]}).encode()
CUT_SHORT = b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"modelCustomizationJobSumm'
JOB = "bedrock_model_customization_job_"
ID = f"{88:012d}"
MINE = f'job_id="{ID}"'


def _refusal(slug: str, name: str, answer: Response, reason: R, code: str) -> Fault:
    log = f"{code} from ListModelCustomizationJobs"
    return Fault(slug, name, listing(answer), reason, log)


def _not_the_list(slug: str, name: str, body: bytes, log: str) -> Fault:
    return Fault(slug, name, listing(body_of(body)), R.MALFORMED_RESPONSE, log)


def _lost(slug: str, name: str, inject: Inject) -> Fault:
    return Fault(slug, name, inject, R.NETWORK, LOST)


def _too_large(slug: str, name: str, inject: Inject) -> Fault:
    log = "the answer is larger than 4 MiB; is a proxy or a wrong endpoint in between?"
    return Fault(slug, name, inject, R.MALFORMED_RESPONSE, log)


def _held(slug: str, name: str, inject: Inject, **more: Any) -> Fault:
    settings = {"timeout": "1s", "read_timeout": "20s"}
    return Fault(slug, name, inject, R.TIMEOUT, DEADLINE, at_deadline=True, settings=settings, **more)


def _bad_job(slug: str, name: str, log: str, **members: Any) -> Fault:
    return Fault(slug, name, with_jobs(running(88) | members), log=log, malformed=1, hides=ID)


def _odd_job(slug: str, name: str, also: str, *shows: tuple[str, str, str], **members: Any) -> Fault:
    return Fault(slug, name, with_jobs(running(88) | members), also=also, jobs=1, shows=shows)


FAULTS = (
    # AWS refuses
    Fault(
        "throttled-once",
        "429 on one page, and the page on the second attempt",
        hiccup(error(429, "ThrottlingException")),
        also="`api_requests_total` counts the attempt",
        attempts=3,
        settings={"max_attempts": "2"},
    ),
    _refusal("throttled", "429 for ever", error(429, "ThrottlingException"), R.THROTTLED, "ThrottlingException"),
    _refusal("error-500", "500", error(500, "InternalServerException"), R.SERVER_ERROR, "InternalServerException"),
    _refusal(
        "error-503-html",
        "503 with a page of HTML, of a load balancer",
        body_of(HTML, 503, "text/html"),
        R.SERVER_ERROR,
        "503",
    ),
    _refusal(
        "access-denied", "Access denied", error(403, "AccessDeniedException"), R.ACCESS_DENIED, "AccessDeniedException"
    ),
    _refusal(
        "expired-token",
        "Credentials that have expired",
        error(403, "ExpiredTokenException"),
        R.CREDENTIALS,
        "ExpiredTokenException",
    ),
    Fault(
        "clock-behind-signature",
        "Our clock an hour behind AWS's, which so refuses every signature",
        listing(signature_expired),
        R.CREDENTIALS,
        "Signature expired",
    ),
    Fault(
        "credentials-gone",
        "Credentials that can't be renewed: their source fails",
        no_credentials,
        R.CREDENTIALS,
        "Error when retrieving credentials from custom-process",
    ),
    Fault(
        "credentials-null",
        "A program for credentials prints `null` at a renewal",
        junk(b"null"),
        R.CREDENTIALS,
        "the credential_process cat printed no JSON object",
    ),
    Fault(
        "credentials-without-secret",
        "A program for credentials leaves the secret out at a renewal",
        junk(b'{"Version": 1, "AccessKeyId": "AKIATEST"}'),
        R.CREDENTIALS,
        "Error when retrieving credentials from custom-process",
    ),
    Fault(
        "credentials-latin-1",
        "A program for credentials prints Latin-1: nothing of it is shown",
        junk(b'{"Version": 1, "SecretAccessKey": "hidden\xff"}'),
        R.CREDENTIALS,
        "the credential_process cat printed no JSON object",
    ),
    Fault(
        "sts-token-line-feed",
        "A role's session token that ends with a line feed: nothing of it is shown",
        sts(faults.assumed("hidden\n", timedelta(hours=1))),
        R.CREDENTIALS,
        "the session token, ",
        role=True,
    ),
    Fault(
        "sts-truncated",
        "AssumeRole's answer breaks off in the secret: nothing of it is shown",
        sts(body_of(b"<AssumeRoleResponse><SecretAccessKey>hidden & ", content_type="text/xml")),
        R.MALFORMED_RESPONSE,
        "botocore can't parse the answer",
        role=True,
    ),
    Fault(
        "api-key-refused",
        "An API key that AWS refuses",
        listing(error(403, "AccessDeniedException", "Please make sure your API Key is valid.")),
        R.CREDENTIALS,
        "give the exporter a valid API key in AWS_BEARER_TOKEN_BEDROCK",
    ),
    Fault(
        "proxy-407",
        "A proxy that asks for a user and a password",
        listing(body_of(HTML, 407, "text/html")),
        R.NETWORK,
        "the proxy asks for a user and a password",
    ),
    Fault(
        "no-credentials",
        "No credentials when the exporter starts",
        no_credentials_at_all,
        R.CREDENTIALS,
        "Unable to locate credentials",
        also="the account is `unknown` until there are some; no restart is needed then",
        from_start=True,
    ),
    Fault(
        "assume-role-denied",
        "AssumeRole denied",
        sts(faults.sts_error(403, "AccessDenied")),
        R.ASSUME_ROLE_DENIED,
        "AccessDenied from AssumeRole",
        role=True,
    ),
    Fault(
        "sts-500",
        "STS answers 500 when a role's credentials have to be renewed",
        sts(faults.sts_error(500, "InternalFailure")),
        R.SERVER_ERROR,
        "InternalFailure from AssumeRole",
        role=True,
    ),
    # Regions
    Fault(
        "unsupported-validation",
        "A region without model customization: `ValidationException`, “Unknown Operation”",
        listing(UNKNOWN_OPERATION, all_pages=True),
        R.UNSUPPORTED_REGION,
        "ValidationException from ListModelCustomizationJobs",
        from_start=True,
    ),
    Fault(
        "unsupported-coral",
        "A region without model customization: `UnknownOperationException` in a 200",
        listing(body_of(faults.CORAL_UNKNOWN_OPERATION), all_pages=True),
        R.UNSUPPORTED_REGION,
        "the endpoint does not know the operation ListModelCustomizationJobs",
        from_start=True,
    ),
    Fault(
        "no-longer-supported",
        "A region whose list was good answers “Unknown Operation”",
        listing(UNKNOWN_OPERATION),
        R.MALFORMED_RESPONSE,
        "does not know ListModelCustomizationJobs; it did before, so wait",
        also="it is walked on at its interval",
    ),
    Fault(
        "wrong-service",
        "An endpoint of bedrock-runtime, which says “Operation unknown”",
        listing(error(400, "ValidationException", "Operation unknown"), all_pages=True),
        R.MALFORMED_RESPONSE,
        "the endpoint bedrock-runtime.us-east-1.amazonaws.com does not know ListModelCustomizationJobs; is it "
        "bedrock-runtime's?",
        service="bedrock-runtime",
        from_start=True,
        also="it is walked on at its interval",
    ),
    Fault(
        "unsupported-dns",
        "A region without Amazon Bedrock: its name can't be resolved, and botocore knows no Bedrock there",
        nameless,
        R.UNSUPPORTED_REGION,
        "Could not connect to the endpoint URL",
        region="ap-east-1",
        from_start=True,
    ),
    # The network
    _lost("dns", "DNS fails", nameless),
    _lost("refused", "The connection is refused", refusing),
    _lost("reset-before-headers", "The connection is reset before the headers", below_http(b"")),
    _lost("reset-in-body", "The connection is reset in mid-body", below_http(CUT_SHORT)),
    _lost("closed-before-headers", "The connection is closed before the headers", listing(faults.drop)),
    _lost("closed-in-body", "The connection is closed in mid-body", listing(faults.truncated())),
    Fault(
        "silent",
        "Headers that never come",
        stalling(silent),
        R.TIMEOUT,
        "Read timeout on endpoint URL",
        settings={"read_timeout": "1s"},
    ),
    _held(
        "silent-to-the-deadline",
        "Headers that never come, and `aws.read_timeout` beyond `poll.timeout`",
        stalling(silent),
    ),
    _held(
        "dripping-headers",
        "Headers that come a byte a second",
        below_http(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", pause=1),
    ),
    _held("dripping-body", "A body that comes a byte a second", stalling(dripping)),
    _held("sts-silent", "STS says nothing when a role's credentials have to be renewed", silent_sts, role=True),
    # Answers without end
    _lost(
        "endless-header",
        "A header that never ends, at full speed",
        below_http(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 99),
    ),
    _too_large(
        "endless-interim",
        "`100 Continue` again and again, at full speed",
        below_http(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
    ),
    _too_large("endless-body", "A body that never ends, at full speed", listing(endless)),
    _too_large(
        "huge-body",
        "A body of 2 GB, as its header says",
        listing(Response(200, [b"{"], {"Content-Length": "2000000000"})),
    ),
    _too_large(
        "gzip-bomb",
        "16 kB that gzip unpacks to 16 MB",
        listing(Response(200, gzip.compress(bytes(2**24)), {"Content-Encoding": "gzip"})),
    ),
    Fault(
        "sts-endless",
        "STS answers without end when a role's credentials have to be renewed",
        sts(endless),
        R.MALFORMED_RESPONSE,
        "the answer is larger than 1 MiB",
        role=True,
    ),
    Fault(
        "gzip",
        "A proxy that packs answers with gzip, though nobody asked for it",
        listing(Response(200, gzip.compress(GOOD_BODY), {"Content-Encoding": "gzip"}), all_pages=True),
        also="it is unpacked",
        shows=(("bedrock_exporter_target_walk_pages", "", "1"),),
    ),
    # A 200 that is not the list
    _not_the_list(
        "truncated-json", "JSON that breaks off", b'{"modelCustomizationJobSummaries": [{"jobArn": ', NOT_JSON
    ),
    _not_the_list("html", "HTML with 200, of a proxy", HTML, NOT_JSON),
    _not_the_list("empty-body", "An empty body with 200", b"", NOT_JSON),
    _not_the_list("empty-object", "`{}` with 200", b"{}", NO_LIST),
    _not_the_list("list-null", "The list is null", b'{"modelCustomizationJobSummaries": null}', NO_LIST),
    _not_the_list(
        "list-twice",
        "The list is there twice",
        b'{"modelCustomizationJobSummaries": [], "modelCustomizationJobSummaries": []}',
        "answered a 200 with the list modelCustomizationJobSummaries twice",
    ),
    _not_the_list(
        "too-many-jobs", "A page of 1,001 jobs", TOO_MANY, "answered a 200 with 1001 jobs, where 1000 are the most"
    ),
    *(
        Fault(
            f"status-{status}",
            f"The list, but with status {status}, of a proxy",
            listing(body_of(GOOD_BODY, status)),
            R.MALFORMED_RESPONSE,
            f"answered with status {status}",
        )
        for status in (203, 206)
    ),
    # Pages
    Fault(
        "token-loop",
        "A page token that leads to itself",
        listing(page(running(77), token="a"), all_pages=True),
        R.RUNAWAY_PAGINATION,
        "the list repeated a page token after 1 pages",
        attempts=2,
    ),
    Fault(
        "too-many-pages",
        "More pages than `poll.max_pages`",
        listing(list_of(19), all_pages=True),
        R.RUNAWAY_PAGINATION,
        "the list has more than 20 pages; raise poll.max_pages",
        settings={"max_pages": "20"},
        attempts=20,
    ),
    Fault(
        "max-pages",
        "As many pages as `poll.max_pages`",
        listing(list_of(18), all_pages=True),
        also="`target_walk_pages` and every count are exact",
        settings={"max_pages": "20"},
        attempts=20,
        jobs=18,
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "20"),
            ("bedrock_model_customization_jobs", 'status="Stopped",customization_type="FINE_TUNING"', "18"),
        ),
    ),
    Fault(
        "repeated-jobs",
        "A page that repeats jobs of the page before",
        listing(pages((*GOOD[:1], (*GOOD[0], *GOOD[1]))), all_pages=True),
        also="each job counts once",
        shows=(("bedrock_model_customization_jobs", 'status="InProgress",customization_type="FINE_TUNING"', "2"),),
    ),
    Fault(
        "shrinking-list",
        "A list that shrinks",
        listing(pages(GOOD[1:]), all_pages=True),
        also="the counts follow, and the series of the jobs that are gone end",
        jobs=-3,
        gone=tuple(f"{number:012d}" for number in (1, 2, 3)),
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "1"),
            ("bedrock_model_customization_jobs", 'status="Failed",customization_type="FINE_TUNING"', "0"),
        ),
    ),
    Fault(
        "empty-list",
        "A list without jobs, as AWS writes it",
        listing(page(), all_pages=True),
        also="it is believed: every count is 0, and the series of the jobs end",
        jobs=-5,
        gone=tuple(f"{number:012d}" for number in (1, 2, 3, 4, 5)),
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "1"),
            ("bedrock_model_customization_jobs", 'status="InProgress",customization_type="FINE_TUNING"', "0"),
        ),
    ),
    # Jobs
    Fault(
        "no-arn",
        "A job without ARN",
        with_jobs({name: value for name, value in running(88).items() if name != "jobArn"}),
        log="job job-88: Object missing required field `jobArn`",
        malformed=1,
        hides="job-88",
    ),
    _bad_job(
        "text-time", "A time that is some text", "creationTime: 'yesterday' is not a time", creationTime="yesterday"
    ),
    _bad_job(
        "time-out-of-range",
        "A time out of range",
        "lastModifiedTime: 1790000000000000 is not a time",
        lastModifiedTime=1_790_000_000_000_000,
    ),
    Fault(
        "not-a-job",
        "A job that is null, a number or a list",
        with_jobs(None, 7, []),
        log="a job: None is not an object",
        malformed=3,
        also="one log line for each",
    ),
    _odd_job(
        "number-time",
        "A time that is a number",
        "it is read as Unix seconds",
        (JOB + "created_timestamp_seconds", MINE, "1789999000.5"),
        creationTime=1_789_999_000.5,
    ),
    Fault(
        "null-modified",
        "A time that is null where it may be missing",
        with_jobs(running(88) | {"lastModifiedTime": None, "endTime": None}),
        also="the job has no series about that time",
        jobs=1,
        shows=((JOB + "info", MINE, "1"),),
        hides=f'{JOB}last_modified_timestamp_seconds{{aws_account_id="{ACCOUNT}",aws_region="us-east-1",{MINE}',
    ),
    _odd_job(
        "unknown-status",
        "A status that is new to us",
        "it passes through as it is",
        (JOB + "status", f'{MINE},job_name="job-88",customization_type="FINE_TUNING",status="Paused"', "1"),
        ("bedrock_model_customization_jobs", 'status="Paused",customization_type="FINE_TUNING"', "1"),
        status="Paused",
    ),
    _odd_job(
        "unknown-type",
        "A customization type that is new to us",
        "it passes through as it is",
        (JOB + "info", f'{MINE},job_name="job-88",customization_type="QUANTIZATION"', "1"),
        ("bedrock_model_customization_jobs", 'status="InProgress",customization_type="QUANTIZATION"', "1"),
        customizationType="QUANTIZATION",
    ),
    # Clocks
    _odd_job(
        "aws-clock-ahead",
        "AWS's clock an hour ahead of ours",
        "what grows stays 0 until our clock is there; nothing is negative",
        (JOB + "duration_seconds", MINE, "0.000"),
        (JOB + "time_since_last_modified_seconds", MINE, "0.000"),
        creationTime=at(3600),
        lastModifiedTime=at(3660),
    ),
    _odd_job(
        "aws-clock-behind",
        "AWS's clock an hour behind ours",
        "what grows is an hour too much; walks go on",
        (JOB + "created_timestamp_seconds", MINE, "1789996400.0"),
        creationTime=at(-3600),
        lastModifiedTime=at(-3600),
    ),
    Fault(
        "our-clock-ahead",
        "Our clock jumps an hour ahead",
        clock_off(3600),
        also="what grows jumps with it; the snapshot stays, and walks go on",
        shows=(("bedrock_exporter_target_last_walk_timestamp_seconds", "", "@now"),),
    ),
    Fault(
        "our-clock-ahead-meanwhile",
        "Our clock is a year ahead while walks fail half-way, and is then corrected",
        together(clock_off(365 * 86400), listing(error(500, "InternalServerException"))),
        R.SERVER_ERROR,
        "InternalServerException",
        also="nothing is lost: the next good walk shows every job, those that ended before it too",
    ),
    Fault(
        "our-clock-behind",
        "Our clock jumps an hour back",
        clock_off(-3600),
        also="what grows jumps with it and is never below 0; the snapshot stays, and walks go on",
        shows=(
            ("bedrock_exporter_target_last_walk_timestamp_seconds", "", "@now"),
            (JOB + "duration_seconds", f'job_id="{1:012d}"', "0.000"),
        ),
    ),
)

ALONE = (
    Row(
        "Every target fails when the exporter starts",
        "`/-/healthy` 200, `/-/ready` 200 after the first walks, `/metrics` with `target_up` 0 for each",
        f"`target is down`, `reason={R.NETWORK}`, once for each target",
        f"{FILE}::test_every_target_fails_from_the_start",
    ),
)

ELSEWHERE = (
    Row(
        "Walks that fail for longer than `poll.stale_after`",
        "the series of the target's jobs end; its `bedrock_exporter_target_*` stay. A good walk brings all back",
        "`no good walk within stale_after; the series of the target's jobs end`",
        "tests/fleet/test_fleet.py::test_stale_data_ends_exactly_then_and_a_good_walk_brings_it_back",
    ),
    Row(
        "The second of two targets that turn out to be one account in one region",
        f'`target_up` 0, `target_walk_failures_total{{reason="{R.DUPLICATE_TARGET}"}}` grows; no series stands twice',
        f"`target is down`, `reason={R.DUPLICATE_TARGET}`, “which targets[0] watches already; remove one of the two”",
        "tests/fleet/test_fleet.py::test_the_second_of_two_that_are_one_is_a_duplicate",
    ),
)

LIMITS = (
    Row(
        "200 targets, each with a profile of its own, and 64 file descriptors; as many clients that say nothing",
        "`target_up` 1; `/metrics` answers, and SIGTERM ends it; each request to AWS makes a connection",
        "`too few file descriptors to keep connections to AWS open`, at the start, with the `limit` that is `wanted`",
        "tests/reliability/test_descriptors.py::test_more_targets_than_descriptors",
    ),
    Row(
        "As many roles as walk at a time, and STS answers without end",
        "peak memory of the process at most 300 MB; the target beside them is up",
        "`target is down`, `reason=malformed_response`",
        "tests/reliability/test_memory.py::test_hostile_sts",
    ),
    Row(
        "10,000 targets: a start, a reload of all of them, a SIGTERM in the midst of one",
        "each takes at most 3 s, the end at most 5 s; `/-/healthy` answers meanwhile",
        "`configuration reloaded`",
        "tests/reliability/test_many_targets.py::test_ten_thousand_targets",
    ),
    *(
        Row(
            f"As many targets as walk at a time, all at once answered with {answer}",
            "peak memory of the process at most 300 MB; the target beside them is up",
            "`target is down`, `reason=malformed_response`, where it is no list",
            f"tests/reliability/test_memory.py::test_hostile_targets_at_once[{answer}]",
        )
        for answer in (
            "a body without end",
            "a 500 without end",
            "a body of 2 GB, as its header says",
            "a job name of 4 MB",
            "a body that gzip unpacks to 64 MB",
            "lists in lists",
            "as many members as a page may have",
            "jobs that say as much as they can",
        )
    ),
)

ROWS = [*(fault.row for fault in FAULTS), *ALONE, *ELSEWHERE, *LIMITS]
