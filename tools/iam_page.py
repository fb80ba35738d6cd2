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

The exporter reads one list, and what a job says of itself if it is asked to: no job's data, no model, no bucket. What it has to be allowed depends on
what its configuration asks for. `sts:GetCallerIdentity`, by which it learns its account, needs no permission.

| the configuration has | the exporter's own identity needs | each watched account needs |
|---|---|---|
| `targets` without `assume_role` | [to list jobs](#listing-jobs) | |
| `targets` with `assume_role` | [to assume roles](#roles-of-other-accounts) | [a role that it can assume](#the-role-of-a-watched-account) |
| `details.enabled` or `job_series.tags` | [to read details](#details-and-tags-of-jobs), for its own account | the same, for that account |
| `discovery.organizations` | the same, and [to list accounts](#accounts-of-an-organization) | the same role |

Below, `111122223333` is the exporter's own account and `444455556666` one that it watches. In other partitions ARNs
begin with `arn:aws-cn` or `arn:aws-us-gov`. The policies are also files in [iam/policies](iam/policies), each whole.

## Listing jobs

{policies[watch]}

`bedrock:ListModelCustomizationJobs` knows no narrower resource than `*`. The condition is optional; the regions are
those of the configuration.

## Details and tags of jobs

{policies[details]}

`bedrock:GetModelCustomizationJob` is for `details.enabled`, `bedrock:ListTagsForResource` for `job_series.tags`. Without
them everything else goes on: `bedrock_exporter_target_detail_failures_total{{reason="access_denied"}}` counts, one line in
the log says so, and the exporter tries again within the hour. `--doctor` asks about one job of each target.

## Roles of other accounts

{policies[assume-roles]}

`*` stands for any account, and the condition leaves those of the exporter's own organization, so that a wrong role in the
configuration lends nobody else a session. Without an organization, name the roles one by one in place of the condition. `sts:TagSession` is for [EKS Pod Identity](#eks-pod-identity), whose session tags go on into the
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
Both allow [details and tags](#details-and-tags-of-jobs) only if asked: the parameter `Details`, the variable `details`.

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
| details, tags | one of its jobs may be asked about; only with `details.enabled`, and with `job_series.tags` |

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
