"""What `--doctor` makes of what it saw. The whole way, over HTTP, is in tests/e2e/test_doctor.py."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter import permissions
from exporter.bedrock import Lifeline, Sessions
from exporter.bedrock.doctor import _TargetExaminer, web_identity
from exporter.bedrock.errors import walk_error
from exporter.doctor import Check, Finding, Outcome, as_json, as_text, reports
from exporter.model import AssumeRole, AwsSettings, Discovery, Failed, FailureReason, Seen, Target, WalkError

OWN, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
USER = f"arn:aws:iam::{OWN}:user/exporter"
POD = f"arn:aws:sts::{OWN}:assumed-role/exporter/eks-cluster-exporter-0123"
SESSION = f"arn:aws:sts::{OTHER}:assumed-role/bedrock-exporter/bedrock-customization-exporter"

GOOD = Seen(Target("targets[0]", "us-east-1"), permissions.watch(), 0.4, USER, None, "3 jobs on the first page")
IN_ROLE = replace(
    GOOD,
    target=Target("targets[1]", "us-east-1", OTHER, AssumeRole(ROLE)),
    identity=POD,
    role=SESSION,
)
MARKS = {Outcome.PASSED: "+", Outcome.FAILED: "!", Outcome.SKIPPED: "-"}


def failed(reason: FailureReason, message: str = "no") -> Failed:
    return Failed(None, reason, message)


def marks(seen: Seen) -> str:
    """The outcome of each check, one character each."""
    (told,) = reports([seen])
    assert [finding.check for finding in told.findings] == list(Check)
    return "".join(MARKS[finding.outcome] for finding in told.findings)


def finding(seen: Seen, check: Check) -> Finding:
    (told,) = reports([seen])
    return told.findings[list(Check).index(check)]


# Which check failed

NETWORK, CREDENTIALS = failed(FailureReason.NETWORK), failed(FailureReason.CREDENTIALS)
REFUSED, REFUSED_LIST = failed(FailureReason.ACCESS_DENIED, "STS: no"), failed(FailureReason.ACCESS_DENIED)
API_KEY = replace(GOOD, ahead=None, identity=CREDENTIALS, has_credentials=False)
REASONS = [
    (FailureReason.UNSUPPORTED_REGION, "++-!--"),
    (FailureReason.NETWORK, "++-!--"),
    (FailureReason.TIMEOUT, "++-!--"),
    (FailureReason.ACCESS_DENIED, "++-+!-"),
    (FailureReason.CREDENTIALS, "++--!-"),
    (FailureReason.THROTTLED, "++---!"),
    (FailureReason.SERVER_ERROR, "++---!"),
    (FailureReason.MALFORMED_RESPONSE, "++---!"),
    (FailureReason.INTERNAL, "++---!"),
]


@pytest.mark.parametrize(("reason", "outcomes"), REASONS, ids=[reason for reason, _ in REASONS])
def test_a_list_that_fails(reason: FailureReason, outcomes: str) -> None:
    """The reason tells which check is not passed; those before it are passed only where that is proven."""
    assert marks(replace(GOOD, listed=failed(reason))) == outcomes


CASES = {
    "good": (GOOD, "++-+++"),
    "good, in a role": (IN_ROLE, "++++++"),
    "no clock": (replace(GOOD, ahead=None), "-+-+++"),
    "a clock a little off": (replace(GOOD, ahead=-119), "++-+++"),
    "a clock that AWS still takes": (replace(GOOD, ahead=-121), "!+-+++"),
    "the clock is why": (replace(GOOD, ahead=400, identity=CREDENTIALS, listed=CREDENTIALS), "!-----"),
    "not the clock alone": (replace(GOOD, ahead=400, listed=NETWORK), "!+-!--"),
    "a role, and the clock is why": (replace(IN_ROLE, ahead=400, role=CREDENTIALS, listed=None), "!+----"),
    "credentials": (replace(GOOD, identity=CREDENTIALS, listed=CREDENTIALS), "+!----"),
    "STS and Bedrock fail differently": (
        replace(GOOD, identity=NETWORK, listed=failed(FailureReason.ACCESS_DENIED)),
        "+!-+!-",
    ),
    "the same, in other words": (
        replace(GOOD, identity=NETWORK, listed=failed(FailureReason.NETWORK, "nor")),
        "+!-!--",
    ),
    "STS fails, nobody tells the account": (replace(GOOD, identity=NETWORK), "+!-+++"),
    "STS fails, a job tells the account": (replace(GOOD, identity=NETWORK, needs_identity=False), "+--+++"),
    "an API key for Bedrock": (replace(API_KEY, needs_identity=False), "---+++"),
    "an API key, nobody tells the account": (API_KEY, "-!-+++"),
    "an API key, and it is expired": (replace(API_KEY, listed=failed(FailureReason.CREDENTIALS, "expired")), "----!-"),
    "an API key, and no answer": (replace(API_KEY, listed=failed(FailureReason.TIMEOUT)), "---!--"),
    "no credentials, and no API key": (replace(API_KEY, listed=CREDENTIALS), "-!----"),
    "no credentials for a role": (replace(IN_ROLE, identity=CREDENTIALS, role=None, listed=None), "+!----"),
    "STS gives the role alone": (replace(IN_ROLE, identity=REFUSED, role=ROLE, needs_identity=False), "+-++++"),
    "STS gives the role alone, which may not list": (replace(IN_ROLE, identity=REFUSED, listed=REFUSED_LIST), "+-++!-"),
    "STS says nothing, and not the role either": (
        replace(IN_ROLE, identity=REFUSED, role=failed(FailureReason.ASSUME_ROLE_DENIED), listed=None),
        "+-!---",
    ),
    "STS fails for a role, too": (replace(IN_ROLE, identity=NETWORK, role=NETWORK, listed=None), "+!----"),
    "STS fails, ahead of a role": (replace(IN_ROLE, identity=NETWORK, role=None, listed=None), "+!----"),
    "the role": (replace(IN_ROLE, role=failed(FailureReason.ASSUME_ROLE_DENIED), listed=None), "++!---"),
    "nothing answered": (Seen(GOOD.target, GOOD.permission), "------"),
    "another account": (replace(GOOD, target=replace(GOOD.target, account_id=OTHER)), "+!-+++"),
}


@pytest.mark.parametrize(("seen", "outcomes"), CASES.values(), ids=CASES.keys())
def test_outcomes(seen: Seen, outcomes: str) -> None:
    """A check that can't be made, as an earlier one failed, is not called failed."""
    assert marks(seen) == outcomes


