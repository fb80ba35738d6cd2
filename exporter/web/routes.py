"""Request and state in, response out. No socket, no clock of its own, nothing that waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape

from exporter import NAME, __version__
from exporter.exposition import Format, PageCache, accepts_gzip, negotiate
from exporter.model import TargetState

_PLAIN = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a route looks at.

    Attributes:
        method: as sent, in capitals.
        path: without the query, decoded.
        accept: the Accept header, empty if there is none.
        accept_encoding: the Accept-Encoding header, empty if there is none.
    """

    method: str
    path: str
    accept: str = ""
    accept_encoding: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What to send: status, headers but for the length, and body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """The state that routes read.

    Attributes:
        telemetry_path: where the metrics are.
        states: gives every target's state; the same tuple while nothing has changed.
        ready: whether every target has finished its first walk.
        render_telemetry: the exporter's own metrics in a format.
        now: the wall clock, Unix seconds.
        reload: reads the configuration anew; gives the faults for which it could not. None if nobody may ask for it.
        pages: composed pages, kept while the states stay the same.
    """

    telemetry_path: str
    states: Callable[[], tuple[TargetState, ...]]
    ready: Callable[[], bool]
    render_telemetry: Callable[[Format], bytes]
    now: Callable[[], float]
    reload: Callable[[], Awaitable[list[str]]] | None = None
    pages: PageCache = field(default_factory=PageCache)


RELOAD = "/-/reload"
"""The one path that makes something happen, and takes its time: `reload` answers it, and `respond` everything else."""


def respond(request: Request, site: Site) -> Response:
    """The response to a request that only looks."""
    routes = {
        site.telemetry_path: metrics,
        "/": landing_page,
        "/-/healthy": healthy,
        "/-/ready": ready,
    }
    route = routes.get(request.path)
    if route is None:
        return _text(404, f"There is nothing here. The metrics are at {site.telemetry_path}.")
    if request.method not in {"GET", "HEAD"}:
        return _text(405, "Only GET and HEAD are understood here.", Allow="GET, HEAD")
    return route(request, site)


def metrics(request: Request, site: Site) -> Response:
    """Every metric, in the format and coding that the request asks for."""
    format_ = negotiate(request.accept)
    page = site.pages.page(site.states(), format_)
    tail = site.render_telemetry(format_)
    headers = {"Content-Type": format_.value, "Vary": "Accept, Accept-Encoding"}
    if accepts_gzip(request.accept_encoding):
        return Response(200, page.gzipped(site.now(), tail), {**headers, "Content-Encoding": "gzip"})
    return Response(200, page.body(site.now(), tail), headers)


def healthy(_request: Request, _site: Site) -> Response:
    """The process answers; whether AWS does is another question."""
    return _text(200, f"{NAME} is healthy.")


def ready(_request: Request, site: Site) -> Response:
    """Whether a scrape shows every target."""
    if site.ready():
        return _text(200, f"{NAME} is ready.")
    waiting = sum(state.last_walk is None for state in site.states())
    return _text(503, f"{NAME} is not ready; targets whose first walk has not ended: {waiting}.")


async def reload(request: Request, site: Site) -> Response:
    """Reads the configuration anew; what is wrong with it is in the answer."""
    if site.reload is None:
        return _text(403, "Start the exporter with --web.enable-lifecycle to reload it by HTTP.")
    if request.method not in {"POST", "PUT"}:
        return _text(405, "Only POST and PUT are understood here.", Allow="POST, PUT")
    faults = await site.reload()
    if faults:
        return _text(500, "\n".join(["The configuration is not reloaded, the one before stays in use:", *faults]))
    return _text(200, "The configuration is reloaded.")


def landing_page(_request: Request, site: Site) -> Response:
    """A page for people: what this is, how the targets are, where to go."""
    now = site.now()
    rows = "".join([_row(state, now) for state in site.states()])
    body = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{NAME}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{NAME}</h1>
<p>Watches model customization jobs on Amazon Bedrock. Version {escape(__version__)}.</p>
<ul>
<li><a href="{escape(site.telemetry_path)}">Metrics</a></li>
<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li>
</ul>
<table>
<caption>Targets</caption>
<thead>
<tr><th>Account</th><th>Region</th><th>Labels</th><th>Jobs</th><th>Last good walk</th><th>Last walk</th></tr>
</thead>
<tbody>{rows}</tbody>
</table>
</body>
</html>
"""
    return Response(200, body.encode(errors="replace"), {"Content-Type": _HTML})


_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}"
    ".bad{color:#b00020}"
)


def _row(state: TargetState, now: float) -> str:
    if state.failure is not None:
        outcome = f'<td class="bad">{escape(state.failure.reason)}: {escape(state.failure.message)}</td>'
    else:
        outcome = "<td>good</td>" if state.up else "<td>not yet ended</td>"
    labels = ", ".join(f"{name}={value}" for name, value in state.target.labels)
    jobs = "" if state.jobs is None else str(state.jobs)
    age = "never" if state.last_success is None else f"{max(0.0, now - state.last_success):.0f} s ago"
    if state.last_success is not None and state.snapshot is None:
        age += ", stale"
    cells = (state.account_id, state.target.region, labels, jobs, age)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + outcome + "</tr>\n"


def _text(status: int, text: str, **headers: str) -> Response:
    return Response(status, text.encode() + b"\n", {"Content-Type": _PLAIN, **headers})
