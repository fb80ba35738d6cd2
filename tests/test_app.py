"""A reload changes what has changed and nothing else; accounts that are discovered are watched like others."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from exporter import config
from exporter.app import App
from exporter.config import Config
from exporter.model import Account, Discovery, FailureReason, Target, Walked, WalkError
from exporter.shard import Shard
from exporter.snapshot import Fold, combine

TWO = "targets: [{regions: [us-east-1, us-west-2], account_id: '111122223333'}]\n"
DISCOVERY = "discovery: {organizations: {role_name: exporter, regions: [us-east-1, us-west-2]}}\n"


def load(text: str) -> Config:
    return config.load(text, file="config.yaml", environ={}, default_region=lambda _: None)


def account(number: int) -> Account:
    id_ = f"{number:012}"
    return Account(id_, f"account {number}", f"arn:aws-us-gov:organizations::999999999999:account/o-1/{id_}")


class File:
    """A configuration file that is written anew."""

    def __init__(self, text: str) -> None:
        self.text = text

    def load(self) -> Config:
        return load(self.text)


def within_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def watched(app: App) -> list[tuple[str | None, str]]:
    return [(state.target.account_id, state.target.region) for state in app.poller.states]


def telemetry(app: App) -> dict[str, str]:
    lines = app.exposition().decode().splitlines()
    return dict(
        line.rsplit(" ", 1) for line in lines if line.startswith(("bedrock_exporter_config", "bedrock_exporter_d"))
    )


ONE_LESS = "targets: [{regions: [us-west-2], account_id: '111122223333'}]\n"


@pytest.mark.parametrize(
    ("change", "clients", "walkers"),
    [
        pytest.param(TWO, 2, 2, id="nothing"),
        pytest.param("poll: {interval: 20s}\n" + TWO, 2, 2, id="schedule"),
        pytest.param(ONE_LESS, 1, 1, id="one-less"),
        pytest.param(TWO.replace("us-east-1", "eu-west-1, us-east-1"), 2, 2, id="one-more"),
        pytest.param(TWO.replace("regions", "labels: {team: a}, regions"), 2, 2, id="labels"),
        pytest.param(TWO.replace("regions", "filter: {name_contains: a}, regions"), 0, 0, id="filter"),
        pytest.param("aws: {max_attempts: 2}\n" + TWO, 0, 0, id="aws"),
        pytest.param("job_series: {max_jobs: 2}\n" + TWO, 2, 0, id="budget"),
    ],
)
def test_a_reload_keeps_what_stays(change: str, clients: int, walkers: int) -> None:
    """Clients, with their connections and roles, and walkers, with the pages that they know; others are closed."""

    async def work() -> None:
        file = File(TWO)
        app = App(file.load(), load=file.load)
        before = set(app._ways.values())
        closed: list[object] = []
        for way in before:
            way.client.close = lambda way=way: closed.append(way.client)  # type: ignore[method-assign, misc]
        file.text = change
        assert await app.reload() == []
        after = set(app._ways.values())
        assert len({way.client for way in before} & {way.client for way in after}) == clients
        assert len({way.walker for way in before} & {way.walker for way in after}) == walkers
        assert set(closed) == {way.client for way in before} - {way.client for way in after}

    within_loop(work)


def test_labels_change_and_the_jobs_stay() -> None:
    """A label that one target gets is on all series of all targets at once, which keep their jobs."""
    other = "  - {regions: [eu-west-1], account_id: '444455556666', labels: {team: a}}\n"

    async def work() -> None:
        file = File("targets:\n  - {regions: [us-east-1], account_id: '111122223333'}\n")
        app = App(file.load(), load=file.load)
        (way,) = app._ways.values()
        (watched,) = app.poller._watched
        snapshot = combine([Fold(app._config.budget, 0.0)], 10)
        walked = Walked("111122223333", snapshot, way.walker.render("111122223333", snapshot), 1, 0)
        app.poller._publish(watched, walked)
        assert 'jobs{aws_account_id="111122223333",aws_region="us-east-1",status=' in app.exposition().decode()
        file.text += other
        await app.reload()
        page = app.exposition().decode()
        assert 'jobs{aws_account_id="111122223333",aws_region="us-east-1",team="",status=' in page
        assert 'target_up{aws_account_id="111122223333",aws_region="us-east-1",team=""} 1' in page
        assert 'us-east-1",status' not in page
        watched.stay_fresh()

    within_loop(work)


def test_a_bad_file_changes_nothing() -> None:
    """It is told to whoever asked and in the metrics, and the next good one is taken as ever."""

    async def work() -> None:
        file = File(TWO)
        app = App(file.load(), load=file.load)
        before, states, metrics = dict(app._ways), app.poller.states, telemetry(app)
        assert metrics["bedrock_exporter_config_last_reload_successful"] == "1.0"
        file.text = "targets: [{regions: [nowhere]}]"
        assert await app.reload() == [
            "config.yaml: targets[0].regions[0]: 'nowhere' is not an AWS region name such as us-east-1"
        ]
        assert app._ways == before
        assert app.poller.states is states
        assert telemetry(app) == metrics | {"bedrock_exporter_config_last_reload_successful": "0.0"}
        file.text = TWO + "# another hash\n"
        assert await app.reload() == []
        assert telemetry(app)["bedrock_exporter_config_last_reload_successful"] == "1.0"
        assert f'bedrock_exporter_config_hash_info{{sha256="{load(file.text).digest}"}}' in telemetry(app)

    within_loop(work)


def test_accounts_that_come_are_watched_and_those_that_go_are_not() -> None:
    """With every region of the discovery, beside the configured targets; a failed listing changes nothing."""

    async def work() -> None:
        app = App(load(DISCOVERY + TWO))
        configured = watched(app)
        assert len(configured) == 2
        app.listed((account(1), account(2)))
        both = watched(app)
        assert both == [*configured, *((f"{n:012}", region) for n in (1, 2) for region in ("us-east-1", "us-west-2"))]
        role = app.poller.states[2].target.assume_role
        assert role is not None
        assert role.role_arn == "arn:aws-us-gov:iam::000000000001:role/exporter"
        kept = {target: way for target, way in app._ways.items() if target.account_id != "000000000001"}
        app.failed(FailureReason.ACCESS_DENIED)
        assert watched(app) == both
        app.listed((account(2),))
        assert watched(app) == [*configured, ("000000000002", "us-east-1"), ("000000000002", "us-west-2")]
        assert app._ways == kept
        assert {
            name: value for name, value in telemetry(app).items() if "discovery" in name and "0.0" not in value
        } == {
            "bedrock_exporter_discovery_up": "1.0",
            "bedrock_exporter_discovery_accounts": "1.0",
            "bedrock_exporter_discovery_last_success_timestamp_seconds": telemetry(app)[
                "bedrock_exporter_discovery_last_success_timestamp_seconds"
            ],
            'bedrock_exporter_discovery_failures_total{reason="access_denied"}': "1.0",
        }

    within_loop(work)


def test_discovery_comes_and_goes_with_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is listed at once; without it its accounts and its metrics go."""
    listings: list[Discovery] = []

    def list_accounts(discovery: Discovery, _sessions: object) -> tuple[Account, ...]:
        listings.append(discovery)
        return (account(len(listings)),)

    async def walk(_app: App, _target: Target) -> Walked:
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr("exporter.app.list_accounts", list_accounts)
    monkeypatch.setattr(App, "_walk", walk)

    async def until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                await asyncio.sleep(0.01)

    async def work() -> None:
        file = File(TWO)
        app = App(file.load(), load=file.load)
        task = asyncio.create_task(app.run())
        await asyncio.sleep(0)
        assert not any("discovery" in name for name in telemetry(app))
        file.text = TWO + DISCOVERY
        await app.reload()
        await until(lambda: len(watched(app)) == 4)
        file.text += "# the same\n"
        await app.reload()
        file.text = TWO + DISCOVERY.replace("role_name: exporter", "role_name: other")
        await app.reload()
        await until(lambda: ("000000000002", "us-east-1") in watched(app))
        assert [discovery.role_name for discovery in listings] == ["exporter", "other"]
        file.text = TWO
        await app.reload()
        assert len(watched(app)) == 2
        assert not any("discovery" in name for name in telemetry(app))
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    within_loop(work)


