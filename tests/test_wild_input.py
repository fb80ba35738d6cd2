"""Whatever AWS, a client or a user sends, what comes of it is one of the documented things. Configuration files have
their own such tests in `tests/config`."""

import asyncio
import contextlib
import gc
import io
import itertools
import json
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bedrock.peers import Peer, read_head
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import cli
from exporter.app import App
from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.bedrock.wire import JobPage, read_page
from exporter.config.resolve import load
from exporter.errors import FailureReason, WalkError
from exporter.fleet.page import compose
from exporter.fleet.state import Failed, TargetState, Walked, advance
from exporter.fleet.walk import Reader, walk
from exporter.jobs.page import Format
from exporter.jobs.snapshot import Budget
from exporter.targets.target import AssumeRole, Target
from exporter.telemetry import Telemetry
from exporter.web.address import Address
from exporter.web.pages import status_page
from exporter.web.selection import Selection
from exporter.web.server import Server
from exporter.web.status import status

NOW = 1_790_000_000.0
DAY = 86_400.0
OWN, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
TARGET = Target("targets[0]", "us-east-1", labels=(("team", '50 % of "us"\\\n'),))
DOCUMENTED = set(FailureReason) - {FailureReason.INTERNAL, FailureReason.DUPLICATE_TARGET}


def bounded(examples: int) -> settings:
    """So many examples; they start servers and threads, so that the time of one says nothing."""
    unwanted = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(deadline=None, max_examples=examples, suppress_health_check=unwanted)


# AWS ------------------------------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(), max_size=12)
"""With NUL, line feeds, quotes and halves of surrogate pairs."""
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
TIME = (
    st.floats(NOW - 200 * DAY, NOW + DAY)
    | st.sampled_from(["2026-09-21T14:13:20Z", "2026-09-01T00:00:00.123+02:00", "2026-09-20", "no time", ""])
    | ANY_JSON
)
STATUS = st.sampled_from(["InProgress", "Completed", "Failed", "Stopping", "Stopped", "NotStarted", "New"]) | ANY_JSON
SUBTASK = st.fixed_dictionaries({}, optional={"status": STATUS, "creationTime": TIME, "lastModifiedTime": TIME})
SUMMARY = st.fixed_dictionaries(
    {
        "jobArn": st.integers(0, 9).map(f"arn:aws:bedrock:us-east-1:{OWN}:model-customization-job/m/{{}}".format)
        | ANY_TEXT.map("a/{}".format),
        "jobName": st.sampled_from(["a", "b"]) | ANY_TEXT,
        "status": STATUS,
        "creationTime": TIME,
    },
    optional={
        "baseModelArn": ANY_TEXT | ANY_JSON,
        "customizationType": st.sampled_from(["FINE_TUNING", "NEW"]) | ANY_TEXT | ANY_JSON,
        "customModelName": ANY_TEXT | ANY_JSON,
        "lastModifiedTime": TIME,
        "endTime": TIME,
        "statusDetails": ANY_JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "validationDetails": SUBTASK | ANY_JSON,
                "dataProcessingDetails": SUBTASK,
                "trainingDetails": SUBTASK,
            },
        ),
    },
)


@st.composite
def lists_in_pages(draw: st.DrawFn) -> list[bytes]:
    """The bodies of a list's pages: split anywhere, sometimes with a token, a member or bytes that nobody expects."""
    jobs: st.SearchStrategy[list[Any]] = st.lists(SUMMARY | ANY_JSON, max_size=8)
    summaries = draw(jobs)
    if summaries and draw(st.booleans()) is True:
        repeated: st.SearchStrategy[list[Any]] = st.lists(st.sampled_from(summaries), max_size=3)
        summaries += draw(repeated)
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(summaries)), max_size=4))), len(summaries)]
    parts = [summaries[start:end] for start, end in itertools.pairwise(cuts)]
    bodies = []
    for number, part in enumerate(parts):
        page: Any = {"modelCustomizationJobSummaries": part}
        if number + 1 < len(parts) or draw(st.integers(0, 9)) == 0:
            page["nextToken"] = draw(st.just(f"t{number}") | st.just(f"t{number}") | ANY_JSON)
        if draw(st.integers(0, 19)) == 0:
            page = draw(ANY_JSON | st.just({**page, "Output": {"__type": draw(ANY_JSON)}}))
        body = json.dumps(page).encode()
        if draw(st.integers(0, 19)) == 0:
            at = draw(st.integers(0, len(body)))
            body = draw(st.sampled_from([body[:at], body[:at] + draw(st.binary(max_size=4)) + body[at:], b""]))
        bodies.append(body)
    return bodies


