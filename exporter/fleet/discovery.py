"""Which accounts of an organization are watched, and when they are listed. Runs in the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from exporter.errors import FailureReason, WalkError, describe_bug
from exporter.targets.accounts import Account, Discovery

_log = logging.getLogger(__name__)

RETRY = 60.0
"""Seconds from the end of a failed listing to the next one."""

TIMEOUT = 1800.0
"""Deadline of one listing, seconds: tags need a call for each account, and AWS allows few such calls a second."""

ListAccounts = Callable[[Discovery], Awaitable[tuple[Account, ...]]]
"""Lists the accounts that a discovery chooses, all or nothing, within `TIMEOUT`; raises `WalkError`."""


class ListingObserver(Protocol):
    """Counts listings and their failures."""

    def listed(self, accounts: int, now: float) -> None:
        """A listing succeeded at `now` (Unix seconds); this many accounts are watched."""
        ...

    def failed(self, reason: FailureReason) -> None:
        """A listing failed; the previous accounts stay."""
        ...


class AccountList:
    """Lists the accounts of an organization at intervals, and keeps the last good list.

    Args:
        changed: called when `accounts` or `complete` has changed.
        telemetry: counts each listing.
        now: the wall clock, Unix seconds.

    Attributes:
        accounts: the last good list; empty without discovery.
        complete: whether the first listing has ended, even in failure, or there is no discovery.
        failure: why the last listing failed; None if it succeeded, and before the first.
    """

    def __init__(self, changed: Callable[[], None], telemetry: ListingObserver, now: Callable[[], float]) -> None:
        self.accounts: tuple[Account, ...] = ()
        self.complete = True
        self._changed = changed
        self._telemetry = telemetry
        self._now = now
        self._discovery: Discovery | None = None
        self._list_accounts: ListAccounts | None = None
        self._reconfigured = asyncio.Event()
        self._listing: asyncio.Task[bool] | None = None
        self.failure: FailureReason | None = None

    def configure(self, discovery: Discovery | None, list_accounts: ListAccounts) -> None:
        """Use this discovery from now on. Accounts that it still chooses stay until the next listing."""
        before, self._discovery, self._list_accounts = self._discovery, discovery, list_accounts
        if discovery == before:
            return
        self.accounts = _still_chosen(self.accounts, before, discovery)
        self.complete = discovery is None or before is not None
        self.failure = None
        self._reconfigured.set()
        if self._listing is not None:
            self._listing.cancel()

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            self._reconfigured.clear()
            pause = None
            if self._discovery is not None:
                self._listing = asyncio.create_task(self.run_once())
                try:
                    good = await self._listing
                except asyncio.CancelledError:
                    if self._reconfigured.is_set():
                        continue
                    raise
                pause = self._discovery.refresh if good else min(RETRY, self._discovery.refresh)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._reconfigured.wait()

    async def run_once(self) -> bool:
        """List once; returns whether that succeeded. True without discovery."""
        if self._discovery is None or self._list_accounts is None:
            return True
        try:
            accounts = await self._list_accounts(self._discovery)
        except WalkError as error:
            return self._failed(error.reason, error.message)
        except Exception as error:  # noqa: BLE001 - a bug in a listing must not end the watching of other targets
            message, bug = describe_bug(error)
            return self._failed(FailureReason.INTERNAL, message, traceback=bug)
        was = {} if self.failure is None else {"was": self.failure}
        if was or not self.complete or accounts != self.accounts:
            _log.info("accounts listed", extra={"accounts": len(accounts), **was})
        self.failure = None
        self._telemetry.listed(len(accounts), self._now())
        self._publish(accounts)
        return True

    def _failed(self, reason: FailureReason, message: str, **bug: str) -> bool:
        if reason is not self.failure:
            extra = {"reason": reason, "detail": message, **bug}
            _log.warning("can't list accounts; keeping the previous list", extra=extra)
            self.failure = reason
        self._telemetry.failed(reason)
        self._publish(self.accounts)
        return False

    def _publish(self, accounts: tuple[Account, ...]) -> None:
        changed = not self.complete or accounts != self.accounts
        self.accounts, self.complete = accounts, True
        if changed:
            self._changed()


def _still_chosen(
    accounts: tuple[Account, ...], before: Discovery | None, after: Discovery | None
) -> tuple[Account, ...]:
    """The accounts that stay until a changed discovery has listed again."""
    if before is None or after is None or (before.profile, before.assume_role) != (after.profile, after.assume_role):
        return ()  # possibly of another organization
    if after.asks_for_tags:  # tags may not have been read before
        return accounts
    return tuple(account for account in accounts if after.chooses(account))
