"""What is served where, as an aiohttp application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from exporter import NAME
from exporter.fleet.state import TargetState
from exporter.jobs.page import Format, accepts_gzip, compress, negotiate
from exporter.web import status, views
from exporter.web.aiohttp_web import web
from exporter.web.connections import Handler, bounded
from exporter.web.pages import CONTENT_SECURITY_POLICY, config_page, status_page
from exporter.web.selection import QueryError, Selection, parse
from exporter.web.shared import BusyError, Shared

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

RELOAD = "/-/reload"

HEADERS = {
    "Server": NAME,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
}
"""On every response."""

_WAITING_PAGES = 64  # different ones; each takes some 10 ms

_LONGEST_ACCEPT = 1024  # characters; Prometheus sends 250, and half a megabyte would take a second to read


@dataclass(frozen=True, slots=True)
class Site:
    """What the routes need.

    Attributes:
        telemetry_path: path of the metrics.
        states: gives every target's state; called in the event loop.
        ready: whether every target has finished its first walk.
        metrics: (states, format) → the page of metrics, in pieces; called in another thread.
        now: the wall clock, Unix seconds.
        started: when the exporter started, Unix seconds.
        troubles: gives what is wrong with the exporter itself, a sentence or two each; called in the event loop.
        config: gives the configuration in use as YAML without secrets; called in another thread.
        reload: reads the configuration again and returns its faults; None if HTTP requests may not reload.
        count_request: called with handler and status of every answered request.
        count_cut: called with the reason when a client's connection is ended.
    """

    telemetry_path: str
    states: Callable[[], tuple[TargetState, ...]]
    ready: Callable[[], bool]
    metrics: Callable[[Sequence[TargetState], Format], Iterable[bytes]]
    now: Callable[[], float]
    started: float = 0.0
    troubles: Callable[[], Iterable[str]] = tuple
    config: Callable[[], str] = str
    reload: Callable[[], Awaitable[list[str]]] | None = None
    count_request: Callable[[str, int], None] = lambda _, __: None
    count_cut: Callable[[str], None] = lambda _: None


def application(site: Site, *guards: Middleware) -> web.Application:
    """The routes of a site, to be served on `Connections`; requests pass the guards first."""
    routes = _Routes(site)
    app = web.Application(middlewares=[bounded, routes.count, *guards, routes.explain])
    app.on_response_prepare.append(_add_headers)
    for path, methods, handler in (
        (site.telemetry_path, ("GET", "HEAD"), routes.metrics),
        ("/", ("GET", "HEAD"), routes.status_page),
        ("/config", ("GET", "HEAD"), routes.config),
        ("/api/v1/targets", ("GET", "HEAD"), routes.targets),
        ("/api/v1/jobs", ("GET", "HEAD"), routes.jobs),
        ("/-/healthy", ("GET", "HEAD"), routes.healthy),
        ("/-/ready", ("GET", "HEAD"), routes.ready),
        (RELOAD, ("POST", "PUT"), routes.reload),
    ):
        resource = web.PlainResource(path)  # braces in a telemetry path are just braces
        for method in methods:
            resource.add_route(method, handler)
        app.router.register_resource(resource)
    return app


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


class _Routes:
    """One handler for each route."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._scrapes = Shared()
        self._pages = Shared(_WAITING_PAGES)  # apart, so that a scrape never waits for a page

    async def metrics(self, request: web.Request) -> web.Response:
        """Every metric, in the requested format and encoding."""
        format_, gzip = negotiate(_header(request, "Accept")), accepts_gzip(_header(request, "Accept-Encoding"))
        body = await self._scrapes.get((format_, gzip), lambda: self._scrape(format_, gzip))
        headers = {"Content-Type": format_.value, "Vary": "Accept, Accept-Encoding"}
        return web.Response(body=body, headers=headers | ({"Content-Encoding": "gzip"} if gzip else {}))

    def _scrape(self, format_: Format, gzip: bool) -> Callable[[], bytes]:
        # A page of a thousand targets takes a while: not in the event loop, and not two at a time.
        states = self._site.states()

        def compose() -> bytes:
            pieces = self._site.metrics(states, format_)
            return compress(pieces) if gzip else b"".join(pieces)

        return compose

    async def status_page(self, request: web.Request) -> web.Response:
        """A page for people: what is watched, and which jobs need attention."""
        site, selection = self._site, parse(request.query)

        def prepare() -> Callable[[], bytes]:
            states, ready, now, troubles = site.states(), site.ready(), site.now(), tuple(site.troubles())
            return lambda: status_page(
                status.status(states, selection, now=now, started=site.started, ready=ready, troubles=troubles),
                site.telemetry_path,
            )

        return await self._page(request, "text/html", ("status", selection), prepare)

    async def config(self, request: web.Request) -> web.Response:
        """The configuration in use, without secrets."""
        return await self._page(request, "text/html", ("config",), lambda: lambda: config_page(self._site.config()))

    async def targets(self, request: web.Request) -> web.Response:
        """The targets, for programs."""
        selection = parse(request.query)
        return await self._json(request, "targets", selection, lambda states, _: status.targets(states, selection))

    async def jobs(self, request: web.Request) -> web.Response:
        """The jobs, for programs."""
        selection = parse(request.query)
        return await self._json(request, "jobs", selection, lambda states, now: status.jobs(states, selection, now=now))

    async def _json(
        self,
        request: web.Request,
        name: str,
        selection: Selection,
        view: Callable[[Sequence[TargetState], float], views.Targets | views.Jobs],
    ) -> web.Response:
        def prepare() -> Callable[[], bytes]:
            states, now = self._site.states(), self._site.now()
            return lambda: msgspec.json.encode(view(states, now))

        return await self._page(request, "application/json", (name, selection), prepare)

    async def _page(
        self,
        request: web.Request,
        content_type: str,
        key: tuple[object, ...],
        prepare: Callable[[], Callable[[], bytes]],
    ) -> web.Response:
        gzip = accepts_gzip(_header(request, "Accept-Encoding"))

        def compressed() -> Callable[[], bytes]:
            make = prepare()
            return lambda: compress([make()])

        body = await self._pages.get((*key, gzip), compressed if gzip else prepare)
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-store"}
        return web.Response(
            body=body,
            content_type=content_type,
            charset="utf-8" if content_type == "text/html" else None,
            headers=headers | ({"Content-Encoding": "gzip"} if gzip else {}),
        )

    async def healthy(self, _: web.Request) -> web.Response:
        """The process works; says nothing about AWS."""
        return _text(200, f"{NAME} is healthy.")

    async def ready(self, _: web.Request) -> web.Response:
        """Whether a scrape shows every target."""
        if self._site.ready():
            return _text(200, f"{NAME} is ready.")
        waiting = sum(state.last_walk is None for state in self._site.states())
        if not waiting:
            return _text(503, f"{NAME} is not ready: the accounts of the organization have not been listed yet.")
        return _text(503, f"{NAME} is not ready; targets whose first walk has not ended: {waiting}.")

    async def reload(self, request: web.Request) -> web.Response:
        """Read the configuration again; the response says what is wrong with it."""
        if request.raw_path.partition("?")[0] != RELOAD:  # encoded, perhaps to get past a proxy that guards it
            raise web.HTTPNotFound
        if self._site.reload is None:
            return _text(403, "Start the exporter with --web.enable-lifecycle to reload it by HTTP.")
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("Host"):
            return _text(403, "A page of another site must not reload the configuration.")
        faults = await self._site.reload()
        if faults:
            return _text(500, "\n".join(["The configuration is not reloaded; the previous one stays in use:", *faults]))
        return _text(200, "The configuration is reloaded.")

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request by its route and status."""
        resource = request.match_info.route.resource
        name = resource.canonical if resource is not None else "other"
        try:
            response = await handler(request)
        except Exception:
            self._site.count_request(name, 500)
            raise
        self._site.count_request(name, response.status)
        return response

    @web.middleware
    async def explain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Explain where to go if there is no route."""
        try:
            return await handler(request)
        except QueryError as error:
            return _refusal(request, 400, str(error))
        except BusyError:
            return _refusal(request, 503, "Too many different pages are being made; try again.", **{"Retry-After": "1"})
        except web.HTTPNotFound:
            return _text(404, f"There is nothing here. The metrics are at {self._site.telemetry_path}.")
        except web.HTTPMethodNotAllowed as error:
            methods = sorted(error.allowed_methods)
            return _text(405, f"Use {' or '.join(methods)}.", Allow=", ".join(methods))


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))[:_LONGEST_ACCEPT]


def _refusal(request: web.Request, code: int, text: str, **headers: str) -> web.Response:
    """A refusal: JSON under the API, otherwise text."""
    if not request.path.startswith("/api/"):
        return _text(code, text, **headers)
    body = msgspec.json.encode(views.Error(text))
    return web.Response(status=code, body=body, content_type="application/json", headers=headers)


def _text(code: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=code, text=text + "\n", headers=headers)
