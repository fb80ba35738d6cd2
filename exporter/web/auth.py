"""Who may send requests, and how often: HTTP basic authentication and a rate limit."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.web.config.settings import RateLimit

MAX_WAITING = 64
"""The most different credentials that wait to be checked; further clients must retry later."""

MAX_REFUSED = 1000
"""The most refused credentials that are remembered."""

_LONGEST = 72  # bytes of a password that bcrypt looks at; its library refuses more


class BusyError(Exception):
    """Too many credentials wait to be checked."""


class Credentials(NamedTuple):
    """A client's user name and password."""

    user: str
    password: bytes


def credentials(authorization: str | None) -> Credentials | None:
    """The credentials in an ``Authorization`` header; None if it is not basic authentication."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.encode(), validate=True).partition(b":")
    except (binascii.Error, UnicodeEncodeError):
        return None
    return Credentials(user.decode(errors="surrogateescape"), password) if colon else None


class Authenticator:
    """Checks passwords: one at a time, in another thread, and the same ones only once.

    It remembers no password, only a hash with a key that lives as long as the process. Hashes of the last good
    passwords are kept separately, so that guesses can't evict them.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._good: dict[str, bytes] = {}  # user → the last one
        self._refused: dict[bytes, None] = {}  # oldest first
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._turn = asyncio.Lock()

    async def permits(self, users: Mapping[str, str], given: Credentials) -> bool:
        """Whether a user has this password. Takes the same work for unknown users as for known ones.

        Args:
            users: name → bcrypt hash; at least one.
            given: by the client.

        Raises:
            BusyError: too many wait.
        """
        stored = users.get(given.user)
        hashed = stored or self._substitute(users, given.user)
        user = given.user.encode(errors="surrogateescape")
        token = self._digest(b"known" if stored else b"unknown", user, hashed.encode(), given.password)
        if hmac.compare_digest(self._good.get(given.user, b""), token):
            return True
        if token in self._refused:
            return False
        if token not in self._checks:
            if len(self._checks) >= MAX_WAITING:
                raise BusyError
            self._checks[token] = asyncio.create_task(self._check(given, hashed, token, known=stored is not None))
        return await asyncio.shield(self._checks[token])

    async def _check(self, given: Credentials, hashed: str, token: bytes, *, known: bool) -> bool:
        try:
            async with self._turn:
                good = await asyncio.to_thread(_matches, given.password, hashed) and known
            if good:
                self._good[given.user] = token
            else:
                self._refused[token] = None
                if len(self._refused) > MAX_REFUSED:
                    del self._refused[next(iter(self._refused))]
            return good
        finally:
            del self._checks[token]

    def _substitute(self, users: Mapping[str, str], user: str) -> str:
        """The hash to compare an unknown user's password with: always the same one of the file's."""
        hashes = list(users.values())
        return hashes[int.from_bytes(self._digest(user.encode(errors="surrogateescape"))) % len(hashes)]

    def _digest(self, *parts: bytes) -> bytes:
        text = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self._key, text, hashlib.sha256)


def _matches(password: bytes, hashed: str) -> bool:
    import bcrypt  # noqa: PLC0415 - who needs no password, need not have it loaded

    try:
        return bcrypt.checkpw(password[:_LONGEST], hashed.encode())
    except ValueError:  # a salt that can't be decoded
        return False


class TokenBucket:
    """Allows a burst of requests, and one more after each interval.

    Args:
        limit: interval and size.
        now: a clock, in seconds.
    """

    def __init__(self, limit: RateLimit, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._tokens = float(limit.burst)
        self._counted = now()

    def take(self) -> bool:
        """Whether one more request is allowed now."""
        now = self._now()
        self._tokens = min(self._limit.burst, self._tokens + (now - self._counted) / self._limit.interval)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
