"""Hostile clients on real sockets. Meanwhile a good one gets the whole page, and afterwards nothing of them is left."""

import asyncio
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition import Format
from exporter.web import Address, Server, Site, clients
from reliability.client_faults import ANSWERED, REFUSED, REQUEST

pytestmark = pytest.mark.e2e

PATIENCE = 30.0
"""Seconds within which everything that a test waits for happens, on the slowest of machines."""

PAGE = b"# TYPE lines gauge\n" + b"".join(b'lines{number="%d"} 1.0\n' % number for number in range(100_000))
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def wait_until(met: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"not {what} within {PATIENCE:g} s"
        time.sleep(0.01)


def descriptors(process: int | None = None) -> int:
    """How many files and sockets a process has open; by default this one."""
    return len(list(Path(f"/proc/{process or os.getpid()}/fd").iterdir()))


class Hosted:
    """The product's server in a thread of its own.

    Attributes:
        site: what it serves, one page.
        place: where.
        connected: connections so far.
        rendered: the page's renderings so far.
        gate: a rendering waits until it is open, as it is at first.
    """

    def __init__(self, page: bytes = PAGE) -> None:
        self._page = page
        self._loop = asyncio.new_event_loop()
        self.gate = threading.Event()
        self.gate.set()
        self.rendered = 0
        self.connected = 0
        self.site = Site("/metrics", tuple, lambda: True, self._render, lambda: 0.0)

    def _render(self, _: Format) -> bytes:
        self.rendered += 1
        assert self.gate.wait(PATIENCE)
        return bytes(memoryview(self._page))  # a copy, as every page is

    async def _start(self) -> None:
        self._server = Server(self.site)
        admit = self._server._clients.admit

        def count(client: clients.Client) -> None:
            self.connected += 1
            admit(client)

        self._server._clients.admit = count  # type: ignore[method-assign]
        (self.place,) = await self._server.start([Address("127.0.0.1", 0)])

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve; at the end every connection of the test is closed, and so has to be everything here."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(PATIENCE)
            before = descriptors()
            yield
            wait_until(lambda: self.clients == [], "all connections forgotten")
            wait_until(lambda: descriptors() <= before, "all descriptors closed")
            wait_until(lambda: asyncio.all_tasks(self._loop) == set(), "all tasks ended")
        finally:
            self.gate.set()
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    @property
    def clients(self) -> list[clients.Client]:
        """The connections as the server sees them."""
        return list(self._server._clients.open)

    def scrape(self, **headers: str) -> None:
        """What a good client does, and what it must get."""
        body = get(str(self.place), **headers)
        assert body == self._page


def get(address: str, **headers: str) -> bytes:
    """The whole page of metrics."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", "/metrics", headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        return gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body
    finally:
        connection.close()


@pytest.fixture
def hosted(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """A server that must be as it was when the attack is over, and must not have said a word.

    Its deadlines are too far to be what helps in a test, unless the test sets one.
    """
    for deadline in ("HEADER_DEADLINE", "KEEP_ALIVE", "WRITE_DEADLINE"):
        monkeypatch.setattr(clients, deadline, 10 * PATIENCE)
    caplog.set_level(logging.INFO)
    host = Hosted()
    with host.running():
        yield host
    assert [*caplog.get_records("call"), *caplog.records] == []


class Crowd(contextlib.ExitStack):
    """Clients, who go at the end of the block."""

    def connect(self, place: Address | str, sent: bytes = b"", *, small: bool = False) -> socket.socket:
        """One more, that sends this; a small one has room for little."""
        client = self.enter_context(socket.socket())
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        host, _, port = str(place).rpartition(":")
        client.connect((host, int(port)))
        client.sendall(sent)
        return client

    def stuck(self, place: Address | str) -> socket.socket:
        """One more, that reads the first bytes of the page and then no more."""
        client = self.connect(place, REQUEST, small=True)
        assert client.recv(17) == b"HTTP/1.1 200 OK\r\n"
        return client


def read_all(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def is_cut(client: socket.socket) -> bool:
    """Whether the server has closed or reset the connection; waits for neither, and throws away what has come."""
    client.setblocking(False)
    try:
        while client.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.settimeout(PATIENCE)
    return True


def drip(client: socket.socket) -> bool:
    """Send one more byte of an endless header; whether the connection is cut."""
    with contextlib.suppress(ConnectionError):
        client.send(b"x")
    return is_cut(client)


# Those that do not send


def test_200_clients_that_drip_headers(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then buys no more time than the deadline."""
    with Crowd() as crowd:
        with monkeypatch.context() as patch:
            patch.setattr(clients, "HEADER_DEADLINE", 1.0)
            dripping = [crowd.connect(hosted.place, b"GET /metrics HTTP/1.1\r\nX: ") for _ in range(200)]
            wait_until(lambda: hosted.connected == 200, "all connected")
        hosted.scrape()
        wait_until(lambda: False not in [drip(client) for client in dripping], "all cut off")


def test_20_silent_clients(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections without a byte end at the same deadline."""
    with Crowd() as crowd:
        with monkeypatch.context() as patch:
            patch.setattr(clients, "HEADER_DEADLINE", 0.5)
            silent = [crowd.connect(hosted.place) for _ in range(20)]
            wait_until(lambda: hosted.connected == 20, "all connected")
        hosted.scrape()
        wait_until(lambda: all(map(is_cut, silent)), "all cut off")


def test_headers_that_drip_after_a_good_request(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """One good request is no licence to hold the connection."""
    monkeypatch.setattr(clients, "KEEP_ALIVE", 0.5)
    with Crowd() as crowd:
        client = crowd.connect(hosted.place, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ")
        assert client.recv(17) == b"HTTP/1.1 200 OK\r\n"
        wait_until(lambda: drip(client), "cut off")


def test_large_headers_that_never_end(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers each of which is small enough are cut off at the limit of a request, so that nobody fills the memory."""
    monkeypatch.setattr(clients, "REQUEST", 20_000)
    with Crowd() as crowd:
        client = crowd.connect(hosted.place, b"GET /metrics HTTP/1.1\r\n" + b"X: %s\r\n" % (b"a" * 8000) * 2)
        hosted.scrape()
        assert not is_cut(client)
        client.sendall(b"X: %s\r\n" % (b"a" * 8000))
        wait_until(lambda: is_cut(client), "cut off")


# Those that do not read


def test_50_readers_that_stop(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cut off at the deadline, and others read meanwhile."""
    with Crowd() as crowd:
        with monkeypatch.context() as patch:
            patch.setattr(clients, "WRITE_DEADLINE", 1.0)
            stuck = [crowd.stuck(hosted.place) for _ in range(50)]
        hosted.scrape()
        wait_until(lambda: hosted.clients == [], "all cut off")
        for client in stuck:
            with pytest.raises(ConnectionResetError):  # so that the kernel keeps nothing for them, either
                read_all(client)


def test_what_stuck_readers_hold_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Fifty that come one after the other do not hold fifty pages, and those that read are not the ones to go."""
    caplog.set_level(logging.INFO)
    large = Hosted(PAGE * 4)
    size = len(PAGE) * 4
    tracemalloc.start()
    try:
        with large.running(), Crowd() as crowd:
            first = crowd.stuck(large.place)
            for _ in range(49):
                crowd.stuck(large.place)
                assert sum({id(one.body): len(one.body) for one in large.clients}.values()) <= clients.UNREAD
            large.scrape()
            _, peak = tracemalloc.get_traced_memory()
            assert is_cut(first)
            crowd.close()
    finally:
        tracemalloc.stop()
    assert 50 * size > 6 * clients.UNREAD
    assert peak < clients.UNREAD + 6 * size  # those for the rendering, and the good client's own
    assert caplog.records == []


def test_readers_at_once_share_one_page(hosted: Hosted) -> None:
    """64 scrapes at once: those that wait while one is rendered get one page together, and each gets all of it."""
    hosted.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        scrapes = [pool.submit(hosted.scrape)]
        wait_until(lambda: hosted.rendered == 1, "the first one being rendered")
        scrapes += [pool.submit(hosted.scrape) for _ in range(63)]
        wait_until(lambda: sum(client.serving for client in hosted.clients) == 64, "all 64 requests there")
        hosted.gate.set()
        for scrape in scrapes:
            scrape.result(PATIENCE)
    assert hosted.rendered == 2


def test_64_scrapes_at_once_of_every_kind(hosted: Hosted) -> None:
    """In both formats, packed or not, in any order."""
    kinds = [{"Accept": accept, "Accept_Encoding": coding} for accept in ("", OPENMETRICS) for coding in ("", "gzip")]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for scrape in [pool.submit(hosted.scrape, **kinds[number % 4]) for number in range(64)]:
            scrape.result(PATIENCE)


# Places


def test_when_all_places_are_taken_the_longest_wait_ends(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd without requests drives out its own, never a response under way; and the good client gets in."""
    monkeypatch.setattr(clients, "CONNECTIONS", 8)
    with Crowd() as crowd:
        reading = crowd.stuck(hosted.place)
        silent = [crowd.connect(hosted.place) for _ in range(20)]
        wait_until(lambda: all(map(is_cut, silent[:13])), "those too many cut off")
        assert not any(map(is_cut, silent[13:]))
        hosted.scrape()
        wait_until(lambda: is_cut(silent[13]), "the longest wait ended")
        received = bytearray()
        while not received.endswith(PAGE[-1000:]):
            received += reading.recv(1 << 20) or pytest.fail("cut off")


def test_when_all_places_are_of_stuck_readers_the_oldest_goes(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that stand still can't keep a good one out."""
    monkeypatch.setattr(clients, "CONNECTIONS", 8)
    with Crowd() as crowd:
        stuck = [crowd.stuck(hosted.place) for _ in range(8)]
        hosted.scrape()
        wait_until(lambda: is_cut(stuck[0]), "the oldest cut off")
        assert len(hosted.clients) >= 7


# Those that send nonsense


def answer(place: Address, request: bytes) -> bytes:
    """All that the server says; nothing if it has reset the connection."""
    with Crowd() as crowd, contextlib.suppress(ConnectionError):
        client = crowd.connect(place)
        client.sendall(request)
        return read_all(client)
    return b""


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_what_is_not_http_is_refused(request_: bytes, hosted: Hosted) -> None:
    """400, or not even that for those that go on sending; and no line of the log, let alone a traceback."""
    said = answer(hosted.place, request_)
    assert not said or re.match(rb"HTTP/1\.[01] (400|405) ", said)
    hosted.scrape()


@pytest.mark.parametrize(("request_", "statuses"), ANSWERED.values(), ids=ANSWERED)
def test_odd_requests_are_answered(request_: bytes, statuses: list[int], hosted: Hosted) -> None:
    """Each with its own status, in order."""
    said = answer(hosted.place, request_)
    assert [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", said, re.MULTILINE)] == statuses
    assert said.count(PAGE) == (0 if request_.startswith(b"HEAD") else request_.count(b"GET /metrics"))
    hosted.scrape()


NONSENSE = [
    "",
    ",",
    ";;;q",
    "q=1",
    "gzip;q=nan",
    "gzip;q=1e999",
    "\xff\xfe",
    "*/*;*;*",
    "br,zstd;q=,",
    "gzip" * 99,
    "," * 8000,
]


def test_accept_headers_of_nonsense(hosted: Hosted) -> None:
    """The page comes all the same, in a form that the answer names."""
    for nonsense in NONSENSE:
        hosted.scrape(Accept=nonsense, Accept_Encoding=nonsense)


# The whole exporter


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The exporter as a process that has walked everything: with its address, and the log that grows."""
    command = [sys.executable, "-m", "exporter", "--demo", "--web.listen-address=127.0.0.1:0", "--log.format=json"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        log: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=log.extend, args=(process.stderr,))
        reader.start()
        try:
            wait_until(lambda: log != [], "the first line of the log")
            address = json.loads(log[0])["address"]
            wait_until(lambda: is_ready(address), "ready")
            yield process, address, log
        finally:
            process.kill()
            reader.join()


def is_ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def check_page(address: str) -> None:
    """Scrape; the page is whole, parses, and its numbers agree with each other."""
    families = {family.name: family for family in text_string_to_metric_families(get(address).decode())}
    up = families["bedrock_exporter_target_up"].samples
    assert [sample.value for sample in up] == [1.0] * 5 + [0.0]  # the last one's region lacks the feature
    jobs = sum(sample.value for sample in families["bedrock_model_customization_jobs"].samples)
    assert jobs == sum(sample.value for sample in families["bedrock_exporter_target_walk_jobs"].samples) > 0
    assert "python_info" in families  # the page's end


def test_everything_at_once_and_nothing_left(demo: tuple[subprocess.Popen[str], str, list[str]]) -> None:
    """All attacks together on the exporter as it ships; then no descriptor is left, and the log has no word of it."""
    process, address, log = demo
    get(address)
    before = descriptors(process.pid)
    with Crowd() as crowd:
        for _ in range(200):
            crowd.connect(address, b"GET /metrics HTTP/1.1\r\nX: ")
        for _ in range(20):
            crowd.connect(address)
        for _ in range(50):
            crowd.stuck(address)
        for request in REFUSED.values():
            with contextlib.suppress(ConnectionError):
                crowd.connect(address, request)
        check_page(address)
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            for scrape in [pool.submit(get, address, Accept_Encoding="gzip") for _ in range(64)]:
                assert scrape.result(PATIENCE).endswith(b"\n")
    wait_until(lambda: descriptors(process.pid) < before + 5, "all descriptors closed")
    check_page(address)
    assert {json.loads(line)["msg"] for line in log} == {"listening", "target is up", "target is down"}


def test_sigterm_during_slow_reads(demo: tuple[subprocess.Popen[str], str, list[str]]) -> None:
    """Exit code 0 within 5 seconds, whoever still reads."""
    process, address, log = demo
    with Crowd() as crowd:
        for _ in range(20):
            crowd.stuck(address)
            crowd.connect(address, b"GET /metrics HTTP/1.1\r\nX: ")
        signalled = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        assert time.monotonic() - signalled < 5
    assert process.returncode == 0
    wait_until(lambda: json.loads(log[-1])["msg"] == "ended", "its last word")
    assert "Traceback" not in "".join(log)
