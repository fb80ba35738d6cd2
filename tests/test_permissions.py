"""What the exporter has to be allowed: each action exists, is one that it calls, and stands in every document."""

import json
import re
import runpy
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import faults
import hcl2
import pytest
from faults import ACCOUNT, ROLE
from hcl2.utils import SerializationOptions
from runbooks import Runbook, aws_fault

from exporter import config, permissions
from exporter.bedrock import Sessions, TargetClient
from exporter.model import AssumeRole, AwsSettings, Target
from exporter.simulator import Request, Response, Server

DOCS = Path(__file__).parents[1] / "docs"
IAM = DOCS / "iam"
BUILDER: dict[str, Any] = runpy.run_path(str(DOCS / "build_iam.py"))
BUILT: dict[Path, str] = BUILDER["build"]()
POLICIES = sorted((IAM / "policies").glob("*.json"))
HOUR = timedelta(hours=1)
PLAIN = SerializationOptions(strip_string_quotes=True)
HAND_WRITTEN = {"README.md", "outputs.tf", "variables.tf", "versions.tf"}


def actions_of(policy: dict[str, Any]) -> Iterator[str]:
    for statement in policy["Statement"]:
        actions = statement["Action"]
        yield from [actions] if isinstance(actions, str) else actions


def blocks(language: str) -> list[str]:
    """What stands in the blocks of docs/iam.md in a language."""
    page = (DOCS / "iam.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)


# The documents


@pytest.mark.parametrize("place", BUILT, ids=lambda place: str(place.relative_to(DOCS)))
def test_documents_are_up_to_date(place: Path) -> None:
    """docs/iam.md and docs/iam are what their generator writes; if they are not, `make docs` writes them anew."""
    assert place.read_text(encoding="utf-8") == BUILT[place]


def test_nothing_is_left_over() -> None:
    """Every file of docs/iam is generated, or known to be written by hand."""
    found = {path for path in IAM.rglob("*") if path.is_file()}
    assert found == {path for path in BUILT if path.is_relative_to(IAM)} | {
        IAM / "terraform" / name for name in HAND_WRITTEN
    }


def test_the_page_shows_each_policy() -> None:
    """What stands in a file of docs/iam/policies stands in docs/iam.md, and nothing else does."""
    shown = [json.loads(block) for block in blocks("json")]
    filed = [json.loads(path.read_text(encoding="utf-8"))["Statement"] for path in POLICIES]
    assert sorted(map(repr, shown)) == sorted(repr(statement) for (statement,) in filed)


def test_the_configuration_on_the_page_is_good() -> None:
    """And its target takes on the role that the page makes."""
    (block,) = blocks("yaml")
    loaded = config.load(block, file="iam.md", environ={}, default_region=lambda _: None)
    assert {target.assume_role for target in loaded.targets} == {AssumeRole(BUILDER["ROLE"], BUILDER["EXTERNAL_ID"])}


def test_commands_on_the_page_exist() -> None:
    """The AWS CLI knows each of them, and its options."""
    session = botocore.session.get_session()
    commands = Runbook(DOCS / "iam.md").commands("aws")
    assert [words[1:3] for words in commands] == [
        ["cloudformation", "create-stack-set"],
        ["cloudformation", "create-stack-instances"],
        ["eks", "create-pod-identity-association"],
    ]
    assert [aws_fault(words, session) for words in commands] == [None] * 3


# The actions


@pytest.fixture(scope="module")
def operations() -> dict[str, list[str]]:
    """IAM's prefix for a service → its operations, as botocore knows them."""
    session = botocore.session.get_session()
    models = (session.get_service_model(name) for name in ("bedrock", "organizations", "sts"))
    return {model.signing_name: model.operation_names for model in models}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies_are_policies(path: Path, operations: dict[str, list[str]]) -> None:
    """Each file is a whole policy, whose actions are operations of AWS."""
    policy = json.loads(path.read_text(encoding="utf-8"))
    assert policy.keys() == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        known = {"Effect", "Action", "Condition"} | {"Principal" if path.stem.startswith("trust-") else "Resource"}
        assert statement.keys() <= known
        assert statement["Effect"] == "Allow"
    for action in actions_of(policy):
        service, _, operation = action.partition(":")
        assert operation in operations[service] or action == permissions.TAG_SESSION  # which only permits


def test_what_is_called_is_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets with and without a role call the actions of their statements, one that needs none, and no other."""
    requests: list[str] = []

    def respond(request: Request) -> Response:
        if request.path != "/":
            return faults.page(faults.job(1))
        return faults.identity() if faults.action_of(request) == "GetCallerIdentity" else faults.assumed("token", HOUR)

    with Server(respond) as server:
        for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        sessions = Sessions(AwsSettings(None, None, 5, 5, 1), requests.append)
        for role in (None, AssumeRole(ROLE)):
            client = TargetClient(Target("targets[0]", "us-east-1", assume_role=role), sessions)
            assert len(list(client.pages(1, 0))) == 1
            client.close()
    policy = permissions.policy(permissions.watch(), permissions.assume([ROLE]))
    allowed = {action.partition(":")[2] for action in actions_of(policy)}
    assert set(requests) == (allowed | {"GetCallerIdentity"}) - {"TagSession"}


# The Terraform module


def test_terraform_makes_the_role() -> None:
    """Its policies are those that the exporter's own code knows; its variables are all declared, explained and used."""
    read: dict[str, Any] = {
        path.stem: hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=PLAIN)
        for path in (IAM / "terraform").glob("*.tf")
    }
    documents = {}
    for each in read["main"]["data"]:
        ((name, document),) = each["aws_iam_policy_document"].items()
        documents[name] = statement_of(*document["statement"])
    trust = permissions.trust("${var.exporter_role_arn}", "")
    trust["Condition"]["StringEquals"]["sts:ExternalId"] = (
        "${condition.value}",
        "${var.external_id == null ? [] : [[var.external_id]]}",
    )
    watch = permissions.watch(["any"])
    watch["Action"] = [watch["Action"]]
    watch["Condition"]["StringEquals"]["aws:RequestedRegion"] = (
        "${condition.value}",
        "${length(var.regions) == 0 ? [] : [var.regions]}",
    )
    assert documents == {"trust": trust, "permissions": watch}
    text = (IAM / "terraform" / "main.tf").read_text(encoding="utf-8")
    readme = (IAM / "terraform" / "README.md").read_text(encoding="utf-8")
    variables = {name: variable for each in read["variables"]["variable"] for name, variable in each.items()}
    assert (
        variables.keys()
        == set(re.findall(r"var\.(\w+)", text))
        == set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE))
    )
    assert variables["role_name"]["default"] == ROLE.rpartition("/")[2]


