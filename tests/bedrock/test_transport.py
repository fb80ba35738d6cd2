"""Every connection of botocore's ends in time and within its limit of bytes, whatever the peer sends."""

import gzip
import itertools
import json
import ssl
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import faults
import pytest
import trustme
from bedrock.peers import Handle, Peer, proxy, read_head, send, sending
from bedrock.scene import IN_ROLE, Aws, lent, names, reason, walk
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from faults import LIST, Service, job, page

from exporter import work
from exporter.bedrock.errors import walk_error
from exporter.bedrock.transport import MAX_OTHER, MAX_PAGE
from exporter.errors import FailureReason
from exporter.simulator import Response

OK = b"HTTP/1.1 200 OK\r\n"
BLOCK = b"x" * 65536
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def declared(size: int) -> bytes:
    return OK + f"Content-Length: {size}\r\n\r\n".encode()


def endless(start: bytes, again: bytes = BLOCK) -> Handle:
    return sending(itertools.chain([start], itertools.repeat(again)))


def dripping(start: bytes) -> Handle:
    return sending(itertools.chain([start], itertools.repeat(b"1")), pause=0.02)


class Tls(NamedTuple):
    """What servers speak, and the file with what clients trust."""

    server: ssl.SSLContext
    bundle: str


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Tls(context, str(bundle))


def session(tls: Tls, through: Peer | None = None) -> URLLib3Session:
    """What botocore sends all its requests with."""
    proxies = {"https": through.url} if through else {}
    return URLLib3Session(tls.bundle, proxies, timeout=(5, 30), proxies_config={"proxy_ca_bundle": tls.bundle})


def get(url: str, session: URLLib3Session, seconds: float = 30) -> bytes:
    with work.within(seconds):
        return bytes(session.send(AWSRequest("GET", url).prepare()).content)


def verdict(url: str, session: URLLib3Session, seconds: float = 30) -> FailureReason:
    """Why an answer was refused; by far sooner than the time-outs of a connection would have it."""
    start = time.monotonic()
    with pytest.raises(BotoCoreError) as caught:
        get(url, session, seconds)
    assert time.monotonic() - start < seconds + 3
    return walk_error(caught.value).reason


Reach = Callable[[Handle], tuple[str, URLLib3Session]]
"""How a peer handles connections → its URL, and a session that reaches it."""


@pytest.fixture(params=["directly", "TLS", "TLS through a proxy", "TLS through a proxy with TLS"])
def reach(request: pytest.FixtureRequest, tls: Tls) -> Iterator[Reach]:
    way = request.param
    with ExitStack() as stack:

        def reach(handle: Handle) -> tuple[str, URLLib3Session]:
            peer = stack.enter_context(Peer(handle, tls.server if "TLS" in way else None))
            if "proxy" not in way:
                return peer.url, session(tls)
            between = stack.enter_context(Peer(proxy(), tls.server if "proxy with TLS" in way else None))
            return peer.url, session(tls, through=between)

        yield reach


@pytest.mark.parametrize("answer", [declared(4) + b"good", OK + b"\r\ngood", CHUNKED + b"4\r\ngood\r\n0\r\n\r\n"])
def test_good_answers(reach: Reach, answer: bytes) -> None:
    """Whatever the framing, and the way."""
    assert get(*reach(sending([answer[:40], answer[40:]]))) == b"good"


@pytest.mark.parametrize("start", [declared(10**6), OK + b"\r\n"], ids=["of known length", "to the end"])
def test_bodies(reach: Reach, start: bytes) -> None:
    """One that comes at full speed without end is cut off at the limit; one that drips, at the deadline."""
    assert verdict(*reach(endless(start.replace(b"1000000", b"2000000")))) is FailureReason.MALFORMED_RESPONSE
    assert verdict(*reach(dripping(start)), seconds=0.3) is FailureReason.TIMEOUT


ENDLESS: dict[str, tuple[bytes, bytes, FailureReason]] = {
    "a status line": (b"HTTP/1.1 200 ", BLOCK, FailureReason.NETWORK),
    "another answer ahead": (b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 99, FailureReason.MALFORMED_RESPONSE),
    "a line of the header": (OK, BLOCK, FailureReason.NETWORK),
    "lines of the header": (OK, b"A: b\r\n" * 99, FailureReason.NETWORK),
    "a body to the end": (OK + b"\r\n", BLOCK, FailureReason.MALFORMED_RESPONSE),
    "an error": (b"HTTP/1.1 500 No\r\n\r\n", BLOCK, FailureReason.MALFORMED_RESPONSE),
    "a line that says how long a chunk is": (CHUNKED, BLOCK, FailureReason.NETWORK),
    "a chunk": (CHUNKED + b"fffffff\r\n", BLOCK, FailureReason.MALFORMED_RESPONSE),
    "chunks": (CHUNKED, b"1\r\nx\r\n" * 99, FailureReason.MALFORMED_RESPONSE),
    "a trailer": (CHUNKED + b"0\r\n", b"A: b\r\n" * 99, FailureReason.MALFORMED_RESPONSE),
}


@pytest.mark.parametrize(("start", "again", "expected"), ENDLESS.values(), ids=ENDLESS.keys())
def test_endless(tls: Tls, start: bytes, again: bytes, expected: FailureReason) -> None:
    """No part of an answer goes on for ever; that http.client does not take for HTTP is the network's fault."""
    with Peer(endless(start, again)) as peer:
        assert verdict(peer.url, session(tls)) is expected


@pytest.mark.parametrize("start", [b"", OK, OK + b"A: ", CHUNKED, CHUNKED + b"ff\r\n"], ids=repr)
def test_drips(tls: Tls, start: bytes) -> None:
    """A byte every 20 ms keeps no read waiting for long; yet no part of an answer outlasts the deadline."""
    with Peer(dripping(start)) as peer:
        assert verdict(peer.url, session(tls), seconds=0.3) is FailureReason.TIMEOUT


