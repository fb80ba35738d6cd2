"""What each route answers, over HTTP."""

import base64
import gzip
import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from web.hosted import PATIENCE, Answer, Crowd, Hosted, hosted, read_all, say

from exporter import NAME, __version__
from exporter.errors import FailureReason
from exporter.fleet.state import Failed, TargetState, Walked
from exporter.jobs.page import Format
from exporter.jobs.snapshot import Snapshot
from exporter.targets.target import Target
from exporter.web.routes import RELOAD, Site

NOW = 1_790_000_000.0
PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
TARGET = Target("targets[0]", "us-east-1", labels=(("team", "platform"),))
GOOD = TargetState(
    TARGET, "111122223333", NOW - 5, NOW - 5, good=Walked(TARGET, "111122223333", Snapshot({}, {}, {}, {}, (), 0), 1, 7)
)
BAD = TargetState(
    Target("targets[1]", "eu-west-1", labels=(("team", ""),)),
    last_walk=NOW - 9,
    failure=Failed(None, FailureReason.TIMEOUT, "too slow"),
)
NEW = TargetState(Target("targets[2]", "ap-south-1", labels=(("team", ""),)))


def page(states: Sequence[TargetState], format_: Format) -> Iterator[bytes]:
    yield b"regions"
    yield f" {[state.target.region for state in states]} {format_.name}\n".encode()


def site(*states: TargetState) -> Site:
    return Site(
        telemetry_path="/metrics",
        states=lambda: states,
        ready=lambda: all(state.last_walk is not None for state in states),
        metrics=page,
        now=lambda: NOW,
    )


@pytest.fixture(scope="module")
def host() -> Iterator[Hosted]:
    """Serves three targets: a good one, a bad one and one that has not been walked."""
    with hosted(site(GOOD, BAD, NEW)) as host:
        yield host


def get(at: Site, path: str, method: str = "GET", **headers: str) -> Answer:
    with hosted(at) as host:
        return host.ask(path, method, tls=None, **headers)


def test_requests_are_counted_by_route_and_status() -> None:
    """A path that nobody serves is no label of its own, and neither is what is not HTTP."""
    counted: list[tuple[str, int]] = []
    with hosted(replace(site(GOOD), count_request=lambda *request: counted.append(request))) as host:
        for method, path in (("GET", "/metrics"), ("HEAD", "/metrics"), ("GET", "/x"), ("PUT", "/"), ("POST", RELOAD)):
            host.ask(path, method)
        say(host.place, b"GET\r\n\r\n")
    assert counted == [
        ("/metrics", 200),
        ("/metrics", 200),
        ("other", 404),
        ("other", 405),
        (RELOAD, 403),
        ("other", 400),
    ]


# Short answers

NOTHING = "There is nothing here. The metrics are at /metrics.\n"
READ_ONLY = "Use GET or HEAD.\n"
NOT_READY = f"{NAME} is not ready; targets whose first walk has not ended: 1.\n"
DISABLED = "Start the exporter with --web.enable-lifecycle to reload it by HTTP.\n"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/-/healthy", 200, f"{NAME} is healthy.\n"),
        ("GET", "/-/healthy?x=y", 200, f"{NAME} is healthy.\n"),
        ("GET", "/-/ready", 503, NOT_READY),
        ("GET", "/%6Detrics", 200, "regions ['us-east-1', 'eu-west-1', 'ap-south-1'] TEXT\n"),
        ("GET", "/nothing", 404, NOTHING),
        ("GET", "/metrics/", 404, NOTHING),
        ("GET", "//metrics", 404, NOTHING),
        ("GET", "/x/../metrics", 404, NOTHING),
        ("POST", "/nothing", 404, NOTHING),
        ("OPTIONS", "*", 404, NOTHING),
        *(
            (method, path, 405, READ_ONLY)
            for method in ("POST", "DELETE", "OPTIONS")
            for path in ("/", "/metrics", "/-/healthy", "/-/ready")
        ),
        ("POST", "/-/reload", 403, DISABLED),
        ("GET", "/-/reload", 405, "Use POST or PUT.\n"),
    ],
)
def test_short_answers(method: str, path: str, status: int, body: str, host: Hosted) -> None:
    """Texts for people and probes; another method is refused wherever there is something."""
    answer = host.ask(path, method)

    assert (answer.status, answer.body.decode()) == (status, body)
    assert answer.headers.get("Allow") == {READ_ONLY: "GET, HEAD", NOTHING: None}.get(body, answer.headers.get("Allow"))
    if "/%6D" not in path:
        assert answer.headers["Content-Type"] == PLAIN


