"""Writes docs/iam.md, and the policies and modules of docs/iam, from exporter/permissions.py."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from exporter import NAME, permissions
from exporter.bedrock.errors import WISHES
from exporter.bedrock.organizations import operations
from exporter.doctor import as_text, reports
from exporter.model import AccountChoice, AssumeRole, Discovery, Failed, FailureReason, Seen, Target
from exporter.permissions import Statement

DOCS = Path(__file__).parent
PLACE = DOCS / "iam"

OWN, WATCHED = "111122223333", "444455556666"
REGIONS = ("us-east-1", "us-west-2")
OWN_ROLE = f"arn:aws:iam::{OWN}:role/{NAME}"
ROLE_NAME = "bedrock-exporter"
ROLE = f"arn:aws:iam::{WATCHED}:role/{ROLE_NAME}"
NAMESPACE = "monitoring"
CLUSTER = f"arn:aws:eks:us-east-1:{OWN}:cluster/operations"
OIDC = f"arn:aws:iam::{OWN}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
EXTERNAL_ID = "exporter"

WRITTEN = "Written by docs/build_iam.py from exporter/permissions.py: `make docs`."

_ORGANIZATION = Discovery(ROLE_NAME, REGIONS)
_UNITS = Discovery(ROLE_NAME, REGIONS, organizational_units=("ou-ab12-cdef3456",))
_UNITS_AND_TAGS = Discovery(
    ROLE_NAME,
    REGIONS,
    organizational_units=("ou-ab12-cdef3456",),
    include=AccountChoice(tags=(("team", "research"),)),
)

POLICIES: dict[str, Statement] = {
    "watch": permissions.watch(REGIONS),
    "assume-roles": permissions.assume([f"arn:aws:iam::*:role/{ROLE_NAME}"]),
    "discover": permissions.discover(operations(_ORGANIZATION)),
    "discover-units": permissions.discover(operations(_UNITS)),
    "discover-units-and-tags": permissions.discover(operations(_UNITS_AND_TAGS)),
    "trust-irsa": permissions.trust_web_identity(OIDC, f"system:serviceaccount:{NAMESPACE}:{NAME}"),
    "trust-pod-identity": permissions.trust_pod_identity(CLUSTER, NAMESPACE, NAME),
    "trust-exporter": permissions.trust(OWN_ROLE, EXTERNAL_ID),
}
"""Name of a file in docs/iam/policies → its statement."""


def build() -> dict[Path, str]:
    """The text of every file."""
    policies = {
        PLACE / "policies" / f"{name}.json": permissions.as_json(permissions.policy(statement)) + "\n"
        for name, statement in POLICIES.items()
    }
    return {
        DOCS / "iam.md": page(),
        PLACE / "member-role.yaml": template(),
        PLACE / "terraform" / "main.tf": module(),
        **policies,
    }


# The CloudFormation template ------------------------------------------------------------------------------------------


def template() -> str:
    """The role of a watched account, for a stack or a StackSet."""
    trust = permissions.trust("", "")
    trust["Principal"] = {"AWS": {"Ref": "ExporterRoleArn"}}
    trust["Condition"]["StringEquals"]["sts:ExternalId"] = {"Ref": "ExternalId"}
    watch = permissions.watch(REGIONS)
    watch["Condition"]["StringEquals"]["aws:RequestedRegion"] = {"Ref": "Regions"}
    for statement, condition in ((trust, "HasExternalId"), (watch, "HasRegions")):
        statement["Condition"] = {"Fn::If": [condition, statement["Condition"], {"Ref": "AWS::NoValue"}]}
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
            "RoleName": {
                "Type": "String",
                "Description": "Name of the role, the same in every account.",
                "Default": ROLE_NAME,
            },
        },
        "Conditions": {
            "HasExternalId": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]},
            "HasRegions": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Regions"}]}, ""]}]},
        },
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": {"Ref": "RoleName"},
                    "Description": f"Read by {NAME}",
                    "AssumeRolePolicyDocument": permissions.policy(trust),
                    "Policies": [
                        {"PolicyName": "list-model-customization-jobs", "PolicyDocument": permissions.policy(watch)}
                    ],
                },
            }
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


def module() -> str:
    """main.tf of the same role; its variables and outputs are written by hand."""
    trust = _document(
        "trust",
        permissions.trust("var.exporter_role_arn", ""),
        for_each="var.external_id == null ? [] : [[var.external_id]]",
    )
    watch = _document(
        "permissions", permissions.watch(REGIONS), for_each="length(var.regions) == 0 ? [] : [var.regions]"
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


def _document(name: str, statement: Statement, for_each: str) -> str:
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
}}
"""


