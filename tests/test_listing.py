"""Accounts are listed again and again, and the last good list counts. Time is virtual."""

import asyncio
import itertools
import logging
from collections.abc import Sequence

import pytest
from virtual_clock import run

from exporter.listing import TIMEOUT, Accounts, Listing
from exporter.model import Account, FailureReason, WalkError

ONE = (Account("111122223333", "one", "arn:aws:organizations::999999999999:account/o-1/111122223333"),)
TWO = (*ONE, Account("444455556666", "two", "arn:aws:organizations::999999999999:account/o-1/444455556666"))
DENIED = WalkError(FailureReason.ACCESS_DENIED, "allow organizations:ListAccounts")
FOREVER = 1e9


class Heard:
    """What a listing tells, in order, each with the second at which it was told."""

    def __init__(self) -> None:
        self.all: list[tuple[float, Accounts | FailureReason]] = []

    def listed(self, accounts: Accounts) -> None:
        self.all.append((asyncio.get_running_loop().time(), accounts))

    def failed(self, reason: FailureReason) -> None:
        self.all.append((asyncio.get_running_loop().time(), reason))


def heard(
    outcomes: Sequence[Accounts | Exception | float], until: float
) -> list[tuple[float, Accounts | FailureReason]]:
    """Run a listing that is due each hour. A number is the seconds for which a call hangs."""
    told = Heard()
    left = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))

    async def list_accounts() -> Accounts:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
            return ()
        return outcome

    async def work() -> None:
        task = asyncio.create_task(Listing(list_accounts, 3600.0, told).run())
        await asyncio.sleep(until)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(work())
    return told.all


def test_accounts_are_listed_each_hour() -> None:
    """The first time at once."""
    assert heard([ONE, TWO], 8000) == [(0, ONE), (3600, TWO), (7200, TWO)]


def test_a_failed_listing_is_tried_again_within_the_minute() -> None:
    """An account that has come waits no hour for it, and neither does somebody who mends a permission."""
    assert heard([ONE, DENIED, DENIED, TWO], 8000) == [
        (0, ONE),
        (3600, FailureReason.ACCESS_DENIED),
        (3660, FailureReason.ACCESS_DENIED),
        (3720, TWO),
        (7320, TWO),
    ]


def test_a_listing_that_hangs_ends_at_its_deadline() -> None:
    """And counts as `timeout`."""
    assert heard([FOREVER, ONE], TIMEOUT + 100) == [(TIMEOUT, FailureReason.TIMEOUT), (TIMEOUT + 60, ONE)]


def test_a_bug_is_internal_and_the_listing_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback."""
    assert heard([ZeroDivisionError("a bug"), ONE], 100) == [(0, FailureReason.INTERNAL), (60, ONE)]
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """Not one for each listing."""
    caplog.set_level(logging.INFO, "exporter")
    heard([ONE, DENIED, DENIED, DENIED, ONE, ONE], 20000)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "accounts can't be listed, the list before stays"),
        ("INFO", "accounts are listed again"),
    ]
    assert vars(caplog.records[0])["detail"] == "allow organizations:ListAccounts"
