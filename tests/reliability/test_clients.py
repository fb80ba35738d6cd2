"""Hostile clients on real sockets. Meanwhile a good one gets the whole page, and afterwards nothing of them is left."""

import concurrent.futures
import contextlib
import gzip
import json
import math
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from web.hosted import LAX, PATIENCE, Crowd, Hosted, ask, descriptors, hosted, read_all, say, wait_until

from exporter.fleet.state import TargetState
from exporter.jobs.page import Format
from exporter.web.address import Address
from exporter.web.connections import Limits
from exporter.web.routes import Site
from reliability.client_faults import ANSWERED, REFUSED

pytestmark = pytest.mark.e2e

PAGE = b"# TYPE lines gauge\n" + b"".join(b'lines{number="%d"} 1.0\n' % number for number in range(100_000))
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Pages:
    """Renders a page.

    Attributes:
        rendered: the renderings so far.
        gate: a rendering waits until it is open, as it is at first.
    """

    def __init__(self, page: bytes = PAGE) -> None:
        self._page = page
        self.rendered = 0
        self.gate = threading.Event()
        self.gate.set()

    def metrics(self, _: Sequence[TargetState], __: Format) -> Iterator[bytes]:
        """As `Site.metrics`."""
        self.rendered += 1
        assert self.gate.wait(PATIENCE)
        yield bytes(memoryview(self._page))  # a copy, as every page is


Host = Callable[..., Hosted]


@pytest.fixture
def cuts() -> list[str]:
    """Why connections were cut, one for each."""
    return []


@pytest.fixture
def host(caplog: pytest.LogCaptureFixture, cuts: list[str]) -> Iterator[Host]:
    """Starts a server that must be as it was when the attack is over, and must not have said a word."""
    caplog.set_level("INFO")
    with contextlib.ExitStack() as stack:

        def start(limits: Limits = LAX, pages: Pages | None = None) -> Hosted:
            site = Site("/metrics", tuple, lambda: True, (pages or Pages()).metrics, lambda: 0.0, count_cut=cuts.append)
            return stack.enter_context(hosted(site, limits=limits))

        yield start
    assert [*caplog.get_records("call"), *caplog.records] == []


def scrape(place: Address, page: bytes = PAGE, **headers: str) -> None:
    """What a good client does, and what it must get."""
    answer = ask(place, "/metrics", tls=None, **headers)
    gzipped = answer.headers.get("Content-Encoding") == "gzip"
    assert (answer.status, gzip.decompress(answer.body) if gzipped else answer.body) == (200, page)


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


def drip(client: socket.socket, byte: bytes = b"x") -> bool:
    """Send one more byte of an endless header; whether the connection is cut."""
    with contextlib.suppress(ConnectionError):
        client.send(byte)
    return is_cut(client)


# Those that do not send


@pytest.mark.parametrize(
    ("count", "sent", "more"),
    [(200, b"GET /metrics HTTP/1.1\r\nX: ", b"x"), (20, b"", b"")],
    ids=["drip", "silent"],
)
def test_clients_that_send_no_request(count: int, sent: bytes, more: bytes, host: Host) -> None:
    """A byte now and then buys no more time than the deadline."""
    at = host(replace(LAX, header=1.0)).place
    with Crowd() as crowd:
        clients = [crowd.connect(at, sent) for _ in range(count)]
        scrape(at)
        wait_until(lambda: False not in [drip(client, more) for client in clients], "all cut off")


def test_headers_that_drip_after_a_good_request(host: Host) -> None:
    """One good request is no licence to hold the connection."""
    with Crowd() as crowd:
        request = b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: "
        client = crowd.connect(host(replace(LAX, keep_alive=0.5)).place, request)
        assert client.recv(17) == b"HTTP/1.1 200 OK\r\n"
        wait_until(lambda: drip(client), "cut off")


