"""Which accounts of an organization are watched, and as what targets."""

from dataclasses import replace

import pytest

from exporter.discovery import chooses, discovered_targets
from exporter.model import Account, AccountChoice, AssumeRole, Discovery, JobFilter, Target

MANAGEMENT, RESEARCH, PLATFORM = "999988887777", "111122223333", "444455556666"
DISCOVERY = Discovery("bedrock-exporter", ("us-west-2", "us-east-1"))


def account(number: str = RESEARCH, name: str = "ml-research", partition: str = "aws", **tags: str) -> Account:
    return Account(number, name, f"arn:{partition}:organizations::{MANAGEMENT}:account/o-abcdefghij/{number}", tags)


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        pytest.param(AccountChoice(), False, id="nothing"),
        pytest.param(AccountChoice(accounts=(PLATFORM, RESEARCH)), True, id="id"),
        pytest.param(AccountChoice(accounts=(PLATFORM,)), False, id="other-id"),
        pytest.param(AccountChoice(names=("data-*", "ml-*")), True, id="pattern"),
        pytest.param(AccountChoice(names=("ml-researc?",)), True, id="one-character"),
        pytest.param(AccountChoice(names=("ML-*", "ml", "*-ml")), False, id="other-patterns"),
        pytest.param(AccountChoice(tags=(("stage", "prod"),)), True, id="tag"),
        pytest.param(AccountChoice(tags=(("stage", "p*"),)), True, id="tag-pattern"),
        pytest.param(AccountChoice(tags=(("stage", "test"), ("Stage", "prod"))), False, id="other-tags"),
        pytest.param(AccountChoice(tags=(("owner", "*"),)), False, id="tag-that-is-missing"),
        pytest.param(AccountChoice((PLATFORM,), ("data-*",), (("stage", "prod"),)), True, id="any-of-them"),
    ],
)
def test_a_choice_is_of_the_accounts_that_any_of_it_fits(choice: AccountChoice, fits: bool) -> None:
    """An id, a pattern of the name or one of a tag's value is enough."""
    assert choice.fits(account(stage="prod")) is fits


ML, SANDBOX = AccountChoice(names=("ml-*",)), AccountChoice(names=("*-sandbox",))


@pytest.mark.parametrize(
    ("name", "include", "exclude", "chosen"),
    [
        pytest.param("data", AccountChoice(), AccountChoice(), True, id="all"),
        pytest.param("ml-a", ML, SANDBOX, True, id="included"),
        pytest.param("data", ML, SANDBOX, False, id="not-included"),
        pytest.param("ml-sandbox", ML, SANDBOX, False, id="excluded-wins"),
        pytest.param("data", AccountChoice(), SANDBOX, True, id="not-excluded"),
    ],
)
def test_what_is_included_and_not_excluded_is_chosen(
    name: str, include: AccountChoice, exclude: AccountChoice, chosen: bool
) -> None:
    """An account is watched if the file includes it, or no one in particular, and does not exclude it."""
    assert chooses(replace(DISCOVERY, include=include, exclude=exclude), account(name=name)) is chosen


def test_the_management_account_is_never_chosen() -> None:
    """It rarely has the role, so it is left to `targets`, even where it is named."""
    include = AccountChoice(accounts=(MANAGEMENT,))

    assert not chooses(DISCOVERY, account(MANAGEMENT))
    assert not chooses(replace(DISCOVERY, include=include), account(MANAGEMENT))


def test_a_target_for_every_account_and_region() -> None:
    """Targets stand by account, whatever the order of the list, then as the regions do, with all that they need."""
    discovery = replace(
        DISCOVERY,
        role_name="path/exporter",
        external_id="secret",
        session_name="prometheus",
        labels=(("team", "ml"),),
        job_filter=JobFilter(name_contains="prod-"),
        profile="training",
        assume_role=AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts"),
    )

    assert discovered_targets(discovery, [account(PLATFORM), account(RESEARCH)]) == tuple(
        Target(
            name=f"discovery.organizations[{number}]",
            region=region,
            account_id=number,
            assume_role=AssumeRole(f"arn:aws:iam::{number}:role/path/exporter", "secret", "prometheus"),
            profile="training",
            labels=(("team", "ml"),),
            job_filter=JobFilter(name_contains="prod-"),
        )
        for number in (RESEARCH, PLATFORM)
        for region in ("us-west-2", "us-east-1")
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_roles_are_of_the_organizations_partition(partition: str) -> None:
    """The role's ARN begins as that of the account does."""
    [target, _] = discovered_targets(DISCOVERY, [account(partition=partition)])

    assert target.assume_role == AssumeRole(f"arn:{partition}:iam::{RESEARCH}:role/bedrock-exporter")


def test_what_the_file_names_itself_is_left_to_it() -> None:
    """A target of the file takes its account and region out of what is found, so that it can have labels of its own."""
    configured = (Target("targets[0]", "us-east-1", RESEARCH), Target("targets[1]", "us-west-2"))

    found = discovered_targets(DISCOVERY, [account(RESEARCH), account(PLATFORM)], configured)

    assert [(target.account_id, target.region) for target in found] == [
        (RESEARCH, "us-west-2"),
        (PLATFORM, "us-west-2"),
        (PLATFORM, "us-east-1"),
    ]