class Pages:
    """Reads one body after the other."""

    account_id = OWN

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies

    def pages(self, _max_pages: int, _now: float) -> Iterator[JobPage]:
        yield from map(read_page, self._bodies)


def walk_once(target: Target, reader: Reader) -> Walked | Failed:
    budget = Budget(retain=30 * DAY, max_jobs=4, baseline_window=90 * DAY)
    try:
        return walk(target, reader, budget=budget, max_pages=6, now=NOW)
    except WalkError as error:
        return Failed(None, error.reason, error.message)


TELEMETRY = Telemetry()


def is_published(outcome: Walked | Failed) -> None:
    """Everybody who asks gets whole pages, in which no series is twice."""
    state = advance(TargetState(TARGET, OWN), outcome, NOW)
    assert b"<table>" in status_page(status([state], Selection(), now=NOW, started=NOW, ready=True), "/metrics")
    for format_, parse in ((Format.TEXT, parse_text), (Format.OPENMETRICS, parse_openmetrics)):
        page = compose([state], format_, NOW + 1) + TELEMETRY.render(format_)
        series = [
            (sample.name, frozenset(sample.labels.items()))
            for family in parse(page.decode())
            for sample in family.samples
        ]
        assert len(series) == len(set(series))
        assert "bedrock_exporter_target_up" in {name for name, _ in series}
        if isinstance(outcome, Walked):
            shown = sum(name == "bedrock_model_customization_job_info" for name, _ in series)
            assert shown == len(outcome.snapshot.job_series)


def is_documented(outcome: Walked | Failed) -> None:
    if isinstance(outcome, Failed):
        assert outcome.reason in DOCUMENTED, outcome.message
        assert len(outcome.message) < 3000


@bounded(100)
@given(lists_in_pages() | st.lists(st.binary(max_size=60), min_size=1, max_size=2))
def test_any_list_is_a_snapshot_or_a_reason(bodies: list[bytes]) -> None:
    """Any bytes, and any JSON near to the service's, in any pages: the walk ends as documented and can be published."""
    outcome = walk_once(TARGET, Pages(bodies))

    is_documented(outcome)
    is_published(outcome)


class Wild:
    """Answers every request below HTTP with given bytes, those for STS apart, and closes."""

    of_list = of_sts = b""

    def __call__(self, connection: socket.socket) -> None:
        head = read_head(connection)
        if length := re.search(rb"(?i)content-length: *(\d+)", head):
            connection.recv(int(length[1]), socket.MSG_WAITALL)
        connection.sendall(self.of_sts if head.startswith(b"POST") else self.of_list)


@pytest.fixture(scope="module")
def wild() -> Iterator[Wild]:
    wild = Wild()
    with Peer(wild) as peer, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "any")
        environment.setenv("AWS_ENDPOINT_URL_BEDROCK", peer.url)
        environment.setenv("AWS_ENDPOINT_URL_STS", peer.url)
        yield wild