# The page -------------------------------------------------------------------------------------------------------------


def page() -> str:
    """The text of docs/iam.md."""
    policies = {name: f"```json\n{permissions.as_json(statement)}\n```" for name, statement in POLICIES.items()}
    return PAGE.format(
        written=WRITTEN,
        name=NAME,
        role=ROLE,
        role_name=ROLE_NAME,
        own_role=OWN_ROLE,
        external_id=EXTERNAL_ID,
        namespace=NAMESPACE,
        cluster=CLUSTER.rpartition("/")[2],
        regions=", ".join(REGIONS),
        regions_option=r"\,".join(REGIONS),
        list_jobs=permissions.LIST_JOBS,
        doctor=_doctor(),
        policies=policies,
    )


def _doctor() -> str:
    """What `--doctor` prints where a target lacks its permission."""
    user = f"arn:aws:sts::{OWN}:assumed-role/{NAME}/eks-operations-{NAME}-0a1b2c3d"
    good = Seen(Target("targets[0]", "us-east-1"), permissions.watch(), ahead=0.3, identity=user, listed="412 jobs")
    session = f"arn:aws:sts::{WATCHED}:assumed-role/{ROLE_NAME}/{NAME}"
    denied = Failed(
        None,
        FailureReason.ACCESS_DENIED,
        "AccessDeniedException: An error occurred (AccessDeniedException) when calling the ListModelCustomizationJobs "
        f"operation: User: {session} is not authorized to perform: {permissions.LIST_JOBS} because no identity-based "
        f"policy allows the {permissions.LIST_JOBS} action; {WISHES[FailureReason.ACCESS_DENIED]}",
    )
    bad = Seen(
        Target("targets[1]", "us-west-2", WATCHED, AssumeRole(ROLE)),
        permissions.watch(),
        ahead=0.3,
        identity=user,
        role=session,
        listed=denied,
    )
    return as_text(reports([good, bad])).rstrip()


