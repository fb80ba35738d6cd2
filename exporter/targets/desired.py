"""Which targets this exporter should watch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from exporter.targets.accounts import Account, Discovery
from exporter.targets.claims import identity
from exporter.targets.shard import Shard
from exporter.targets.target import AssumeRole, Target


def desired(
    configured: Sequence[Target], discovery: Discovery | None, accounts: Iterable[Account], shard: Shard
) -> tuple[Target, ...]:
    """The shard's targets: the configured ones, then every discovered account in every region.

    Args:
        configured: from the configuration, in its order.
        discovery: how to reach discovered accounts; None if there are none.
        accounts: those to watch, in any order. A configured target takes precedence in its account and region.
        shard: this exporter's shard.

    Returns:
        Configured targets in their order, then discovered ones by account id and in the order of `Discovery.regions`.
    """
    taken = {identity(target, None) for target in configured}
    found = () if discovery is None else _discovered(discovery, accounts)
    targets = [*configured, *(target for target in found if identity(target, None) not in taken)]
    return tuple([target for target in targets if shard.owns(target)])


def _discovered(discovery: Discovery, accounts: Iterable[Account]) -> Iterator[Target]:
    for account in sorted(accounts, key=lambda account: account.id):
        role_arn = f"arn:{account.partition}:iam::{account.id}:role/{discovery.role_name}"
        for region in discovery.regions:
            yield Target(
                name=f"{discovery.name}[{account.id}]",
                region=region,
                account_id=account.id,
                assume_role=AssumeRole(role_arn, discovery.external_id, discovery.session_name),
                profile=discovery.profile,
                labels=discovery.labels,
                job_filter=discovery.job_filter,
                discovered=True,
            )
