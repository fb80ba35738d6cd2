"""Accounts are listed again and again, and the last good list counts. Time is virtual."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from virtual_clock import run

from exporter.errors import FailureReason, WalkError
from exporter.fleet.discovery import AccountList, ListAccounts
from exporter.targets.accounts import Account, AccountChoice, Discovery

ONE = (Account("111122223333", "one", "arn:aws:organizations::999999999999:account/o-1/111122223333"),)
TWO = (*ONE, Account("444455556666", "two", "arn:aws:organizations::999999999999:account/o-1/444455556666"))
DENIED = WalkError(FailureReason.ACCESS_DENIED, "allow organizations:ListAccounts")
DISCOVERY = Discovery("bedrock-exporter", ("us-east-1",), refresh=3600.0)
Accounts = tuple[Account, ...]


class Heard:
    """What is said of listings, in order, each with the second at which it was said."""

    def __init__(self) -> None:
        self.telemetry: list[tuple[float, int | FailureReason]] = []
        self.accounts: list[tuple[float, Accounts]] = []
        self.list = AccountList(self._changed, self, lambda: 0.0)

    def listed(self, accounts: int, now: float) -> None:  # noqa: ARG002
        self.telemetry.append((asyncio.get_running_loop().time(), accounts))

    def failed(self, reason: FailureReason) -> None:
        self.telemetry.append((asyncio.get_running_loop().time(), reason))

    def _changed(self) -> None:
        assert self.list.complete
        self.accounts.append((asyncio.get_running_loop().time(), self.list.accounts))


def script(outcomes: Sequence[Accounts | Exception]) -> ListAccounts:
    """Lists as it is told; the last outcome goes on for ever."""
    left = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))

    async def list_accounts(_: Discovery) -> Accounts:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return list_accounts


def heard(
    outcomes: Sequence[Accounts | Exception], until: float, change: tuple[float, Discovery | None] | None = None
) -> Heard:
    """Run a list that is due each hour, and change what is to be listed on the way."""

    async def work() -> Heard:
        told, list_accounts = Heard(), script(outcomes)
        told.list.configure(DISCOVERY, list_accounts)
        assert not told.list.complete
        task = asyncio.create_task(told.list.run())
        if change is not None:
            await asyncio.sleep(change[0])
            told.list.configure(change[1], list_accounts)
        await asyncio.sleep(until - asyncio.get_running_loop().time())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return told

    return run(work())


def test_accounts_are_listed_each_hour() -> None:
    """The first time at once; only a list that differs is news."""
    told = heard([ONE, ONE, TWO], 8000)

    assert told.telemetry == [(0, 1), (3600, 1), (7200, 2)]
    assert told.accounts == [(0, ONE), (7200, TWO)]


def test_a_failed_listing_is_tried_again_within_the_minute() -> None:
    """The list before stays. A first one that fails is news, too: there may be no accounts to wait for."""
    denied = FailureReason.ACCESS_DENIED
    told = heard([ONE, DENIED, DENIED, TWO], 8000).telemetry
    assert told == [(0, 1), (3600, denied), (3660, denied), (3720, 2), (7320, 2)]
    assert heard([DENIED, ONE], 100).accounts == [(0, ()), (60, ONE)]


@pytest.mark.parametrize(
    ("change", "stay", "telemetry"),
    [
        pytest.param(None, (), [(0, 2)], id="switched-off"),
        pytest.param(replace(DISCOVERY, exclude=AccountChoice(names=("two",))), ONE, [(0, 2), (10, 2)], id="narrowed"),
        pytest.param(replace(DISCOVERY, profile="other"), (), [(0, 2), (10, 2)], id="other-credentials"),
        pytest.param(replace(DISCOVERY, include=AccountChoice(tags=(("a", "b"),))), TWO, [(0, 2), (10, 2)], id="tags"),
        pytest.param(DISCOVERY, TWO, [(0, 2)], id="the-same"),
    ],
)
def test_a_changed_discovery_is_listed_at_once(
    change: Discovery | None, stay: Accounts, telemetry: list[tuple[float, int]]
) -> None:
    """Until then the accounts stay that it still chooses, as far as anybody can tell."""

    async def configure() -> Accounts:
        told = Heard()
        told.list.configure(DISCOVERY, script([TWO]))
        await told.list.run_once()
        told.list.configure(change, script([TWO]))
        return told.list.accounts

    assert run(configure()) == stay
    assert heard([TWO], 100, (10, change)).telemetry == telemetry


def test_a_changed_discovery_does_not_wait_for_the_listing_before() -> None:
    """It is cut off, and nothing of it counts: the correction of a wrong role would else wait half an hour."""
    ended: list[str] = []

    async def hangs(_: Discovery) -> Accounts:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("cut off")
        return TWO

    async def work() -> Heard:
        told = Heard()
        told.list.configure(DISCOVERY, hangs)
        task = asyncio.create_task(told.list.run())
        await asyncio.sleep(10)
        told.list.configure(replace(DISCOVERY, role_name="right"), script([ONE]))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return told

    told = run(work())
    assert ended == ["cut off"]
    assert (told.telemetry, told.accounts) == ([(10, 1)], [(10, ONE)])


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """Not one for each listing; a bug has its traceback."""
    caplog.set_level(logging.INFO, "exporter")
    heard([ONE, DENIED, DENIED, ZeroDivisionError("a bug"), ONE, ONE], 20000)

    assert [
        (record.getMessage(), vars(record).get("reason"), "traceback" in vars(record)) for record in caplog.records
    ] == [
        ("accounts listed", None, False),
        ("can't list accounts; keeping the previous list", "access_denied", False),
        ("can't list accounts; keeping the previous list", "internal", True),
        ("accounts listed", None, False),
    ]
    assert vars(caplog.records[1])["detail"] == "allow organizations:ListAccounts"
