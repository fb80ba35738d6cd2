"""The web configuration in use: how connections are encrypted, and which requests are answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from exporter import NAME
from exporter.config import source
from exporter.config.config import ConfigError
from exporter.errors import WalkError, describe_bug
from exporter.telemetry import WebTelemetry
from exporter.web.aiohttp_web import web
from exporter.web.auth import Authenticator, BusyError, TokenBucket, credentials
from exporter.web.config.settings import WebConfig
from exporter.web.connections import Handler
from exporter.web.files import WebFiles
from exporter.work import Worker

_log = logging.getLogger(__name__)

PROBES = frozenset({"/-/healthy", "/-/ready"})
"""Paths that can be exempt from authentication."""

LOOK = 5.0
"""Seconds between two checks whether a file has changed."""


class Security:
    """Guards a site according to a web configuration, and reloads it when a file changes.

    Args:
        files: the configuration's files.
        config: the configuration at the start.
        telemetry: counts each configuration that is loaded or rejected.
        probes_exempt: whether `PROBES` are answered without user, password and client certificate, and whatever the
            rate limit is.

    Attributes:
        config: in use.
    """

    def __init__(
        self,
        files: WebFiles,
        config: WebConfig,
        telemetry: WebTelemetry,
        *,
        probes_exempt: bool = False,
    ) -> None:
        self._files = files
        self._telemetry = telemetry
        self._probes_exempt = probes_exempt
        self._authenticator = Authenticator()
        self._bucket: TokenBucket | None = None
        self.config = WebConfig()
        self._reload_failed = False
        self._use(config)

    def _use(self, config: WebConfig) -> None:
        if config.rate_limit != self.config.rate_limit:
            self._bucket = TokenBucket(config.rate_limit) if config.rate_limit is not None else None
        self.config = config
        self._reload_failed = False
        self._telemetry.loaded(config.tls.expiry if config.tls is not None else None)

    async def follow(self, interval: float = LOOK) -> None:
        """Use each new configuration, until cancelled. If it has faults, the previous one stays in use.

        Args:
            interval: seconds between two checks.
        """
        reader = Worker("read web configuration", "is its disk reachable?")
        while True:
            await asyncio.sleep(interval)
            try:
                while await reader.run(self._files.changed, source.READ_TIMEOUT):
                    outcome = await reader.run(self._try, source.READ_TIMEOUT)
                    await asyncio.sleep(interval / 5)  # or an empty file that is being written would be a good one
                    if await reader.run(self._files.changed, source.READ_TIMEOUT):
                        continue
                    if isinstance(outcome, ConfigError):
                        self._keep(outcome.faults)
                    else:
                        self._use(outcome)
                        _log.info("web configuration reloaded")
            except WalkError as error:  # a network disk that hangs
                _log.debug("can't look at the web configuration", extra={"detail": error.message})
            except Exception as error:  # noqa: BLE001 - a bug in reading a file must not end what is served
                fault, bug = describe_bug(error)
                self._keep([fault], traceback=bug)

    def _try(self) -> WebConfig | ConfigError:
        try:
            return self._files.load()
        except ConfigError as error:
            return error

    def _keep(self, faults: list[str], **bug: str) -> None:
        self._reload_failed = True
        self._telemetry.failed()
        for fault in faults:
            _log.error("web configuration not reloaded; the previous one stays in use", extra={"detail": fault, **bug})

    def troubles(self) -> Iterator[str]:
        """As `Site.troubles`."""
        if self._reload_failed:
            yield "The last reload of the web configuration failed, so the previous one is still in use. See the log."

    async def add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """A signal handler: put the configured headers on a response."""
        response.headers.update(self.config.headers)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer permitted requests, and refuse others."""
        resource = request.match_info.route.resource
        if self._probes_exempt and resource is not None and resource.canonical in PROBES:
            return await handler(request)
        if self._bucket is not None and not self._bucket.take():
            return _refuse(429, "Too many requests; the web configuration has a rate_limit.")
        config = self.config
        if config.tls is not None and config.tls.requires_client_cert and not _has_certificate(request):
            return _refuse(401, "A client certificate is required.")
        if config.users:
            given = credentials(request.headers.get("Authorization"))
            try:
                if given is None or not await self._authenticator.permits(config.users, given):
                    challenge = f'Basic realm="{NAME}", charset="UTF-8"'
                    return _refuse(401, "A user and a password are required.", **{"WWW-Authenticate": challenge})
            except BusyError:
                return _refuse(503, "Too many passwords wait to be checked.", **{"Retry-After": "1"})
        return await handler(request)


def _has_certificate(request: web.Request) -> bool:
    return request.transport is not None and bool(request.transport.get_extra_info("peercert"))


def _refuse(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)
