"""Against someone else's Organizations, STS and Bedrock, moto's: accounts are found, each is watched by its role."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from e2e.processes import simulated_aws
from e2e.somebody_elses_aws import moto

from exporter.bedrock import Sessions, TargetClient, list_accounts
from exporter.discovery import discovered_targets
from exporter.model import AccountChoice, AssumeRole, AwsSettings, Discovery, FailureReason, Target, WalkError

pytestmark = pytest.mark.e2e

MANAGEMENT = "123456789012"  # moto's own
REGIONS = ("us-west-2", "eu-west-1")
ROLE = "watch/bedrock-exporter"
MANY = 45
"""Accounts in the unit `many`: moto, as AWS does, lists 20 of a unit on a page."""


@dataclass(frozen=True)
class Organization:
    """What was made: ids by name. The accounts stand in units as the last part of their names says."""

    url: str
    root: str
    units: dict[str, str]
    accounts: dict[str, str]

    def named(self, *names: str) -> list[str]:
        """The ids of these accounts, sorted."""
        return sorted(self.accounts[name] for name in names)


def client(service: str, url: str, **credentials: str) -> Any:
    given = credentials or {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(service, region_name=REGIONS[0], endpoint_url=url, **given)


@pytest.fixture(scope="module")
def empty() -> Iterator[str]:
    """The URL of a running moto with nothing in it."""
    with moto() as url:
        yield url


@pytest.fixture(scope="module")
def organization(empty: str) -> Organization:
    """Units in units with accounts in them: one suspended, one outside of every unit, some with tags."""
    api = client("organizations", empty)
    api.create_organization(FeatureSet="ALL")
    root = api.list_roots()["Roots"][0]["Id"]
    units: dict[str, str] = {}
    for name, parent in (("ml", ""), ("prod", "ml"), ("many", "")):
        made = api.create_organizational_unit(ParentId=units.get(parent, root), Name=name)
        units[name] = made["OrganizationalUnit"]["Id"]
    accounts: dict[str, str] = {}

    def add(name: str, unit: str, **tags: str) -> None:
        status = api.create_account(
            AccountName=name,
            Email=f"{name}@example.com",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        accounts[name] = status["CreateAccountStatus"]["AccountId"]
        if unit:
            api.move_account(AccountId=accounts[name], SourceParentId=root, DestinationParentId=units[unit])

    add("shared", "")
    add("research", "ml", stage="test", team="ml")
    add("training", "prod", stage="prod", team="ml")
    add("tuning", "prod", stage="prod")
    add("closed", "prod", stage="prod")
    for number in range(MANY):
        add(f"many-{number}", "many")
    api.close_account(AccountId=accounts["closed"])
    api.close()
    return Organization(empty, root, units, accounts)


@pytest.fixture
def sessions(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """An exporter's sessions, with the credentials of the management account."""
    for name, value in simulated_aws(organization.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", organization.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")  # moto's own account
    return Sessions(AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1))


def found(sessions: Sessions, **wish: Any) -> list[str]:
    """The ids of the accounts that a discovery finds."""
    return [account.id for account in list_accounts(Discovery(ROLE, REGIONS, **wish), sessions)]


def test_the_whole_organization(sessions: Sessions, organization: Organization) -> None:
    """Every active account but the management account; the closed one is gone."""
    everyone = {*organization.accounts} - {"closed"}

    assert found(sessions) == organization.named(*everyone)


@pytest.mark.parametrize(
    ("units", "names"),
    [
        (["ml"], ["research", "training", "tuning"]),
        (["prod"], ["training", "tuning"]),
        (["many"], [f"many-{number}" for number in range(MANY)]),
        (["prod", "ml", "many"], ["research", "training", "tuning", *(f"many-{number}" for number in range(MANY))]),
    ],
    ids=["with-those-below", "leaf", "three-pages", "overlapping"],
)
def test_organizational_units(
    sessions: Sessions, organization: Organization, units: list[str], names: list[str]
) -> None:
    """A unit stands for all accounts in it and below it."""
    wish = tuple(organization.units[unit] for unit in units)

    assert found(sessions, organizational_units=wish) == organization.named(*names)


