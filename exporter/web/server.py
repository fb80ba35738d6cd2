"""The HTTP server: addresses, and requests on their way to the routes and back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
from dataclasses import dataclass
from typing import Self, cast

from aiohttp import web

from exporter import NAME
from exporter.exposition import Format, accepts_gzip, negotiate
from exporter.web.clients import Client, Clients
from exporter.web.routes import RELOAD, Request, Response, Site, reload, respond

_log = logging.getLogger(__name__)

SHUTDOWN_DEADLINE = 2.0
"""Seconds that responses in flight get when the exporter ends."""

_SLICE = 1 << 17  # more than the 64 KiB from which on aiohttp waits after a write
_LONGEST_ACCEPT = 1024  # characters; Prometheus sends 250, and a hostile half a megabyte would take a second to read


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
        self._awaited: dict[tuple[Format, bool], asyncio.Task[Response]] = {}
        self._clients = Clients(self._handle)
        # aiohttp waits twice that long: for the handlers, and again for what is left of them.
        self._runner = web.ServerRunner(self._clients, shutdown_timeout=SHUTDOWN_DEADLINE / 2)

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
        self._clients.cut_all()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        wish = Request(
            request.method,
            request.path,
            ",".join(request.headers.getall("Accept", []))[:_LONGEST_ACCEPT],
            ",".join(request.headers.getall("Accept-Encoding", []))[:_LONGEST_ACCEPT],
        )
        client = cast("Client", request.protocol)
        client.turn(serving=True)
        try:
            if wish.path == self._site.telemetry_path and wish.method in {"GET", "HEAD"}:
                response = await self._metrics(wish)
            elif wish.path == RELOAD:
                response = await reload(wish, self._site)
            else:
                response = respond(wish, self._site)
            return await self._send(client, request, response)
        finally:
            client.turn(serving=False)

    async def _metrics(self, wish: Request) -> Response:
        """The page, rendered once for all who have come before its rendering begins, however many they are."""
        variant = negotiate(wish.accept), accepts_gzip(wish.accept_encoding)
        if variant not in self._awaited:
            self._awaited[variant] = asyncio.create_task(self._compose(variant, wish))
        return await asyncio.shield(self._awaited[variant])

    async def _compose(self, variant: tuple[Format, bool], wish: Request) -> Response:
        # The page of a thousand targets takes most of a second: not in the loop, and not twice at once.
        async with self._composing:
            del self._awaited[variant]
            return await asyncio.to_thread(respond, wish, self._site)

    async def _send(self, client: Client, request: web.BaseRequest, response: Response) -> web.StreamResponse:
        """Write in slices, so that one slow reader costs a buffer and not a copy of the body."""
        out = web.StreamResponse(status=response.status, headers={**response.headers, "Server": NAME})
        out.content_length = len(response.body)
        rest = memoryview(b"" if request.method == "HEAD" else response.body)
        with contextlib.suppress(ConnectionError):  # the client has gone, or was cut off
            await out.prepare(request)
            while len(rest) > _SLICE:
                client.reads(response.body)
                await out.write(rest[:_SLICE])
                rest = rest[_SLICE:]
            await out.write_eof(bytes(rest))  # which waits until it is taken
        return out
