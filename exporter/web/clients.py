"""Connections of clients: aiohttp's, with every wait and every buffer bounded, so that none can hold or fill us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

_log = logging.getLogger(__name__)

CONNECTIONS = 512
"""Open connections. For one more, the one goes that has waited longest without a complete request, so that no crowd of
silent or slow clients keeps Prometheus out; if each has a response under way, the one that has stood still longest."""

HEADER_DEADLINE = 10.0
"""Seconds from a connection's start to its first complete request, however many bytes come meanwhile."""

REQUEST = 1 << 16
"""Bytes of one request, or of several that wait for their turn. aiohttp bounds a header to 8,190."""

KEEP_ALIVE = 75.0
"""Seconds from a response to the next complete request: longer than most scrape intervals, so that Prometheus keeps
its connection."""

WRITE_DEADLINE = 30.0
"""Seconds from a request until the client has read the response."""

UNREAD = 64 << 20
"""Bytes of responses that clients read, one that several read counted once. Beyond it, whoever has stood still longest
is cut off."""

_KERNEL_BUFFER = 1 << 18  # or Linux would hold megabytes for each client that does not read


def _is_ours(record: logging.LogRecord) -> bool:
    """A fault in a request is answered with 400 and worth no line; one in the exporter is worth its traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log = _log.getChild("http")
_http_log.addFilter(_is_ours)


class Client(web.RequestHandler):
    """aiohttp's connection to one client, with a deadline for whatever comes next.

    Attributes:
        progress: when it came, or last sent a complete request or took a slice, on the monotonic clock.
        serving: whether a response is under way.
        body: what it reads.
    """

    def __init__(self, clients: Clients) -> None:
        super().__init__(
            clients,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say that there is none
            logger=_http_log,
            keepalive_timeout=KEEP_ALIVE,
            lingering_time=0,
            auto_decompress=False,
        )
        self._clients = clients
        self._received = 0
        self.progress = time.monotonic()
        self.serving = False
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._line = cast("asyncio.Transport", transport)  # aiohttp forgets its own before all is sent
        self._line.set_write_buffer_limits(high=0)  # a write ends when the client, or at least the kernel, has it
        self._timer = asyncio.get_running_loop().call_later(HEADER_DEADLINE, self.cut)
        self._clients.admit(self)
        super().connection_made(transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it has gone already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by asyncio."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received += len(data)
        if self._received > REQUEST:
            self.cut()
        else:
            super().data_received(data)

    def turn(self, *, serving: bool) -> None:
        """The response to a complete request begins, or it has been read."""
        self._received, self.progress, self.serving, self.body = 0, time.monotonic(), serving, b""
        self._timer.cancel()
        if self in self._clients.open:
            deadline = WRITE_DEADLINE if serving else KEEP_ALIVE
            self._timer = asyncio.get_running_loop().call_later(deadline, self.cut)

    def reads(self, body: bytes) -> None:
        """It begins to read a body that is larger than a slice, or has taken a slice."""
        self.progress = time.monotonic()
        if self.body is not body:
            self.body = body
            self._clients.make_room(self)

    def cut(self) -> None:
        """End the connection now, and throw away what the client has not read, also in the kernel."""
        self._forget()
        if self._line.get_write_buffer_size():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._line.abort()
        _log.debug("a client was cut off", extra={"peer": self.peername})

    def _forget(self) -> None:
        self._clients.open.discard(self)
        self._timer.cancel()


class Clients(web.Server):
    """All connections.

    Attributes:
        open: those that are.
    """

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler)
        self.open: set[Client] = set()

    def __call__(self) -> web.RequestHandler:
        """What asyncio makes for each connection."""
        return Client(self)

    def admit(self, client: Client) -> None:
        """Find a place for one more."""
        if len(self.open) >= CONNECTIONS:
            min(self.open, key=lambda one: (one.serving, one.progress)).cut()
        self.open.add(client)

    def make_room(self, client: Client) -> None:
        """Keep what is unread within its limit; this client stays."""
        readers = sorted((one for one in self.open if one.body), key=lambda one: one.progress, reverse=True)
        while sum({id(one.body): len(one.body) for one in readers}.values()) > UNREAD and readers[-1] is not client:
            readers.pop().cut()

    def cut_all(self) -> None:
        """End every connection now."""
        for client in list(self.open):
            client.cut()
