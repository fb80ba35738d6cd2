"""Connections of HTTP clients: aiohttp's, with limits on every wait and buffer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from multidict import CIMultiDictProxy

from exporter import descriptors, work
from exporter.web.aiohttp_web import web
from exporter.web.config.settings import Tls
from exporter.web.handshake import Handshake, Peer

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KERNEL_BUFFER = 1 << 18  # or Linux would hold megabytes for each client that does not read
_SLICE = 1 << 17  # more than the 64 KiB from which on aiohttp waits after a write


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use. Times in seconds, sizes in bytes.

    Attributes:
        header: from a connection's start to its first complete request, however many bytes arrive meanwhile.
        keep_alive: from a response to the next complete request. Longer than most scrape intervals, so that Prometheus
            keeps its connection.
        write: from a request until the client has read the response.
        request: size of one request, or of several that are queued. aiohttp limits a header line to 8,190.
        unread: responses being read; one that several clients share counts once. Beyond it, the clients that have kept
            us waiting longest are cut.
        connections: at once. They also take at most half of the file descriptors that are to spare, and one address at
            most three quarters of them: behind a proxy everyone has the same one.
    """

    header: float = 10.0
    keep_alive: float = 75.0
    write: float = 30.0
    request: int = 1 << 16
    unread: int = 64 << 20
    connections: int = 512


class Connection(web.RequestHandler):
    """One client's connection, with a deadline for the client's next step.

    Attributes:
        address: the client's IP address.
        waiting_since: since when we have been waiting for the client to send a request or to read, on the monotonic
            clock; infinity while the client waits for us.
        body: what it is reading.
    """

    def __init__(self, connections: Connections, handshake: Handshake | None = None) -> None:
        limits = connections.limits
        super().__init__(
            connections,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to switch it off
            logger=_log,
            keepalive_timeout=limits.keep_alive,
            lingering_time=0,
            auto_decompress=False,
        )
        self._connections = connections
        self._limits = limits
        self._handshake = handshake
        self._received = 0
        self.address = ""
        self.waiting_since = time.monotonic()
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._stream = cast("asyncio.Transport", transport)  # aiohttp forgets its own before everything is sent
        # A write ends when the client, or at least the kernel, has it. asyncio's TLS pauses at the limit, not above.
        self._stream.set_write_buffer_limits(high=0 if self._handshake is None else 1)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self.address = str((transport.get_extra_info("peername") or [""])[0])
        self._timer = asyncio.get_running_loop().call_later(self._limits.header, self.cut, "header_timeout")
        if self._handshake is not None:
            self._connections.open.discard(self._handshake)
        self._connections.admit(self)
        super().connection_made(transport)
        with contextlib.suppress(OSError):  # the client has already gone
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        if self._handshake is not None and not self._handshake.tls.allows(transport.get_extra_info("peercert")):
            self.cut("client_certificate")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by asyncio."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received += len(data)
        if self._received > self._limits.request:
            self.cut("request_size")
        else:
            super().data_received(data)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Called by aiohttp. Does not log malformed requests; logs our own bugs with a traceback."""
        if status == 400:
            response: web.StreamResponse = web.Response(status=400, text="This is not a valid HTTP request.\n")
            response.force_close()
            self._connections.count_request("other", 400)
        else:
            response = super().handle_error(request, status, exc, message)
        response.headers.update(self._connections.headers())
        return response

    async def send(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Send a response in slices, so that a slow reader costs one buffer, not a copy of the body."""
        body = cast("bytes", response.body)
        sliced = web.StreamResponse(status=response.status, headers=response.headers)
        sliced.content_length = len(body)
        rest = memoryview(b"" if request.method == "HEAD" else body)
        with contextlib.suppress(ConnectionError):  # the client has gone, or was cut
            await sliced.prepare(request)
            while len(rest) > _SLICE:
                self._reads(body)
                await sliced.write(rest[:_SLICE])
                rest = rest[_SLICE:]
            self.waiting_since = time.monotonic()
            await sliced.write_eof(bytes(rest))  # waits until the rest is taken
        return sliced

    def begin(self) -> None:
        """A complete request has arrived, and the client waits for us."""
        self._expect(math.inf, self._limits.write, "write_timeout")

    def end(self) -> None:
        """The response has been read; the next request is awaited."""
        self._expect(time.monotonic(), self._limits.keep_alive, "idle_timeout")

    def _expect(self, waiting_since: float, deadline: float, otherwise: str) -> None:
        self._received, self.waiting_since, self.body = 0, waiting_since, b""
        self._timer.cancel()
        if self in self._connections.open:
            self._timer = asyncio.get_running_loop().call_later(deadline, self.cut, otherwise)

    def _reads(self, body: bytes) -> None:
        self.waiting_since = time.monotonic()
        if self.body is not body:
            self.body = body
            self._connections.make_room(self)

    def cut(self, reason: str) -> None:
        """End the connection now, and discard what the client has not read, also in the kernel."""
        self._forget()
        self._connections.count_cut(reason)
        if self._handshake is not None or self._stream.get_write_buffer_size():  # TLS has a second buffer below its own
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.abort()
        _log.debug("a client was cut off", extra={"peer": self.address, "reason": reason})

    def _forget(self) -> None:
        self._connections.open.discard(self)
        self._timer.cancel()


