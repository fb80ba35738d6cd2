"""The server over real sockets on loopback."""

import asyncio
import contextlib
import gzip
import logging
import socket
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from exporter.exposition import Format
from exporter.web import Address, ListenError, Server, Site, clients, server

LOOPBACK = Address("127.0.0.1", 0)


def site(telemetry: bytes = b"own 1\n") -> Site:
    def render_telemetry(_: Format) -> bytes:
        return telemetry

    return Site(
        telemetry_path="/metrics", states=tuple, ready=lambda: True, render_telemetry=render_telemetry, now=lambda: 0.0
    )


@contextlib.asynccontextmanager
async def serving(
    *addresses: Address, telemetry: bytes = b"own 1\n"
) -> AsyncIterator[tuple[Sequence[Address], aiohttp.ClientSession]]:
    serves = Server(site(telemetry))
    places = await serves.start(list(addresses or (LOOPBACK,)))
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            yield places, client
    finally:
        await serves.stop()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def exchange(place: Address, request: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


# Answers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("GET", "/metrics?match[]=x", 200),
        ("GET", "/%6Detrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("GET", "/nothing", 404),
        ("HEAD", "/nothing", 404),
        ("POST", "/metrics", 405),
    ],
)
def test_answers_over_http(method: str, path: str, status: int) -> None:
    """A request gets its route's answer with its length, and HEAD the same without the body."""

    async def work() -> None:
        async with serving() as ((place,), client):
            async with client.request(method, f"http://{place}{path}") as answer:
                body = await answer.read()
            async with client.get(f"http://{place}{path}") as full:
                whole = await full.read()

            assert answer.status == status
            assert answer.headers["Server"] == "bedrock-customization-exporter"
            if method == "HEAD":
                assert body == b""
                assert answer.headers["Content-Length"] == str(len(whole)) != "0"
            else:
                assert answer.headers["Content-Length"] == str(len(body)) != "0"

    asyncio.run(work())


LARGE = b"".join(b"line_%d 1\n" % number for number in range(100_000))


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}], ids=["identity", "gzip"])
def test_a_large_body_arrives_whole(headers: dict[str, str]) -> None:
    """Slices join to exactly the page, packed or not."""

    async def work() -> None:
        async with (
            serving(telemetry=LARGE) as ((place,), client),
            client.get(f"http://{place}/metrics", headers={"Accept-Encoding": "identity", **headers}) as answer,
        ):
            body = await answer.read()
            assert answer.headers.get("Content-Encoding") == headers.get("Accept-Encoding")
            assert (gzip.decompress(body) if headers else body) == LARGE

    asyncio.run(work())


def test_several_header_lines_count_as_one() -> None:
    """A header that comes in two lines is the list of both, as HTTP says."""
    request = (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Accept: text/html\r\nAccept: application/openmetrics-text\r\n"
        b"Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n"
    )

    async def work() -> bytes:
        async with serving() as ((place,), _):
            return await exchange(place, request)

    head = asyncio.run(work()).partition(b"\r\n\r\n")[0]

    assert b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8" in head
    assert b"Content-Encoding: gzip" in head