def statement_of(block: dict[str, Any]) -> dict[str, Any]:
    """An aws_iam_policy_document's statement as IAM writes it; of its condition, the values and what gives them."""
    condition = block["dynamic"][0]["condition"]
    (content,) = condition["content"]
    statement = {
        "Effect": "Allow",
        "Action": block["actions"],
        "Condition": {content["test"]: {content["variable"]: (content["values"], condition["for_each"])}},
    }
    if "principals" in block:
        ((kind, who),) = [(each["type"], each["identifiers"]) for each in block["principals"]]
        return {**statement, "Principal": {kind: who[0]}}
    return {**statement, "Resource": block["resources"][0]}


# ARNs


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/exporter/session", f"arn:aws:iam::{ACCOUNT}:role/exporter"),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/a+b/i-0123", f"arn:aws-cn:iam::{ACCOUNT}:role/a+b"),
        (f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/a/b@c", f"arn:aws-us-gov:iam::{ACCOUNT}:role/a"),
        (f"arn:aws:iam::{ACCOUNT}:user/exporter", f"arn:aws:iam::{ACCOUNT}:user/exporter"),
        (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root"),
    ],
)
def test_principals(arn: str, principal: str) -> None:
    """A session of a role is the role to a policy; anybody else is who they are."""
    assert permissions.principal(arn) == principal
