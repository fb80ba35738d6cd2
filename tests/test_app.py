"""A reload changes what has changed and nothing else; discovered accounts are watched like configured ones."""

import asyncio
import json
from collections.abc import Callable, Iterator

import faults
import pytest

from exporter.app import App
from exporter.bedrock.wire import JobPage, read_page
from exporter.config.config import Config
from exporter.config.resolve import load
from exporter.errors import FailureReason, WalkError
from exporter.targets.accounts import Account, Discovery
from exporter.targets.shard import Shard
from exporter.targets.target import Target

OWN = "000000000001"
TWO = f"targets: [{{regions: [us-east-1, us-west-2], account_id: '{faults.ACCOUNT}'}}]\n"
DISCOVERY = "discovery: {organizations: {role_name: exporter, regions: [us-east-1, us-west-2]}}\n"
PROFILE = "targets: [{regions: [us-east-1], profile: own}]\n"


def account(number: int) -> Account:
    id_ = f"{number:012}"
    return Account(id_, f"account {number}", f"arn:aws-us-gov:organizations::999999999999:account/o-1/{id_}")


class File:
    """A configuration file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def load(self) -> Config:
        return load(self.text, file="config.yaml", environ={}, default_region=lambda _: None, known_regions=())

    def app(self) -> App:
        return App(self.load(), load=self.load)


class Aws:
    """In the place of what reads AWS: every list has one job, and every listing of accounts what it is told.

    Attributes:
        opened: targets for which a reader was made, in order.
        listings: discoveries for which accounts were listed.
        accounts: what the next listings bring.
    """

    def __init__(self) -> None:
        self.opened: list[Target] = []
        self.listings: list[Discovery] = []
        self.accounts: tuple[Account, ...] | WalkError = ()

    def reader(self, target: Target, _clients: object) -> "Reader":
        self.opened.append(target)
        return Reader(target)

    def list_accounts(self, discovery: Discovery, _clients: object) -> tuple[Account, ...]:
        self.listings.append(discovery)
        if isinstance(self.accounts, WalkError):
            raise self.accounts
        return tuple(account for account in self.accounts if discovery.chooses(account))


class Reader:
    """Reads a list with one job. Credentials without an account in the configuration are of `OWN`."""

    def __init__(self, target: Target) -> None:
        self.account_id = target.account_id or OWN

    def pages(self, _max_pages: int, _now: float) -> Iterator[JobPage]:
        arn = f"arn:aws:bedrock:us-east-1:{self.account_id}:model-customization-job/model/1"
        yield read_page(json.dumps({"modelCustomizationJobSummaries": [faults.job(1, jobArn=arn)]}).encode())


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws()
    monkeypatch.setattr("exporter.app.TargetReader", aws.reader)
    monkeypatch.setattr("exporter.app.list_accounts", aws.list_accounts)
    return aws


def watched(app: App) -> list[tuple[str | None, str]]:
    return [(state.target.account_id, state.target.region) for state in app.fleet.states]


def own_metrics(app: App) -> dict[str, str]:
    """Those about the configuration and about discovery, but for zeros."""
    lines = app.exposition().decode().splitlines()
    return {
        name: value
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name.startswith(("bedrock_exporter_config", "bedrock_exporter_d")) and value != "0.0"
    }


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        pytest.param(TWO, [], id="nothing"),
        pytest.param("poll: {interval: 20s}\n" + TWO, [], id="schedule"),
        pytest.param("job_series: {max_jobs: 2}\n" + TWO, [], id="budget"),
        pytest.param(TWO.replace("us-east-1, ", ""), [], id="one-less"),
        pytest.param(TWO.replace("us-east-1", "eu-west-1, us-east-1"), ["eu-west-1"], id="one-more"),
        pytest.param(TWO.replace("regions", "labels: {team: a}, regions"), [], id="labels"),
        pytest.param(
            TWO.replace("regions", "filter: {name_contains: a}, regions"), ["us-east-1", "us-west-2"], id="filter"
        ),
        pytest.param("aws: {max_attempts: 2}\n" + TWO, ["us-east-1", "us-west-2"], id="aws"),
    ],
)
def test_a_reload_opens_only_what_is_new(aws: Aws, change: str, opened: list[str]) -> None:
    """What stays keeps its credentials and connections, and its jobs stay on the page."""

    async def work() -> None:
        file = File(TWO)
        app = file.app()
        await app.run_once()
        aws.opened.clear()
        file.text = change
        assert await app.reload() == []
        assert [target.region for target in aws.opened] == opened
        assert 'aws_region="us-west-2"' in app.exposition().decode()

    asyncio.run(work())


def test_labels_change_and_the_jobs_stay() -> None:
    """A label that one target gets is on all series of all targets at once."""

    async def work() -> None:
        file = File("targets:\n  - {regions: [us-east-1], account_id: '111122223333'}\n")
        app = file.app()
        await app.run_once()
        assert 'jobs{aws_account_id="111122223333",aws_region="us-east-1",status=' in app.exposition().decode()
        file.text += "  - {regions: [eu-west-1], account_id: '444455556666', labels: {team: a}}\n"
        await app.reload()
        page = app.exposition().decode()
        assert 'jobs{aws_account_id="111122223333",aws_region="us-east-1",team="",status=' in page
        assert 'target_up{aws_account_id="111122223333",aws_region="us-east-1",team=""} 1' in page
        assert 'us-east-1",status' not in page

    asyncio.run(work())


def test_a_bad_file_changes_nothing() -> None:
    """The answer, the metrics and the status page tell, and the next good one is used as ever."""

    async def work() -> None:
        file = File(TWO)
        app = file.app()
        states, before = app.fleet.states, own_metrics(app)
        success = "bedrock_exporter_config_last_reload_successful"
        assert before[success] == "1.0"
        file.text = "targets: [{regions: [nowhere]}]"
        (fault,) = await app.reload()
        assert "targets[0].regions[0]: 'nowhere' is not an AWS region name" in fault
        assert app.fleet.states == states
        assert own_metrics(app) == {name: value for name, value in before.items() if name != success}
        assert [*app.site.troubles()] == [
            "The last reload failed, so the previous configuration is still in use. The log says what is wrong."
        ]
        file.text = TWO + "# another hash\n"
        assert await app.reload() == []
        assert own_metrics(app)[success] == "1.0"
        assert not [*app.site.troubles()]
        assert f'bedrock_exporter_config_hash_info{{sha256="{file.load().digest}"}}' in own_metrics(app)

    asyncio.run(work())


def test_accounts_come_and_go(aws: Aws) -> None:
    """With every region of the discovery, beside the configured targets; a failed listing changes nothing."""

    async def work() -> None:
        app = File(DISCOVERY + TWO).app()
        configured = watched(app)
        assert len(configured) == 2
        ready = [app.fleet.ready]
        aws.accounts = (account(2), account(3))
        assert await app.run_once()
        both = [*configured, *((f"{n:012}", region) for n in (2, 3) for region in ("us-east-1", "us-west-2"))]
        assert watched(app) == both
        ready.append(app.fleet.ready)
        assert ready == [False, True]
        role = app.fleet.states[2].target.assume_role
        assert role is not None
        assert role.role_arn == "arn:aws-us-gov:iam::000000000002:role/exporter"
        aws.accounts = WalkError(FailureReason.ACCESS_DENIED, "denied")
        assert not await app.run_once()
        assert watched(app) == both
        assert own_metrics(app)['bedrock_exporter_discovery_failures_total{reason="access_denied"}'] == "1.0"
        (trouble,) = app.site.troubles()
        assert trouble.startswith("The organization's accounts can't be listed (access_denied), so new accounts are ")
        aws.accounts = (account(3),)
        assert await app.run_once()
        assert not [*app.site.troubles()]
        assert watched(app) == [*configured, ("000000000003", "us-east-1"), ("000000000003", "us-west-2")]
        assert own_metrics(app)["bedrock_exporter_discovery_accounts"] == "1.0"

    asyncio.run(work())


def test_discovery_comes_and_goes_with_a_reload(aws: Aws) -> None:
    """A new one is listed at once; without it its accounts and its metrics go."""
    aws.accounts = (account(2),)

    async def until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                await asyncio.sleep(0.01)

    async def work() -> None:
        file = File(TWO)
        app = file.app()
        task = asyncio.create_task(app.run())
        await asyncio.sleep(0)
        assert not any("discovery" in name for name in own_metrics(app))
        file.text = TWO + DISCOVERY
        await app.reload()
        await until(lambda: len(watched(app)) == 4)
        aws.accounts = (account(3),)
        file.text = TWO + DISCOVERY.replace("role_name: exporter", "role_name: other")
        await app.reload()
        await until(lambda: ("000000000003", "us-east-1") in watched(app))
        assert [discovery.role_name for discovery in aws.listings] == ["exporter", "other"]
        file.text = TWO
        await app.reload()
        assert len(watched(app)) == 2
        assert not any("discovery" in name for name in own_metrics(app))
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())


def test_the_exporters_own_account_is_not_discovered_again(aws: Aws) -> None:
    """Once a configured target has learnt its account, the discovered one is not a duplicate, but absent."""
    aws.accounts = (account(1), account(2))

    async def work() -> None:
        app = File(DISCOVERY + PROFILE).app()
        await app.run_once()
        await app.run_once()
        assert watched(app) == [
            (None, "us-east-1"),
            (OWN, "us-west-2"),
            ("000000000002", "us-east-1"),
            ("000000000002", "us-west-2"),
        ]
        assert "duplicate_target" not in str([state.failure for state in app.fleet.states])

    asyncio.run(work())


def test_shards_are_warned_of_targets_whose_account_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    """Two of these may be one, and be watched by two shards."""

    async def work(total: int) -> list[list[str]]:
        caplog.clear()
        App(File(PROFILE).load(), shard=Shard(0, total))
        return [vars(record)["targets"] for record in caplog.records if "account_id" in record.getMessage()]

    assert asyncio.run(work(1)) == []
    assert asyncio.run(work(2)) == [["targets[0]"]]


def test_reloads_at_once_share_one() -> None:
    """One runs, one waits, since the file may have changed meanwhile, and all others join that one."""
    loads = 0

    async def work() -> None:
        file = File(TWO)

        def load() -> Config:
            nonlocal loads
            loads += 1
            return file.load()

        app = App(file.load(), load=load)
        assert await asyncio.gather(*[app.reload() for _ in range(100)]) == [[]] * 100
        assert loads == 1
        first = asyncio.create_task(app.reload())
        while loads < 2:
            await asyncio.sleep(0)
        assert await asyncio.gather(first, *[app.reload() for _ in range(100)]) == [[]] * 101
        assert loads == 3

    asyncio.run(work())
