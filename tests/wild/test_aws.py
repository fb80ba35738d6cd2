"""Whatever AWS sends, what comes of it is one of the documented things."""

import gc
import itertools
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from bedrock.peers import Peer, read_head
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from wild.bounded import bounded

from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.bedrock.wire import JobPage, read_page
from exporter.errors import FailureReason, WalkError
from exporter.fleet.page import compose
from exporter.fleet.state import Failed, TargetState, Walked, advance
from exporter.fleet.walk import Reader, walk
from exporter.jobs.page import Format
from exporter.jobs.snapshot import Budget
from exporter.targets.target import AssumeRole, Target
from exporter.telemetry import Telemetry
from exporter.web.pages import status_page
from exporter.web.selection import Selection
from exporter.web.status import status

NOW = 1_790_000_000.0
DAY = 86_400.0
OWN, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
TARGET = Target("targets[0]", "us-east-1", labels=(("team", '50 % of "us"\\\n'),))
DOCUMENTED = set(FailureReason) - {FailureReason.INTERNAL, FailureReason.DUPLICATE_TARGET}


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
        page = b"".join(compose([state], format_, NOW + 1)) + TELEMETRY.render(format_)
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
