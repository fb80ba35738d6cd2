"""Users, certificates and limits of a web configuration, over HTTP and HTTPS."""

import asyncio
import base64
import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from web.hosted import LAX, SCRAPE, Answer, Crowd, Hosted, hosted, read_all, say, wait_until
from web.toolkit_files import EXPIRY, HASH, PASSWORD, SAN, Folder

from exporter.jobs.page import Format
from exporter.telemetry import Telemetry
from exporter.web.auth import MAX_WAITING, Authenticator, BusyError, Credentials, TokenBucket, credentials
from exporter.web.config.settings import RateLimit
from exporter.web.connections import Limits
from exporter.web.files import WebFiles
from exporter.web.routes import HEADERS, Site
from exporter.web.security import Security

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
CLIENTS = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}")
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
LARGE = b"".join(b"line_%d 1\n" % number for number in range(2_000_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("web"))


class Counts:
    """What the site was told."""

    def __init__(self, page: bytes = b"own 1\n") -> None:
        self.requests: list[tuple[str, int]] = []
        self.cuts: list[str] = []
        self.site = Site(
            "/metrics",
            tuple,
            lambda: True,
            lambda _, __: [page],
            lambda: 0.0,
            count_request=lambda handler, code: self.requests.append((handler, code)),
            count_cut=self.cuts.append,
        )


def security(folder: Folder, text: str, telemetry: Telemetry | None = None, *, probes_exempt: bool = False) -> Security:
    files = WebFiles(str(folder.write(text)), probes_exempt=probes_exempt)
    return Security(files, files.load(), (telemetry or Telemetry()).web, probes_exempt=probes_exempt)


@contextlib.contextmanager
def secured(
    folder: Folder, text: str, counts: Counts | None = None, *, probes_exempt: bool = False, limits: Limits = LAX
) -> Iterator[Hosted]:
    guard = security(folder, text, probes_exempt=probes_exempt)
    with hosted((counts or Counts()).site, limits=limits, security=guard) as host:
        yield host


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


GOOD = basic("alice", PASSWORD)


# Users


def test_who_has_no_password_gets_nothing(folder: Folder) -> None:
    """Not even where nothing is; and the answer says what is missing."""
    counts = Counts()
    with secured(folder, USERS, counts) as host:
        for path in ("/metrics", "/", "/config", "/api/v1/jobs", "/-/healthy", "/-/ready", "/nothing"):
            refused = host.ask(path)
            assert (refused.status, refused.body) == (401, b"A user and a password are required.\n")
            assert refused.headers["WWW-Authenticate"].startswith("Basic ")
            assert refused.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        assert host.ask("/metrics", Authorization=GOOD)[::2] == (200, b"own 1\n")
        assert host.ask("/-/reload", "POST").status == 401
    assert counts.requests[0] == ("/metrics", 401)


@pytest.mark.parametrize(
    "authorization",
    [
        basic("alice", "wrong"),
        basic("alice", ""),
        basic("bob", PASSWORD),
        basic("", ""),
        basic("alice", PASSWORD + "\0"),
        basic("alice", "x" * 100),
        GOOD.replace("Basic", "Bearer"),
        GOOD + "x",
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",
        "Basic /////w==",
    ],
)
def test_other_credentials_are_refused(authorization: str, folder: Folder) -> None:
    """Wrong ones, and what are none."""
    with secured(folder, USERS) as host:
        assert host.ask("/metrics", Authorization=authorization).status == 401


def test_the_scheme_is_written_as_one_likes() -> None:
    """RFC 7235: its name has no case."""
    assert credentials(GOOD.replace("Basic", "bAsIC")) == Credentials("alice", PASSWORD.encode())
    assert credentials(basic("a", "b:c")) == Credentials("a", b"b:c")
    assert credentials(None) is None


def test_probes_are_exempt_only_by_the_flag(folder: Folder) -> None:
    """And nothing else is, however it is spelled."""
    with secured(folder, USERS + "rate_limit: {interval: 1h, burst: 1}", probes_exempt=True) as host:
        for path in ("/-/healthy", "/-/ready", "/%2d/healthy"):
            assert host.ask(path).status == 200
        assert host.ask("/-/healthy/").status == 401
        assert host.ask("/-/healthy").status == 200
        assert host.ask("/metrics").status == 429


def test_a_password_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good or bad; and one who guesses does not drive out a good one."""
    checked: list[bytes] = []

    def check(password: bytes, hashed: bytes) -> bool:
        checked.append(password)
        return (password, hashed) == (b"right", b"hash")

    monkeypatch.setattr("bcrypt.checkpw", check)
    users = {"alice": "hash", "bob": "hash"}

    async def work() -> None:
        authenticator = Authenticator()
        for _ in range(3):
            assert await authenticator.permits(users, Credentials("alice", b"right"))
            assert not await authenticator.permits(users, Credentials("alice", b"wrong"))
        assert checked == [b"right", b"wrong"]
        for number in range(1500):
            assert not await authenticator.permits(users, Credentials("alice", b"%d" % number))
        checked.clear()
        assert await authenticator.permits(users, Credentials("alice", b"right"))
        assert checked == []
        assert not await authenticator.permits({"alice": "another"}, Credentials("alice", b"right"))
        assert await authenticator.permits(users, Credentials("bob", b"right"))
        assert not await authenticator.permits(users, Credentials("carol", b"right"))
        assert checked == [b"right"] * 3

    asyncio.run(work())


def test_passwords_are_checked_one_at_a_time_and_so_many_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who bring the same one share the check; whoever brings one too many is told so."""
    go, now, most = threading.Event(), 0, 0

    def check(_: bytes, __: bytes) -> bool:
        nonlocal now, most
        now += 1
        most = max(most, now)
        go.wait()
        now -= 1
        return True

    monkeypatch.setattr("bcrypt.checkpw", check)

    async def work() -> list[bool]:
        authenticator, users = Authenticator(), {"alice": "hash"}
        asked = [
            asyncio.create_task(authenticator.permits(users, Credentials("alice", b"%d" % (number % MAX_WAITING))))
            for number in range(3 * MAX_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await authenticator.permits(users, Credentials("alice", b"more"))
        go.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(work()) == [True] * 3 * MAX_WAITING
    assert most == 1


def test_a_user_who_is_removed_is_out_at_once() -> None:
    """Also if another one has the same hash, with which an unknown user's password is compared."""

    async def work() -> None:
        authenticator, given = Authenticator(), Credentials("alice", PASSWORD.encode())
        assert await authenticator.permits({"alice": HASH}, given)
        assert not await authenticator.permits({"bob": HASH}, given)
        assert await authenticator.permits({"alice": HASH}, given)

    asyncio.run(work())


def test_an_unknown_user_costs_as_much_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work, with one of the file's hashes, and always the same one."""
    hashes: list[bytes] = []

    def check(_: bytes, hashed: bytes) -> bool:
        hashes.append(hashed)
        return True

    monkeypatch.setattr("bcrypt.checkpw", check)

    async def work() -> None:
        authenticator, users = Authenticator(), {"alice": "one", "bob": "two"}
        for number in range(20):
            assert not await authenticator.permits(users, Credentials("carol", b"%d" % number))
        assert len(hashes) == 20
        assert len(set(hashes)) == 1
        for number in range(20):
            assert not await authenticator.permits(users, Credentials(f"user{number}", b""))
        assert set(hashes) == {b"one", b"two"}

    asyncio.run(work())


def test_a_check_does_not_stop_the_rest(folder: Folder) -> None:
    """A hash that costs a second keeps only its own client waiting."""
    slow = USERS.replace("$04$", "$13$")
    with secured(folder, slow, probes_exempt=True) as host, Crowd() as crowd:
        clients = [
            crowd.connect(
                host.place,
                f"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {basic('alice', word)}"
                "\r\n\r\n".encode(),
            )
            for word in ("a", "b")
        ]
        assert host.ask("/-/healthy").status == 200
        for client in clients:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
            client.settimeout(30)
        assert all(read_all(client).startswith(b"HTTP/1.1 401") for client in clients)


# The rate limit and headers


def test_the_bucket_fills_with_time() -> None:
    """One request each interval, and so many at once."""
    now = 100.0
    bucket = TokenBucket(RateLimit(2.0, 3), lambda: now)

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 1.0
    assert not bucket.take()
    now += 1.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 3600.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_too_many_requests_are_refused(folder: Folder) -> None:
    """With 429, before any password is looked at."""
    with secured(folder, USERS + "rate_limit: {interval: 1h, burst: 2}") as host:
        assert [host.ask("/metrics").status for _ in range(4)] == [401, 401, 429, 429]


def test_headers_replace_the_exporters_own(folder: Folder) -> None:
    """On every response, also to what is no request."""
    text = "http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=1}}"
    with secured(folder, text) as host:
        for path in ("/metrics", "/nothing"):
            headers = host.ask(path).headers
            assert (headers["X-Frame-Options"], headers["Strict-Transport-Security"]) == ("sameorigin", "max-age=1")
            assert headers["X-Content-Type-Options"] == "nosniff"
        assert b"X-Frame-Options: sameorigin" in say(host.place, b"what\r\n\r\n")


# TLS


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
        assert host.ask("/metrics", tls=folder.client_context(), Authorization=GOOD).status == 200

        folder.renew()
        wait_until(lambda: metric("config_last_reload_successful") == 1, "all well again")
        tls = folder.client_context()
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
