"""What the labels of all series have in common. Standard library only."""

from __future__ import annotations

UNKNOWN = "unknown"
"""Label value for what AWS does not tell (yet): an account id, a customization type, a base model."""

Labels = tuple[tuple[str, str], ...]
"""(name, value), in the order in which they are written."""


def account_of(arn: str) -> str | None:
    """The account id in an ARN: twelve digits; None if there are none."""
    parts = arn.split(":", 5)
    account = parts[4] if len(parts) == 6 else ""
    return account if len(account) == 12 and account.isascii() and account.isdecimal() else None


def printable(text: str, limit: int) -> str:
    r"""Text for people: at most `limit` characters, control characters and half surrogate pairs as ``\x1b``."""
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit]])
