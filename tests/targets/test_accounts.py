"""Which accounts of an organization are watched."""

from dataclasses import replace

import pytest

from exporter.targets.accounts import Account, AccountChoice, Discovery
from exporter.targets.target import AssumeRole, Target

MANAGEMENT, RESEARCH, PLATFORM = "999988887777", "111122223333", "444455556666"
DISCOVERY = Discovery("bedrock-exporter", ("us-west-2", "us-east-1"))


def account(number: str = RESEARCH, name: str = "ml-research", **tags: str) -> Account:
    return Account(number, name, f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{number}", tags)


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        pytest.param(AccountChoice(), False, id="nothing"),
        pytest.param(AccountChoice(accounts=(PLATFORM, RESEARCH)), True, id="id"),
        pytest.param(AccountChoice(accounts=(PLATFORM,)), False, id="other-id"),
        pytest.param(AccountChoice(names=("data-*", "ml-*")), True, id="pattern"),
        pytest.param(AccountChoice(names=("ml-researc?",)), True, id="one-character"),
        pytest.param(AccountChoice(names=("ML-*", "ml", "*-ml")), False, id="other-patterns"),
        pytest.param(AccountChoice(tags=(("stage", "p*"),)), True, id="tag-pattern"),
        pytest.param(AccountChoice(tags=(("stage", "test"), ("Stage", "prod"))), False, id="other-tags"),
        pytest.param(AccountChoice(tags=(("owner", "*"),)), False, id="tag-that-is-missing"),
        pytest.param(AccountChoice((PLATFORM,), ("data-*",), (("stage", "prod"),)), True, id="any-of-them"),
    ],
)
def test_a_choice_fits_accounts_that_match_any_of_it(choice: AccountChoice, fits: bool) -> None:
    """An id, a pattern of the name or of a tag's value is enough."""
    assert choice.fits(account(stage="prod")) is fits


ML, SANDBOX = AccountChoice(names=("ml-*",)), AccountChoice(tags=(("stage", "sandbox"),))


@pytest.mark.parametrize(
    ("candidate", "include", "exclude", "chosen"),
    [
        pytest.param(account(), AccountChoice(), AccountChoice(), True, id="all"),
        pytest.param(account(), ML, SANDBOX, True, id="included"),
        pytest.param(account(name="data"), ML, SANDBOX, False, id="not-included"),
        pytest.param(account(stage="sandbox"), ML, SANDBOX, False, id="excluded-wins"),
        pytest.param(account(), AccountChoice(), SANDBOX, True, id="not-excluded"),
        pytest.param(account(MANAGEMENT), AccountChoice(), AccountChoice(), False, id="management"),
        pytest.param(
            account(MANAGEMENT), AccountChoice((MANAGEMENT,)), AccountChoice(), False, id="management-by-name"
        ),
    ],
)
def test_what_is_included_and_not_excluded_is_chosen(
    candidate: Account, include: AccountChoice, exclude: AccountChoice, chosen: bool
) -> None:
    """The management account never is, even where it is named: it rarely has the role."""
    assert replace(DISCOVERY, include=include, exclude=exclude).chooses(candidate) is chosen


@pytest.mark.parametrize(
    ("discovery", "asks"),
    [(DISCOVERY, False), (replace(DISCOVERY, include=SANDBOX), True), (replace(DISCOVERY, exclude=SANDBOX), True)],
)
def test_tags_are_only_asked_for_where_they_decide(discovery: Discovery, asks: bool) -> None:
    """They cost a call per account."""
    assert discovery.asks_for_tags is asks


def test_accounts_are_listed_from_the_first_region() -> None:
    """With the credentials of the discovery, not those of an account's role."""
    role = AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts")

    assert replace(DISCOVERY, profile="training", assume_role=role).lister == Target(
        "discovery.organizations", "us-west-2", assume_role=role, profile="training"
    )
