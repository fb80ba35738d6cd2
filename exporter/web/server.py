"""The HTTP server: listens, serves a site on bounded connections, and stops."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import cast

from exporter import descriptors
from exporter.web.address import Address
from exporter.web.aiohttp_web import web
from exporter.web.connections import Connection, Connections, Limits
from exporter.web.routes import HEADERS, Site, application

SHUTDOWN_DEADLINE = 2.0
"""Seconds that responses in flight get when the exporter ends."""


class ListenError(Exception):
    """An address can't be listened on; the message says which, why, and what to do."""


class Server:
    """Serves a site on one or more addresses.

    Args:
        site: what to serve.
        limits: what clients may use.
        shutdown: seconds that responses in flight get when it stops.
    """

    def __init__(self, site: Site, limits: Limits | None = None, shutdown: float = SHUTDOWN_DEADLINE) -> None:
        self._limits = limits or Limits()
        self._shutdown = shutdown
        self._site = site
        self._application = web.AppRunner(application(site))
        self._connections: Connections | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def connections(self) -> frozenset[Connection]:
        """Those that are open."""
        return frozenset(self._connections.open if self._connections else ())

    async def start(self, addresses: Sequence[Address]) -> list[Address]:
        """Listen; returns where, with the ports that the system chose for port 0.

        Raises:
            ListenError: an address is not available; nothing is listened on then.
        """
        await self._application.setup()  # without an address: aiohttp's own connections have too few bounds
        server = cast("web.Server", self._application.server)
        self._connections = Connections(server, HEADERS, self._limits, self._site.count_request, self._site.count_cut)
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
    """The system's own words: asyncio's differ between versions of Python."""
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if error.errno is None:  # asyncio's own summary: none of the host's addresses is one of this machine
        return os.strerror(errno.EADDRNOTAVAIL)
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # getaddrinfo's are negative