def test_two_targets_that_are_one() -> None:
    """The second one of the same account and region is a duplicate, whatever way they go; other regions are not."""
    other_way = replace(GOOD, target=replace(IN_ROLE.target, name="targets[2]"), identity=POD, role=SESSION)
    elsewhere = replace(other_way, target=replace(other_way.target, region="us-west-2"))
    told = reports([GOOD, IN_ROLE, other_way, elsewhere])
    assert [each.good for each in told] == [True, True, False, True]
    role = told[2].findings[2]
    assert (role.detail, role.steps[0].text) == (
        "this account in us-east-1 is targets[1]'s already",
        "Remove one of the two.",
    )


def test_a_discovery_is_no_duplicate_of_its_account() -> None:
    """The account that lists the others may be a target itself."""
    assert all(each.good for each in reports([replace(GOOD, target=Target(Discovery.name, "us-east-1")), GOOD]))


# What to do

NOT_AUTHORIZED = "is not authorized to perform: {action}"
LIST = NOT_AUTHORIZED.format(action="bedrock:ListModelCustomizationJobs")
ASSUME = NOT_AUTHORIZED.format(action="sts:AssumeRole")
POLICY_ARN = "arn:aws:organizations::123456789012:policy/o-example/service_control_policy/p-example"
DENIED = [
    (LIST, "Add to a policy of arn:aws:iam::111122223333:user/exporter:"),
    (
        f"{LIST} because no identity-based policy allows the bedrock:ListModelCustomizationJobs action",
        "Add to a policy of arn:aws:iam::111122223333:user/exporter:",
    ),
    (
        f"{LIST} because no permissions boundary allows the bedrock:ListModelCustomizationJobs action",
        "Allow it in the permissions boundary, too:",
    ),
    (
        f"{LIST} because no VPC endpoint policy allows the bedrock:ListModelCustomizationJobs action",
        "Allow it in the VPC endpoint policy, too:",
    ),
    (
        f"{LIST} with an explicit deny in a service control policy",
        "Take out of the service control policy what denies it; no other policy can make up for that.",
    ),
    (
        f"{LIST} with an explicit deny in a service control policy: {POLICY_ARN}",
        f"Take out of the service control policy {POLICY_ARN} what denies it; no other policy can make up for that.",
    ),
    (
        f"{LIST} with an explicit deny in an identity-based policy",
        "Take out of the identity-based policy what denies it; no other policy can make up for that.",
    ),
]