@pytest.fixture
def _collected() -> Iterator[None]:
    """botocore's exceptions refer to themselves, with a connection that is then closed by the garbage collector."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _botocore_is_silent() -> Iterator[None]:
    """As `log.configure` has it."""
    logger = logging.getLogger("botocore.credentials")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


CODES = st.sampled_from(["ThrottlingException", "AccessDeniedException", "ExpiredTokenException", "UnknownOperation"])
ERROR = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("message", "Message", "__type", "code", "Code"), CODES | ANY_JSON)
)
JSON_BODY = (ERROR | ANY_JSON).map(lambda tree: json.dumps(tree).encode())


def assumed(credentials: bytes) -> bytes:
    """What AssumeRole answers, with such credentials."""
    result = b"<AssumeRoleResult><Credentials>" + credentials + b"</Credentials></AssumeRoleResult>"
    return b"<AssumeRoleResponse>" + result + b"</AssumeRoleResponse>"


CODE_IS_NO_TEXT = b"<ErrorResponse><Error><Code><a/></Code><Message/></Error></ErrorResponse>"
XML = st.sampled_from(
    [
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>",
        b"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>",
        assumed(b"<AccessKeyId>A</AccessKeyId>"),
        assumed(b"<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"),
        assumed(
            b"<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            b"<Expiration>soon</Expiration>"
        ),
        CODE_IS_NO_TEXT,
        b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>",
        b"<GetCallerIdentityResponse/>",
        b"<html><body>Sign in to go on.</body></html>",
        b"<!DOCTYPE html><html><p>unclosed",
        '<p lang="fr">Accès refusé</p>'.encode("latin-1"),
        b"",
    ]
)


@st.composite
def http_answers(draw: st.DrawFn, body: st.SearchStrategy[bytes], *, refused: bool = False) -> bytes:
    """Any HTTP answer with such a body; or bytes that are none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    sent = draw(body)
    status = draw(st.sampled_from([302, 400, 401, 403, 404, 413, 429, 500, 502, 503] if refused else [200, 200, 204]))
    length = draw(st.sampled_from([len(sent), len(sent), len(sent), len(sent) + 1, max(0, len(sent) - 1)]))
    headers = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {length}"]
    extra = st.sampled_from(["x-amzn-ErrorType", "Content-Type", "Content-Encoding", "Location", "x-amz-crc32", "Date"])
    for name in draw(st.lists(extra, max_size=2)):
        value = draw(CODES | st.sampled_from(["gzip", "text/html", "", ":", "é", "a#b:c"]))
        headers.append(f"{name}: {value}")
    return "\r\n".join([*headers, "", ""]).encode("latin-1") + sent


def walk_for_real(target: Target) -> Walked | Failed:
    clients = Clients(AwsSettings(None, None, connect_timeout=5, read_timeout=5, max_attempts=1), 1)
    return walk_once(target, TargetReader(target, clients))


def is_explained(outcome: Walked | Failed, wire: bytes) -> None:
    """As documented; `internal` only for a code of the service that has no reason of its own."""
    if isinstance(outcome, Failed) and outcome.reason is FailureReason.INTERNAL:
        assert " from ListModelCustomizationJobs: " in outcome.message or " from AssumeRole: " in outcome.message, wire
        assert len(outcome.message) < 3000
    else:
        is_documented(outcome)


GOOD_LIST = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 38\r\n\r\n{"modelCustomizationJobSummaries": []}'


