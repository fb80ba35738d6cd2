"""What all labels have in common. Standard library only."""

from __future__ import annotations

UNKNOWN = "unknown"
"""Label value for an account id, customization type or base model that AWS has not sent (yet)."""

Labels = tuple[tuple[str, str], ...]
"""(name, value), in the order in which they are written."""


def account_of(arn: str) -> str | None:
    """The account id in an ARN: twelve digits; None if there are none."""
    parts = arn.split(":", 5)
    account = parts[4] if len(parts) == 6 else ""
    return account if len(account) == 12 and account.isascii() and account.isdecimal() else None


def printable(text: str, limit: int) -> str:
    r"""Text for people: at most `limit` characters, with control characters and lone surrogates as ``\x1b``."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit]])
