"""Certificates of a web configuration, limits over HTTPS, and new files."""

import logging
import socket
import ssl
import time
from datetime import timedelta

import pytest
from web.hosted import SCRAPE, Answer, Crowd, Hosted, hosted, read_all, say, wait_until
from web.secured import CLIENTS, GOOD, LARGE, TLS, USERS, Counts, basic, secured, security
from web.toolkit_files import EXPIRY, HASH, PASSWORD, SAN, Folder

from exporter.jobs.page import Format
from exporter.telemetry import Telemetry
from exporter.web.connections import Limits


def connect(crowd: Crowd, host: Hosted, folder: Folder, sent: bytes = b"") -> ssl.SSLSocket:
    """A client over TLS that sends this, and has room for little of what comes."""
    plain = crowd.connect(host.place, small=True)
    client = crowd.enter_context(folder.client_context().wrap_socket(plain, server_hostname="localhost"))
    client.sendall(sent)
    return client


def attempt(host: Hosted, tls: ssl.SSLContext, **headers: str) -> Answer | None:
    """None if there is no connection."""
    try:
        return host.ask("/metrics", tls=tls, **headers)
    except OSError:
        return None


def test_tls_and_what_speaks_plain_http_to_it(folder: Folder) -> None:
    """Such a client is told so, as Go does, and counted."""
    counts = Counts()
    with secured(folder, TLS, counts) as host:
        assert host.ask("/metrics", tls=folder.client_context()).body == b"own 1\n"
        assert counts.cuts == []
        assert say(host.place, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.0 400 Bad Request\r\n")
        assert counts.cuts == ["tls_handshake"]
        with Crowd() as crowd:  # a probe of the port
            crowd.connect(host.place)
            wait_until(lambda: bool(host.server.connections), "connected")
    assert counts.cuts == ["tls_handshake"]


def test_a_large_page_arrives_whole(folder: Folder) -> None:
    """Slice by slice, also to a client that reads as it likes."""
    with secured(folder, TLS, Counts(LARGE)) as host, Crowd() as crowd:
        assert host.ask("/metrics", tls=folder.client_context()).body == LARGE
        client = connect(crowd, host, folder, SCRAPE.replace(b"Host", b"Connection: close\r\nHost"))
        assert read_all(client).endswith(LARGE[-1000:])


def test_client_certificates_are_verified(folder: Folder) -> None:
    """One of another CA, or none, makes no connection."""
    with secured(folder, CLIENTS) as host:
        assert attempt(host, folder.client_context(folder.client)) is not None
        assert attempt(host, folder.client_context()) is None
        assert attempt(host, folder.client_context(folder.stranger)) is None


def test_probes_that_are_exempt_need_no_client_certificate(folder: Folder) -> None:
    """Everything else does; one of another CA makes no connection either way."""
    with secured(folder, CLIENTS, probes_exempt=True) as host:
        assert host.ask("/-/healthy", tls=folder.client_context()).status == 200
        assert host.ask("/metrics", tls=folder.client_context())[::2] == (401, b"A client certificate is required.\n")
        assert host.ask("/metrics", tls=folder.client_context(folder.client)).status == 200
        assert attempt(host, folder.client_context(folder.stranger)) is None


@pytest.mark.parametrize(("names", "allowed"), [(f"other.example, {SAN}", True), ("other.example", False)])
def test_only_allowed_names_may_connect(names: str, allowed: bool, folder: Folder) -> None:
    """A certificate of the CA with another name is cut off before it says anything, and counted."""
    counts = Counts()
    with secured(folder, CLIENTS.replace("}", f", client_allowed_sans: [{names}]}}"), counts) as host:
        assert (attempt(host, folder.client_context(folder.client)) is not None) is allowed
    assert counts.cuts == ([] if allowed else ["client_certificate"])
    assert len(counts.requests) == allowed


def test_handshakes_are_bounded_as_connections_are(folder: Folder) -> None:
    """By time, from the first byte on and before it; and by number."""
    counts = Counts()
    with secured(folder, TLS, counts, limits=Limits(header=0.3)) as host, Crowd() as crowd:
        clients = [
            crowd.connect(host.place),
            crowd.connect(host.place, b"\x16"),
            crowd.connect(host.place, b"\x16\x03"),
        ]
        assert [gone(client) for client in clients] == [True] * 3
    assert counts.cuts == ["tls_handshake"] * 3

    counts = Counts()
    with secured(folder, TLS, counts, limits=Limits(header=300, connections=4)) as host, Crowd() as crowd:
        clients = [crowd.connect(host.place, b"\x16") for _ in range(3)]
        wait_until(lambda: len(host.server.connections) == 3, "all connected")
        assert host.ask("/metrics", tls=folder.client_context()).status == 200
        assert gone(clients[0])
        assert counts.cuts == ["connection_limit"]


def gone(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_a_slow_reader_over_tls_is_cut(folder: Folder) -> None:
    """As one over plain HTTP: it has so long, and no more."""
    counts = Counts(LARGE)
    with secured(folder, TLS, counts, limits=Limits(write=0.5)) as host, Crowd() as crowd:
        assert connect(crowd, host, folder, SCRAPE).recv(17)
        wait_until(lambda: not host.server.connections, "cut")
    assert counts.cuts == ["write_timeout"]


def test_the_server_ends_whatever_clients_do(folder: Folder) -> None:
    """Handshakes, idle connections and readers are closed."""
    with secured(folder, TLS, Counts(LARGE)) as host, Crowd() as crowd:
        crowd.connect(host.place, b"\x16")
        connect(crowd, host, folder)
        connect(crowd, host, folder, SCRAPE)
        wait_until(lambda: len(host.server.connections) == 3, "all connected")
        began = time.monotonic()
        host.stop()
        assert not host.server.connections
        assert time.monotonic() - began < 10


# New files


def test_a_new_certificate_and_new_users_come_into_use(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """For new connections and requests, while an open connection goes on; a broken one changes nothing and is told."""
    telemetry = Telemetry()
    guard = security(folder, TLS + USERS, telemetry)

    def metric(name: str) -> float | None:
        return telemetry.registry.get_sample_value(f"bedrock_exporter_web_{name}")

    def told() -> str:
        return "\n".join(str(vars(record)) for record in caplog.records)

    def served() -> bytes | None:
        with Crowd() as crowd:
            return connect(crowd, host, folder).getpeercert(binary_form=True)

    with caplog.at_level(logging.INFO), hosted(Counts().site, security=guard) as host:
        following = host.run(guard.follow(0.02))
        first, expiry = served(), metric("certificate_expiry_timestamp_seconds")
        with Crowd() as crowd:
            client = connect(crowd, host, folder)
            folder.renew(EXPIRY - timedelta(hours=1))
            wait_until(lambda: served() != first, "a new certificate")
            assert (expiry, metric("certificate_expiry_timestamp_seconds")) == (
                EXPIRY.timestamp(),
                EXPIRY.timestamp() - 3600,
            )
            client.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {GOOD}\r\n\r\n".encode())
            assert client.recv(15) == b"HTTP/1.1 200 OK"

        second = served()
        folder.write(TLS + "basic_auth_users: {alice: wrong}")
        wait_until(lambda: metric("config_last_reload_successful") == 0, "the fault told")
        (folder.path / "server.key").write_text("junk")
        folder.write(TLS + "basic_auth_users: {bob: '" + HASH + "'}")
        wait_until(lambda: "has no private key" in told(), "the fault told")
        assert served() == second
        tls = folder.client_context()
        assert host.ask("/metrics", tls=tls, Authorization=GOOD).status == 200
        trouble = b"The last reload of the web configuration failed"
        assert trouble in host.ask("/", tls=tls, Authorization=GOOD).body

        folder.renew()
        wait_until(lambda: metric("config_last_reload_successful") == 1, "all well again")
        tls = folder.client_context()
        assert trouble not in host.ask("/", tls=tls, Authorization=basic("bob", PASSWORD)).body
        assert host.ask("/metrics", tls=tls, Authorization=GOOD).status == 401
        assert host.ask("/metrics", tls=tls, Authorization=basic("bob", PASSWORD)).status == 200

        folder.write(USERS)  # without TLS
        wait_until(lambda: metric("certificate_expiry_timestamp_seconds") == 0, "no certificate")
        assert host.ask("/metrics", Authorization=GOOD).status == 200
        following.cancel()
    assert "the previous one stays in use" in caplog.text
    assert PASSWORD not in told()


def test_metrics_of_the_web_configuration_are_there_only_with_one(folder: Folder) -> None:
    """Absent, rather than 0, without the flag."""
    telemetry = Telemetry()
    assert b"bedrock_exporter_web_" not in telemetry.render(Format.TEXT)
    security(folder, TLS, telemetry)
    assert b"bedrock_exporter_web_certificate_expiry_timestamp_seconds" in telemetry.render(Format.TEXT)
