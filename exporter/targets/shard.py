"""Which of several exporters watches a target."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from exporter.targets.claims import identity
from exporter.targets.target import Target


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several exporters that share a configuration.

    Rendezvous hashing gives each target to exactly one shard: the one with the highest hash of shard and target. A new
    shard only takes over its own share of the targets: 1 in `total`.

    Attributes:
        index: from 0.
        total: how many exporters there are.
    """

    index: int = 0
    total: int = 1

    def owns(self, target: Target) -> bool:
        """Whether the target belongs to this shard.

        Two targets with the same configured identity are always in the same shard, so that it can detect duplicates.
        """
        return self.index == owner(target, self.total)


def owner(target: Target, total: int) -> int:
    """The index of the shard that a target belongs to, out of `total`."""
    account, region = identity(target, None)
    key = f"{account} {region} ".encode()
    return max(range(total), key=lambda shard: blake2b(key + b"%d" % shard).digest())
