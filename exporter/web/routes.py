"""What is served where, as an aiohttp application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from exporter import NAME
from exporter.fleet.state import TargetState
from exporter.jobs.page import Format, accepts_gzip, compress, negotiate
from exporter.web.aiohttp_web import web
from exporter.web.connections import Handler, bounded
from exporter.web.landing import STYLE_SOURCE, landing_page

RELOAD = "/-/reload"

HEADERS = {
    "Server": NAME,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
"""On every response."""

_LONGEST_ACCEPT = 1024  # characters; Prometheus sends 250, and half a megabyte would take a second to read


@dataclass(frozen=True, slots=True)
class Site:
    """What there is to serve.

    Attributes:
        telemetry_path: path of the metrics.
        states: gives every target's state; called in the event loop.
        ready: whether every target has finished its first walk.
        metrics: (states, format) → the whole page of metrics; called in another thread.
        now: the wall clock, Unix seconds.
        reload: reads the configuration again and returns the faults because of which it could not; None if HTTP
            requests may not ask for it.
        count_request: told the handler and the status of every request that was answered.
        count_cut: told why a client's connection was ended.
    """

    telemetry_path: str
    states: Callable[[], tuple[TargetState, ...]]
    ready: Callable[[], bool]
    metrics: Callable[[Sequence[TargetState], Format], bytes]
    now: Callable[[], float]
    reload: Callable[[], Awaitable[list[str]]] | None = None
    count_request: Callable[[str, int], None] = lambda _, __: None
    count_cut: Callable[[str], None] = lambda _: None


def application(site: Site) -> web.Application:
    """The routes of a site, to be served on `Connections`."""
    routes = _Routes(site)
    app = web.Application(middlewares=[bounded, routes.count, routes.explain])
    app.on_response_prepare.append(_add_headers)
    for path, methods, handler in (
        (site.telemetry_path, ("GET", "HEAD"), routes.metrics),
        ("/", ("GET", "HEAD"), routes.landing_page),
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
        self._rendering = asyncio.Lock()
        self._requested: dict[tuple[Format, bool], asyncio.Task[bytes]] = {}

    async def metrics(self, request: web.Request) -> web.Response:
        """Every metric, in the format and encoding that the request asks for."""
        format_, gzip = negotiate(_header(request, "Accept")), accepts_gzip(_header(request, "Accept-Encoding"))
        if (format_, gzip) not in self._requested:
            self._requested[format_, gzip] = asyncio.create_task(self._render(format_, gzip))
        body = await asyncio.shield(self._requested[format_, gzip])
        headers = {"Content-Type": format_.value, "Vary": "Accept, Accept-Encoding"}
        return web.Response(body=body, headers=headers | ({"Content-Encoding": "gzip"} if gzip else {}))

    async def _render(self, format_: Format, gzip: bool) -> bytes:
        """The page, rendered once for all who asked for it before its rendering begins."""
        # A page of a thousand targets takes a while: not in the event loop, and not two at a time.
        async with self._rendering:
            del self._requested[format_, gzip]
            return await asyncio.to_thread(self._compose, self._site.states(), format_, gzip)

    def _compose(self, states: tuple[TargetState, ...], format_: Format, gzip: bool) -> bytes:
        body = self._site.metrics(states, format_)
        return compress(body) if gzip else body

    async def landing_page(self, _: web.Request) -> web.Response:
        """A page for people."""
        site = self._site
        page = landing_page(site.states(), site.telemetry_path, site.now())
        return web.Response(body=page.encode(errors="replace"), content_type="text/html", charset="utf-8")

    async def healthy(self, _: web.Request) -> web.Response:
        """The process works; whether AWS does is another question."""
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
        """Count the request by its route and what it is answered with."""
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
        """Say what to do instead where there is no route."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _text(404, f"There is nothing here. The metrics are at {self._site.telemetry_path}.")
        except web.HTTPMethodNotAllowed as error:
            methods = sorted(error.allowed_methods)
            return _text(405, f"Use {' or '.join(methods)}.", Allow=", ".join(methods))


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))[:_LONGEST_ACCEPT]


def _text(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=headers)
