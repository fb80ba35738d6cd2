"""When the accounts of an organization are listed, and what is known of them. Runs in the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from exporter.model import Account, FailureReason, WalkError

_log = logging.getLogger(__name__)

RETRY = 60.0
"""Seconds from the end of a failed listing to the next one."""

TIMEOUT = 1800.0
"""Deadline of one listing, seconds: tags take a call for each account, and AWS allows few of these a second."""

Accounts = tuple[Account, ...]


class Listener(Protocol):
    """Is told how a listing went."""

    def listed(self, accounts: Accounts) -> None:
        """These are the accounts from now on."""
        ...

    def failed(self, reason: FailureReason) -> None:
        """The ones before stay."""
        ...


class Listing:
    """Lists accounts again and again; the last good list counts.

    Args:
        list_accounts: lists them once, all or nothing; raises `WalkError`; cancelled at its deadline.
        refresh: seconds from one good listing to the next.
        listener: is told how each one went.
    """

    def __init__(self, list_accounts: Callable[[], Awaitable[Accounts]], refresh: float, listener: Listener) -> None:
        self._list_accounts = list_accounts
        self._refresh = refresh
        self._listener = listener
        self._reason: FailureReason | None = None

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            good = await self.run_once()
            await asyncio.sleep(self._refresh if good else min(RETRY, self._refresh))

    async def run_once(self) -> bool:
        """List once; returns whether it went well."""
        try:
            async with asyncio.timeout(TIMEOUT):
                accounts = await self._list_accounts()
        except WalkError as error:
            return self._fail(error.reason, error.message)
        except TimeoutError:
            return self._fail(FailureReason.TIMEOUT, f"accounts were not listed within {TIMEOUT:g} s")
        except Exception as error:  # noqa: BLE001 - a bug in a listing must not end the watching of other targets
            return self._fail(FailureReason.INTERNAL, f"{error!r}; please report this as a bug", error)
        if self._reason is not None:
            _log.info("accounts are listed again", extra={"accounts": len(accounts), "was": self._reason})
            self._reason = None
        self._listener.listed(accounts)
        return True

    def _fail(self, reason: FailureReason, message: str, bug: Exception | None = None) -> bool:
        if reason is not self._reason:
            _log.warning(
                "accounts can't be listed, the list before stays",
                extra={"reason": reason, "detail": message},
                exc_info=bug,
            )
            self._reason = reason
        self._listener.failed(reason)
        return False