def test_once_fails_when_accounts_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although what is configured beside them may be well."""

    def denied(_discovery: Discovery, _sessions: object) -> tuple[Account, ...]:
        raise WalkError(FailureReason.ACCESS_DENIED, "denied")

    monkeypatch.setattr("exporter.app.list_accounts", denied)

    async def work() -> None:
        app = App(load(DISCOVERY))
        assert not await app.run_once()
        assert telemetry(app)["bedrock_exporter_discovery_up"] == "0.0"

    within_loop(work)


def test_a_changed_discovery_is_heeded_before_accounts_are_listed_anew() -> None:
    """What it excludes goes at once; accounts that another identity has listed may be another organization's."""

    async def work() -> None:
        file = File(DISCOVERY)
        app = App(file.load(), load=file.load)
        app.listed((account(1), account(2)))
        file.text = DISCOVERY.replace("role_name", "exclude: {accounts: ['000000000001']}, role_name")
        await app.reload()
        assert {of for of, _ in watched(app)} == {"000000000002"}
        file.text = DISCOVERY.replace("role_name", "profile: other, role_name")
        await app.reload()
        assert watched(app) == []

    within_loop(work)


def test_the_exporters_own_account_is_not_discovered_again() -> None:
    """Once a configured target has learnt whose it is, the discovered one is no duplicate, but not there."""

    async def work() -> None:
        app = App(load(DISCOVERY + "targets: [{regions: [us-east-1]}]\n"))
        app.listed((account(1), account(2)))
        assert ("000000000001", "us-east-1") in watched(app)
        way = app._ways[app.poller.states[0].target.key]

        async def walk() -> Walked:
            way.client.account_id = "000000000001"
            return Walked("000000000001", combine([], 0), {}, 1, 0)

        way.walker.walk = walk  # type: ignore[method-assign]
        await app._walk(app.poller.states[0].target)
        await asyncio.sleep(0)
        assert watched(app) == [
            (None, "us-east-1"),
            ("000000000001", "us-west-2"),
            ("000000000002", "us-east-1"),
            ("000000000002", "us-west-2"),
        ]

    within_loop(work)


