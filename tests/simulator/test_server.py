"""The server of the simulator, over sockets."""

import socket
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from simulator.scene import EPOCH, LIST, Clock

from exporter.simulator import Request, Response, Server, Simulator, World, answer, serve


def read(url: str, sent: bytes) -> bytes:
    """Send bytes on a new connection, and return all that comes back until it is closed."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_connections_are_kept(bedrock: Simulator) -> None:
    """Two requests on one connection get two answers."""
    answers = read(bedrock.url, 2 * f"GET {LIST} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answers.count(b"HTTP/1.1 403 Forbidden\r\n") == 2


def test_faults_can_be_made(world: World) -> None:
    """A test's own `respond` can drop a connection, cut a body short, dribble, or hand on to the simulator."""

    def respond(request: Request) -> Response:
        match request.path:
            case "/drop":
                raise ConnectionAbortedError
            case "/short":
                return Response(200, b"{", {"Content-Length": "99", "Connection": "close"})
            case "/dribble":
                return Response(200, (bytes([byte]) for byte in b"drip"))
        return answer(world, request, EPOCH)

    with Server(respond) as server:
        assert read(server.url, b"GET /drop HTTP/1.1\r\n\r\n") == b""
        assert read(server.url, b"GET /short HTTP/1.1\r\n\r\n").endswith(
            b"Content-Length: 99\r\nConnection: close\r\n\r\n{"
        )
        assert read(server.url, b"GET /dribble HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\ndrip")
        assert b"MissingAuthenticationTokenException" in read(server.url, b"GET / HTTP/1.1\r\n\r\n")


def test_rude_clients_leave_no_trace(bedrock: Simulator, connect: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A client that resets its connection in the middle of a request is not worth a word on standard error."""
    host, _, port = bedrock.url.removeprefix("http://").partition(":")
    for sent in (b"", b"GET /model", b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 50):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(sent)
        connection.close()
    assert connect().list_model_customization_jobs()["nextToken"]
    time.sleep(0.05)
    assert capfd.readouterr().err == ""


def test_closed_is_dead(world: World, clock: Clock, session: Any) -> None:
    """After close() a kept connection is cut and a new one refused."""
    simulator = serve(world, now=clock)
    client = session.client(
        "bedrock",
        region_name="us-east-1",
        endpoint_url=simulator.url,
        aws_access_key_id=simulator.access_key_id,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.list_model_customization_jobs()
    simulator.close()
    for _ in range(2):
        with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
            client.list_model_customization_jobs()
    client.close()