@pytest.mark.parametrize("with_tls", [False, True])
def test_connections_that_drip(tls: Tls, with_tls: bool) -> None:
    """Neither does a handshake, a proxy's answer to CONNECT, nor a handshake through it."""
    with Peer(sending([])) as silent:
        assert verdict(f"https://{silent.address}", session(tls), seconds=0.3) is FailureReason.TIMEOUT
    with Peer(sending([]), tls.server) as peer:
        for handle in (dripping(b""), dripping(OK), proxy(pause=0.02)):
            with Peer(handle, tls.server if with_tls else None) as between:
                assert verdict(peer.url, session(tls, through=between), seconds=0.3) is FailureReason.TIMEOUT


@pytest.mark.parametrize(("path", "limit"), [(LIST, MAX_PAGE), (f"/base{LIST}?a=b", MAX_PAGE), ("/", MAX_OTHER)])
def test_limits(tls: Tls, path: str, limit: int) -> None:
    """They are of the whole answer; a page may be larger than others; a length beyond it is refused at once."""
    head = declared(limit)
    for size, is_good in ((limit - len(head), True), (limit - len(head) + 1, False)):
        with Peer(sending([declared(size), b"x" * size])) as peer:
            if is_good:
                assert len(get(peer.url + path, session(tls))) == size
            else:
                assert verdict(peer.url + path, session(tls)) is FailureReason.MALFORMED_RESPONSE
    with Peer(sending([declared(limit + 1)], pause=30)) as peer:
        assert verdict(peer.url + path, session(tls)) is FailureReason.MALFORMED_RESPONSE


@pytest.mark.parametrize("start", [declared(MAX_PAGE), CHUNKED + b"fffffff\r\n", OK + b"\r\n"])
def test_memory(tls: Tls, start: bytes) -> None:
    """An endless page takes a small multiple of its limit."""
    with Peer(endless(start)) as peer:
        client = session(tls)
        tracemalloc.start()
        assert verdict(peer.url + LIST, client) is FailureReason.MALFORMED_RESPONSE
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2.5 * MAX_PAGE


def test_a_connection_that_was_not_read_to_the_end(tls: Tls) -> None:
    """It is never used again; one that was, is."""
    connections: list[int] = []

    def handle(connection: object) -> None:
        connections.append(0)
        answers = [declared(3) + b"one", declared(9**9), declared(3) + b"two"]
        for answer in answers[2 * (len(connections) - 1) :]:
            read_head(connection)  # type: ignore[arg-type]
            connections[-1] += 1
            send(connection, [answer], 0)  # type: ignore[arg-type]

    with Peer(handle) as peer:
        client = session(tls)
        assert get(peer.url, client) == b"one"
        assert verdict(peer.url, client) is FailureReason.MALFORMED_RESPONSE
        assert get(peer.url, client) == b"two"
    assert connections == [2, 1]


def test_no_request_after_the_deadline(tls: Tls) -> None:
    """Neither through a new connection nor through one that is kept."""
    requests: list[bytes] = []

    def handle(connection: object) -> None:
        while True:
            requests.append(read_head(connection))  # type: ignore[arg-type]
            send(connection, [declared(4), b"good"], 0)  # type: ignore[arg-type]

    with Peer(handle) as peer:
        client = session(tls)
        assert verdict(peer.url, client, seconds=0) is FailureReason.TIMEOUT
        assert get(peer.url, client) == b"good"
        assert verdict(peer.url, client, seconds=0) is FailureReason.TIMEOUT
    assert len(requests) == 1


GZIP = {"Content-Encoding": "gzip"}
PAGE = page(job(1)).body
assert isinstance(PAGE, bytes)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(200, gzip.compress(PAGE), GZIP), None),
        (Response(403, gzip.compress(b'{"message": "No."}'), GZIP), FailureReason.ACCESS_DENIED),
        (Response(200, gzip.compress(bytes(MAX_PAGE + 1)), GZIP), FailureReason.MALFORMED_RESPONSE),
        (Response(200, gzip.compress(PAGE)[:-1], GZIP), FailureReason.MALFORMED_RESPONSE),
        (Response(200, PAGE, GZIP), FailureReason.MALFORMED_RESPONSE),
    ],
    ids=["a page", "an error", "a bomb", "cut short", "not gzip"],
)
def test_gzip_of_a_proxy(aws: Aws, answer: Response, expected: FailureReason | None) -> None:
    """It is undone, within the limit."""
    reader = aws.reader(Service(answer))
    if expected is None:
        assert names(walk(reader)) == ["job-1"]
    else:
        assert reason(reader) is expected


def test_gzip_of_sts(aws: Aws) -> None:
    """So it is for STS, within the smaller limit."""
    plain = lent()
    assert isinstance(plain.body, bytes)
    service = Service(page(job(1)), sts=Response(200, gzip.compress(plain.body), GZIP))
    assert names(walk(aws.reader(service, IN_ROLE))) == ["job-1"]
    bomb = Response(200, gzip.compress(bytes(MAX_OTHER + 1)), GZIP)
    assert reason(aws.reader(Service(page(), sts=bomb), IN_ROLE)) is FailureReason.MALFORMED_RESPONSE


def test_a_page_of_a_thousand_jobs_is_within_the_limit(aws: Aws) -> None:
    body = json.dumps({"modelCustomizationJobSummaries": [job(i, extra="x" * 3000) for i in range(1000)]}).encode()
    (read,) = walk(aws.reader(Service(faults.body_of(body))))
    assert len(read.jobs) == 1000
