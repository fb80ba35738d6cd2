"""Against moto's Organizations, STS and Bedrock: accounts are found, and each is watched through its role."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from e2e.processes import simulated_aws
from e2e.somebody_elses_aws import moto

from exporter.bedrock.clients import Clients
from exporter.bedrock.organizations import list_accounts
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.targets.accounts import AccountChoice, Discovery
from exporter.targets.desired import desired
from exporter.targets.shard import Shard
from exporter.targets.target import AssumeRole

pytestmark = pytest.mark.e2e

MANAGEMENT = "123456789012"  # moto's own
REGIONS = ("us-west-2", "eu-west-1")
ROLE = "watch/bedrock-exporter"
MANY = [f"many-{number}" for number in range(45)]
"""Accounts in the unit `many`: moto, as AWS does, lists 20 of a unit on a page."""
ML = ["research", "training", "tuning"]
EVERYBODY = ["shared", *ML, *MANY]


@dataclass(frozen=True)
class Organization:
    """Ids by name: units in units, and accounts in them."""

    url: str
    units: dict[str, str]
    accounts: dict[str, str]

    @classmethod
    def create(cls, url: str) -> "Organization":
        """One account is closed, one is in no unit, some have tags."""
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        api: Any = boto3.client("organizations", region_name=REGIONS[0], endpoint_url=url, **keys)
        api.create_organization(FeatureSet="ALL")
        made = cls(url, {"root": api.list_roots()["Roots"][0]["Id"]}, {})
        for name, parent in (("ml", "root"), ("prod", "ml"), ("many", "root")):
            unit = api.create_organizational_unit(ParentId=made.units[parent], Name=name)
            made.units[name] = unit["OrganizationalUnit"]["Id"]

        def add(name: str, unit: str, **tags: str) -> None:
            given = [{"Key": key, "Value": value} for key, value in tags.items()]
            status = api.create_account(AccountName=name, Email=f"{name}@example.com", Tags=given)
            number = made.accounts[name] = status["CreateAccountStatus"]["AccountId"]
            if unit != "root":
                root = made.units["root"]
                api.move_account(AccountId=number, SourceParentId=root, DestinationParentId=made.units[unit])

        add("shared", "root")
        add("research", "ml", stage="test", team="ml")
        add("training", "prod", stage="prod", team="ml")
        add("tuning", "prod", stage="prod")
        add("closed", "prod", stage="prod")
        for name in MANY:
            add(name, "many")
        api.close_account(AccountId=made.accounts["closed"])
        api.close()
        return made


@pytest.fixture(scope="module")
def organization() -> Iterator[Organization]:
    with moto() as url:
        yield Organization.create(url)


@pytest.fixture(scope="module")
def clients(organization: Organization) -> Iterator[Clients]:
    """An exporter's clients, with the credentials of the management account."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in simulated_aws(organization.url).items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", organization.url)
        environment.setenv("AWS_ACCESS_KEY_ID", "any")  # moto's own account
        yield Clients(AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1), 1)


ALL = Discovery(ROLE, REGIONS)
TESTS, TUNING = AccountChoice(names=("shared",), tags=(("stage", "test"),)), AccountChoice(names=("tun*",))
NEITHER = AccountChoice(names=("many-*",), tags=(("team", "m?"),))


@pytest.mark.parametrize(
    ("units", "discovery", "names"),
    [
        ([], ALL, EVERYBODY),
        (["root"], ALL, EVERYBODY),
        (["ml"], ALL, ML),
        (["prod"], ALL, ["training", "tuning"]),
        (["many"], ALL, MANY),
        (["prod", "ml", "many"], ALL, [*ML, *MANY]),
        ([], replace(ALL, include=AccountChoice(names=("t*ing",))), ["training", "tuning"]),
        ([], replace(ALL, include=AccountChoice(tags=(("stage", "*"),)), exclude=TUNING), ["research", "training"]),
        ([], replace(ALL, include=TESTS), ["research", "shared"]),
        ([], replace(ALL, exclude=NEITHER), ["shared", "tuning"]),
    ],
)
def test_accounts(
    organization: Organization, clients: Clients, units: list[str], discovery: Discovery, names: list[str]
) -> None:
    """Every active account but the management account, of a unit and those below, as names and tags choose."""
    in_units = replace(discovery, organizational_units=tuple(organization.units[unit] for unit in units))
    found = [account.id for account in list_accounts(in_units, clients)]
    assert found == sorted(organization.accounts[name] for name in names)


def test_each_account_is_watched_through_its_role(organization: Organization, clients: Clients) -> None:
    """A role of the management account lists the accounts; the role in each account sees that account's jobs only."""
    lister = AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts")
    discovery = Discovery(ROLE, REGIONS, organizational_units=(organization.units["ml"],), assume_role=lister)
    targets = desired((), discovery, list_accounts(discovery, clients), Shard())
    accounts = [organization.accounts[name] for name in ML]
    expected = {(account, region): [f"job-{account}"] for account in accounts for region in REGIONS}
    assert {(target.account_id, target.region) for target in targets} == expected.keys()
    for target in targets:
        clients.access(target).bedrock().create_model_customization_job(
            jobName=f"job-{target.account_id}",
            customModelName="any",
            roleArn=target.assume_role.role_arn if target.assume_role else "",
            baseModelIdentifier="amazon.titan-text-lite-v1",
            trainingDataConfig={"s3Uri": "s3://training/train.jsonl"},
            outputDataConfig={"s3Uri": "s3://training/out"},
            hyperParameters={"epochCount": "1"},
        )
    assert expected == {
        (target.account_id, target.region): [
            job.job_name for page in TargetReader(target, clients).pages(10, 0) for job in page.jobs
        ]
        for target in targets
    }
