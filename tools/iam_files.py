"""Writes docs/iam: a policy for each feature, and the role of a watched account for CloudFormation and Terraform."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from exporter import NAME
from exporter.bedrock.organizations import operations
from exporter.doctor import iam
from exporter.doctor.iam import Statement
from exporter.targets.accounts import AccountChoice, Discovery

PLACE = Path(__file__).parents[1] / "docs" / "iam"
WRITTEN = "Written by tools/iam_files.py from exporter/doctor/iam.py: `make docs`."

OWN, WATCHED = "111122223333", "444455556666"
REGIONS = ("us-east-1", "us-west-2")
OWN_ROLE = f"arn:aws:iam::{OWN}:role/{NAME}"
ROLE_NAME = "bedrock-exporter"
ROLE = f"arn:aws:iam::{WATCHED}:role/{ROLE_NAME}"
NAMESPACE = "monitoring"
CLUSTER = f"arn:aws:eks:us-east-1:{OWN}:cluster/operations"
OIDC = f"arn:aws:iam::{OWN}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
EXTERNAL_ID = "exporter"

_ORGANIZATION = Discovery(ROLE_NAME, REGIONS)
_UNITS = Discovery(ROLE_NAME, REGIONS, organizational_units=("ou-ab12-cdef3456",))
_UNITS_AND_TAGS = Discovery(
    ROLE_NAME,
    REGIONS,
    organizational_units=("ou-ab12-cdef3456",),
    include=AccountChoice(tags=(("team", "research"),)),
)

POLICIES: dict[str, Statement] = {
    "watch": iam.watch(REGIONS),
    "details": iam.details(OWN),
    "assume-roles": iam.assume([f"arn:aws:iam::*:role/{ROLE_NAME}"], in_organization=True),
    "discover": iam.discover(operations(_ORGANIZATION)),
    "discover-units": iam.discover(operations(_UNITS)),
    "discover-units-and-tags": iam.discover(operations(_UNITS_AND_TAGS)),
    "trust-irsa": iam.trust_web_identity(OIDC, f"system:serviceaccount:{NAMESPACE}:{NAME}"),
    "trust-pod-identity": iam.trust_pod_identity(CLUSTER, NAMESPACE, NAME),
    "trust-exporter": iam.trust(OWN_ROLE, EXTERNAL_ID),
}
"""Name of a file in docs/iam/policies → its statement."""


def files() -> dict[Path, str]:
    """The policies, the template, and the module; docs/iam/terraform has more files, written by hand."""
    return {
        PLACE / "member-role.yaml": _template(),
        PLACE / "terraform" / "main.tf": _module(),
        **{
            PLACE / "policies" / f"{name}.json": iam.as_json(iam.policy(statement)) + "\n"
            for name, statement in POLICIES.items()
        },
    }


# The CloudFormation template ------------------------------------------------------------------------------------------


def _template() -> str:
    """The role of a watched account, for a stack or a StackSet."""
    trust = iam.trust("", "")
    trust["Principal"] = {"AWS": {"Ref": "ExporterRoleArn"}}
    trust["Condition"]["StringEquals"]["sts:ExternalId"] = {"Ref": "ExternalId"}
    watch = iam.watch(REGIONS)
    watch["Condition"]["StringEquals"]["aws:RequestedRegion"] = {"Ref": "Regions"}
    for statement, condition in ((trust, "HasExternalId"), (watch, "HasRegions")):
        statement["Condition"] = {"Fn::If": [condition, statement["Condition"], {"Ref": "AWS::NoValue"}]}
    details = iam.details("${AWS::AccountId}", partition="${AWS::Partition}")
    details["Resource"] = {"Fn::Sub": details["Resource"]}
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The role by which {NAME} lists the model customization jobs of this account.",
        "Parameters": {
            "ExporterRoleArn": {
                "Type": "String",
                "Description": "ARN of the exporter's own role, which must exist already.",
                "AllowedPattern": r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+$",
            },
            "ExternalId": {
                "Type": "String",
                "Description": "What the exporter has to say, as in its configuration; nothing if empty.",
                "Default": "",
            },
            "Regions": {
                "Type": "CommaDelimitedList",
                "Description": "The only regions whose jobs may be listed; all if empty.",
                "Default": "",
            },
            "Details": {
                "Type": "String",
                "Description": "Whether the exporter may read details and tags of jobs, too.",
                "AllowedValues": ["true", "false"],
                "Default": "false",
            },
            "RoleName": {
                "Type": "String",
                "Description": "Name of the role, the same in every account.",
                "Default": ROLE_NAME,
            },
        },
        "Conditions": {
            "HasExternalId": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]},
            "HasRegions": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Regions"}]}, ""]}]},
            "HasDetails": {"Fn::Equals": [{"Ref": "Details"}, "true"]},
        },
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": {"Ref": "RoleName"},
                    "Description": f"Read by {NAME}",
                    "AssumeRolePolicyDocument": iam.policy(trust),
                    "Policies": [{"PolicyName": "list-model-customization-jobs", "PolicyDocument": iam.policy(watch)}],
                },
            },
            "DetailsPolicy": {
                "Type": "AWS::IAM::Policy",
                "Condition": "HasDetails",
                "Properties": {
                    "PolicyName": "read-details-of-jobs",
                    "PolicyDocument": iam.policy(details),
                    "Roles": [{"Ref": "Role"}],
                },
            },
        },
        "Outputs": {
            "RoleArn": {
                "Description": "For assume_role.role_arn in the exporter's configuration.",
                "Value": {"Fn::GetAtt": ["Role", "Arn"]},
            }
        },
    }
    return f"# {WRITTEN}\n{yaml.safe_dump(document, sort_keys=False, width=120)}"


# The Terraform module -------------------------------------------------------------------------------------------------


def _module() -> str:
    """main.tf of the same role; its variables and outputs are written by hand."""
    trust = _document(
        "trust",
        iam.trust("var.exporter_role_arn", ""),
        for_each="var.external_id == null ? [] : [[var.external_id]]",
    )
    watch = _document(
        "permissions",
        iam.watch(REGIONS),
        for_each="length(var.regions) == 0 ? [] : [var.regions]",
        more=_optional(iam.details(partition="*"), when="var.details"),
    )
    return f"""\