def test_a_connection_serves_request_after_request() -> None:
    """Keep-alive: Prometheus scrapes over one connection, also after a 404, a 405 and a HEAD."""
    requests = [
        ("GET", "/metrics"),
        ("HEAD", "/metrics"),
        ("GET", "/nothing"),
        ("POST", "/metrics"),
        ("GET", "/metrics"),
    ]
    text = "".join(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n" for method, path in requests[:-1])
    text += "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def work() -> bytes:
        async with serving() as ((place,), _):
            return await exchange(place, text.encode())

    answers = asyncio.run(work()).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200", b"200", b"404", b"405", b"200"]
    assert answers[-1].endswith(b"is healthy.\n")


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"])
def test_what_is_not_http_is_refused(request_: bytes) -> None:
    """It gets a 400 and the next client is served."""

    async def work() -> None:
        async with serving() as ((place,), client):
            assert (await exchange(place, request_)).split(b" ")[1] == b"400"
            async with client.get(f"http://{place}/-/healthy") as answer:
                assert answer.status == 200

    asyncio.run(work())


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9848", Address(None, 9848)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
        ("exporter.monitoring.svc:1", Address("exporter.monitoring.svc", 1)),
        ("[::1]:9848", Address("::1", 9848)),
        ("[fe80::1%eth0.100]:9848", Address("fe80::1%eth0.100", 9848)),
        ("[::ffff:127.0.0.1]:9848", Address("::ffff:127.0.0.1", 9848)),
    ],
)
def test_an_address_reads_and_writes_the_same(text: str, address: Address) -> None:
    """What an address says of itself can be given as a flag again."""
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "9848", "host", "host:", "host:-1", "host:65536", "host:9848x", "host:9848\n", ":\u0669", "a b:1"),
        *("[]:9848", "[::1]", "[::1]9848", "[host]:9848", "[::1%]:9848", "::1:9848", "http://host:9848", "host:1/"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The message quotes the text and shows what is wanted."""
    with pytest.raises(ValueError, match="is not an address such as") as caught:
        Address.parse(text)

    assert str(caught.value) == f"{text!r} is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848"


def test_several_addresses_serve_the_same() -> None:
    """Each address that was asked for answers, in the order asked for."""

    async def work() -> None:
        async with serving(LOOPBACK, LOOPBACK, Address("localhost", 0)) as (places, client):
            assert [place.host for place in places[:2]] == ["127.0.0.1", "127.0.0.1"]
            assert len({place.port for place in places}) == len(places) >= 3
            for place in places:
                async with client.get(f"http://{place}/-/healthy") as answer:
                    assert answer.status == 200

    asyncio.run(work())


def test_every_interface_is_one_address() -> None:
    """`:PORT` listens on all interfaces of the machine."""

    async def work() -> None:
        async with serving(Address(None, 0)) as (places, client):
            assert {place.host for place in places} <= {"0.0.0.0", "::"}
            (port,) = {place.port for place in places if place.host == "0.0.0.0"}
            async with client.get(f"http://127.0.0.1:{port}/-/healthy") as answer:
                assert answer.status == 200

    asyncio.run(work())


def test_ipv6() -> None:
    """`[::1]` serves where the machine has it, and says what is wrong where it has not."""

    async def work() -> None:
        async with serving(Address("::1", 0)) as ((place,), client), client.get(f"http://{place}/-/healthy") as answer:
            assert answer.status == 200

    if has_ipv6():
        asyncio.run(work())
    else:
        with pytest.raises(
            ListenError, match=r"^can't listen on \[::1\]:0: .*; choose another with --web.listen-address$"
        ):
            asyncio.run(work())


def listen(*addresses: Address) -> str:
    """Start where that can't be; returns the message, and sees to it that nothing is left listening."""

    async def work() -> None:
        serves = Server(site())
        try:
            await serves.start(list(addresses))
        finally:
            await serves.stop()

    with pytest.raises(ListenError) as caught:
        asyncio.run(work())
    return str(caught.value)


def test_a_port_that_is_taken_is_told() -> None:
    """The message names the address, the system's reason and the flag; no address is held on to."""
    with socket.create_server(("127.0.0.1", 0)) as holder, socket.create_server(("127.0.0.1", 0)) as free:
        taken, other = holder.getsockname()[1], free.getsockname()[1]
        free.close()

        assert listen(Address("127.0.0.1", other), Address("127.0.0.1", taken)) == (
            f"can't listen on 127.0.0.1:{taken}: Address already in use; choose another with --web.listen-address"
        )
        socket.create_server(("127.0.0.1", other)).close()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("a" * 64, "that is no host name"),
        ("a..b", "that is no host name"),
    ],
    ids=["not-ours", "label-too-long", "empty-label"],
)
def test_a_host_that_cannot_be_had_is_told(host: str, reason: str) -> None:
    """An address of somebody else, and a name that is none, are errors for people, not tracebacks."""
    assert listen(Address(host, 0)) == f"can't listen on {host}:0: {reason}; choose another with --web.listen-address"


# Slow clients


async def stuck(place: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asks for more than every buffer between holds, and reads only the first bytes of it."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (place.host, place.port))
    reader, writer = await asyncio.open_connection(sock=small, limit=1024)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    return reader, writer


HUGE = LARGE * 20


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends before the whole body has come."""
    received = 0
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 20):
            received += len(piece)
    return received < len(HUGE)


def test_stop_does_not_wait_for_a_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response in flight gets its deadline, then its connection is closed."""
    monkeypatch.setattr(server, "SHUTDOWN_DEADLINE", 0.05)

    async def work() -> None:
        async with asyncio.timeout(5):
            serves = Server(site(HUGE))
            (place,) = await serves.start([LOOPBACK])
            reader, writer = await stuck(place)
            await serves.stop()
            assert await is_cut(reader)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    asyncio.run(work())


def test_a_response_in_flight_is_finished_while_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads gets the whole response, also when the exporter ends meanwhile."""
    monkeypatch.setattr(server, "SHUTDOWN_DEADLINE", 40)

    async def work() -> None:
        async with asyncio.timeout(20):
            serves = Server(site(HUGE))
            (place,) = await serves.start([LOOPBACK])
            reader, writer = await stuck(place)
            stop = asyncio.create_task(serves.stop())
            assert not await is_cut(reader)
            await stop
            writer.close()
            await writer.wait_closed()

    asyncio.run(work())


def test_a_slow_reader_is_cut_off_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that does not read within the deadline loses its connection; a debug line is all it is worth."""
    caplog.set_level(logging.INFO)

    async def work() -> None:
        cut = asyncio.Event()
        monkeypatch.setattr(clients._log, "debug", lambda *_, **__: cut.set())
        async with asyncio.timeout(20), serving(telemetry=HUGE) as ((place,), client):
            with monkeypatch.context() as patch:
                patch.setattr(clients, "WRITE_DEADLINE", 0.2)
                reader, writer = await stuck(place)
            async with client.get(f"http://{place}/-/healthy") as answer:
                assert answer.status == 200
            await cut.wait()
            assert await is_cut(reader)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    asyncio.run(work())

    assert caplog.records == []


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_client_that_goes_away_is_no_error(reset: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Scrapers that give up in the middle of a response leave no line in the log and no harm."""
    caplog.set_level(logging.INFO)

    async def work() -> None:
        async with asyncio.timeout(20), serving(telemetry=HUGE) as ((place,), client):
            _, writer = await stuck(place)
            if reset:
                writer.transport.abort()
            else:
                writer.close()
            async with client.get(f"http://{place}/-/healthy") as answer:
                assert answer.status == 200

    asyncio.run(work())

    assert caplog.records == []