@pytest.mark.parametrize(("said", "text"), DENIED, ids=[said.removeprefix(LIST) for said, _ in DENIED])
@pytest.mark.parametrize("wish", ["", "; allow bedrock:ListModelCustomizationJobs on Resource '*' for this identity"])
def test_a_denied_list(said: str, text: str, wish: str) -> None:
    """AWS often says which kind of policy it is; the statement comes with every one that can be added to."""
    denied = finding(replace(GOOD, listed=failed(FailureReason.ACCESS_DENIED, said + wish)), Check.PERMISSION)
    (step,) = denied.steps
    assert step.text == text
    assert step.statement == (None if text.startswith("Take out") else permissions.watch())


def test_a_denied_list_in_a_role() -> None:
    """It is the role of the target that lacks the permission."""
    denied = replace(IN_ROLE, listed=failed(FailureReason.ACCESS_DENIED, LIST))
    assert finding(denied, Check.PERMISSION).steps[0].text == f"Add to a policy of {ROLE}:"


ROLE_OF_POD = f"arn:aws:iam::{OWN}:role/exporter"
TRUST = f"Add to the trust policy of {ROLE} (where role/exporter needs its path, if it has one):"
ALLOW = f"Add to a policy of {ROLE_OF_POD}:"
DENIED_ROLES = {
    ASSUME: [TRUST, ALLOW],
    NOT_AUTHORIZED.format(action="sts:TagSession"): [TRUST, ALLOW],
    f"{ASSUME} because no identity-based policy allows the sts:AssumeRole action": [ALLOW],
    f"{ASSUME} because no resource-based policy allows the sts:AssumeRole action": [TRUST],
    f"{ASSUME} because no session policy allows the sts:AssumeRole action": ["Allow it in the session policy, too:"],
}


@pytest.mark.parametrize(("said", "texts"), DENIED_ROLES.items())
def test_a_denied_role(said: str, texts: list[str]) -> None:
    """Between accounts both sides have to allow it, unless AWS says which one does not."""
    denied = replace(IN_ROLE, role=failed(FailureReason.ASSUME_ROLE_DENIED, said), listed=None)
    steps = finding(denied, Check.ROLE).steps
    assert [step.text for step in steps] == texts
    statements = {TRUST: permissions.trust(ROLE_OF_POD)}
    assert [step.statement for step in steps] == [statements.get(text, permissions.assume([ROLE])) for text in texts]


def test_a_denied_role_of_the_same_account() -> None:
    """There the role's trust is enough, and its external id is part of it."""
    role = AssumeRole(f"arn:aws-cn:iam::{OWN}:role/jobs", external_id="ours")
    target = replace(IN_ROLE.target, assume_role=role)
    user = f"arn:aws-cn:iam::{OWN}:user/exporter"
    denied = replace(
        IN_ROLE, target=target, identity=user, role=failed(FailureReason.ASSUME_ROLE_DENIED, ASSUME), listed=None
    )
    (step,) = finding(denied, Check.ROLE).steps
    assert step == (f"Add to the trust policy of {role.role_arn}:", permissions.trust(user, "ours"))


def test_a_denied_role_of_who_knows_whom() -> None:
    """Where STS does not say who asks, AWS does in its refusal."""
    said = f"AccessDenied: User: {POD} {ASSUME}"
    denied = replace(IN_ROLE, identity=REFUSED, role=failed(FailureReason.ASSUME_ROLE_DENIED, said), listed=None)
    assert [step.text for step in finding(denied, Check.ROLE).steps] == [TRUST, ALLOW]


