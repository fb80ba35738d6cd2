"""Routes: request and state in, response out."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter import __version__
from exporter.exposition import Format
from exporter.model import Failed, FailureReason, FamilyText, Snapshot, Target, TargetState
from exporter.web.routes import RELOAD, Request, Response, Site, reload, respond

NOW = 1_790_000_000.0
PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
GOOD = TargetState(
    Target("targets[0]", "us-east-1", labels=(("team", "platform"),)),
    account_id="111122223333",
    last_walk=NOW - 5,
    last_success=NOW - 5,
    pages=1,
    jobs=7,
    snapshot=Snapshot({}, {}, {}, (), 0),
    rendered={"bedrock_model_customization_jobs": FamilyText(b"bedrock_model_customization_jobs{} 7\n", ())},
)
BAD = TargetState(
    Target("targets[1]", "eu-west-1", labels=(("team", ""),)),
    failure=Failed(None, FailureReason.TIMEOUT, "too slow"),
    last_walk=NOW - 9,
    failures={FailureReason.TIMEOUT: 1},
)
NEW = TargetState(Target("targets[2]", "ap-south-1", labels=(("team", ""),)))
STATES = (GOOD, BAD, NEW)


def site(*states: TargetState, telemetry_path: str = "/metrics") -> Site:
    return Site(
        telemetry_path=telemetry_path,
        states=lambda: states,
        ready=lambda: all(state.last_walk is not None for state in states),
        render_telemetry=lambda format_: b"own 1\n# EOF\n" if format_ is Format.OPENMETRICS else b"own 1\n",
        now=lambda: NOW,
    )


SITE = site(*STATES)


def ask_reload(site: Site, method: str = "POST") -> Response:
    return asyncio.run(reload(Request(method, RELOAD), site))


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload(method: str) -> None:
    """It is done at once, and the answer says that it is."""
    asked: list[None] = []

    async def read() -> list[str]:
        asked.append(None)
        return []

    answer = ask_reload(replace(SITE, reload=read), method)

    assert answer == Response(200, b"The configuration is reloaded.\n", {"Content-Type": PLAIN})
    assert len(asked) == 1


def test_reload_of_a_bad_file() -> None:
    """Every fault is in the answer."""
    faults = ["config.yaml: poll.interval: '5s' is less than 10s", "config.yaml: tagrets: unknown key"]

    async def read() -> list[str]:
        return faults

    answer = ask_reload(replace(SITE, reload=read))

    assert answer.status == 500
    assert answer.body.decode().splitlines() == [
        "The configuration is not reloaded, the one before stays in use:",
        *faults,
    ]


def test_reload_is_not_for_everyone() -> None:
    """Unless it is switched on nobody may, and a link that is followed never reloads."""

    async def read() -> list[str]:
        pytest.fail("reloaded")

    assert ask_reload(SITE).status == 403
    assert b"--web.enable-lifecycle" in ask_reload(SITE).body
    for method in ("GET", "HEAD", "DELETE"):
        answer = ask_reload(replace(SITE, reload=read), method)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")


def get(path: str, accept: str = "", accept_encoding: str = "", at: Site = SITE) -> Response:
    return respond(Request("GET", path, accept, accept_encoding), at)


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type", "body"),
    [
        ("GET", "/-/healthy", 200, PLAIN, b"bedrock-customization-exporter is healthy.\n"),
        ("HEAD", "/-/healthy", 200, PLAIN, b"bedrock-customization-exporter is healthy.\n"),
        ("GET", "/nothing", 404, PLAIN, b"There is nothing here. The metrics are at /metrics.\n"),
        ("GET", "/metrics/", 404, PLAIN, b"There is nothing here. The metrics are at /metrics.\n"),
        ("GET", "", 404, PLAIN, b"There is nothing here. The metrics are at /metrics.\n"),
        ("GET", "*", 404, PLAIN, b"There is nothing here. The metrics are at /metrics.\n"),
        ("POST", "/nothing", 404, PLAIN, b"There is nothing here. The metrics are at /metrics.\n"),
        *(
            (method, path, 405, PLAIN, b"Only GET and HEAD are understood here.\n")
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "get")
            for path in ("/", "/metrics", "/-/healthy", "/-/ready")
        ),
    ],
)
def test_plain_answers(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Short texts for people and probes; another method is refused wherever there is something."""
    headers: Mapping[str, str] = {"Content-Type": content_type, **({"Allow": "GET, HEAD"} if status == 405 else {})}

    assert respond(Request(method, path), SITE) == Response(status, body, dict(headers))