@pytest.mark.parametrize(
    "path", ["/", "/config", "/api/v1/jobs", "/metrics", "/-/healthy", "/-/ready", "/nothing", "/-/reload"]
)
def test_what_every_response_says(path: str, host: Hosted) -> None:
    """HEAD is GET without the body; browsers are told to load, frame and guess nothing."""
    answer, head = host.ask(path), host.ask(path, "HEAD")
    answer.headers.pop("Date"), head.headers.pop("Date")

    assert (head.status, head.headers, head.body) == (answer.status, answer.headers, b"")
    assert answer.headers["Content-Length"] == str(len(answer.body)) != "0"
    assert {name: answer.headers[name] for name in ("Server", "X-Content-Type-Options", "X-Frame-Options")} == {
        "Server": NAME,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'; connect-src 'self'; img-src data:; "
        r"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        answer.headers["Content-Security-Policy"],
    )


@pytest.mark.parametrize("states", [(), (GOOD, BAD)], ids=["none", "walked"])
def test_ready_once_every_target_was_walked(states: tuple[TargetState, ...]) -> None:
    """A failed walk is a walk, too: AWS being down never makes the exporter unready."""
    answer = get(site(*states), "/-/ready")

    assert (answer.status, answer.body.decode()) == (200, f"{NAME} is ready.\n")


# Reload

DONE = (200, "The configuration is reloaded.\n")
REFUSED = (
    "The configuration is not reloaded; the previous one stays in use:\nconfig.yaml: tagrets: unknown key\nand more\n"
)
FOREIGN = (403, "A page of another site must not reload the configuration.\n")
MISSING = (404, NOTHING)


@pytest.mark.parametrize(
    ("method", "path", "headers", "faults", "expected"),
    [
        ("POST", "/-/reload", {}, [], DONE),
        ("PUT", "/-/reload?x", {}, [], DONE),
        ("POST", "/-/reload", {"Origin": "http://here", "Host": "here"}, [], DONE),
        ("POST", "/-/reload", {}, ["config.yaml: tagrets: unknown key", "and more"], (500, REFUSED)),
        ("POST", "/-/reload", {"Origin": "http://there", "Host": "here"}, None, FOREIGN),
        ("POST", "/-/reload", {"Origin": "http://[", "Host": "here"}, None, FOREIGN),
        ("POST", "/-/reload", {"Origin": "null"}, None, FOREIGN),
        ("POST", "/-/%2Freload", {}, None, MISSING),
        ("POST", "/-/%72eload", {}, None, MISSING),
        ("POST", "/-%2Freload", {}, None, MISSING),
        ("POST", "/x/../-/reload", {}, None, MISSING),
        ("GET", "/-/reload", {}, None, (405, "Use POST or PUT.\n")),
    ],
)
def test_reload(
    method: str, path: str, headers: dict[str, str], faults: list[str] | None, expected: tuple[int, str]
) -> None:
    """It is done at once, and the answer says how it went; no link, foreign page or disguised path gets there."""
    asked = 0

    async def reload() -> list[str]:
        nonlocal asked
        asked += 1
        return faults or []

    answer = get(replace(site(), reload=reload), path, method, **headers)

    assert (answer.status, answer.body.decode()) == expected
    assert asked == (faults is not None)


# Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(("accept", "content_type"), [("", TEXT), ("*/*", TEXT), (OPENMETRICS, OPENMETRICS)])
@pytest.mark.parametrize("encoding", ["", "gzip;q=0", "gzip"])
def test_the_format_and_encoding_asked_for(accept: str, content_type: str, encoding: str, host: Hosted) -> None:
    """The page in either format, compressed for who can read that; caches are told what it depends on."""
    answer = host.ask("/metrics", Accept=accept, Accept_Encoding=encoding)
    body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body

    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers.get("Content-Encoding") == ("gzip" if encoding == "gzip" else None)
    assert body == b"".join(page((GOOD, BAD, NEW), Format(content_type)))


def test_metrics_are_those_of_the_moment() -> None:
    """A page shows the states as they are at the scrape."""
    states = [(NEW,), (GOOD,)]
    with hosted(replace(site(), states=lambda: states.pop(0))) as host:
        assert host.ask("/metrics").body == b"".join(page((NEW,), Format.TEXT))
        assert host.ask("/metrics").body == b"".join(page((GOOD,), Format.TEXT))


