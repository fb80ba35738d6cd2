"""Peers below HTTP, with and without TLS, and a proxy: they send what a test wishes, in the tempo that it wishes."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Self

Handle = Callable[[socket.socket], None]


class Peer:
    """Accepts connections on loopback, each handled in a thread of its own, until it is left; then all of them end.

    Args:
        handle: what is done with a connection; it may block in it.
        tls: to speak TLS.
        port: where; 0 takes a free one.

    Attributes:
        address: host and port.
        sent: bytes that `send` got rid of.
    """

    def __init__(self, handle: Handle, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._handle = handle
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http{'s' if tls else ''}://{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other side has gone, or the test is over
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            with connection:
                self._handle(connection)


def read_head(connection: socket.socket) -> bytes:
    """A request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(1)
        if not piece:
            raise ConnectionAbortedError
        head += piece
    return head


def sending(pieces: Iterable[bytes], pause: float = 0.0) -> Handle:
    """Answer the first request with these pieces, and wait so many seconds between them."""

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        send(connection, pieces, pause)

    return handle


def send(connection: socket.socket, pieces: Iterable[bytes], pause: float) -> None:
    for piece in pieces:
        connection.sendall(piece)
        if pause and select.select([connection], [], [], pause)[0]:  # closed by the other side
            return


def dripping(data: bytes) -> Handle:
    """Answer the first request with this, a byte every 20 ms."""
    return sending([data[index : index + 1] for index in range(len(data))], 0.02)


def proxy(pause: float = 0.0) -> Handle:
    """Answer CONNECT as a proxy; what comes back through it may come a byte at a time, with pauses."""

    def handle(client: socket.socket) -> None:
        host, _, port = read_head(client).split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            relay(client, server, pause)

    return handle


def front(address: str) -> Handle:
    """Pass everything on to a server."""

    def handle(client: socket.socket) -> None:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            relay(client, server)

    return handle


def relay(client: socket.socket, server: socket.socket, pause: float = 0.0) -> None:
    while True:
        for ready in select.select([client, server], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            if ready is server and pause:
                send(client, (data[index : index + 1] for index in range(len(data))), pause)
            else:
                (client if ready is server else server).sendall(data)
