"""The permissions that the exporter needs: each exists, is one that it uses, and is in every document of docs/iam."""

import json
import re
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

from exporter.bedrock.actions import TAG_SESSION
from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.config.resolve import load
from exporter.doctor import iam
from exporter.simulator import Request, Response, Server
from exporter.targets.target import AssumeRole, Target

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "iam.md").read_text(encoding="utf-8")
POLICIES = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DOCS / "iam/policies").glob("*.json"))
}


def actions_of(policy: dict[str, Any]) -> Iterator[str]:
    for statement in policy["Statement"]:
        yield from [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def blocks(language: str) -> list[str]:
    """The code blocks of docs/iam.md in a language."""
    return re.findall(rf"^```{language}\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", POLICIES)
def test_policies(name: str) -> None:
    """Each file is a whole policy of one statement, which docs/iam.md shows, and its actions are operations of AWS."""
    (statement,) = POLICIES[name]["Statement"]
    assert POLICIES[name] == iam.policy(statement)
    assert statement["Effect"] == "Allow"
    whom = {"Principal"} if name.startswith("trust-") else {"Resource"}
    assert statement.keys() - {"Condition"} == {"Effect", "Action"} | whom
    assert statement in [json.loads(block) for block in blocks("json")]
    models = [botocore.session.get_session().get_service_model(each) for each in ("bedrock", "organizations", "sts")]
    known = {f"{model.signing_name}:{operation}" for model in models for operation in model.operation_names}
    assert set(actions_of(POLICIES[name])) <= known | {TAG_SESSION}  # which only permits


def test_the_page() -> None:
    """It shows each policy once; its configuration assumes the role that it creates; the AWS CLI knows its commands."""
    assert len(blocks("json")) == len(POLICIES)
    (config,) = blocks("yaml")
    loaded = load(config, file="iam.md", environ={}, default_region=lambda _: None, known_regions=frozenset())
    external_id = POLICIES["trust-exporter"]["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    (role,) = {target.assume_role for target in loaded.targets}
    assert role is not None
    assert role == AssumeRole(role.role_arn, external_id)
    assert role.role_arn.endswith(POLICIES["assume-roles"]["Statement"][0]["Resource"][0].partition("*")[2])
    session = botocore.session.get_session()
    commands = {" ".join(words[1:3]): aws_fault(words, session) for words in Runbook(DOCS / "iam.md").commands("aws")}
    assert commands == dict.fromkeys(
        [
            "cloudformation create-stack-set",
            "cloudformation create-stack-instances",
            "eks create-pod-identity-association",
        ]
    )


def test_what_is_called_is_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets with and without a role call the actions of their statements, one that needs none, and no other."""
    requests: list[str] = []
    role = faults.assumed("token", timedelta(hours=1))

    def respond(request: Request) -> Response:
        if request.path != "/":
            return faults.page(faults.job(1))
        return faults.identity() if faults.action_of(request) == "GetCallerIdentity" else role

    with Server(respond) as server:
        for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        clients = Clients(AwsSettings(None, None, 5, 5, 1), 1, requests.append)
        for assume_role in (None, AssumeRole(ROLE)):
            reader = TargetReader(Target("targets[0]", "us-east-1", assume_role=assume_role), clients)
            assert len(list(reader.pages(1, 0))) == 1
    allowed = {action.partition(":")[2] for action in actions_of(iam.policy(iam.watch(), iam.assume([ROLE])))}
    assert set(requests) == (allowed | {"GetCallerIdentity"}) - {"TagSession"}


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
    """To a policy a session of a role is the role; anybody else has one name."""
    assert iam.principal(arn) == principal


# The Terraform module


def test_terraform_makes_the_role() -> None:
    """Its statements are those of the exporter's own code; its variables are all declared, explained and used."""
    folder = DOCS / "iam" / "terraform"
    plain = SerializationOptions(strip_string_quotes=True)
    read: dict[str, Any] = {
        path.stem: hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=plain)
        for path in folder.glob("*.tf")
    }
    documents = {
        name: statement_of(*document["statement"])
        for each in read["main"]["data"]
        for name, document in each["aws_iam_policy_document"].items()
    }
    trust = iam.trust("${var.exporter_role_arn}", "")
    trust["Condition"]["StringEquals"]["sts:ExternalId"] = (
        "${condition.value}",
        "${var.external_id == null ? [] : [[var.external_id]]}",
    )
    watch = iam.watch(["any"])
    watch["Action"] = [watch["Action"]]
    watch["Condition"]["StringEquals"]["aws:RequestedRegion"] = (
        "${condition.value}",
        "${length(var.regions) == 0 ? [] : [var.regions]}",
    )
    assert documents == {"trust": trust, "permissions": watch}
    (optional,) = read["main"]["data"][1]["aws_iam_policy_document"]["permissions"]["dynamic"]
    (content,) = optional["statement"]["content"]
    details = iam.details(partition="*")
    assert (content["actions"], content["resources"]) == (details["Action"], [details["Resource"]])
    assert optional["statement"]["for_each"] == "${var.details ? [true] : []}"
    variables = {name: variable for each in read["variables"]["variable"] for name, variable in each.items()}
    used = set(re.findall(r"var\.(\w+)", (folder / "main.tf").read_text(encoding="utf-8")))
    explained = re.findall(r"^\| `(\w+)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert variables.keys() == used == set(explained)
    assert variables["role_name"]["default"] == ROLE.rpartition("/")[2]


def statement_of(block: dict[str, Any]) -> dict[str, Any]:
    """An aws_iam_policy_document's statement as IAM writes it; of its condition, the values and what gives them."""
    condition = block["dynamic"][0]["condition"]
    (content,) = condition["content"]
    test = {content["test"]: {content["variable"]: (content["values"], condition["for_each"])}}
    statement = {"Effect": "Allow", "Action": block["actions"], "Condition": test}
    if "principals" in block:
        (who,) = block["principals"]
        return {**statement, "Principal": {who["type"]: who["identifiers"][0]}}
    return {**statement, "Resource": block["resources"][0]}