def test_large_headers_that_never_end(host: Host, cuts: list[str]) -> None:
    """Headers each of which is small enough are cut off at the limit of a request, so that nobody fills the memory."""
    at = host(replace(LAX, request=20_000)).place
    with Crowd() as crowd:
        client = crowd.connect(at, b"GET /metrics HTTP/1.1\r\n" + b"X: %s\r\n" % (b"a" * 8000) * 2)
        scrape(at)
        assert not is_cut(client)
        client.sendall(b"X: %s\r\n" % (b"a" * 8000))
        wait_until(lambda: is_cut(client), "cut off")
    assert cuts == ["request_size"]


# Those that do not read


def test_50_readers_that_stop(host: Host, cuts: list[str]) -> None:
    """They are cut off at the deadline, and others read meanwhile."""
    running = host(replace(LAX, write=2.0))
    with Crowd() as crowd:
        stuck = [crowd.stuck(running.place) for _ in range(50)]
        scrape(running.place)
        wait_until(lambda: not running.server.connections, "all cut off")
        for client in stuck:
            with pytest.raises(ConnectionResetError):  # so that the kernel keeps nothing for them, either
                read_all(client)
    assert len(cuts) == 50
    assert set(cuts) <= {"write_timeout", "unread_limit"}  # what they hold is bounded, too


def test_what_stuck_readers_hold_is_bounded(host: Host) -> None:
    """Fifty that come one after the other do not hold fifty pages, and those that read are not the ones to go."""
    page = PAGE * 4
    assert 50 * len(page) > 6 * LAX.unread
    running = host(pages=Pages(page))
    tracemalloc.start()
    try:
        with Crowd() as crowd:
            first = crowd.stuck(running.place)
            for _ in range(49):
                crowd.stuck(running.place)
                held = {id(one.body): len(one.body) for one in running.server.connections}
                assert sum(held.values()) <= LAX.unread
            scrape(running.place, page)
            _, peak = tracemalloc.get_traced_memory()
            assert is_cut(first)
    finally:
        tracemalloc.stop()
    assert peak < LAX.unread + 6 * len(page)  # those for the rendering, and the good client's own


def test_scrapes_at_once_share_pages(host: Host) -> None:
    """Those of one kind that wait while a page is rendered get the next one together; each gets all of it."""
    kinds: list[dict[str, Any]] = [
        {"Accept": accept, "Accept_Encoding": coding} for accept in ("", OPENMETRICS) for coding in ("", "gzip")
    ]
    pages = Pages()
    running = host(pages=pages)
    pages.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        scrapes = [pool.submit(scrape, running.place)]
        wait_until(lambda: pages.rendered == 1, "the first one being rendered")
        scrapes += [pool.submit(scrape, running.place, **kinds[number % 4]) for number in range(63)]
        wait_until(lambda: [one.waiting_since for one in running.server.connections] == [math.inf] * 64, "all there")
        pages.gate.set()
        for each in scrapes:
            each.result(PATIENCE)
    assert pages.rendered == 5


# Places


def test_those_that_stand_still_go_first(host: Host) -> None:
    """Whether they don't read or don't ask: the longest wait ends first, and the newest comers keep their places."""
    at = host(replace(LAX, connections=64)).place
    with Crowd() as crowd:
        stuck = [crowd.stuck(at) for _ in range(24)]
        silent = [crowd.connect(at) for _ in range(24)]  # which makes three quarters of the places
        good = crowd.connect(at)
        later = [crowd.connect(at) for _ in range(30)]
        good.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert read_all(good).endswith(PAGE)
        wait_until(lambda: all(map(is_cut, silent[:7])), "a place found for each")
        assert all(map(is_cut, stuck))
        assert not any(map(is_cut, silent[7:] + later))


def test_a_scrape_under_way_stays(host: Host) -> None:
    """A crowd drives out its own, never a scrape that waits for its page or goes on reading it."""
    pages = Pages()
    at = host(replace(LAX, connections=8), pages).place
    pages.gate.clear()
    with Crowd() as crowd, concurrent.futures.ThreadPoolExecutor(3) as pool:
        scrapes = [pool.submit(scrape, at) for _ in range(3)]
        wait_until(lambda: pages.rendered == 1, "the first one being rendered")
        silent = [crowd.connect(at) for _ in range(20)]
        wait_until(lambda: all(map(is_cut, silent[:17])), "those too many cut off")
        pages.gate.set()
        for each in scrapes:
            each.result(PATIENCE)