class Connections(web.Server):
    """All open connections.

    Args:
        server: aiohttp's, whose requests and handlers they serve.
        headers: gives those to send with the response to what is not HTTP, too.
        tls: gives how a new connection is encrypted; None for not at all.
        limits: what clients may use.
        count_request: called with handler and status of an invalid request.
        count_cut: called with the reason when a connection is ended.

    Attributes:
        open: the open ones.
        limits, headers, tls, count_request, count_cut: as given.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        headers: Callable[[], Mapping[str, str]],
        tls: Callable[[], Tls | None],
        limits: Limits,
        count_request: Callable[[str, int], None],
        count_cut: Callable[[str], None],
    ) -> None:
        def request(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:  # noqa: ANN401 - aiohttp's
            return server.request_factory(_without_expectations(message), *rest)

        super().__init__(server.request_handler, request_factory=request)
        self.open: set[Peer] = set()
        self.headers = headers
        self.tls = tls
        self.count_request = count_request
        self.count_cut = count_cut
        self.limits = limits
        self._places = min(limits.connections, descriptors.for_clients())

    def __call__(self) -> web.RequestHandler:
        """Called by asyncio for each new connection."""
        tls = self.tls()
        if tls is None:
            return Connection(self)
        return cast("web.RequestHandler", Handshake(self, tls, lambda handshake: Connection(self, handshake)))

    def admit(self, connection: Peer) -> None:
        """Make room for one more: at a limit, cut the connection that has kept us waiting longest."""
        neighbours = [one for one in self.open if one.address == connection.address]
        if len(neighbours) >= self._places * 3 // 4:
            _slowest(neighbours).cut("connection_limit")
        elif len(self.open) >= self._places:
            _slowest(self.open).cut("connection_limit")
        self.open.add(connection)

    def make_room(self, connection: Connection) -> None:
        """Keep what clients are reading within its limit; this connection stays."""
        readers = sorted((one for one in self.open if one.body), key=_waiting_since, reverse=True)
        while sum({id(one.body): len(one.body) for one in readers}.values()) > self.limits.unread:
            if readers[-1] is connection:
                break
            readers.pop().cut("unread_limit")

    def cut_all(self) -> None:
        """End every connection now."""
        for connection in list(self.open):
            connection.cut("shutdown")


def _without_expectations(message: RawRequestMessage) -> RawRequestMessage:
    """The head without an unknown Expect header: aiohttp would quote it, and fail if it is not UTF-8."""
    if message.headers.get("Expect", "100-continue").lower() == "100-continue":
        return message
    headers = message.headers.copy()
    del headers["Expect"]
    return message._replace(headers=CIMultiDictProxy(headers))


def _waiting_since(connection: Peer) -> float:
    return connection.waiting_since


def _slowest(connections: Iterable[Peer]) -> Peer:
    return min(connections, key=_waiting_since)


@web.middleware
async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A middleware for requests on such a connection: tell it what it waits for, and have it send the response.

    Walks give way meanwhile.
    """
    connection = cast("Connection", request.protocol)
    connection.begin()
    try:
        with work.urgent():
            return await connection.send(request, cast("web.Response", await handler(request)))
    finally:
        connection.end()