@pytest.mark.usefixtures("_collected")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@bounded(60)
@given(answer=http_answers(JSON_BODY | XML | st.binary(max_size=30)) | http_answers(JSON_BODY | XML, refused=True))
@example(answer=b"HTTP/1.1 502 X\r\nContent-Length: 2\r\n\r\n[]")
@example(answer=b"HTTP/1.1 403 X\r\nContent-Length: 6\r\n\r\nAcc\xe8s.")
@example(answer=b'HTTP/1.1 400 X\r\nContent-Length: 12\r\n\r\n{"__type":1}')
@example(answer=b'HTTP/1.1 400 X\r\nContent-Length: 13\r\n\r\n{"code": [1]}')
@example(answer=b'HTTP/1.1 403 X\r\nContent-Length: 21\r\n\r\n{"message": "\\ud800"}')
@example(answer=b"HTTP/1.1 403 X\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
@example(answer=b"HTTP/1.1 403 X\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000)
def test_any_answer_of_bedrock_has_a_reason(wild: Wild, answer: bytes) -> None:
    """Whatever comes back over HTTP, through the real boto3, ends the walk as documented, and the page says so."""
    wild.of_list = answer
    outcome = walk_for_real(Target("targets[0]", "us-east-1", account_id=OWN))

    is_explained(outcome, answer)
    is_published(outcome)


@pytest.mark.usefixtures("_collected")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@bounded(40)
@given(answer=http_answers(XML | JSON_BODY | st.binary(max_size=30)) | http_answers(XML, refused=True))
@example(answer=b"HTTP/1.1 200 X\r\nContent-Length: 30\r\n\r\n<html><body>Sign in</body></html>"[:-3])
@example(answer=b"HTTP/1.1 200 X\r\nContent-Length: 33\r\n\r\n<html><body>Sign in.</body></html>")
@example(answer=b"HTTP/1.1 302 X\r\nContent-Length: %d\r\n\r\n%s" % (len(CODE_IS_NO_TEXT), CODE_IS_NO_TEXT))
@example(answer=b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n%s" % (len(CODE_IS_NO_TEXT), CODE_IS_NO_TEXT))
def test_any_answer_of_sts_has_a_reason(wild: Wild, answer: bytes) -> None:
    """A role that can't be had has a documented reason; who we are may stay unknown, the list is read all the same."""
    wild.of_list, wild.of_sts = GOOD_LIST, answer
    in_role = walk_for_real(Target("targets[1]", "us-east-1", account_id=OTHER, assume_role=AssumeRole(ROLE)))
    own = walk_for_real(TARGET)

    is_explained(in_role, answer)
    is_published(in_role)
    assert isinstance(own, Walked), own.message
    assert own.account_id is None


# Clients --------------------------------------------------------------------------------------------------------------

STATUSES = {200, 400, 404, 405, 417, 503}
"""All that the routes and aiohttp's parser have to say."""


class Faults(logging.Handler):
    """Every record that tells of something which went wrong in the exporter."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(logging.Formatter().format(record))


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, int]]:
    """The address of a real server, in a thread with a loop of its own."""
    started: list[Any] = []
    ready = threading.Event()

    async def serve() -> None:
        loaded = load("", file="f", environ={}, default_region=lambda _: "us-east-1", known_regions=())
        server = Server(App(loaded).site)
        (place,) = await server.start([Address("127.0.0.1", 0)])
        end = asyncio.Event()
        started.extend((place, asyncio.get_running_loop(), end))
        ready.set()
        await end.wait()
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    place, loop, end = started
    yield place.host, place.port
    loop.call_soon_threadsafe(end.set)
    thread.join(10)


TOKEN = st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=8)
PATH = st.sampled_from(
    ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing", "*", "//", "http://x/metrics", "/%", "/%00", "/\xe9", "x:1"]
) | st.text(st.characters(max_codepoint=255), max_size=12)
NAME = TOKEN | st.sampled_from(
    """
    Host Accept Accept-Encoding Content-Length Transfer-Encoding Connection Expect Upgrade Content-Encoding Content-Type
    Cookie Range Sec-WebSocket-Key
    """.split()  # noqa: SIM905 - a list of words is read faster
)
VALUE = st.text(st.characters(max_codepoint=255), max_size=12) | st.sampled_from(
    [
        *("x", "", "close", "keep-alive", "chunked", "gzip", "br;q=2, gzip;q=nan", "100-continue", "websocket", "h2c"),
        *("5", "-1", "9" * 30, "*/*", "application/openmetrics-text;q=1.0.0", "text/plain;q=", "identity, chunked"),
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests that are good in most of their parts, then changed in some places; or any bytes."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=80))
    sent = b""
    for _ in range(draw(st.integers(1, 2))):
        method = draw(st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "PRI", "get"]) | TOKEN)
        version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTX/1.1", ""]))
        headers = draw(st.lists(st.tuples(NAME, VALUE), max_size=4))
        head = "".join(
            f"{line}\r\n" for line in [f"{method} {draw(PATH)} {version}", "Host: x", *map(": ".join, headers)]
        )
        sent += (
            head.encode("latin-1")
            + b"\r\n"
            + draw(st.just(b"") | st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"hello"]))
        )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(sent)))
        sent = sent[:at] + draw(st.binary(max_size=3)) + sent[at + draw(st.integers(0, 3)) :]
    return sent


def exchange(place: tuple[str, int], sent: bytes, patience: float) -> bytes:
    """Send, and read until the server closes or has nothing more to say."""
    received = b""
    with socket.create_connection(place, timeout=10) as client, contextlib.suppress(ConnectionError, TimeoutError):
        client.sendall(sent)
        client.settimeout(patience)
        while piece := client.recv(1 << 16):
            received += piece
    return received


@bounded(250)
@given(sent=requests())
@example(sent=b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
@example(sent=b"GET / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")
@example(sent=b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n")
@example(sent=b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n")
@example(sent=b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n")
def test_any_request_has_a_status_or_no_answer(served: tuple[str, int], sent: bytes) -> None:
    """A client gets one of six statuses, or its connection closed; the log is silent; the next client is served."""
    faults = Faults()
    logging.root.addHandler(faults)
    try:
        received = exchange(served, sent, 0.03)
        good = exchange(served, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 10)
    finally:
        logging.root.removeHandler(faults)

    assert not received or int(received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b" ", 2)[1]) in STATUSES
    assert good.startswith(b"HTTP/1.1 200 ")
    assert faults.told == []


# Users ----------------------------------------------------------------------------------------------------------------

FLAGS = [
    *("--config.file", "--web.listen-address", "--web.telemetry-path", "--log.level", "--log.format"),
    *("--config.check", "--once", "--demo", "--version", "--help", "--web.config.file", "--", "-h", "-"),
]
ARGUMENT = st.text(st.characters(exclude_characters="\0"), max_size=10)  # no argument of a process can have a NUL
ADDRESS = st.tuples(
    st.sampled_from(["", "127.0.0.1", "[::1]", "localhost", "[fe80::1%x]", "a..b", "x" * 64]) | ARGUMENT,
    st.just(0) | st.integers(-1, 70_000),
).map(lambda place: f"{place[0]}:{place[1]}")
CHOICE = st.sampled_from(["debug", "error", "json", "logfmt", "/m", "/-/m", "/", "no-such-file", "/dev/null", "."])
ARGUMENTS = st.lists(
    st.sampled_from(FLAGS)
    | CHOICE
    | ARGUMENT
    | st.tuples(st.sampled_from(FLAGS), CHOICE | ADDRESS | ARGUMENT).map("=".join)
    | ADDRESS.map("--web.listen-address={}".format),
    max_size=5,
)


@pytest.fixture
def ends_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What would poll for ever ends at once, and no name leaves the machine. Gives a folder."""

    async def end(_: App) -> bool:
        return True

    resolve = socket.getaddrinfo

    def local_only(host: Any, *how: Any, **more: Any) -> Any:
        with contextlib.suppress(OSError):
            if host in {None, "localhost"}:
                return resolve(host, *how, **more)
            return resolve(host, *how[:4], **{**more, "flags": socket.AI_NUMERICHOST})
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(App, "run", end)
    monkeypatch.setattr(App, "run_once", end)
    monkeypatch.setattr(socket, "getaddrinfo", local_only)
    monkeypatch.setattr(
        "exporter.demo.start", lambda _: contextlib.nullcontext(SimpleNamespace(url="http://127.0.0.1:1"))
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    Path("config.yaml").write_text("", encoding="utf-8")
    handlers, level = logging.root.handlers[:], logging.root.level
    ours = logging.getLogger("exporter").level
    yield tmp_path
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("exporter").setLevel(ours)


def run(argv: list[str]) -> tuple[int, str]:
    """Exit code, and what was printed on standard error, with streams as a terminal in UTF-8 has them."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(argv)
        except SystemExit as end:
            code = int(end.code or 0)
        out.flush()
        err.flush()
    assert isinstance(err.buffer, io.BytesIO)
    return code, err.buffer.getvalue().decode()


NOT_UTF_8 = os.fsdecode(b"caf\xe9.yaml")


@bounded(250)
@given(argv=ARGUMENTS)
@example(argv=[])
@example(argv=["--config.check", "--config.file", NOT_UTF_8])
@example(argv=["--config.file", NOT_UTF_8, "--web.listen-address=:0"])
@example(argv=["--web.telemetry-path", os.fsdecode(b"/m\xe9trics"), "--web.listen-address=:0"])
@example(argv=["--web.listen-address=127.0.0.1:0", "--log.format=json"])
@example(argv=["--web.listen-address", os.fsdecode(b"caf\xe9:0")])
@example(argv=["--once", "--log.level=debug"])
@example(argv=["--demo", "--web.listen-address=localhost:0"])
@example(argv=["--config.file=", "--config.check"])
@example(argv=["--config.file=" + "x" * 5000])
def test_any_flags_end_as_documented(ends_at_once: Path, argv: list[str]) -> None:
    """Any arguments: exit code 0, 1 or 2, a word on standard error with 2, and never a traceback."""
    with contextlib.suppress(OSError):
        (ends_at_once / NOT_UTF_8).write_text("", encoding="utf-8")
    code, err = run(argv)

    assert code in {0, 1, 2}
    assert "Traceback" not in err
    assert "traceback=" not in err
    assert err or code != 2
