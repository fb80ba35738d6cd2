"""The HTTP server: listens, serves a site on bounded connections, and stops."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from exporter import descriptors
from exporter.web.address import Address
from exporter.web.aiohttp_web import web
from exporter.web.connections import Connections, Limits
from exporter.web.handshake import Peer
from exporter.web.routes import HEADERS, Site, application

if TYPE_CHECKING:
    from exporter.web.security import Security

SHUTDOWN_DEADLINE = 2.0
"""Seconds for responses in flight when the exporter stops."""


class ListenError(Exception):
    """An address can't be listened on; the message says which, why, and what to do."""


class Server:
    """Serves a site on one or more addresses.

    Args:
        site: what to serve.
        limits: what clients may use.
        shutdown: seconds for responses in flight when it stops.
        security: access control and encryption; None for open access over plain HTTP.
    """

    def __init__(
        self,
        site: Site,
        limits: Limits | None = None,
        shutdown: float = SHUTDOWN_DEADLINE,
        security: Security | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._shutdown = shutdown
        self._site = site
        self._security = security
        if security is None:
            app = application(site)
        else:
            shown = replace(site, troubles=lambda: [*site.troubles(), *security.troubles()])
            app = application(shown, security.guard)
            app.on_response_prepare.append(security.add_headers)
        self._application = web.AppRunner(app)
        self._connections: Connections | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def connections(self) -> frozenset[Peer]:
        """The open connections."""
        return frozenset(self._connections.open if self._connections else ())

    async def start(self, addresses: Sequence[Address]) -> list[Address]:
        """Listen; returns where, with the ports that the system chose for port 0.

        Raises:
            ListenError: an address is not available; nothing is listened on then.
        """
        await self._application.setup()  # without an address: aiohttp's own connections have too few bounds
        server = cast("web.Server", self._application.server)
        security = self._security
        self._connections = Connections(
            server,
            headers=lambda: HEADERS if security is None else {**HEADERS, **security.config.headers},
            tls=lambda: None if security is None else security.config.tls,
            limits=self._limits,
            count_request=self._site.count_request,
            count_cut=self._site.count_cut,
        )
        # aiohttp waits twice that long: for the handlers, and again for what is left of them.
        self._runner = web.ServerRunner(self._connections, shutdown_timeout=self._shutdown / 2)
        await self._runner.setup()
        # asyncio accepts as many at once, before any of them can be refused a place.
        backlog = max(1, min(128, descriptors.for_clients() // 2))
        for address in addresses:
            try:
                await web.TCPSite(self._runner, address.host, address.port, backlog=backlog).start()
            except (OSError, UnicodeError) as error:  # a name that IDNA can't spell is a UnicodeError
                await self.stop()
                raise ListenError(
                    f"can't listen on {address}: {_why(error)}; choose another with --web.listen-address"
                ) from error
        return [Address(*place[:2]) for place in self._runner.addresses]

    async def stop(self) -> None:
        """Stop accepting, give responses in flight their deadline, and close every connection."""
        if self._runner is not None and self._connections is not None:
            await self._runner.cleanup()
            self._connections.cut_all()
        await self._application.cleanup()


def _why(error: OSError | UnicodeError) -> str:
    """The system's own message: asyncio's differs between versions of Python."""
    if isinstance(error, UnicodeError):
        return "that is not a host name"
    if error.errno is None:  # asyncio's own summary: none of the host's addresses is one of this machine
        return os.strerror(errno.EADDRNOTAVAIL)
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # getaddrinfo's are negative
