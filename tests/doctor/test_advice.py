"""What `--doctor` advises, in AWS's own words for each kind of refusal."""

import pytest

from exporter.bedrock.answers import Problem, WebIdentity
from exporter.doctor import iam
from exporter.doctor.advice import Step, steps
from exporter.doctor.seen import Seen
from exporter.errors import FailureReason
from exporter.targets.target import AssumeRole, Target

OWN, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{OWN}:user/exporter"
POD = f"arn:aws:sts::{OWN}:assumed-role/exporter/eks-cluster-exporter-0123"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
UNKNOWN = Problem(FailureReason.ACCESS_DENIED, "no")
POD_IDENTITY = WebIdentity(
    ROLE, f"arn:aws:iam::{OWN}:oidc-provider/x", "system:serviceaccount:a:b", "sts.amazonaws.com"
)
TARGET = Target("targets[0]", "us-east-1")
TARGET_IN_ROLE = Target("targets[1]", "us-east-1", OTHER, AssumeRole(ROLE, "ours"))


def listing(reason: str, message: str, target: Target = TARGET, identity: str | Problem = USER) -> tuple[Step, ...]:
    """The advice about a list that fails."""
    problem = Problem(FailureReason(reason), message)
    return steps(Seen(target, iam.watch(), identity=identity, listed=problem), problem)


def assuming(message: str, identity: str | Problem = POD, target: Target = TARGET_IN_ROLE) -> tuple[Step, ...]:
    """The advice about a role that can't be assumed."""
    problem = Problem(FailureReason.ASSUME_ROLE_DENIED, message)
    return steps(Seen(target, iam.watch(), identity=identity, role=problem, web_identity=POD_IDENTITY), problem)


def identifying(reason: str, web_identity: WebIdentity | None = None) -> tuple[Step, ...]:
    """The advice about credentials that AWS denies."""
    problem = Problem(FailureReason(reason), "AccessDenied")
    return steps(Seen(TARGET, iam.watch(), identity=problem, web_identity=web_identity), problem)


# A denied list

LIST = "is not authorized to perform: bedrock:ListModelCustomizationJobs"
NO_POLICY = " because no {} allows the bedrock:ListModelCustomizationJobs action; allow it"
SCP = "arn:aws:organizations::123456789012:policy/o-example/service_control_policy/p-example"
REMOVE = "Remove the denial from the {}; no other policy can override it."
ADD = Step(f"Add to a policy of {USER}:", iam.watch())


SCP_DENIES = f"service control policy {SCP}"


@pytest.mark.parametrize(
    ("rest", "step"),
    [
        ("", ADD),
        (NO_POLICY.format("identity-based policy"), ADD),
        (NO_POLICY.format("VPC endpoint policy"), Step("Allow it in the VPC endpoint policy as well:", iam.watch())),
        (" with an explicit deny in an identity-based policy", Step(REMOVE.format("identity-based policy"))),
        (" with an explicit deny in a service control policy", Step(REMOVE.format("service control policy"))),
        (f" with an explicit deny in a service control policy: {SCP}", Step(REMOVE.format(SCP_DENIES))),
        (f" with an explicit deny in a service control policy: {SCP}; allow it", Step(REMOVE.format(SCP_DENIES))),
    ],
)
def test_a_denied_list(rest: str, step: Step) -> None:
    """AWS often names the kind of policy; advice to add to one includes the statement."""
    assert listing("access_denied", LIST + rest) == (step,)


def test_whose_policy() -> None:
    """If the target has a role, the role lacks the permission, not the caller."""
    assert listing("access_denied", LIST, TARGET_IN_ROLE) == (Step(f"Add to a policy of {ROLE}:", iam.watch()),)
    unknown = listing("access_denied", LIST, identity=UNKNOWN)
    assert unknown == (Step("Add to a policy of the exporter's identity:", iam.watch()),)


DENIED = Problem(FailureReason.ACCESS_DENIED, "is not authorized to perform: bedrock:GetModelCustomizationJob")


def test_denied_details() -> None:
    """The statement is for the action that is missing, on the jobs of the account."""
    seen = Seen(TARGET, iam.watch(), identity=USER, listed="1 job", details=(("details", DENIED), ("tags", "of a job")))
    allow = iam.details(OWN, actions=["bedrock:GetModelCustomizationJob"])
    assert steps(seen, DENIED) == (Step(f"Add to a policy of {USER}:", allow),)
    assert allow["Resource"] == f"arn:aws:bedrock:*:{OWN}:model-customization-job/*"


# A denied role