def test_one_address_leaves_places_for_others(host: Host) -> None:
    """A crowd at one address cuts off its own; a client at another one is not touched."""
    running = host(replace(LAX, connections=8))
    with Crowd() as crowd:
        other = crowd.connect(running.place, source="127.0.0.2")
        crowds = [crowd.connect(running.place) for _ in range(20)]
        wait_until(lambda: all(map(is_cut, crowds[:14])), "those too many cut off")
        assert len(running.server.connections) == 7
        assert not is_cut(other)


def test_places_follow_the_limit_of_open_files(host: Host) -> None:
    """At most half of those that are to spare are for clients: 32 are for the process itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (112, hard))
    try:
        running = host()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with Crowd() as crowd:
        clients = [crowd.connect(running.place, source=f"127.0.0.{1 + number % 9}") for number in range(60)]
        wait_until(lambda: all(map(is_cut, clients[:20])), "those too many cut off")
        assert len(running.server.connections) == 40


# Those that send nonsense


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_what_is_not_http_is_refused(request_: bytes, host: Host) -> None:
    """400, or not even that for those that go on sending; and no line of the log, let alone a traceback."""
    at = host().place
    said = say(at, request_)
    assert not said or re.match(rb"HTTP/1\.[01] (400|405) ", said)
    scrape(at)


@pytest.mark.parametrize(("request_", "statuses"), ANSWERED.values(), ids=ANSWERED)
def test_odd_requests_are_answered(request_: bytes, statuses: list[int], host: Host) -> None:
    """Each with its own status, in order."""
    at = host().place
    said = say(at, request_)
    assert [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", said, re.MULTILINE)] == statuses
    assert said.count(PAGE) == (0 if request_.startswith(b"HEAD") else request_.count(b"GET /metrics"))
    scrape(at)


def test_accept_headers_of_nonsense(host: Host) -> None:
    """The page comes all the same, in a form that the answer names."""
    at = host().place
    for nonsense in (
        "",
        ",",
        ";;;q",
        "q=1",
        "gzip;q=nan",
        "gzip;q=1e999",
        "\xff\xfe",
        "*/*;*;*",
        "gzip" * 99,
        "," * 8000,
    ):
        scrape(at, Accept=nonsense, Accept_Encoding=nonsense)


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
            wait_until(lambda: any('"listening"' in line for line in log), "its address")
            address = next(line["address"] for line in map(json.loads, log) if line["msg"] == "listening")
            wait_until(lambda: ask(address, "/-/ready").status == 200, "ready")
            yield process, address, log
        finally:
            process.kill()
            reader.join()


def check_page(address: str) -> None:
    """Scrape; the page is whole, parses, and its numbers agree with each other."""
    families = {
        family.name: family for family in text_string_to_metric_families(ask(address, "/metrics").body.decode())
    }
    up = families["bedrock_exporter_target_up"].samples
    assert [sample.value for sample in up] == [1.0] * 5 + [0.0]  # the last one's region lacks the feature
    jobs = sum(sample.value for sample in families["bedrock_model_customization_jobs"].samples)
    assert jobs == sum(sample.value for sample in families["bedrock_exporter_target_walk_jobs"].samples) > 0
    assert "python_info" in families  # the page's end


def test_everything_at_once_and_nothing_left(demo: tuple[subprocess.Popen[str], str, list[str]]) -> None:
    """All attacks together on the exporter as it ships; then no descriptor is left, and the log has no word of it."""
    process, address, log = demo
    ask(address, "/metrics")
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
            for each in [pool.submit(ask, address, "/metrics", Accept_Encoding="gzip") for _ in range(64)]:
                assert gzip.decompress(each.result(PATIENCE).body).endswith(b"\n")
    wait_until(lambda: descriptors(process.pid) < before + 5, "all descriptors closed")
    check_page(address)
    assert {json.loads(line)["msg"] for line in log if "exporter.jobs.story" not in line} == {
        "starting",
        "listening",
        "target is up",
        "target is down",
    }


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
