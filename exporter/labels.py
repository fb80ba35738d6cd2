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
