"""Addresses, connections and the end of the server, over real sockets."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest
from web.hosted import LOOPBACK, Crowd, Hosted, ask, hosted, read_all, say, wait_until

from exporter import NAME
from exporter.web.address import Address
from exporter.web.routes import Site
from exporter.web.server import ListenError

LARGE = b"".join(b"line_%d 1\n" % number for number in range(2_000_000))


def site(page: bytes = b"own 1\n") -> Site:
    return Site("/metrics", tuple, lambda: True, lambda _, __: [page], lambda: 0.0)


@pytest.fixture(scope="module")
def host() -> Iterator[Hosted]:
    with hosted(site()) as host:
        yield host


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
    message = f"{text!r} is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Address.parse(text)


def test_several_addresses_serve_the_same() -> None:
    """Each address that was asked for answers, in the order asked for."""
    with hosted(site(), LOOPBACK, LOOPBACK, Address("localhost", 0)) as host:
        assert [place.host for place in host.places[:2]] == ["127.0.0.1", "127.0.0.1"]
        assert len({place.port for place in host.places}) == len(host.places) >= 3
        assert {ask(place, "/-/healthy").status for place in host.places} == {200}


def test_every_interface_is_one_address() -> None:
    """`:PORT` listens on all interfaces of the machine."""
    with hosted(site(), Address(None, 0)) as host:
        assert {place.host for place in host.places} <= {"0.0.0.0", "::"}
        (port,) = {place.port for place in host.places if place.host == "0.0.0.0"}
        assert ask(f"127.0.0.1:{port}", "/-/healthy").status == 200


def refused(*addresses: Address) -> str:
    with pytest.raises(ListenError) as caught, hosted(site(), *addresses):
        pass
    return str(caught.value)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_ipv6() -> None:
    """`[::1]` serves where the machine has it, and says what is wrong where it has not."""
    if has_ipv6():
        with hosted(site(), Address("::1", 0)) as host:
            assert host.ask("/-/healthy").status == 200
    else:
        assert refused(Address("::1", 0)).startswith("can't listen on [::1]:0: ")


def test_a_port_that_is_taken_is_told() -> None:
    """The message names the address, the system's reason and the flag; no address is held on to."""
    with socket.create_server(("127.0.0.1", 0)) as holder, socket.create_server(("127.0.0.1", 0)) as free:
        taken, other = holder.getsockname()[1], free.getsockname()[1]
        free.close()

        assert refused(Address("127.0.0.1", other), Address("127.0.0.1", taken)) == (
            f"can't listen on 127.0.0.1:{taken}: Address already in use; choose another with --web.listen-address"
        )
        socket.create_server(("127.0.0.1", other)).close()


@pytest.mark.parametrize(
    ("host_name", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("a" * 64, "that is not a host name"),
        ("a..b", "that is not a host name"),
    ],
    ids=["not-ours", "label-too-long", "empty-label"],
)
def test_a_host_that_is_not_available_is_told(host_name: str, reason: str) -> None:
    """An address of somebody else, and a name that is none, are errors for people, not tracebacks."""
    message = f"can't listen on {host_name}:0: {reason}; choose another with --web.listen-address"
    assert refused(Address(host_name, 0)) == message


# Connections


def test_several_header_lines_count_as_one(host: Hosted) -> None:
    """A header that comes in two lines is the list of both, as HTTP says."""
    said = say(
        host.place,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Accept: text/html\r\nAccept: application/openmetrics-text\r\n"
        b"Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n",
    )

    assert b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n" in said
    assert b"Content-Encoding: gzip\r\n" in said


def test_a_connection_serves_request_after_request(host: Hosted) -> None:
    """Keep-alive: Prometheus scrapes over one connection, also after a 404, a 405 and a HEAD."""
    requests = ["GET /metrics", "HEAD /metrics", "GET /nothing", "POST /metrics", "GET /metrics"]
    text = "".join(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n" for request in requests)
    said = say(host.place, f"{text}GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answers = said.split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200", b"200", b"404", b"405", b"200", b"200"]
    assert answers[-1].endswith(b"is healthy.\n")


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"])
def test_what_is_not_http_is_refused(request_: bytes, host: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    """It gets a 400 with the headers of every response, and no line in the log; the next client is served."""
    head, _, body = say(host.place, request_).partition(b"\r\n\r\n")

    assert head.split(b" ")[1] == b"400"
    assert f"\r\nServer: {NAME}\r\n".encode() in head
    assert b"\r\nX-Content-Type-Options: nosniff" in head
    assert body == b"This is not a valid HTTP request.\n"
    assert host.ask("/-/healthy").status == 200
    assert caplog.records == []


def test_a_large_page_arrives_whole() -> None:
    """Slices join to exactly the page."""
    with hosted(site(LARGE)) as host:
        assert host.ask("/metrics").body == LARGE


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_client_that_goes_away_is_no_error(reset: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Scrapers that give up in the middle of a response leave no line in the log and no harm."""
    caplog.set_level("INFO")
    with hosted(site(LARGE)) as host, Crowd() as crowd:
        client = crowd.stuck(host.place)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert host.ask("/-/healthy").status == 200
        wait_until(lambda: not host.server.connections, "the connection forgotten")

    assert caplog.records == []


# The end


def test_stop_does_not_wait_for_a_slow_reader() -> None:
    """A response in flight gets its deadline, then its connection is cut."""
    with hosted(site(LARGE)) as host, Crowd() as crowd:
        reader = crowd.stuck(host.place)
        host.stop()
        with pytest.raises(ConnectionResetError):
            read_all(reader)


def test_a_response_in_flight_is_finished_while_stopping() -> None:
    """A client that reads gets the whole response, also when the exporter ends meanwhile."""
    with hosted(site(LARGE), shutdown=60) as host, Crowd() as crowd:
        reader = crowd.stuck(host.place)
        stop = threading.Thread(target=host.stop)
        stop.start()
        received = read_all(reader)
        stop.join()

    assert received.endswith(b"\r\n\r\n" + LARGE)