def refusal(operation: str, code: str, message: str) -> Failed:
    """What a 403 of AWS becomes."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    explained = walk_error(ClientError(response, operation))
    return failed(explained.reason, explained.message)


ORGANIZATION = replace(GOOD, target=Discovery("any", ("us-east-1",)).identity)
DISABLED = f"STS is not activated in this region for account:{OTHER}. Your account administrator can activate STS."
BEYOND_POLICIES = {
    "region": (
        replace(IN_ROLE, role=refusal("AssumeRole", "RegionDisabledException", DISABLED), listed=None),
        (
            f"Switch us-east-1 on for account {OTHER}, and AWS STS there in its IAM account settings; or take "
            "us-east-1 out of the regions of targets[1]."
        ),
    ),
    "region, who knows whose": (
        replace(IN_ROLE, role=refusal("AssumeRole", "RegionDisabledException", "No."), listed=None),
        (
            "Switch us-east-1 on for the account, and AWS STS there in its IAM account settings; or take "
            "us-east-1 out of the regions of targets[1]."
        ),
    ),
    "root": (
        replace(
            IN_ROLE,
            role=refusal("AssumeRole", "AccessDenied", "Roles may not be assumed by root accounts."),
            listed=None,
        ),
        "Let targets[1] start from credentials of a role or a user: the root user of an account can't assume roles.",
    ),
    "no organization": (
        replace(ORGANIZATION, listed=refusal("ListAccounts", "AWSOrganizationsNotInUseException", "No.")),
        (
            f"The account of these credentials ({OWN}) is in no organization: give discovery.organizations a profile, "
            "or a role to assume, of the organization's management account or of a delegated administrator."
        ),
    ),
    "no such unit": (
        replace(ORGANIZATION, listed=refusal("ListAccountsForParent", "ParentNotFoundException", "No.")),
        "Correct organizational_units of discovery.organizations: the organization does not have all of them.",
    ),
}


@pytest.mark.parametrize(("seen", "text"), BEYOND_POLICIES.values(), ids=BEYOND_POLICIES.keys())
def test_what_no_policy_can_mend(seen: Seen, text: str) -> None:
    """No statement is proposed, neither in the message nor beside it."""
    (told,) = [finding for finding in reports([seen])[0].findings if finding.outcome is Outcome.FAILED]
    assert told.steps == ((text, None),)
    assert "; allow " not in told.detail


@pytest.mark.parametrize(
    ("seen", "check"),
    [
        (replace(GOOD, listed=refusal("ListModelCustomizationJobs", "403", "Forbidden")), Check.PERMISSION),
        (replace(IN_ROLE, role=refusal("AssumeRole", "403", "Forbidden"), listed=None), Check.ROLE),
    ],
    ids=["list", "role"],
)
def test_a_403_that_is_not_of_aws(seen: Seen, check: Check) -> None:
    """Who knows what a proxy wants; a policy it is not."""
    assert finding(seen, check).outcome is Outcome.FAILED
    assert finding(seen, check).steps == ()


def test_a_role_that_is_denied_later() -> None:
    """A list that can't renew its role is a matter of the role."""
    denied = replace(IN_ROLE, listed=failed(FailureReason.ASSUME_ROLE_DENIED, ASSUME))
    assert marks(denied) == "++!---"


@pytest.mark.parametrize(
    "token",
    ["", "no dots", "a.b.c", "e30.W10.c2ln", "e30.e30.c2ln", "e30.eyJpc3MiOiAxfQ.c2ln"],
)
def test_a_token_that_is_none(token: str, tmp_path: Path) -> None:
    """Whatever is in the token's file, the doctor goes on without it."""
    file = tmp_path / "token"
    file.write_text(token)
    environ = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}
    assert web_identity(environ) is None
    assert web_identity({**environ, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path)}) is None
    assert web_identity({}) is None


def test_what_is_cut_off_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """That there was none in time is told by whom the deadline belongs to, and nothing more is asked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    settings = AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1)
    examiner = _TargetExaminer(IN_ROLE.target, Sessions(settings), {})
    with Lifeline() as lifeline:
        lifeline.cut()
        with pytest.raises(WalkError, match="cut off"):
            examiner.examine()
    assert examiner.seen == Seen(IN_ROLE.target, permissions.watch())


# Text


def test_failures_that_are_alike_are_told_once() -> None:
    """A permission that a role lacks in every region is one thing to do."""
    denied = failed(FailureReason.ACCESS_DENIED, LIST)
    seen = [
        replace(IN_ROLE, target=replace(IN_ROLE.target, region=region), listed=denied)
        for region in ("us-east-1", "us-west-2", "eu-central-1")
    ]
    text = as_text(reports([*seen, replace(GOOD, listed=NETWORK)]), plain=True)
    assert "\nFAIL permission: targets[1] us-east-1, targets[1] us-west-2, targets[1] eu-central-1\n" in text
    assert text.count("FAIL permission:") == text.count(f"Add to a policy of {ROLE}:") == 1
    assert text.endswith("\n\ntargets: 4, good: 0, not: 4\n")
    assert text.isascii()


def test_json_says_the_same() -> None:
    """Each target with every check, and whether all is good."""
    told: dict[str, Any] = json.loads(as_json(reports([GOOD, replace(IN_ROLE, listed=NETWORK)])))
    assert (told["good"], [target["good"] for target in told["targets"]]) == (False, [True, False])
    assert told["targets"][0] == {
        "target": "targets[0]",
        "region": "us-east-1",
        "who": USER,
        "good": True,
        "checks": [
            {"check": "clock", "outcome": "passed", "detail": "+0 s from AWS's", "steps": []},
            {"check": "identity", "outcome": "passed", "detail": USER, "steps": []},
            {"check": "role", "outcome": "skipped", "detail": "none is configured", "steps": []},
            {"check": "region", "outcome": "passed", "detail": "", "steps": []},
            {"check": "permission", "outcome": "passed", "detail": "", "steps": []},
            {"check": "page", "outcome": "passed", "detail": "3 jobs on the first page", "steps": []},
        ],
    }
