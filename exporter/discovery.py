"""Accounts of an organization → targets."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.model import Account, AssumeRole, Discovery, Target


def chooses(discovery: Discovery, account: Account) -> bool:
    """Whether an account is one to watch.

    The management account never is: a StackSet, the usual way to give every account its role, leaves it out, and AWS
    advises to run nothing in it. Who wants it watched names it as a target, which needs no role there.
    """
    if account.is_management or discovery.exclude.fits(account):
        return False
    return not discovery.include or discovery.include.fits(account)


def discovered_targets(
    discovery: Discovery, accounts: Iterable[Account], configured: Iterable[Target] = ()
) -> tuple[Target, ...]:
    """Every account in every region of the discovery, by account id and then in the order of the regions.

    Args:
        discovery: how to get there.
        accounts: those to watch, in any order.
        configured: targets of the file; an account and region that one of these names is left to it.
    """
    taken = {(target.account_id, target.region) for target in configured}
    return tuple(
        Target(
            name=f"{discovery.name}[{account.id}]",
            region=region,
            account_id=account.id,
            assume_role=AssumeRole(
                f"arn:{account.partition}:iam::{account.id}:role/{discovery.role_name}",
                discovery.external_id,
                discovery.session_name,
            ),
            profile=discovery.profile,
            labels=discovery.labels,
            job_filter=discovery.job_filter,
        )
        for account in sorted(accounts, key=lambda account: account.id)
        for region in discovery.regions
        if (account.id, region) not in taken
    )