def test_ready_after_the_first_listing_and_for_good() -> None:
    """A reload that brings new targets does not take the exporter out of its Service."""

    async def work() -> None:
        file = File(DISCOVERY)
        app = App(file.load(), load=file.load)
        seen = [app.ready]
        app.failed(FailureReason.NETWORK)
        seen.append(app.ready)
        file.text = TWO
        await app.reload()
        assert not app.poller.ready
        assert [*seen, app.ready] == [False, True, True]

    within_loop(work)


def test_a_shard_watches_its_own() -> None:
    """Of the configured targets and of the discovered ones; together the shards watch all."""

    async def work() -> None:
        apps = [App(load(DISCOVERY + TWO), shard=Shard(index, 3)) for index in range(3)]
        for app in apps:
            app.listed(tuple(account(number) for number in range(1, 20)))
        every = [place for app in apps for place in watched(app)]
        assert len(every) == len(set(every)) == 2 + 19 * 2
        assert all(watched(app) for app in apps)

    within_loop(work)


def test_a_reload_that_nobody_planned_for_is_the_same_again() -> None:
    """An app that was given a configuration and nothing to read it from keeps it."""

    async def work() -> None:
        app = App(load(TWO))
        assert await app.reload() == []
        assert len(watched(app)) == 2

    within_loop(work)
