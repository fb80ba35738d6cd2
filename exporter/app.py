"""Wires configuration, fleet and discovery to the site that shows their state."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from exporter import descriptors
from exporter.bedrock.clients import Clients
from exporter.bedrock.details import DetailReader
from exporter.bedrock.organizations import list_accounts
from exporter.bedrock.pages import TargetReader
from exporter.config.config import Config, ConfigError
from exporter.config.effective import effective
from exporter.errors import WalkError, describe_bug
from exporter.fleet.asker import Asker
from exporter.fleet.discovery import TIMEOUT, AccountList, ListAccounts
from exporter.fleet.fleet import Desired, Fleet, NewAsker, NewWalker
from exporter.fleet.page import compose
from exporter.fleet.state import TargetState
from exporter.fleet.turns import Turns
from exporter.fleet.walk import TargetWalker
from exporter.jobs.page import Format
from exporter.targets.accounts import Account, Discovery
from exporter.targets.desired import desired
from exporter.targets.shard import Shard
from exporter.telemetry import Telemetry
from exporter.web.routes import Site
from exporter.work import Worker

_log = logging.getLogger(__name__)

LOAD_TIMEOUT = 60.0
"""Deadline for reading a configuration, in seconds; the file may be on a network disk."""


class App:
    """The exporter without its flags, signals and sockets. Create it inside a running event loop.

    Args:
        config: what to watch.
        telemetry_path: where the metrics are.
        load: reads the configuration again for a reload; blocks, raises `ConfigError`. None: a reload changes nothing.
        shard: which targets belong to this exporter.
        lifecycle: whether an HTTP request may reload the configuration.
        telemetry: the exporter's own metrics; created if None.

    Attributes:
        fleet: walks the targets.
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
        telemetry: Telemetry | None = None,
    ) -> None:
        self._config = config
        self._load = load or (lambda: config)
        self._shard = shard
        self._telemetry = telemetry or Telemetry()
        self._reloading = asyncio.Lock()
        self._next_reload: asyncio.Task[list[str]] | None = None
        self._reload_failed = False
        self._accounts = AccountList(self._accounts_changed, self._telemetry.discovery, time.time)
        self._loader = Worker("load configuration", "is its disk reachable?")
        self._lister = Worker("list accounts", "check the network, DNS and the proxy")
        self._new_walker, self._new_asker, self._list_accounts = self._connect(config)
        self._accounts.configure(config.discovery, self._list_accounts)
        self.fleet = Fleet(
            self._desired(),
            now=time.time,
            observe_walk=self._telemetry.observe_walk,
            observe_delay=self._telemetry.observe_delay,
        )
        self._loaded()
        self.site = Site(
            telemetry_path=telemetry_path,
            states=lambda: self.fleet.states,
            ready=lambda: self.fleet.ready,
            metrics=self._metrics,
            now=time.time,
            started=time.time(),
            config=lambda: effective(self._config),
            troubles=self._troubles,
            reload=self.reload if lifecycle else None,
            count_request=self._telemetry.count_http_request,
            count_cut=self._telemetry.count_connection_cut,
        )
        unknown = [target.name for target in config.targets if target.account_id is None]
        if shard.total > 1 and unknown:
            _log.warning(
                "targets without account_id: if two are the same account and region, two shards may both watch it",
                extra={"targets": unknown},
            )

    @property
    def targets(self) -> int:
        """How many targets are watched."""
        return len(self.fleet.states)

    async def run(self) -> None:
        """Walk targets, and list accounts, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.fleet.run())
            tasks.create_task(self._accounts.run())

    async def run_once(self) -> bool:
        """List accounts and walk every target once; returns whether all of it succeeded."""
        listed = await self._accounts.run_once()
        await self.fleet.run_once()
        return listed and all(state.up for state in self.fleet.states)

    def exposition(self) -> bytes:
        """What a scrape in the text format would show now."""
        return b"".join(self._metrics(self.fleet.states, Format.TEXT))

    async def reload(self) -> list[str]:
        """Read the configuration again, and use all of it or none of it.

        One reload runs at a time. A request during a reload starts one more afterwards, as the file may have changed;
        all such requests share it.

        Returns:
            The faults that keep the new configuration from being used; empty if it is in use now.
        """
        if self._next_reload is None:
            self._next_reload = asyncio.create_task(self._reload_in_turn())
        return await asyncio.shield(self._next_reload)

    async def _reload_in_turn(self) -> list[str]:
        async with self._reloading:
            self._next_reload = None
            try:
                config = await self._loader.run(self._load, LOAD_TIMEOUT)
            except ConfigError as error:
                return self._keep(error.faults)
            except WalkError as error:
                return self._keep([f"can't read the configuration: {error.message}"])
            except Exception as error:  # noqa: BLE001 - a bug in reading a file must not stop the walks
                fault, bug = describe_bug(error)
                return self._keep([fault], traceback=bug)
            before, self._config = self._config, config
            if _connections(config) != _connections(before):
                self._new_walker, self._new_asker, self._list_accounts = self._connect(config)
            self._accounts.configure(config.discovery, self._list_accounts)
            self.fleet.reconcile(self._desired())
            self._loaded()
            _log.info("configuration reloaded", extra={"sha256": config.digest, "targets": self.targets})
            return []

    def _connect(self, config: Config) -> tuple[NewWalker, NewAsker, ListAccounts]:
        """Build what walks targets, reads details and lists accounts with these settings."""
        turns = Turns(config.details.calls_per_second)
        wanted = descriptors.wanted(_most_connections(config))
        if wanted > descriptors.limit():
            _log.warning(
                "too few file descriptors to keep connections to AWS open, so each request makes a new one; "
                "raise the limit (ulimit -n, or LimitNOFILE= of systemd)",
                extra={"limit": descriptors.limit(), "wanted": wanted},
            )
        clients = Clients(
            config.aws,
            config.schedule.concurrency,
            self._telemetry.count_request,
            self._telemetry.count_request_failure,
            keep_alive=wanted <= descriptors.limit(),
        )

        async def list_all(discovery: Discovery) -> tuple[Account, ...]:
            return await self._lister.run(lambda: list_accounts(discovery, clients), TIMEOUT)

        return (
            lambda target: TargetWalker(TargetReader(target, clients), f"walk {target.name} {target.region}"),
            lambda target: Asker(
                DetailReader(target, clients),
                turns,
                Worker(f"details {target.name} {target.region}", "check the network, DNS and the proxy"),
            ),
            list_all,
        )

    def _desired(self) -> Desired:
        config = self._config
        return Desired(
            targets=desired(config.targets, config.discovery, self._accounts.accounts, self._shard),
            schedule=config.schedule,
            budget=config.budget,
            new_walker=self._new_walker,
            complete=self._accounts.complete,
            details=config.details,
            new_asker=self._new_asker,
        )

    def _accounts_changed(self) -> None:
        self.fleet.reconcile(self._desired())

    def _loaded(self) -> None:
        self._reload_failed = False
        self._telemetry.config_loaded(self._config.digest, time.time())
        self._telemetry.discovery.switch(on=self._config.discovery is not None)

    def _keep(self, faults: list[str], **bug: str) -> list[str]:
        self._reload_failed = True
        self._telemetry.reload_failed()
        for fault in faults:
            _log.error("configuration not reloaded; the previous one stays in use", extra={"detail": fault, **bug})
        return faults

    def _troubles(self) -> Iterator[str]:
        if self._reload_failed:
            yield "The last reload failed, so the previous configuration is still in use. The log says what is wrong."
        if self._accounts.failure is not None:
            yield (
                f"The organization's accounts can't be listed ({self._accounts.failure}), so new accounts are not "
                "watched yet. The log says why."
            )

    def _metrics(self, states: Sequence[TargetState], format_: Format) -> Iterator[bytes]:
        yield from compose(states, format_, time.time())
        yield self._telemetry.render(format_)


def _most_connections(config: Config) -> int:
    """The most connections to AWS that stay open: those of the Bedrock and STS clients that targets share."""
    walks = Counter((target.profile, target.region) for target in config.targets)
    if config.discovery is not None:
        walks.update({(config.discovery.profile, region): sys.maxsize for region in config.discovery.regions})
    return 2 * sum(min(count, config.schedule.concurrency) for count in walks.values())


def _connections(config: Config) -> tuple[object, ...]:
    """The settings whose change needs new clients and new turns for details."""
    enough = descriptors.wanted(_most_connections(config)) <= descriptors.limit()
    return config.aws, config.schedule.concurrency, enough, config.details.calls_per_second
