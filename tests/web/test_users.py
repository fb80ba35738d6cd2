"""Users, the rate limit and headers of a web configuration."""

import asyncio
import threading

import pytest
from web.hosted import Crowd, read_all, say
from web.secured import GOOD, USERS, Counts, basic, secured
from web.toolkit_files import HASH, PASSWORD, Folder

from exporter.web.auth import MAX_WAITING, Authenticator, BusyError, Credentials, TokenBucket, credentials
from exporter.web.config.settings import RateLimit
from exporter.web.routes import HEADERS


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
