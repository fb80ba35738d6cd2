"""Which of several exporters watches a target."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from exporter.model import Target


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `total` exporters that share one configuration; `index` counts from 0.

    Each target belongs to exactly one, by rendezvous hashing: of all shards, the one whose hash with the target is the
    highest. So with one shard more, only the targets that the new one gets move: 1 in `total`.
    """

    index: int = 0
    total: int = 1

    def owns(self, target: Target) -> bool:
        """Whether the target is this shard's.

        Two targets of one known account in one region are always of one shard, which can so tell that they are one.
        """
        account = target.account_id or target.profile or ""
        key = f"{account} {target.region} ".encode()
        return self.index == max(range(self.total), key=lambda shard: blake2b(key + b"%d" % shard).digest())