PAGE = """\
# Permissions

<!-- {written} -->

The exporter reads one list, and nothing else: no job's data, no model, no bucket. What it has to be allowed depends on
what its configuration asks for. `sts:GetCallerIdentity`, by which it learns its account, needs no permission.

| the configuration has | the exporter's own identity needs | each watched account needs |
|---|---|---|
| `targets` without `assume_role` | [to list jobs](#listing-jobs) | |
| `targets` with `assume_role` | [to assume roles](#roles-of-other-accounts) | [a role that it can assume](#the-role-of-a-watched-account) |
| `discovery.organizations` | the same, and [to list accounts](#accounts-of-an-organization) | the same role |

Below, `111122223333` is the exporter's own account and `444455556666` one that it watches. In other partitions ARNs
begin with `arn:aws-cn` or `arn:aws-us-gov`. The policies are also files in [iam/policies](iam/policies), each whole.

## Listing jobs

{policies[watch]}

`bedrock:ListModelCustomizationJobs` knows no narrower resource than `*`. The condition is optional; the regions are
those of the configuration.

## Roles of other accounts

{policies[assume-roles]}

`*` stands for any account: which of them it gets into is for the role there to say. Name the roles one by one where
that is not enough. `sts:TagSession` is for [EKS Pod Identity](#eks-pod-identity), whose session tags go on into the
next role; nothing else has need of it.

### The role of a watched account

It has the permission [to list jobs](#listing-jobs), and a trust policy that names the exporter's own role:

{policies[trust-exporter]}

The condition is for accounts of others: `external_id` in the configuration then says the same. IAM refuses a trust
policy that names a role which does not exist, so make the exporter's own role first.

[iam/member-role.yaml](iam/member-role.yaml) makes this role by CloudFormation. In all accounts of an organizational
unit, present and future ones, it is a StackSet; IAM is global, so one region does:

```sh
aws cloudformation create-stack-set --stack-set-name {name} \\
  --template-body file://docs/iam/member-role.yaml --capabilities CAPABILITY_NAMED_IAM \\
  --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false \\
  --parameters ParameterKey=ExporterRoleArn,ParameterValue={own_role} \\
    'ParameterKey=Regions,ParameterValue={regions_option}'
aws cloudformation create-stack-instances --stack-set-name {name} \\
  --deployment-targets OrganizationalUnitIds=ou-ab12-cdef3456 --regions us-east-1
```

A StackSet leaves out the management account. [iam/terraform](iam/terraform) is the same role as a Terraform module.

In `config.yaml`:

```yaml
targets:
  - regions: [{regions}]
    assume_role:
      role_arn: {role}
      external_id: {external_id}
```

## Accounts of an organization

For `discovery.organizations`, in the management account or in one that it has made a delegated administrator:

{policies[discover]}

With `organizational_units`:

{policies[discover-units]}

Choosing accounts by `tags` takes `organizations:ListTagsForResource` besides, as here:

{policies[discover-units-and-tags]}

Then each account that is found is entered by [its role](#the-role-of-a-watched-account), all of the same name.

## The exporter's own identity

It takes AWS credentials from where every AWS tool does: environment, profile, SSO, the role of an instance or of a
task. On EKS there are two ways. Whichever it is, the policies above belong to that identity. [eks.md](eks.md) goes through them from the start.

### EKS Pod Identity

The trust policy of the role, for the service account `{name}` in the namespace `{namespace}`:

{policies[trust-pod-identity]}

```sh
aws eks create-pod-identity-association --cluster-name {cluster} --namespace {namespace} \\
  --service-account {name} --role-arn {own_role}
```

The condition needs the session tags that Pod Identity sets; leave it out where they are switched off
(`disableSessionTags`). Where they are on, roles in other accounts have to allow `sts:TagSession`, as
[above](#the-role-of-a-watched-account); without it AWS answers that `sts:TagSession` is denied.

### IAM roles for service accounts (IRSA)

{policies[trust-irsa]}

The provider is the cluster's own, and the service account is annotated with `eks.amazonaws.com/role-arn: {own_role}`.

## See what is missing

`--doctor` asks AWS, for each target, what the exporter needs, and changes nothing:

```sh
{name} --config.file=config.yaml --doctor
```

```text
{doctor}
```

| check | passed when |
|---|---|
| clock | it is within 2 minutes of AWS's; AWS refuses what is signed more than 5 minutes off |
| identity | STS says whose the credentials are, and the account is the configured one |
| role | the target's role can be assumed |
| region | Amazon Bedrock answers there, and has model customization |
| permission | the list is allowed |
| page | its first page is good |

✘ is a check that failed, and below the table stands what to do, once for all targets that lack the same. A dash
marks one that could not be made, as an earlier one failed, or that does not apply: STS knows no identity of an API key
for Amazon Bedrock, and need not tell it where all that is wanted of STS is a role. A region without model customization is ✘, although
the exporter gets along with it: it asks there once an hour, `bedrock_exporter_target_up` is 0 with the reason
`unsupported_region`, and the alerts pass over it.

With `discovery.organizations` the accounts are listed first, and then each is checked. Each target has `poll.timeout`
to answer, and `poll.concurrency` of them are asked at a time; a request is tried twice at most. Until all is known, a
terminal shows how far it is, and then the table. `--log.format=json` prints the same as one JSON document, and nothing
before it. The exit code is 1 if any check failed, and 0 if none did.

It runs where the exporter runs, with the same identity: `kubectl exec` into its pod, for instance.
"""  # noqa: E501 - a table


if __name__ == "__main__":
    for place, text in build().items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
