"""Whatever a client sends, it gets a documented status or none, and the next one is served."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wild.bounded import bounded

from exporter.app import App
from exporter.config.resolve import load
from exporter.web.address import Address
from exporter.web.server import Server

STATUSES = {200, 400, 404, 405, 503}
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
@example(sent=b"GET /nothing HTTP/1.1\r\nHost: x\r\nExpect: \x80\r\n\r\n")
@example(sent=b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n")
@example(sent=b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n")
def test_any_request_has_a_status_or_no_answer(served: tuple[str, int], sent: bytes) -> None:
    """A client gets one of five statuses, or its connection closed; the log is silent; the next client is served."""
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
