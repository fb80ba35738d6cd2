"""Writes docs/iam.md: what the exporter has to be allowed, and how `--doctor` shows what is missing."""

from __future__ import annotations

from pathlib import Path

from exporter import NAME
from exporter.bedrock.actions import LIST_JOBS
from exporter.bedrock.answers import Problem
from exporter.bedrock.errors import ADVICE
from exporter.doctor import iam
from exporter.doctor.report import as_text, reports
from exporter.doctor.seen import Seen
from exporter.errors import FailureReason
from exporter.targets.target import AssumeRole, Target
from tools.iam_files import CLUSTER, EXTERNAL_ID, NAMESPACE, OWN, OWN_ROLE, POLICIES, REGIONS, ROLE, ROLE_NAME, WATCHED

PLACE = Path(__file__).parents[1] / "docs" / "iam.md"
WRITTEN = "Written by tools/iam_page.py from exporter/doctor/iam.py: `make docs`."

PAGE = """\
# Permissions

<!-- {written} -->

The exporter lists jobs and, if configured, reads their details and tags. It never reads training data, models or buckets.
Which permissions it needs depends on its configuration. `sts:GetCallerIdentity`, which tells it its account, needs none.

| the configuration has | the exporter's own identity needs | each watched account needs |
|---|---|---|
| `targets` without `assume_role` | [list jobs](#listing-jobs) | |
| `targets` with `assume_role` | [assume roles](#roles-of-other-accounts) | [a role that it can assume](#the-role-of-a-watched-account) |
| `details.enabled` or `job_series.tags` | [read details](#details-and-tags-of-jobs), if it watches its own account | [read details](#details-and-tags-of-jobs) |
| `discovery.organizations` | [assume roles](#roles-of-other-accounts) and [list accounts](#accounts-of-an-organization) | [a role that it can assume](#the-role-of-a-watched-account) |

Below, `111122223333` is the exporter's own account and `444455556666` one that it watches. In other partitions ARNs
begin with `arn:aws-cn` or `arn:aws-us-gov`. Complete policies are also in [iam/policies](iam/policies).

## Listing jobs

{policies[watch]}

`bedrock:ListModelCustomizationJobs` supports no resource but `*`. The condition is optional; its regions are
those of the configuration.

## Details and tags of jobs

{policies[details]}

`bedrock:GetModelCustomizationJob` is for `details.enabled`, `bedrock:ListTagsForResource` for `job_series.tags`. If
they are denied, everything else works: `bedrock_exporter_target_detail_failures_total{{reason="access_denied"}}` grows, the
log says so once, and the exporter tries again within the hour. `--doctor` tries both with one job of each target.

## Roles of other accounts

{policies[assume-roles]}

`*` matches any account; the condition limits it to the exporter's own organization, so that a wrong role in the
configuration gives no session to strangers. Without an organization, list the roles one by one instead of using the
condition. `sts:TagSession` is only needed with [EKS Pod Identity](#eks-pod-identity), whose session tags are passed on to
the next role.

### The role of a watched account

It has permission to [list jobs](#listing-jobs), and a trust policy that names the exporter's own role:

{policies[trust-exporter]}

The condition is for accounts that belong to someone else; set `external_id` in the configuration to the same value. IAM
refuses a trust policy that names a role that does not exist, so create the exporter's own role first.

[iam/member-role.yaml](iam/member-role.yaml) creates this role with CloudFormation. To create it in all present and
future accounts of an organizational unit, use a StackSet; IAM is global, so one region is enough:

```sh
aws cloudformation create-stack-set --stack-set-name {name} \\
  --template-body file://docs/iam/member-role.yaml --capabilities CAPABILITY_NAMED_IAM \\
  --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false \\
  --parameters ParameterKey=ExporterRoleArn,ParameterValue={own_role} \\
    'ParameterKey=Regions,ParameterValue={regions_option}'
aws cloudformation create-stack-instances --stack-set-name {name} \\
  --deployment-targets OrganizationalUnitIds=ou-ab12-cdef3456 --regions us-east-1
```

A StackSet leaves out the management account. [iam/terraform](iam/terraform) has the same role as a Terraform module. To
allow [details and tags](#details-and-tags-of-jobs), set the parameter `Details` or the variable `details`.

In `config.yaml`:

```yaml
targets:
  - regions: [{regions}]
    assume_role:
      role_arn: {role}
      external_id: {external_id}
```

## Accounts of an organization

For `discovery.organizations`, in the management account or in a delegated administrator account:

{policies[discover]}

With `organizational_units`:

{policies[discover-units]}

To choose accounts by `tags`, also allow `organizations:ListTagsForResource`:

{policies[discover-units-and-tags]}

The exporter then assumes [the role](#the-role-of-a-watched-account) of each account that it has found; the role has the
same name in all accounts.

## The exporter's own identity

The exporter finds AWS credentials as every AWS tool does: environment, profile, SSO, the role of an instance or a task. Attach
the policies above to that identity. On EKS there are two ways, described below; [eks.md](eks.md) is a complete walk-through.

### EKS Pod Identity

The trust policy of the role, for the service account `{name}` in the namespace `{namespace}`:

{policies[trust-pod-identity]}

```sh
aws eks create-pod-identity-association --cluster-name {cluster} --namespace {namespace} \\
  --service-account {name} --role-arn {own_role}
```

The condition needs the session tags that Pod Identity sets; leave it out if they are switched off
(`disableSessionTags`). If they are on, roles in other accounts must allow `sts:TagSession`, as
[above](#the-role-of-a-watched-account); otherwise AWS denies `sts:TagSession`.

### IAM roles for service accounts (IRSA)

{policies[trust-irsa]}

The provider is the OIDC provider of your cluster. Annotate the service account with
`eks.amazonaws.com/role-arn: {own_role}`.

## See what is missing

`--doctor` tries everything that the exporter needs, for each target, and changes nothing:

```sh
{name} --config.file=config.yaml --doctor
```

```text
{doctor}
```

| check | passed when |
|---|---|
| clock | it is within 2 minutes of AWS's; AWS refuses signatures that are more than 5 minutes off |
| identity | STS identifies the credentials, and their account is the configured one |
| role | the target's role can be assumed |
| region | Amazon Bedrock answers there, and has model customization |
| permission | listing jobs is allowed |
| page | the first page of the list is valid |
| details, tags | the details and tags of one job can be read; only with `details.enabled` and `job_series.tags` |

✘ is a check that failed; below the table is what to do about it, once for all targets with the same problem. `?` is a check
that could not be made, mostly because an earlier one failed. A dash is a check that is not needed: STS cannot identify an API
key for Amazon Bedrock, for example. A region without model customization is ✘, although the exporter copes with it: it asks
once an hour, `bedrock_exporter_target_up` is 0 with the reason `unsupported_region`, and no alert fires.

With `discovery.organizations`, the accounts are listed first and then checked. Each target may take `poll.timeout`,
`poll.concurrency` targets are checked at a time, and a request is tried at most twice. A terminal shows the progress, then
the table. `--log.format=json` prints only a JSON document with the same content. The exit code is 1 if any check failed, and
0 if none did.

Run it where the exporter runs, with the same identity: for instance with `kubectl exec` in its pod.
"""  # noqa: E501 - a table