@pytest.mark.parametrize(
    ("states", "status", "body"),
    [
        ((), 200, b"bedrock-customization-exporter is ready.\n"),
        ((GOOD, BAD), 200, b"bedrock-customization-exporter is ready.\n"),
        (
            (GOOD, BAD, NEW),
            503,
            b"bedrock-customization-exporter is not ready; targets whose first walk has not ended: 1.\n",
        ),
    ],
    ids=["none", "walked", "waiting"],
)
def test_ready_tells_whether_every_target_was_walked(states: tuple[TargetState, ...], status: int, body: bytes) -> None:
    """A failed walk is a walk, too: AWS being down never makes the exporter unready."""
    assert get("/-/ready", at=site(*states)) == Response(status, body, {"Content-Type": PLAIN})


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;q=0.1, text/plain", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        (";;,q=;=,\x00", TEXT),
    ],
)
@pytest.mark.parametrize("accept_encoding", ["", "identity", "gzip;q=0", "br", "gzip", "br, gzip;q=0.5", "GZIP"])
def test_metrics_come_in_the_format_and_coding_asked_for(accept: str, content_type: str, accept_encoding: str) -> None:
    """The same page in either format, packed only for who can unpack it, and caches are told what it depends on."""
    response = get("/metrics", accept, accept_encoding)
    packed = "gzip" in accept_encoding.lower() and not accept_encoding.endswith("q=0")
    body = gzip.decompress(response.body) if packed else response.body

    assert response.status == 200
    assert response.headers == {
        "Content-Type": content_type,
        "Vary": "Accept, Accept-Encoding",
        **({"Content-Encoding": "gzip"} if packed else {}),
    }
    assert b"\nbedrock_model_customization_jobs{} 7\n" in body
    assert body.endswith(b"\nown 1\n# EOF\n" if content_type == OPENMETRICS else b"\nown 1\n")


def test_metrics_are_those_of_the_moment() -> None:
    """A page follows the states that are handed over, not those of the first scrape."""
    states: tuple[TargetState, ...] = (NEW,)
    at = Site(
        telemetry_path="/metrics",
        states=lambda: states,
        ready=lambda: True,
        render_telemetry=lambda _: b"",
        now=lambda: NOW,
    )
    before = get("/metrics", at=at).body
    states = (GOOD,)

    assert b'aws_region="ap-south-1"' in before
    assert b'aws_region="us-east-1"' in get("/metrics", at=at).body
    assert b'aws_region="ap-south-1"' not in get("/metrics", at=at).body


def test_the_metrics_can_be_elsewhere() -> None:
    """`--web.telemetry-path` moves them, and every hint to them."""
    at = site(*STATES, telemetry_path='/x/"metrics"&')

    assert get('/x/"metrics"&', at=at).headers["Content-Type"] == TEXT
    assert get("/metrics", at=at).body == b'There is nothing here. The metrics are at /x/"metrics"&.\n'
    assert b'<a href="/x/&quot;metrics&quot;&amp;">' in get("/", at=at).body


def rows(response: Response) -> list[str]:
    return [
        line.partition("<tr>")[2].removesuffix("</tr>") for line in response.body.decode().splitlines() if "<td" in line
    ]


def test_the_landing_page_shows_every_target() -> None:
    """A person sees what is watched, how it goes, and where the metrics are."""
    response = get("/")

    assert (response.status, response.headers) == (200, {"Content-Type": HTML})
    assert rows(response) == [
        "<td>111122223333</td><td>us-east-1</td><td>team=platform</td><td>7</td><td>5 s ago</td><td>good</td>",
        '<td>unknown</td><td>eu-west-1</td><td>team=</td><td></td><td>never</td><td class="bad">timeout: too slow</td>',
        "<td>unknown</td><td>ap-south-1</td><td>team=</td><td></td><td>never</td><td>not yet ended</td>",
    ]
    assert f"Version {__version__}.".encode() in response.body
    for link in (b"/metrics", b"/-/healthy", b"/-/ready"):
        assert b'<a href="%s">' % link in response.body


def test_the_landing_page_says_how_old_the_data_is() -> None:
    """While walks fail the last good one gets older, and then what it brought is stale."""
    failing = replace(GOOD, failure=Failed(None, FailureReason.NETWORK, "down"), last_success=NOW - 600)
    stale = replace(failing, snapshot=None, rendered={})

    assert ["<td>600 s ago</td>" in row for row in rows(get("/", at=site(failing)))] == [True]
    assert ["<td>600 s ago, stale</td>" in row for row in rows(get("/", at=site(stale)))] == [True]


def test_the_landing_page_escapes_whatever_others_wrote() -> None:
    """Neither an error message of a service nor a label can bring markup in."""
    evil = '<script>alert("1")</script>&\''
    state = TargetState(
        Target("targets[0]", evil, labels=(("team", evil),)),
        account_id=evil,
        last_walk=NOW,
        failure=Failed(None, FailureReason.NETWORK, evil),
    )
    safe = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#x27;"

    assert rows(get("/", at=site(state))) == [
        f'<td>{safe}</td><td>{safe}</td><td>team={safe}</td><td></td><td>never</td><td class="bad">network: {safe}</td>'
    ]