# {WRITTEN}

{trust}
{watch}
resource "aws_iam_role" "exporter" {{
  name               = var.role_name
  description        = "Read by {NAME}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}}

resource "aws_iam_role_policy" "exporter" {{
  name   = "list-model-customization-jobs"
  role   = aws_iam_role.exporter.id
  policy = data.aws_iam_policy_document.permissions.json
}}
"""


def _optional(statement: Statement, when: str) -> str:
    """A statement that stands in its document only if the expression `when` is true."""
    return f"""\

  dynamic "statement" {{
    for_each = {when} ? [true] : []

    content {{
      actions   = {json.dumps(statement["Action"])}
      resources = ["{statement["Resource"]}"]
    }}
  }}
"""


def _document(name: str, statement: Statement, for_each: str, more: str = "") -> str:
    """A statement as an aws_iam_policy_document, whose condition stands once for each list of values of `for_each`."""
    ((test, condition),) = statement["Condition"].items()
    (key,) = condition
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if "Principal" in statement:
        ((kind, identifier),) = statement["Principal"].items()
        who = f"""\
    actions = {json.dumps(actions)}

    principals {{
      type        = "{kind}"
      identifiers = [{identifier}]
    }}
"""
    else:
        who = f"""\
    actions   = {json.dumps(actions)}
    resources = ["{statement["Resource"]}"]
"""
    return f"""\
data "aws_iam_policy_document" "{name}" {{
  statement {{
{who}
    dynamic "condition" {{
      for_each = {for_each}

      content {{
        test     = "{test}"
        variable = "{key}"
        values   = condition.value
      }}
    }}
  }}
{more}}}
"""
