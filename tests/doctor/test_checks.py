"""What `--doctor` finds when AWS, or something in between, answers in its many ways: real boto3, real HTTP."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote

import faults
import pytest
from faults import ACCOUNT, OTHER, ROLE, Service

from exporter.bedrock.questions import web_identity
from exporter.bedrock.settings import AwsSettings
from exporter.doctor import iam
from exporter.doctor.checks import examine
from exporter.doctor.report import Outcome, Report, as_text, reports
from exporter.fleet.schedule import Schedule
from exporter.jobs.details import OFF, DetailSettings
from exporter.simulator import Request, Respond, Response, Server
from exporter.targets.accounts import Discovery
from exporter.targets.target import AssumeRole, Target

MARKS = {Outcome.PASSED: "+", Outcome.FAILED: "!", Outcome.SKIPPED: "?", Outcome.NOT_NEEDED: "-"}
ONE = Target("targets[0]", "us-east-1")
IN_ROLE = Target("targets[0]", "us-east-1", OTHER, AssumeRole(ROLE))
DISCOVERY = Discovery("bedrock-exporter", ("us-east-1",), organizational_units=("ou-1",))
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
BOTH = DetailSettings(enabled=True, tags=(("team", "tag_team"),))
API_KEY = {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key"}


def ask(
    url: str,
    environment: dict[str, str],
    *targets: Target,
    discovery: Discovery | None = None,
    timeout: float = 30,
    attempts: int = 1,
    details: DetailSettings = OFF,
) -> list[Report]:
    """Check targets against the AWS at a URL."""
    schedule, aws = Schedule(60, timeout, 900, 1, 2000), AwsSettings(None, None, 5, 20, attempts)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BEDROCK", "STS", "ORGANIZATIONS"):
            patch.setenv(f"AWS_ENDPOINT_URL_{name}", url)
        for name, value in environment.items():
            patch.setenv(name, value)
        return reports(asyncio.run(examine(targets, discovery, aws, schedule, timeout, details=details)))


def marks(report: Report) -> str:
    """The outcome of each check, one character each."""
    return "".join(MARKS[finding.outcome] for finding in report.findings)


def dated(date: Callable[[], str], respond: Respond) -> Respond:
    """The same answers with this Date."""

    def with_date(request: Request) -> Response:
        given = respond(request)
        return Response(given.status, given.body, {**given.headers, "Date": date()})

    return with_date


def clock(ahead: float) -> Callable[[], str]:
    """A clock that is so many seconds ahead of ours."""
    return lambda: formatdate(time.time() + ahead, usegmt=True)


def sts(identity: Response) -> Respond:
    """An STS that gives any role, and this answer to GetCallerIdentity."""
    role = faults.assumed("token", timedelta(hours=1))
    return lambda request: role if faults.action_of(request) == "AssumeRole" else identity


def aws_organizations(code: str) -> Respond:
    """AWS Organizations refuses; STS does not."""
    body = json.dumps({"__type": code, "Message": "No."}).encode()
    refusal = faults.body_of(body, 400, "application/x-amz-json-1.1")
    return lambda request: refusal if "x-amz-target" in request.headers else faults.identity()


WRONG_CLOCK = (Path(__file__).parents[1] / "data" / "doctor" / "wrong-clock.txt").read_text(encoding="utf-8")
NO_ARN = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn/></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
PROXY = faults.body_of(faults.HTML, content_type="text/html")
DENIED = faults.sts_error(403, "AccessDenied")
GOOD = Service(faults.page(faults.job(1)))
SKEWED = Service(faults.error(403, "InvalidSignatureException"), sts=faults.sts_error(403, "SignatureDoesNotMatch"))
EXPIRED = Service(faults.error(403, "ExpiredTokenException"), sts=faults.sts_error(403, "ExpiredToken"))
UNKNOWN_KEY = Service(
    faults.error(403, "UnrecognizedClientException"), sts=faults.sts_error(403, "InvalidClientTokenId")
)
CASES: dict[str, tuple[Respond, Target, dict[str, str], str, str]] = {
    "good": (GOOD, ONE, KEYS, "++-+++", "1 target OK, 0 failing"),
    "no STS, a job tells the account": (Service(faults.page(faults.job(1)), sts=faults.drop), ONE, KEYS, "?--+++", ""),
    "no STS, no job": (
        Service(faults.page(), sts=faults.drop),
        ONE,
        KEYS,
        "?!-+++",
        "Make AWS STS reachable, or set account_id of targets[0].",
    ),
    "no Bedrock": (
        Service(faults.drop),
        ONE,
        KEYS,
        "++-!??",
        "the proxy and AWS_ENDPOINT_URL_BEDROCK or aws.endpoint_url",
    ),
    "nothing": (faults.drop, ONE, KEYS, "?!-!??", "DNS, the proxy and AWS_ENDPOINT_URL_STS"),
    "STS refuses, no Bedrock": (
        Service(faults.drop, sts=DENIED),
        ONE,
        KEYS,
        "+!-!??",
        "policy of the VPC endpoint of STS",
    ),
    "a page of a proxy": (Service(PROXY, sts=PROXY), ONE, KEYS, "?!-??!", "the proxy lead to AWS STS"),
    "our clock is ahead": (dated(clock(-3600), SKEWED), ONE, KEYS, "!?-???", WRONG_CLOCK.format(side="ahead of")),
    "our clock is behind": (dated(clock(3600), SKEWED), ONE, KEYS, "!?-???", WRONG_CLOCK.format(side="behind")),
    "a date that is none": (
        dated(lambda: "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", GOOD),
        ONE,
        KEYS,
        "?+-+++",
        "",
    ),
    "no credentials": (GOOD, ONE, {}, "?!-???", "NoCredentialsError"),
    "an API key": (GOOD, ONE, API_KEY, "??-?!?", "InvalidEndpointConfigurationError"),
    "an API key can't assume a role": (GOOD, IN_ROLE, API_KEY, "?!????", "NoCredentialsError"),
    "STS allows the role alone": (Service(faults.page(), sts=sts(DENIED)), IN_ROLE, KEYS, "+-++++", f"  {ROLE}\n"),
    "STS refuses everything": (Service(faults.page(), sts=DENIED), IN_ROLE, KEYS, "+-!???", "AssumeRole"),
    "expired credentials": (EXPIRED, IN_ROLE, KEYS, "+!????", "ExpiredToken"),
    "a region that the account has not enabled": (
        UNKNOWN_KEY,
        ONE,
        KEYS,
        "+!-?!?",
        "enable us-east-1 for their account",
    ),
    "another account": (
        GOOD,
        replace(ONE, account_id=OTHER),
        KEYS,
        "+!-+++",
        f"account_id is {OTHER}, but the credentials belong to {ACCOUNT}: arn:aws:iam::",
    ),
    "no identity at all": (
        Service(faults.page(), sts=faults.body_of(NO_ARN, content_type="text/xml")),
        ONE,
        KEYS,
        "?!-+++",
        "GetCallerIdentity returned the ARN ''; is a proxy",
    ),
}


@pytest.mark.parametrize(("respond", "target", "environment", "outcomes", "text"), CASES.values(), ids=CASES)
def test_what_can_be_wrong(
    respond: Respond, target: Target, environment: dict[str, str], outcomes: str, text: str
) -> None:
    """Each is found where it is, and the screen says what it is."""
    with Server(respond) as server:
        found = ask(server.url, environment, target)
    assert [marks(report) for report in found] == [outcomes]
    assert text in as_text(found)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AccessDeniedException", '"organizations:ListAccountsForParent",\n'),
        ("AWSOrganizationsNotInUseException", f"The account of these credentials ({ACCOUNT}) is in no organization"),
        ("ParentNotFoundException", "Correct organizational_units of discovery.organizations"),
    ],
)
def test_accounts_that_cannot_be_listed(code: str, text: str) -> None:
    """The advice names the permissions that the listing needs, unless none of them would help."""
    with Server(aws_organizations(code)) as server:
        found = ask(server.url, KEYS, discovery=DISCOVERY)
    assert [(report.place, marks(report)) for report in found] == [("discovery.organizations us-east-1", "++-+!?")]
    assert text in as_text(found)
    assert ('"Action"' in as_text(found)) is (code == "AccessDeniedException")


@pytest.mark.parametrize(
    ("page", "detail"),
    [
        (faults.page(faults.job(1)), "1 job on the first page"),
        (faults.page(faults.job(1), {}, token="next"), "2 jobs on the first page, and there are more"),
    ],
)
def test_first_page(page: Response, detail: str) -> None:
    """It is the only one that is asked for; malformed jobs count."""
    service = Service(page)
    with Server(service) as server:
        (report,) = ask(server.url, KEYS, ONE)
    assert (report.findings[-1].detail, len(service.lists)) == (detail, 1)


def test_details_and_tags_are_asked_for_once_where_they_are_wanted() -> None:
    """Each by one call about one job, a failed one if there is one; without them nobody asks, and there is no check."""
    service = Service(faults.page(faults.job(1), faults.job(2, status="Failed")))
    with Server(service) as server:
        found = ask(server.url, KEYS, ONE, details=BOTH)
        plain = ask(server.url, KEYS, ONE)
    assert [marks(report) for report in (*found, *plain)] == ["++-+++++", "++-+++"]
    assert [finding.detail for finding in found[0].findings[-2:]] == [f"of {faults.job(2)['jobArn']}"] * 2
    others = [request.path for request in service.seen if request.path not in {"/", faults.LIST}]
    assert [unquote(path) for path in others] == [f"{faults.LIST}/{faults.job(2)['jobArn']}", "/listTagsForResource"]


def test_denied_details() -> None:
    """The report names the permission that is missing, for the jobs of that account; the other checks are good."""
    denied = faults.error(403, "AccessDeniedException", "User: x is not authorized to perform it")
    service = Service(faults.page(faults.job(1)))
    with Server(lambda each: denied if each.path == "/listTagsForResource" else service(each)) as server:
        found = ask(server.url, KEYS, ONE, details=BOTH)
    assert [marks(report) for report in found] == ["++-++++!"]
    (step,) = found[0].findings[-1].steps
    assert step.statement == iam.details(ACCOUNT, actions=["bedrock:ListTagsForResource"])
    assert "bedrock:ListTagsForResource" in as_text(found)


@pytest.mark.parametrize(
    ("listed", "other", "outcomes"),
    [
        (faults.page(), faults.drop, "++-+++??"),
        (faults.error(403, "AccessDeniedException"), faults.drop, "++-+!???"),
        (faults.page(faults.job(1)), lambda _: faults.error(404, "ResourceNotFoundException"), "++-+++++"),
        (faults.page(faults.job(1)), faults.drop, "++-+++!!"),
    ],
    ids=["no-job", "no-list", "a-job-that-vanishes", "no-answer"],
)
def test_details_that_cannot_be_told(listed: Response, other: Respond, outcomes: str) -> None:
    """Without a job nobody can ask; a job that has vanished since shows that asking is allowed."""
    service = Service(listed)
    with Server(lambda each: service(each) if each.path in {"/", faults.LIST} else other(each)) as server:
        found = ask(server.url, KEYS, ONE, details=BOTH)
    assert [marks(report) for report in found] == [outcomes]


def test_duplicates() -> None:
    """Of two targets that turn out to be one account in one region, the second fails, whatever way they take."""
    names = ("targets[0]", "targets[1]", "targets[2]")
    with Server(Service(faults.page(), sts=sts(DENIED))) as server:
        found = ask(
            server.url,
            KEYS,
            *(replace(IN_ROLE, name=name) for name in names[:2]),
            replace(IN_ROLE, name=names[2], region="us-west-2"),
        )
    assert [marks(report) for report in found] == ["+-++++", "+-!+++", "+-++++"]
    assert "targets[0] already watches this account in us-east-1" in as_text(found)


def test_requests() -> None:
    """Targets that start alike ask once who they are; a request that fails is tried a second time, and no more."""
    service = Service(
        faults.page(faults.job(1)), faults.error(500, "InternalServerException"), sts=sts(faults.identity())
    )
    with Server(service) as server:
        found = ask(server.url, KEYS, ONE, replace(IN_ROLE, name="targets[1]"), attempts=5)
    assert [marks(report) for report in found] == ["++-+++", "+++??!"]
    assert service.sts_actions == ["GetCallerIdentity", "AssumeRole", "GetCallerIdentity", "AssumeRole"]
    assert len(service.lists) == 3


@pytest.mark.parametrize("target", [ONE, IN_ROLE], ids=["plain", "role"])
def test_nothing_is_asked_after_the_deadline(target: Target) -> None:
    """The question that got no answer fails, whatever the peer does; those after it are not asked."""
    stall = faults.Stall()
    service = Service(faults.page(), sts=stall.silent)
    with Server(service) as server:
        found = ask(server.url, KEYS, target, timeout=1)
        stall.release()
    assert [marks(report) for report in found] == ["?!-???" if target is ONE else "?!????"]
    assert "poll.timeout" in as_text(found)
    assert (service.sts_actions, service.lists) == (["GetCallerIdentity"], [])


# Web identity

PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
SUBJECT = "system:serviceaccount:monitoring:exporter"


@pytest.mark.parametrize("audience", ["sts.amazonaws.com", ["sts.amazonaws.com"]])
def test_web_identity_that_the_role_does_not_trust(tmp_path: Path, audience: str | list[str]) -> None:
    """On EKS with IRSA the token in the pod says what the role's trust policy needs."""
    issuer = PROVIDER.partition("oidc-provider/")[2]
    claims = json.dumps({"iss": f"https://{issuer}", "sub": SUBJECT, "aud": audience}).encode()
    (tmp_path / "token").write_text(f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2lnbmF0dXJl")
    role = f"arn:aws:iam::{ACCOUNT}:role/exporter"
    environment = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    with Server(Service(faults.page(), sts=DENIED)) as server:
        (report,) = ask(server.url, environment, ONE)
    assert marks(report) == "+!-???"
    (step,) = report.findings[1].steps
    assert step.text == f"Add to the trust policy of {role}:"
    assert step.statement == iam.trust_web_identity(PROVIDER, SUBJECT)


@pytest.mark.parametrize("token", ["", "no dots", "a.b.c", "e30.W10.c2ln", "e30.e30.c2ln", "e30.eyJpc3MiOiAxfQ.c2ln"])
def test_a_token_that_is_none(token: str, tmp_path: Path) -> None:
    """Whatever the token's file contains, the checks go on without it."""
    (tmp_path / "token").write_text(token)
    environ = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    assert web_identity(environ) is None
    assert web_identity({**environ, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path)}) is None
    assert web_identity({}) is None
