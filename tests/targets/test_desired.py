"""Configuration, discovery and shard decide which targets are watched."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.targets.accounts import Account, Discovery
from exporter.targets.claims import identity
from exporter.targets.desired import desired
from exporter.targets.shard import Shard
from exporter.targets.target import AssumeRole, JobFilter, Target

RESEARCH, PLATFORM = "111122223333", "444455556666"
DISCOVERY = Discovery("bedrock-exporter", ("us-west-2", "us-east-1"))
ALL = Shard()


def account(number: str, partition: str = "aws") -> Account:
    return Account(number, "any", f"arn:{partition}:organizations::999988887777:account/o-abcdefghij/{number}")


def test_a_target_for_every_account_and_region() -> None:
    """By account, whatever the order of the list, then in the order of the regions, with all that they need."""
    discovery = replace(
        DISCOVERY,
        role_name="path/exporter",
        external_id="secret",
        session_name="prometheus",
        labels=(("team", "ml"),),
        job_filter=JobFilter(name_contains="prod-"),
        profile="training",
        assume_role=AssumeRole("arn:aws:iam::999988887777:role/list-accounts"),
    )

    assert desired((), discovery, [account(PLATFORM), account(RESEARCH)], ALL) == tuple(
        Target(
            name=f"discovery.organizations[{number}]",
            region=region,
            account_id=number,
            assume_role=AssumeRole(f"arn:aws:iam::{number}:role/path/exporter", "secret", "prometheus"),
            profile="training",
            labels=(("team", "ml"),),
            job_filter=JobFilter(name_contains="prod-"),
            discovered=True,
        )
        for number in (RESEARCH, PLATFORM)
        for region in ("us-west-2", "us-east-1")
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_roles_are_in_the_organizations_partition(partition: str) -> None:
    """The role's ARN begins as the account's does."""
    target, _ = desired((), DISCOVERY, [account(RESEARCH, partition)], ALL)

    assert target.assume_role == AssumeRole(f"arn:{partition}:iam::{RESEARCH}:role/bedrock-exporter")


def test_what_the_file_names_itself_is_left_to_it() -> None:
    """A configured target comes first and takes its account and region, so that it can have labels of its own."""
    configured = (Target("targets[0]", "us-east-1", RESEARCH), Target("targets[1]", "us-west-2"))

    targets = desired(configured, DISCOVERY, [account(PLATFORM), account(RESEARCH)], ALL)

    assert targets[:2] == configured
    assert [(target.account_id, target.region) for target in targets[2:]] == [
        (RESEARCH, "us-west-2"),
        (PLATFORM, "us-west-2"),
        (PLATFORM, "us-east-1"),
    ]


def test_without_discovery_there_is_nothing_but_the_file() -> None:
    """Accounts of an earlier configuration are forgotten with its discovery."""
    configured = (Target("targets[0]", "us-east-1", RESEARCH),)

    assert desired(configured, None, [account(PLATFORM)], ALL) == configured


REGIONS = st.sampled_from(["us-east-1", "us-west-2", "eu-west-1"])
ACCOUNTS = st.integers(0, 5).map("{:012}".format)
CONFIGURED = st.lists(
    st.builds(Target, st.just("any"), REGIONS, ACCOUNTS | st.none()), unique_by=lambda target: identity(target, None)
)


@given(CONFIGURED, st.lists(ACCOUNTS, unique=True), st.lists(REGIONS, min_size=1, unique=True), st.integers(1, 4))
def test_shards_split_the_targets_between_them(
    configured: list[Target], accounts: list[str], regions: list[str], total: int
) -> None:
    """Each target is in exactly one shard, in the same order as in the whole; none is there twice."""
    discovery = replace(DISCOVERY, regions=tuple(regions))
    found = [account(number) for number in accounts]
    whole = desired(configured, discovery, found, ALL)
    shares = [desired(configured, discovery, found, Shard(index, total)) for index in range(total)]

    assert len({identity(target, None) for target in whole}) == len(whole)
    assert sorted(whole.index(target) for share in shares for target in share) == list(range(len(whole)))
    assert all([*share] == [target for target in whole if target in share] for share in shares)