def test_the_root(sessions: Sessions, organization: Organization) -> None:
    """The root of the organization is the unit of all."""
    assert found(sessions, organizational_units=(organization.root,)) == found(sessions)


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (AccountChoice(names=("t*ing",)), AccountChoice(), ["training", "tuning"]),
        (AccountChoice(tags=(("stage", "prod"),)), AccountChoice(), ["training", "tuning"]),
        (AccountChoice(tags=(("stage", "*"),)), AccountChoice(names=("tun*",)), ["research", "training"]),
        (AccountChoice(names=("shared",), tags=(("stage", "test"),)), AccountChoice(), ["research", "shared"]),
        (AccountChoice(), AccountChoice(names=("many-*",), tags=(("team", "m?"),)), ["shared", "tuning"]),
    ],
    ids=["name", "tag", "tag-but-not-name", "either", "neither"],
)
def test_include_and_exclude(
    sessions: Sessions, organization: Organization, include: AccountChoice, exclude: AccountChoice, names: list[str]
) -> None:
    """Names and tags choose among them."""
    assert found(sessions, include=include, exclude=exclude) == organization.named(*names)


def test_ids(sessions: Sessions, organization: Organization) -> None:
    """So do ids."""
    one, other = organization.named("research", "tuning")

    assert found(sessions, include=AccountChoice((one, other)), exclude=AccountChoice((one,))) == [other]


def submit(organization: Organization, name: str) -> None:
    """Make a job called as the account in the account, in the first region."""
    role = f"arn:aws:iam::{organization.accounts[name]}:role/data-scientist"
    assumed = client("sts", organization.url).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    bedrock = client(
        "bedrock",
        organization.url,
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    bedrock.create_model_customization_job(
        jobName=name,
        customModelName=name,
        roleArn=role,
        baseModelIdentifier="amazon.titan-text-lite-v1",
        trainingDataConfig={"s3Uri": "s3://training/train.jsonl"},
        outputDataConfig={"s3Uri": "s3://training/out"},
        hyperParameters={"epochCount": "1"},
    )


def jobs(target: Target, sessions: Sessions) -> list[str]:
    """The names of the jobs that a target's walk sees."""
    reader = TargetClient(target, sessions)
    seen = [job["jobName"] for page in reader.pages(max_pages=10, now=0) for job in page.summaries()]
    reader.close()
    return seen


def test_each_account_is_watched_by_its_role(organization: Organization, sessions: Sessions) -> None:
    """A role of the management account lists the accounts; the role in each account sees that account's jobs only."""
    discovery = Discovery(
        ROLE,
        REGIONS,
        organizational_units=(organization.units["ml"],),
        assume_role=AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts"),
    )
    for name in ("research", "training"):
        submit(organization, name)

    seen = {
        (target.account_id, target.region): jobs(target, sessions)
        for target in discovered_targets(discovery, list_accounts(discovery, sessions))
    }

    assert seen == {
        (organization.accounts[name], region): [name] if name != "tuning" and region == REGIONS[0] else []
        for name in ("research", "training", "tuning")
        for region in REGIONS
    }


@pytest.mark.usefixtures("organization")
def test_an_empty_list_is_not_believed(sessions: Sessions) -> None:
    """To an account without an organization moto lists none, where AWS would refuse: no account leaves for that."""
    stranger = AssumeRole("arn:aws:iam::000011112222:role/bedrock-exporter")

    with pytest.raises(WalkError) as caught:
        list_accounts(Discovery(ROLE, REGIONS, assume_role=stranger), sessions)

    assert caught.value.reason is FailureReason.MALFORMED_RESPONSE
    assert "no active account" in caught.value.message