def test_the_metrics_can_be_elsewhere() -> None:
    """`--web.telemetry-path` moves them, and every hint to them."""
    path = '/{x}/"metrics"&'
    with hosted(replace(site(), telemetry_path=path)) as host:
        assert host.ask("/{x}/%22metrics%22&").headers["Content-Type"] == TEXT
        assert host.ask("/y/%22metrics%22&").status == 404
        assert host.ask("/metrics").body.decode() == f"There is nothing here. The metrics are at {path}.\n"
        assert b'<a href="/{x}/&#34;metrics&#34;&amp;">' in host.ask("/").body


def test_a_bug_costs_one_scrape(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waits for the page gets a 500 without details, the log the traceback, and the next scrape a page."""
    pages = iter([None, b"fine\n"])

    def metrics(_: object, __: object) -> Iterator[bytes]:
        body = next(pages)
        if body is None:
            raise ZeroDivisionError("a secret")
        yield body

    with hosted(replace(site(), metrics=metrics)) as host:
        failed = host.ask("/metrics")
        assert (failed.status, b"secret" in failed.body, failed.headers["X-Frame-Options"]) == (500, False, "DENY")
        assert host.ask("/metrics").body == b"fine\n"

    (record,) = caplog.records
    assert (record.levelno, record.exc_info and record.exc_info[0]) == (logging.ERROR, ZeroDivisionError)


# The status page


def test_the_status_page_says_what_is_wrong_with_the_exporter_itself() -> None:
    """Before all else, and escaped."""
    page = get(replace(site(GOOD, BAD), troubles=lambda: ["The last reload <failed>."]), "/").body.decode()
    assert page.index("<p>The last reload &lt;failed&gt;.</p>") < page.index("Targets that are down")
    assert "The exporter itself" not in get(site(GOOD), "/").body.decode()


def test_the_status_page_shows_every_target(host: Hosted) -> None:
    """A person sees what is watched, how it goes, and where the rest is; its style and script are those allowed."""
    answer = host.ask("/")
    page = answer.body.decode()

    assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, HTML, "no-store")
    assert "<h1>3 targets, 1 down; 0 jobs running</h1>" in page
    assert f"Version {__version__} " in page
    for text in ("111122223333", "eu-west-1", "ap-south-1", "team=platform", "first walk under way"):
        assert text in page
    assert "too slow" not in page  # the words of whoever failed
    for link in ("/metrics", "/config", "/api/v1/targets", "/api/v1/jobs", "/-/healthy", "/-/ready"):
        assert f'<a href="{link}">' in page
    for element in ("style", "script"):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}';" in answer.headers["Content-Security-Policy"]


def test_pages_are_compressed(host: Hosted) -> None:
    """For who can read that."""
    answer = host.ask("/", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(answer.body) == host.ask("/").body


def test_a_filter_that_can_not_be_used_is_refused(host: Hosted) -> None:
    """In text, for a person."""
    answer = host.ask("/?page=x")
    assert (answer.status, answer.headers["Content-Type"]) == (400, PLAIN)
    assert answer.body == b"page: must be a whole number from 1 to 1000000\n"


def test_the_configuration_page() -> None:
    """It shows what the exporter says is in use."""
    answer = get(replace(site(), config=lambda: "poll:\n  interval: 60.0\n"), "/config")
    assert (answer.status, answer.headers["Content-Type"]) == (200, HTML)
    assert b">poll:\n  interval: 60.0\n</pre>" in answer.body


def test_neither_a_scrape_nor_health_waits_for_a_page() -> None:
    """While the page of one visitor is being made, and ninety-nine others wait, probes and scrapes are answered."""
    begun, go = threading.Event(), threading.Event()

    def config() -> str:
        begun.set()
        assert go.wait(PATIENCE)
        return "poll: {}"

    request = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with hosted(replace(site(GOOD), config=config)) as host, Crowd() as crowd:
        first = crowd.connect(host.place, request % b"/config")
        assert begun.wait(PATIENCE)
        others = [crowd.connect(host.place, request % b"/") for _ in range(99)]
        assert host.ask("/-/healthy").status == 200
        assert host.ask("/metrics").status == 200
        go.set()
        assert [read_all(client)[:15] for client in (first, *others)] == [b"HTTP/1.1 200 OK"] * 100
