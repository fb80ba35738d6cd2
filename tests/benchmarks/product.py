"""The exporter under test: the one place of the benchmark that knows how it is wired."""

from __future__ import annotations

from exporter.app import App
from exporter.bedrock.regions import default_region
from exporter.config.resolve import load
from exporter.jobs.page import Format, compress
from exporter.web.address import Address
from exporter.web.server import Server

ONE_TARGET = "poll: {interval: 1h, timeout: 1h, stale_after: 3h}"
"""The default credentials' account, with time enough for every list."""


class Exporter:
    """The exporter without its flags and signals. Make it within a running event loop.

    Args:
        text: of `config.yaml`.
    """

    def __init__(self, text: str) -> None:
        self._app = App(load(text, file="benchmark", environ={}, default_region=default_region, known_regions=()))

    async def walk(self, jobs: int) -> None:
        """Walk every target once, and see that each had so many jobs."""
        await self._app.fleet.run_once()
        for state in self._app.fleet.states:
            found = state.good and state.good.jobs
            assert (state.up, found) == (True, jobs), (state.failure, found)

    async def run(self) -> None:
        """Walk at the interval until cancelled."""
        await self._app.fleet.run()

    async def serve(self) -> int:
        """Serve on loopback; returns the port."""
        return (await Server(self._app.site).start([Address("127.0.0.1", 0)]))[0].port

    def scrape(self) -> bytes:
        """The body of a gzipped scrape of `/metrics`."""
        site = self._app.site
        return compress(site.metrics(site.states(), Format.TEXT))
