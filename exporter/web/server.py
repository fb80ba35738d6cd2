"""The HTTP server: aiohttp with every wait bounded, so that no client can hold it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from exporter.web.routes import NAME, Request, Response, Site, respond

_log = logging.getLogger(__name__)

KEEP_ALIVE = 30.0
"""Seconds that a connection may be without a complete request, from its start or since the last one."""

WRITE_DEADLINE = 30.0
"""Seconds that a client may take to read a response."""

SHUTDOWN_DEADLINE = 3.0
"""Seconds that responses in flight get when the exporter ends."""

_SLICE = 1 << 16


class ListenError(Exception):
    """An address can't be listened on; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; a host of None is every interface."""

    host: str | None
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``:9848``, ``host:9848`` or ``[::1]:9848``; ValueError for anything else."""
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:\[\]/]*)):(\d{1,5})", text, re.ASCII)
        if not match or int(match[3]) > 65535:
            raise ValueError(f"{text!r} is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848")
        return cls(match[1] or match[2] or None, int(match[3]))

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def _why(error: OSError | UnicodeError) -> str:
    """The system's own words: what asyncio makes of them differs between versions of Python."""
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if error.errno is None:  # asyncio's own summary: none of the host's addresses is one of this machine
        return os.strerror(errno.EADDRNOTAVAIL)
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # those of getaddrinfo are negative


class Server:
    """Serves a site on one or more addresses."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._composing = asyncio.Lock()
        server = web.Server(self._handle, access_log=None, keepalive_timeout=KEEP_ALIVE, lingering_time=0)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_DEADLINE)

    async def start(self, addresses: list[Address]) -> list[Address]:
        """Listen; returns where, with the ports that the system chose for port 0.

        Raises:
            ListenError: an address can't be had; nothing is listened on then.
        """
        await self._runner.setup()
        for address in addresses:
            try:
                await web.TCPSite(self._runner, address.host, address.port).start()
            except (OSError, UnicodeError) as error:  # a name that IDNA can't spell is a UnicodeError
                await self.stop()
                raise ListenError(
                    f"can't listen on {address}: {_why(error)}; choose another with --web.listen-address"
                ) from error
        return [Address(*place[:2]) for place in self._runner.addresses]

    async def stop(self) -> None:
        """Stop accepting, give responses in flight their deadline, and close every connection."""
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        wish = Request(
            request.method,
            request.path,
            ",".join(request.headers.getall("Accept", [])),
            ",".join(request.headers.getall("Accept-Encoding", [])),
        )
        if wish.path == self._site.telemetry_path:
            # The page of a thousand targets takes most of a second: not in the loop, and not twice at once.
            async with self._composing:
                response = await asyncio.to_thread(respond, wish, self._site)
        else:
            response = respond(wish, self._site)
        return await self._send(request, response)

    async def _send(self, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        """Write in slices, so that one slow reader costs a buffer and not a body, and within a deadline."""
        out = web.StreamResponse(status=response.status, headers={**response.headers, "Server": NAME})
        out.content_length = len(response.body)
        try:
            async with asyncio.timeout(WRITE_DEADLINE):
                await out.prepare(request)
                if request.method != "HEAD":
                    for start in range(0, len(response.body), _SLICE):
                        await out.write(response.body[start : start + _SLICE])
                await out.write_eof()
        except (TimeoutError, ConnectionError):
            _log.debug("a client went away, or did not read its response in time", extra={"peer": request.remote})
            if request.transport is not None:
                request.transport.abort()
        return out
