"""The product's server in a thread of its own, and clients of it."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exporter.web.address import Address
from exporter.web.connections import Limits
from exporter.web.routes import Site
from exporter.web.security import Security
from exporter.web.server import Server

PATIENCE = 30.0
"""Seconds within which everything that a test waits for happens, on the slowest of machines."""

LAX = Limits(header=10 * PATIENCE, keep_alive=10 * PATIENCE, write=10 * PATIENCE)
"""Deadlines that are never what helps in a test."""

LOOPBACK = Address("127.0.0.1", 0)
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"


def wait_until(met: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"not {what} within {PATIENCE:g} s"
        time.sleep(0.01)


def descriptors(process: int | None = None) -> int:
    """How many files and sockets a process has open; by default this one."""
    return len(list(Path(f"/proc/{process or os.getpid()}/fd").iterdir()))


class Answer(NamedTuple):
    """What a client gets."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    address: Address | str, path: str, method: str = "GET", *, tls: ssl.SSLContext | None = None, **headers: str
) -> Answer:
    """One request over a connection of its own; `_` in the name of a header is a hyphen."""
    connection = http.client.HTTPConnection(str(address), timeout=PATIENCE)
    if tls is not None:
        connection = http.client.HTTPSConnection(str(address), timeout=PATIENCE, context=tls)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


class Hosted:
    """A server that runs.

    Attributes:
        server: the product's.
        places: where it listens.
    """

    def __init__(self, site: Site, limits: Limits, shutdown: float, security: Security | None) -> None:
        self._loop = asyncio.new_event_loop()
        self._start = (site, limits, shutdown, security)
        self.server: Server
        self.places: list[Address]

    @property
    def place(self) -> Address:
        """The first address."""
        return self.places[0]

    def ask(self, path: str, method: str = "GET", *, tls: ssl.SSLContext | None = None, **headers: str) -> Answer:
        """As the function, of the first address."""
        return ask(self.place, path, method, tls=tls, **headers)

    def run(self, work: Coroutine[Any, Any, object]) -> concurrent.futures.Future[object]:
        """Do something more in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Stop the server; it may be stopped again."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(PATIENCE)

    @contextlib.contextmanager
    def running(self, *addresses: Address) -> Iterator[None]:
        """Serve; at the end every client of the test has gone, and nothing of them may be left."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(addresses), self._loop).result(PATIENCE)
            before = descriptors()
            yield
            wait_until(lambda: not self.server.connections, "all connections forgotten")
            wait_until(lambda: descriptors() <= before, "all descriptors closed")
            wait_until(lambda: not asyncio.all_tasks(self._loop), "all tasks ended")
        finally:
            self.stop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _listen(self, addresses: tuple[Address, ...]) -> None:
        self.server = Server(*self._start)
        self.places = await self.server.start(addresses or [LOOPBACK])


@contextlib.contextmanager
def hosted(
    site: Site,
    *addresses: Address,
    limits: Limits = LAX,
    shutdown: float = 0.2,
    security: Security | None = None,
) -> Iterator[Hosted]:
    """A server for a site; on loopback unless addresses are given."""
    host = Hosted(site, limits, shutdown, security)
    with host.running(*addresses):
        yield host


class Crowd(contextlib.ExitStack):
    """Clients on raw sockets, all of which go at the end of the block."""

    def connect(
        self, place: Address | str, sent: bytes = b"", *, small: bool = False, source: str = "127.0.0.1"
    ) -> socket.socket:
        """One more, that sends this from a source address; a small one has room for little."""
        client = self.enter_context(socket.socket())
        client.bind((source, 0))
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        host, _, port = str(place).rpartition(":")
        client.connect((host, int(port)))
        client.sendall(sent)
        return client

    def stuck(self, place: Address | str, source: str = "127.0.0.1") -> socket.socket:
        """One more, that reads the first bytes of the page and then no more."""
        client = self.connect(place, SCRAPE, small=True, source=source)
        assert client.recv(17) == b"HTTP/1.1 200 OK\r\n"
        return client


def read_all(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def say(place: Address, request: bytes) -> bytes:
    """Send bytes; all that the server answers, nothing if it resets the connection."""
    with Crowd() as crowd, contextlib.suppress(ConnectionError):
        client = crowd.connect(place)
        client.sendall(request)
        return read_all(client)
    return b""