ASSUME = "is not authorized to perform: sts:AssumeRole"
POD_ROLE = f"arn:aws:iam::{OWN}:role/exporter"
TRUST = Step(
    f"Add to the trust policy of {ROLE} (if role/exporter has a path, insert it):", iam.trust(POD_ROLE, "ours")
)
ALLOW = Step(f"Add to a policy of {POD_ROLE}:", iam.assume([ROLE]))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ASSUME, (TRUST, ALLOW)),
        ("is not authorized to perform: sts:TagSession", (TRUST, ALLOW)),
        (f"{ASSUME} because no identity-based policy allows the sts:AssumeRole action", (ALLOW,)),
        (f"{ASSUME} because no resource-based policy allows the sts:AssumeRole action", (TRUST,)),
        (
            f"{ASSUME} because no session policy allows the sts:AssumeRole action",
            (Step("Allow it in the session policy as well:", iam.assume([ROLE])),),
        ),
    ],
)
def test_a_denied_role(message: str, expected: tuple[Step, ...]) -> None:
    """Between accounts both sides have to allow it, unless AWS says which side does not."""
    assert assuming(message) == expected


def test_a_denied_role_of_the_same_account() -> None:
    """There the role's trust policy is enough."""
    role = f"arn:aws-cn:iam::{OWN}:role/jobs"
    user = f"arn:aws-cn:iam::{OWN}:user/exporter"
    target = Target("targets[1]", "cn-north-1", OWN, AssumeRole(role))
    assert assuming(ASSUME, user, target) == (Step(f"Add to the trust policy of {role}:", iam.trust(user)),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [(f"AccessDenied: User: {POD} {ASSUME}", (TRUST, ALLOW)), (f"AccessDenied: {ASSUME}", ())],
    ids=["told", "not told"],
)
def test_a_denied_role_of_an_unknown_caller(message: str, expected: tuple[Step, ...]) -> None:
    """If STS does not identify the caller, AWS's refusal may."""
    assert assuming(message, UNKNOWN) == expected


def test_a_denied_web_identity() -> None:
    """On EKS with IRSA it is the exporter's own role that has to trust the pod."""
    statement = iam.trust_web_identity(*POD_IDENTITY[1:])
    assert identifying("assume_role_denied", POD_IDENTITY) == (Step(f"Add to the trust policy of {ROLE}:", statement),)


# Everything else

ORGANIZATION = Target("discovery.organizations", "us-east-1")
DISABLED = f"RegionDisabledException: STS is not activated in this region for account:{OTHER}. Your administrator can."
ENABLE = (
    "Enable us-east-1 for {}, and AWS STS there in its IAM account settings; or remove us-east-1 from the regions of "
    "targets[1]."
)
NO_ORGANIZATION = (
    f"The account of these credentials ({OWN}) is in no organization: give discovery.organizations a profile or a role "
    "of the organization's management account or of a delegated administrator."
)
LEAVE_IT = (
    "Remove us-east-1 from the regions of targets[0], or leave it: the exporter then checks once an hour, and no alert "
    "fires for it."
)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (assuming(DISABLED), ENABLE.format(f"account {OTHER}")),
        (assuming("RegionDisabledException"), ENABLE.format("the account")),
        (
            assuming("AccessDenied: Roles may not be assumed by root accounts."),
            "Give targets[1] the credentials of a role or a user: the root user of an account can't assume roles.",
        ),
        (listing("access_denied", "AWSOrganizationsNotInUseException", ORGANIZATION), NO_ORGANIZATION),
        (
            listing("access_denied", "AWSOrganizationsNotInUseException", ORGANIZATION, UNKNOWN),
            NO_ORGANIZATION.replace(f" ({OWN})", ""),
        ),
        (
            listing("access_denied", "ParentNotFoundException", ORGANIZATION),
            "Correct organizational_units of discovery.organizations: the organization does not have all of them.",
        ),
        (
            listing("unsupported_region", "Unknown Operation"),
            LEAVE_IT,
        ),
        (
            listing("credentials", "UnrecognizedClientException"),
            "If these credentials work in other regions, enable us-east-1 for their account.",
        ),
    ],
)
def test_what_no_policy_can_fix(found: tuple[Step, ...], text: str) -> None:
    """No statement is proposed."""
    assert found == (Step(text),)


@pytest.mark.parametrize(
    "found",
    [
        listing("access_denied", "403 Forbidden"),
        listing("network", "AccessDenied"),
        listing("assume_role_denied", "AccessDenied"),
        assuming("403 Forbidden"),
        identifying("access_denied", POD_IDENTITY),
        identifying("assume_role_denied"),
    ],
)
def test_no_advice(found: tuple[Step, ...]) -> None:
    """A 403 that is not AWS's, such as a proxy's, is not about a policy; nor do we know the roles of a profile."""
    assert found == ()
