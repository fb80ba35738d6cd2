"""Everything wired together for one configuration: the poller, and the site that shows what it knows."""

from __future__ import annotations

import time

from exporter.bedrock import Sessions, TargetClient
from exporter.config import Config
from exporter.exposition import Format, Renderer
from exporter.model import Target
from exporter.poller import Poller
from exporter.telemetry import Telemetry
from exporter.walk import Walker
from exporter.web import Site


class App:
    """The exporter without its flags, signals and sockets. Make it within a running event loop.

    Args:
        config: what to watch.
        telemetry_path: where the metrics are.

    Attributes:
        poller: walks the targets.
        site: answers requests.
    """

    def __init__(self, config: Config, telemetry_path: str = "/metrics") -> None:
        self._telemetry = Telemetry()
        self._telemetry.config_loaded(config.digest, time.time())
        sessions = Sessions(config.aws, self._telemetry.count_request)

        def walker(target: Target) -> Walker:
            return Walker(
                TargetClient(target, sessions),
                Renderer(target).render,
                budget=config.budget,
                max_pages=config.max_pages,
                now=time.time,
                name=f"walk {target.name} {target.region}",
            )

        walkers = {target: walker(target) for target in config.targets}
        self.poller = Poller(
            config.targets,
            lambda target: walkers[target].walk(),
            config.schedule,
            now=time.time,
            observe_duration=self._telemetry.observe_walk,
        )
        self.site = Site(
            telemetry_path=telemetry_path,
            states=lambda: self.poller.states,
            ready=lambda: self.poller.ready,
            render_telemetry=self._telemetry.render,
            now=time.time,
        )

    def exposition(self) -> bytes:
        """What a scrape in the text format would show now."""
        page = self.site.pages.page(self.poller.states, Format.TEXT)
        return page.body(time.time(), self._telemetry.render(Format.TEXT))
