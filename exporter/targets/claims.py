"""Which target watches an account in a region, when several turn out to be the same."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.targets.target import Target

Identity = tuple[str, str]
"""(account id or a stand-in for it, region)."""


def identity(target: Target, account_id: str | None) -> Identity:
    """What tells two targets apart.

    Args:
        target: the target.
        account_id: the account according to AWS. If None, the configured account id, else the profile, else an empty
            text for the default credentials.
    """
    return (account_id or target.account_id or target.profile or "", target.region)


class Claims:
    """Decides which target watches an account in a region: the first one in order that is known to be it.

    Args:
        targets: in order; `claim` and `owner` take no others.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._targets = tuple(targets)
        self._numbers: dict[Target, int] = {}
        for number, target in enumerate(self._targets):
            self._numbers.setdefault(target, number)
        self._claims: dict[int, Identity] = {}  # by the target's number
        self._claimants: dict[Identity, set[int]] = {}
        self._owners: dict[Identity, int] = {}  # the first of the claimants

    def claim(self, target: Target, account_id: str | None) -> Target:
        """Record a target's account; this replaces its earlier claim.

        Args:
            target: the claimant.
            account_id: the account; None if unknown, see `identity`.

        Returns:
            The target that watches this account in this region: `target` itself, or one before it.
        """
        number, key = self._numbers[target], identity(target, account_id)
        before = self._claims.get(number)
        if before != key:
            if before is not None:
                self._leave(number, before)
            self._claims[number] = key
            self._claimants.setdefault(key, set()).add(number)
            self._owners[key] = min(number, self._owners.get(key, number))
        return self._targets[self._owners[key]]

    def owner(self, target: Target, account_id: str | None) -> Target | None:
        """The target that watches what `target` would claim; None if nobody has claimed it."""
        number = self._owners.get(identity(target, account_id))
        return None if number is None else self._targets[number]

    def _leave(self, number: int, key: Identity) -> None:
        claimants = self._claimants[key]
        claimants.discard(number)
        if not claimants:
            del self._claimants[key], self._owners[key]
        elif self._owners[key] == number:
            self._owners[key] = min(claimants)
