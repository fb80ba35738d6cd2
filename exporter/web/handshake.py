"""TLS handshakes of clients, with the same limits as connections.

asyncio's own TLS server uses one context for ever, and does not report a handshake that does not end. So it accepts
plain connections, and `Handshake` continues with their sockets and the current context.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from exporter.web.config.settings import Tls

if TYPE_CHECKING:
    from exporter.web.connections import Connections

_log = logging.getLogger(__name__)

_FIRST = b"\x16"  # byte of whatever begins a handshake: RFC 8446, 5.1
_NOT_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"  # as Go has it
_FAREWELL = 2.0  # seconds that a client gets to confirm the end of its connection


class Peer(Protocol):
    """One client, in the handshake or after it.

    Attributes:
        address: the client's IP address.
        waiting_since: since when we have been waiting for the client to send a request or to read, on the monotonic
            clock; infinity while the client waits for us.
        body: what it is reading.
    """

    address: str
    waiting_since: float
    body: bytes

    def cut(self, reason: str) -> None:
        """End the connection now, and discard what the client has not read, also in the kernel."""


class Handshake(asyncio.Protocol):
    """A client during the TLS handshake; see `Peer`.

    Args:
        connections: the ones that it belongs to.
        tls: how the connection is encrypted.
        then: makes the protocol that follows the handshake.

    Attributes:
        tls: as given.
    """

    def __init__(self, connections: Connections, tls: Tls, then: Callable[[Handshake], asyncio.Protocol]) -> None:
        self._connections = connections
        self._then = then
        self._task: asyncio.Task[None] | None = None
        self.tls = tls
        self.address = ""
        self.waiting_since = time.monotonic()
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        plain = cast("asyncio.Transport", transport)
        plain.pause_reading()
        self.address = str((plain.get_extra_info("peername") or [""])[0])
        client: socket.socket = plain.get_extra_info("socket").dup()
        client.setblocking(False)
        plain.abort()  # closes its own descriptor, not the connection
        self._task = asyncio.get_running_loop().create_task(self._shake(client))
        self._connections.admit(self)

    def cut(self, reason: str) -> None:
        """End it now."""
        self._connections.count_cut(reason)
        if self._task is not None:
            self._task.cancel()
        self._connections.open.discard(self)

    async def _shake(self, client: socket.socket) -> None:
        limit = self._connections.limits.header
        loop = asyncio.get_running_loop()
        owned = True  # by asyncio's transport from then on
        try:
            async with asyncio.timeout(limit):
                await _readable(client, loop)
            first = client.recv(1, socket.MSG_PEEK)
            if first == _FIRST:
                owned = False
                await loop.connect_accepted_socket(
                    lambda: self._then(self),
                    client,
                    ssl=self.tls.context,
                    ssl_handshake_timeout=limit,
                    ssl_shutdown_timeout=_FAREWELL,
                )
            elif first:
                client.recv(self._connections.limits.request)  # or what is unread would take the answer back
                client.send(_NOT_TLS)
                self._failed("not TLS")
        except OSError as error:  # also TimeoutError and ssl.SSLError
            self._failed(str(error))
        finally:
            if owned:
                client.close()
            self._connections.open.discard(self)

    def _failed(self, why: str) -> None:
        self._connections.count_cut("tls_handshake")
        _log.debug("no TLS connection", extra={"peer": self.address, "detail": why})


async def _readable(client: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the client has sent something or has gone."""
    readable = asyncio.Event()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)
