"""A small HTTP/1.1 server on loopback around one function from request to response."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: the path as sent (still percent-encoded), the query decoded, header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Bytes are sent in one write, and get a Content-Length unless the headers bring one (a false one is how a test cuts a
    body short). Any other iterable of bytes is sent piece by piece as it yields, with the headers as they are, and the
    connection is closed after it: how a test dribbles.
    """

    status: int
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[Request], Response]


class Server:
    """Answers requests on `host:port` by `respond` from its own daemon threads, until it is closed.

    Each connection has a thread, so `respond` runs concurrently and may sleep. A ConnectionError that it raises drops
    the connection without an answer. Port 0 takes a free port. A context manager: leaving it closes.
    """

    def __init__(self, respond: Respond, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = _Listener((host, port), respond)
        self.url = f"http://{host}:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), name="simulator", daemon=True).start()

    def close(self) -> None:
        """Stop listening and cut every connection, kept-alive ones too: the endpoint is dead afterwards."""
        self._listener.shutdown()
        self._listener.server_close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection; new ones are answered."""
        self._listener.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# Not http.server.ThreadingHTTPServer, the same but for a reverse look-up of its own host at the start, which can stall.
class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond) -> None:
        self.respond = respond
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, peer = super().get_request()
        self._connections.add(connection)
        return connection, peer

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in self._connections.copy():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # The client went away, or `respond` wants it gone.
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.respond(
            Request(self.command, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)
        )
        if isinstance(response.body, bytes):
            self.wfile.write(_head(response, {"Content-Length": str(len(response.body))}) + response.body)
            return
        self.close_connection = True
        self.wfile.write(_head(response, {"Connection": "close"}))
        for piece in response.body:
            self.wfile.write(piece)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815 (http.server looks for these names)


def _head(response: Response, defaults: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(response.status).phrase
    headers = {"Date": formatdate(usegmt=True), **defaults, **response.headers}
    lines = (f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response.status} {phrase}\r\n{''.join(lines)}\r\n".encode("latin-1")
