"""Everything wired together: the poller, and the site that shows what it knows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from exporter.bedrock import Errand, Sessions, TargetClient, list_accounts
from exporter.config import Config, ConfigError
from exporter.discovery import discovered_targets
from exporter.exposition import Format, Renderer
from exporter.listing import Accounts, Listing
from exporter.model import Discovery, Failed, FailureReason, Target, Walked
from exporter.poller import Poller
from exporter.shard import Shard
from exporter.telemetry import Telemetry
from exporter.walk import Walker
from exporter.web import Site

_log = logging.getLogger(__name__)


class App:
    """The exporter without its flags, signals and sockets. Make it within a running event loop.

    Args:
        config: what to watch.
        telemetry_path: where the metrics are.
        load: reads the configuration anew for a reload, raises `ConfigError`; None: it stays what it is.
        shard: which of the targets are this exporter's.
        lifecycle: whether an HTTP request may reload the configuration.

    Attributes:
        poller: walks the targets.
        site: answers requests.
    """

    def __init__(
        self,
        config: Config,
        telemetry_path: str = "/metrics",
        *,
        load: Callable[[], Config] | None = None,
        shard: Shard = Shard(),  # noqa: B008 - frozen
        lifecycle: bool = False,
    ) -> None:
        self._config = config
        self._load = load or (lambda: config)
        self._shard = shard
        self._telemetry = Telemetry()
        self._sessions = Sessions(config.aws, self._telemetry.count_request)
        self._walkers: dict[Target, Walker] = {}
        self._accounts: Accounts = ()
        self._listing: Listing | None = None
        self._lists: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._ready = False
        self.poller = Poller(
            (), self._walk, config.schedule, now=time.time, observe_duration=self._telemetry.observe_walk
        )
        self._listed = config.discovery is None
        self._use(config)
        self.site = Site(
            telemetry_path=telemetry_path,
            states=lambda: self.poller.states,
            ready=lambda: self.ready,
            render_telemetry=self._telemetry.render,
            now=time.time,
            reload=self.reload if lifecycle else None,
        )

    @property
    def ready(self) -> bool:
        """Whether every target has finished its first walk, after a first listing of accounts, well or badly.

        Once it is ready it stays so: targets that come later take nothing from what a scrape shows.
        """
        self._ready = self._ready or (self._listed and self.poller.ready)
        return self._ready

    async def run(self) -> None:
        """Poll, and list accounts, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self.poller.run())
            self._list_from_now_on()

    async def run_once(self) -> bool:
        """List accounts and walk every target once; returns whether all of it went well."""
        listed = self._listing is None or await self._listing.run_once()
        await self.poller.run_once()
        return listed and all(state.up for state in self.poller.states)

    def exposition(self) -> bytes:
        """What a scrape in the text format would show now."""
        page = self.site.pages.page(self.poller.states, Format.TEXT)
        return page.body(time.time(), self._telemetry.render(Format.TEXT))

    def reload(self) -> list[str]:
        """Read the configuration anew. It comes into use whole, or not at all.

        A target that is as it was keeps what is known of it, its connections, and the rhythm of its walks.

        Returns:
            The faults for which it could not be used; empty if it is in use now.
        """
        try:
            config = self._load()
        except ConfigError as error:
            self._telemetry.reload_failed()
            for fault in error.faults:
                _log.error("configuration not reloaded, the one before stays in use", extra={"detail": fault})
            return error.faults
        self._use(config)
        _log.info("configuration reloaded", extra={"sha256": config.digest, "targets": len(self.poller.states)})
        return []

    def listed(self, accounts: Accounts) -> None:
        """These accounts of the organization are watched from now on."""
        self._listed = True
        self._telemetry.discovery.listed(len(accounts), time.time())
        if accounts != self._accounts:
            self._accounts = accounts
            self._watch(self._walkers)
            _log.info("accounts listed", extra={"accounts": len(accounts), "targets": len(self.poller.states)})

    def failed(self, reason: FailureReason) -> None:
        """The accounts of the organization could not be listed; those of the last good list stay."""
        self._listed = True
        self._telemetry.discovery.failed(reason)

    def _use(self, config: Config) -> None:
        """Have this configuration from now on."""
        before, self._config = self._config, config
        kept = self._walkers
        if (config.aws, config.budget, config.max_pages) != (before.aws, before.budget, before.max_pages):
            kept = {}
        if config.aws != before.aws:
            self._sessions = Sessions(config.aws, self._telemetry.count_request)
        if config.discovery is None:
            self._accounts = ()
        self._watch(kept)
        self._telemetry.config_loaded(config.digest, time.time())
        self._telemetry.discovery.switch(on=config.discovery is not None)
        if config.discovery != before.discovery or self._listing is None:
            self._listing = self._new_listing(config.discovery)
            self._list_from_now_on()

    def _watch(self, kept: Mapping[Target, Walker]) -> None:
        """Watch the targets of the file and of the accounts; those in `kept` with the walker that they have."""
        targets = self._config.targets
        if self._config.discovery is not None:
            targets += discovered_targets(self._config.discovery, self._accounts, targets)
        targets = tuple(target for target in targets if self._shard.owns(target))
        before = self._walkers
        self._walkers = {target.key: kept.get(target.key) or self._walker(target) for target in targets}
        self.poller.watch(targets, self._config.schedule)
        for key, walker in before.items():
            if self._walkers.get(key) is not walker:
                walker.close()

    def _new_listing(self, discovery: Discovery | None) -> Listing | None:
        if discovery is None:
            return None
        errand = Errand(lambda: list_accounts(discovery, self._sessions), "list accounts")
        return Listing(errand.run, discovery.refresh, self)

    def _list_from_now_on(self) -> None:
        if self._lists is not None:
            self._lists.cancel()
            self._lists = None
        if self._tasks is not None and self._listing is not None:
            self._lists = self._tasks.create_task(self._listing.run())

    def _walker(self, target: Target) -> Walker:
        return Walker(
            TargetClient(target, self._sessions),
            Renderer(target).render,
            budget=self._config.budget,
            max_pages=self._config.max_pages,
            now=time.time,
            name=f"walk {target.name} {target.region}",
        )

    async def _walk(self, target: Target) -> Walked | Failed:
        return await self._walkers[target.key].walk()
