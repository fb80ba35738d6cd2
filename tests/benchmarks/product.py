"""The exporter under test: the one place of the benchmark that knows how it is wired."""

from __future__ import annotations

from collections.abc import Mapping

from exporter import config
from exporter.app import App
from exporter.bedrock import default_region
from exporter.web import Address, Request, Server, respond

ONE_TARGET = "poll: {interval: 1h, timeout: 1h, stale_after: 3h}"
"""The default credentials' account, with time enough for every list."""


class Exporter:
    """The exporter without its flags and signals.

    Args:
        text: of `config.yaml`.
    """

    def __init__(self, text: str) -> None:
        loaded = config.load(text, file="benchmark", environ={}, default_region=default_region)
        self._app = App(loaded)

    async def walk(self, jobs: int) -> None:
        """Walk every target once, and see that each had so many jobs."""
        await self._app.poller.run_once()
        for state in self._app.poller.states:
            assert (state.up, state.jobs) == (True, jobs), (state.failure, state.jobs)

    async def serve(self) -> int:
        """Serve on loopback; returns the port."""
        return (await Server(self._app.site).start([Address("127.0.0.1", 0)]))[0].port

    def scrape(self, headers: Mapping[str, str]) -> bytes:
        """What a scrape of `/metrics` is answered with."""
        request = Request("GET", "/metrics", headers.get("Accept", ""), headers.get("Accept-Encoding", ""))
        return respond(request, self._app.site).body
