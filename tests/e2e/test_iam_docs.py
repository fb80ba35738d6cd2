"""The CloudFormation template of a watched account's role: cfn-lint finds nothing in it, and moto makes the role."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from e2e.processes import PATIENCE, clean_environment
from e2e.somebody_elses_aws import moto
from faults import ACCOUNT

from exporter.doctor import iam as policies
from exporter.labels import account_of

pytestmark = pytest.mark.e2e

TEMPLATE = Path(__file__).parents[2] / "docs" / "iam" / "member-role.yaml"
EXPORTER = f"arn:aws:iam::{ACCOUNT}:role/bedrock-customization-exporter"


def lint(template: Path, home: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--", str(template)]
    environment = {**clean_environment(home), "PYTHONWARNINGS": "default"}  # its own are not ours to fix
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    """Neither errors nor warnings nor hints."""
    linted = lint(TEMPLATE, tmp_path)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_cfn_lint_finds_what_is_wrong(tmp_path: Path) -> None:
    """A policy that IAM would refuse."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8").replace("Effect: Allow", "Effect: Permit"), encoding="utf-8")
    assert "Permit" in lint(wrong, tmp_path).stdout


@pytest.fixture(scope="module", name="moto")
def _moto() -> Iterator[str]:
    """The URL of a running moto."""
    with moto() as url:
        yield url


@pytest.mark.parametrize(
    ("external_id", "regions", "details"),
    [("", [], False), ("ours", ["us-east-1", "us-west-2"], True)],
    ids=["plain", "narrowed-with-details"],
)
def test_the_stack_makes_the_role(moto: str, external_id: str, regions: list[str], *, details: bool) -> None:
    """Its policies are those that the exporter's own code knows, with and without conditions."""
    cloudformation, iam = (
        boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=moto,
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        for service in ("cloudformation", "iam")
    )
    name = f"exporter-{external_id or 'plain'}"
    given = {
        "ExporterRoleArn": EXPORTER,
        "ExternalId": external_id,
        "Regions": ",".join(regions),
        "Details": str(details).lower(),
        "RoleName": name,
    }
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    role: Any = iam.get_role(RoleName=name)["Role"]
    documents = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    assert stack["Outputs"][0]["OutputValue"] == role["Arn"]
    assert role["AssumeRolePolicyDocument"] == policies.policy(policies.trust(EXPORTER, external_id or None))
    # moto has them as Python writes it
    allowed = [ast.literal_eval(each) if isinstance(each, str) else each for each in documents]
    wanted = [policies.watch(regions), *([policies.details(account_of(role["Arn"]) or "")] if details else [])]
    assert allowed == [policies.policy(each) for each in wanted]
    cloudformation.close()
    iam.close()