def files() -> dict[Path, str]:
    """The page."""
    return {PLACE: _page()}


def _page() -> str:
    policies = {name: f"```json\n{iam.as_json(statement)}\n```" for name, statement in POLICIES.items()}
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
        list_jobs=LIST_JOBS,
        doctor=_doctor(),
        policies=policies,
    )


def _doctor() -> str:
    """What `--doctor` prints where a target lacks its permission."""
    user = f"arn:aws:sts::{OWN}:assumed-role/{NAME}/eks-operations-{NAME}-0a1b2c3d"
    good = Seen(Target("targets[0]", "us-east-1"), iam.watch(), ahead=0.3, identity=user, listed="412 jobs")
    session = f"arn:aws:sts::{WATCHED}:assumed-role/{ROLE_NAME}/{NAME}"
    denied = Problem(
        FailureReason.ACCESS_DENIED,
        f"AccessDeniedException from ListModelCustomizationJobs: User: {session} is not authorized to perform: "
        f"{LIST_JOBS} because no identity-based policy allows the {LIST_JOBS} action; "
        f"{ADVICE[FailureReason.ACCESS_DENIED]}",
    )
    bad = Seen(
        Target("targets[1]", "us-west-2", WATCHED, AssumeRole(ROLE)),
        iam.watch(),
        ahead=0.3,
        identity=user,
        role=session,
        listed=denied,
    )
    return as_text(reports([good, bad])).rstrip()
