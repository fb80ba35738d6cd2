"""Everything wired together: the poller, and the site that shows what it knows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from exporter.bedrock import Errand, Sessions, TargetClient, list_accounts
from exporter.config import Config, ConfigError
from exporter.discovery import chooses, discovered_targets
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
        self._ways: dict[Target, _Way] = {}
        self._reloading = asyncio.Lock()
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
        if shard.total > 1 and any(target.account_id is None for target in config.targets):
            _log.warning(
                "targets without account_id: two of them that are one account in one region may be counted twice, by "
                "two shards",
                extra={"targets": [target.name for target in config.targets if target.account_id is None]},
            )
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
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self.poller.run())
                self._list_from_now_on()
        finally:
            self._tasks = None

    async def run_once(self) -> bool:
        """List accounts and walk every target once; returns whether all of it went well."""
        listed = self._listing is None or await self._listing.run_once()
        await self.poller.run_once()
        return listed and all(state.up for state in self.poller.states)

    def exposition(self) -> bytes:
        """What a scrape in the text format would show now."""
        page = self.site.pages.page(self.poller.states, Format.TEXT)
        return page.body(time.time(), self._telemetry.render(Format.TEXT))

    async def reload(self) -> list[str]:
        """Read the configuration anew. It comes into use whole, or not at all.

        A target that is as it was keeps what is known of it, its connections, and the rhythm of its walks.

        Returns:
            The faults for which it could not be used; empty if it is in use now.
        """
        async with self._reloading:
            try:
                config = await asyncio.to_thread(self._load)  # of thousands of targets it takes seconds
            except ConfigError as error:
                return self._stay(error.faults)
            except Exception as error:  # noqa: BLE001 - a bug in reading a file must not end what is watched
                return self._stay([f"{error!r}; please report this as a bug"], error)
            self._ready = self.ready  # as long as what it is about is there
            self._use(config)
            _log.info("configuration reloaded", extra={"sha256": config.digest, "targets": len(self.poller.states)})
            return []

    def _stay(self, faults: list[str], bug: Exception | None = None) -> list[str]:
        self._telemetry.reload_failed()
        for fault in faults:
            _log.error("configuration not reloaded, the one before stays in use", extra={"detail": fault}, exc_info=bug)
        return faults

    def listed(self, accounts: Accounts) -> None:
        """These accounts of the organization are watched from now on."""
        self._ready = self.ready
        self._listed = True
        self._telemetry.discovery.listed(len(accounts), time.time())
        if accounts != self._accounts:
            self._accounts = accounts
            self._watch()
            _log.info("accounts listed", extra={"accounts": len(accounts), "targets": len(self.poller.states)})

    def failed(self, reason: FailureReason) -> None:
        """The accounts of the organization could not be listed; those of the last good list stay."""
        self._listed = True
        self._telemetry.discovery.failed(reason)

    def _use(self, config: Config) -> None:
        """Have this configuration from now on."""
        before, self._config = self._config, config
        if config.aws != before.aws:
            self._sessions = Sessions(config.aws, self._telemetry.count_request)
            for way in self._ways.values():
                way.client.close()
            self._ways = {}
        self._accounts = _still_chosen(self._accounts, before.discovery, config.discovery)
        self._watch(
            retry=config.aws != before.aws,
            afresh=(config.budget, config.max_pages) != (before.budget, before.max_pages),
        )
        self._telemetry.config_loaded(config.digest, time.time())
        self._telemetry.discovery.switch(on=config.discovery is not None)
        if config.discovery != before.discovery or self._listing is None:
            self._listing = self._new_listing(config.discovery)
            self._list_from_now_on()

    def _watch(self, *, retry: bool = False, afresh: bool = False) -> None:
        """Watch the targets of the file and of the accounts; those that are watched already with what they have.

        Args:
            retry: as `Poller.watch` takes it.
            afresh: whether what is known of pages is of no use any more.
        """
        targets = self._config.targets
        if self._config.discovery is not None:
            learnt = {key: way.client.account_id for key, way in self._ways.items()}
            configured = [replace(target, account_id=learnt.get(target.key, target.account_id)) for target in targets]
            targets += discovered_targets(self._config.discovery, self._accounts, configured)
        targets = tuple(target for target in targets if self._shard.owns(target))
        before, self._ways = self._ways, {}
        for target in targets:
            known = before.pop(target.key, None)
            client = known.client if known else TargetClient(target, self._sessions)
            walker = known.walker if known and not afresh else self._walker(target, client)
            if known and known.labels != target.labels:
                walker.render = Renderer(target).render
            self._ways[target.key] = _Way(client, walker, target.labels)
        for way in before.values():
            way.client.close()
        self.poller.watch(
            targets,
            self._config.schedule,
            render=lambda target, account_id, snapshot: self._ways[target.key].walker.render(account_id, snapshot),
            retry=retry,
        )

    def _walker(self, target: Target, client: TargetClient) -> Walker:
        return Walker(
            client,
            Renderer(target).render,
            budget=self._config.budget,
            max_pages=self._config.max_pages,
            now=time.time,
            name=f"walk {target.name} {target.region}",
        )

    async def _walk(self, target: Target) -> Walked | Failed:
        way = self._ways[target.key]
        before = way.client.account_id
        outcome = await way.walker.walk()
        if self._accounts and way.client.account_id != before:  # one of them may turn out to be this one
            asyncio.get_running_loop().call_soon(self._watch)
        return outcome

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


class _Way(NamedTuple):
    """How a target is walked, with labels as they were when its walker was made or given another `render`."""

    client: TargetClient
    walker: Walker
    labels: tuple[tuple[str, str], ...]


def _still_chosen(accounts: Accounts, before: Discovery | None, after: Discovery | None) -> Accounts:
    """The accounts that stay until a changed discovery has listed them anew."""
    if before is None or after is None or (before.profile, before.assume_role) != (after.profile, after.assume_role):
        return ()  # of another organization, for all that is known
    if after.asks_for_tags:  # which may not have been read
        return accounts
    return tuple(account for account in accounts if chooses(after, account))
