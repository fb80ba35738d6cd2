"""The list of an organization's accounts is whole, or a failure with its reason: real boto3, real HTTP."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import faults
import pytest

from exporter.bedrock.clients import Clients
from exporter.bedrock.organizations import list_accounts, operations
from exporter.bedrock.settings import AwsSettings
from exporter.errors import FailureReason, WalkError
from exporter.simulator import Request, Respond, Response, Server
from exporter.targets.accounts import Account, AccountChoice, Discovery
from exporter.targets.target import AssumeRole, Target
from exporter.work import Worker

MANAGEMENT = "999988887777"
ONE, TWO, THREE, FOUR = "111111111111", "222222222222", "333333333333", "444444444444"
SETTINGS = AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1)
DISCOVERY = Discovery("bedrock-exporter", ("us-west-2",))
ROLE = AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts", "exporter")

Answer = Callable[[dict[str, Any]], Response] | Response
"""Of AWS Organizations to a request, or to every one."""

Organization = dict[str, Answer]
"""Name of an operation → its answer."""


def answer_to(request: dict[str, Any], answer: Answer) -> Response:
    return answer if isinstance(answer, Response) else answer(request)


class Aws:
    """AWS Organizations and STS, which answer as a test says.

    Attributes:
        respond: answers from now on.
        requests: the operations of all requests that left the machine.
    """

    def __init__(self) -> None:
        self.respond: Respond = faults.drop
        self.requests: list[str] = []
        self.clients = Clients(SETTINGS, 1, self.requests.append)

    def answer(self, request: Request) -> Response:
        """The answer of the server."""
        return self.respond(request)

    def list(self, organization: Organization, discovery: Discovery = DISCOVERY) -> tuple[Account, ...]:
        """List the accounts of an organization."""

        def respond(request: Request) -> Response:
            target = request.headers.get("x-amz-target")
            answer = organization[target.partition(".")[2] if target else faults.action_of(request)]
            return answer_to(json.loads(request.body) if target else {}, answer)

        self.respond = respond
        return self.work(discovery)

    def work(self, discovery: Discovery, timeout: float = 30) -> tuple[Account, ...]:
        """List accounts as the exporter does it, in a thread and with a deadline."""
        worker = Worker("test", "wait")
        return asyncio.run(worker.run(lambda: list_accounts(discovery, self.clients), timeout))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    aws = Aws()
    with Server(aws.answer) as server:
        for name, value in {
            "ACCESS_KEY_ID": "AKIATEST",
            "SECRET_ACCESS_KEY": "any",
            "ENDPOINT_URL": server.url,
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield aws


def said(**members: object) -> Response:
    """A good answer."""
    return faults.body_of(json.dumps(members).encode(), content_type="application/x-amz-json-1.1")


def aws_error(code: str, status: int = 400) -> Response:
    """An error of AWS Organizations."""
    body = json.dumps({"__type": code, "Message": "No."}).encode()
    return faults.body_of(body, status, "application/x-amz-json-1.1")


def member(number: str, name: str = "", **members: Any) -> dict[str, Any]:
    """An account as the service describes it; `members` are added, or taken out where they are None."""
    arn = f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{number}"
    account = {"Id": number, "Arn": arn, "Name": name or f"account-{number[0]}", "State": "ACTIVE", "Status": "ACTIVE"}
    return {key: value for key, value in (account | members).items() if value is not None}


def pages(key: str, *parts: Sequence[object]) -> Answer:
    """Answers with these pages; the token is the number of the page."""

    def answer(request: dict[str, Any]) -> Response:
        number = int(request.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number + 1 < len(parts) else {}
        return said(**{key: parts[number]}, **more)

    return answer


def by(parameter: str, answers: Mapping[str, Answer]) -> Answer:
    """Answers by the value of a parameter."""
    return lambda request: answer_to(request, answers[request[parameter]])


def then(second: Answer) -> Organization:
    """Answers with a good first page of accounts, and then with this."""
    first = said(Accounts=[ROOT, member(ONE)], NextToken="1")
    return {"ListAccounts": lambda request: answer_to(request, second) if "NextToken" in request else first}


def accounts(*members: object) -> Organization:
    return {"ListAccounts": said(Accounts=members)}


# What is listed

ROOT = member(MANAGEMENT, "management")
ALL: Organization = {"ListAccounts": pages("Accounts", [], [member(TWO)], [], [ROOT, member(ONE)], [])}
STATES = accounts(
    ROOT,
    member(ONE, Status=None),
    member(TWO, State=None),
    member(THREE, State="SUSPENDED", Status=None),
    member(FOUR, State=None, Status="SUSPENDED"),
    member("555555555555", State="PENDING_CLOSURE", Name=None),
    member("666666666666", State="NEW_TO_US", Status=None),
)
UNITS = {
    "r-ab12": ([ROOT], ["ou-1"]),
    "ou-1": ([member(ONE)], ["ou-2", "ou-3"]),
    "ou-2": ([member(TWO), member(THREE)], []),
    "ou-3": ([member(FOUR, State="SUSPENDED")], []),
}
TREE: Organization = {
    "ListAccountsForParent": by("ParentId", {unit: pages("Accounts", list(own)) for unit, (own, _) in UNITS.items()}),
    "ListOrganizationalUnitsForParent": by(
        "ParentId",
        {
            unit: pages("OrganizationalUnits", [], *([{"Id": unit_below}] for unit_below in below))
            for unit, (_, below) in UNITS.items()
        },
    ),
}


def tags(**values: str) -> Answer:
    """Answers with a page for each tag."""
    return pages("Tags", *([{"Key": key, "Value": value}] for key, value in values.items()), [])


TAGS = {
    ONE: tags(team="ml", stage="prod"),
    TWO: tags(stage="test"),
    THREE: tags(),
    FOUR: aws_error("TargetNotFoundException"),
}
TAGGED: Organization = {
    "ListAccounts": pages("Accounts", [ROOT, *map(member, TAGS), member("555555555555", "sandbox")]),
    "ListTagsForResource": by("ResourceId", TAGS),
}
ROLES: Organization = {"AssumeRole": faults.assumed("token", timedelta(hours=1))}
NO_SANDBOX = AccountChoice(names=("sandbox",))
NOT_ML = replace(NO_SANDBOX, tags=(("team", "ml"), ("stage", "t*")))


def units(*names: str) -> Discovery:
    return replace(DISCOVERY, organizational_units=names)


def chosen(include: AccountChoice = AccountChoice(), exclude: AccountChoice = NO_SANDBOX) -> Discovery:  # noqa: B008
    return replace(DISCOVERY, include=include, exclude=exclude)


def tagged(**patterns: str) -> AccountChoice:
    return AccountChoice(tags=tuple(patterns.items()))


LISTS: dict[str, tuple[Organization, Discovery, list[str], list[int]]] = {
    "empty-pages": (ALL, DISCOVERY, [ONE, TWO], [5]),
    "states": (STATES, DISCOVERY, [ONE, TWO], [1]),
    "role": (ALL | ROLES, replace(DISCOVERY, assume_role=ROLE), [ONE, TWO], [5]),
    "root": (TREE, units("r-ab12"), [ONE, TWO, THREE], [4, 7]),
    "unit-below-another": (TREE, units("ou-2", "ou-1"), [ONE, TWO, THREE], [3, 5]),
    "nobody-active-in-the-unit": (TREE, units("ou-3"), [], [1, 1]),
    "included-by-tag": (TAGGED, chosen(tagged(stage="*")), [ONE, TWO], [1, 7]),
    "excluded-by-tag": (TAGGED, chosen(AccountChoice((TWO, THREE)), NOT_ML), [THREE], [1, 7]),
    "no-tags-needed": (TAGGED, chosen(AccountChoice(names=("a*",)), AccountChoice((TWO,))), [ONE, THREE, FOUR], [1]),
}


@pytest.mark.parametrize(("organization", "discovery", "found", "requests"), LISTS.values(), ids=LISTS)
def test_what_is_listed(
    aws: Aws, organization: Organization, discovery: Discovery, found: list[str], requests: list[int]
) -> None:
    """Active accounts, on whatever page or level; each unit is read once, and tags only where they decide.

    An account that leaves between the list and its tags is left out. The operations are those that need a permission.
    """
    assert [account.id for account in aws.list(organization, discovery)] == found
    assert [aws.requests.count(operation) for operation in operations(discovery)] == requests
    assert len(aws.requests) == sum(requests) + aws.requests.count("AssumeRole")


def test_an_account(aws: Aws) -> None:
    """Id, name, ARN and tags are AWS's."""
    (account,) = aws.list(TAGGED, chosen(tagged(team="*")))
    arn = f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{ONE}"
    assert account == Account(ONE, "account-1", arn, {"team": "ml", "stage": "prod"})


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-3", "organizations.us-east-1.amazonaws.com"),
        ("cn-north-1", "organizations.cn-northwest-1.amazonaws.com.cn"),
        ("us-gov-east-1", "organizations.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_endpoint_is_that_of_the_partition(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    """AWS Organizations has one endpoint in each partition, wherever the jobs are."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert aws.clients.organizations(Target("", region)).meta.endpoint_url == f"https://{host}"


# What fails

CHECK = "check that AWS_ENDPOINT_URL_ORGANIZATIONS and the proxy lead to AWS Organizations"
BELONG = (
    "on Resource '*' for this identity, which has to belong to the organization's management account or to a delegated "
    "administrator"
)
ALL_ACTIONS = (
    "organizations:ListAccountsForParent, organizations:ListOrganizationalUnitsForParent and "
    "organizations:ListTagsForResource"
)


def drop(_: object) -> Response:
    """Close the connection before any header."""
    raise ConnectionAbortedError


NOBODY = "no active account, although the management account has to be one"
IN_UNIT, BY_TAG = units("ou-2"), chosen(tagged(team="*"))
DENIED = aws_error("AccessDeniedException")
NO_ORGANIZATION, NO_UNIT = aws_error("AWSOrganizationsNotInUseException"), aws_error("ParentNotFoundException")
THROTTLED = aws_error("TooManyRequestsException")
NO_UNIT_ID: Organization = {"ListOrganizationalUnitsForParent": said(OrganizationalUnits=[{"Name": "x"}])}
NO_VALUE: Organization = {"ListTagsForResource": said(Tags=[{"Key": "team"}])}
FAILURES: dict[str, tuple[Organization, Discovery, str, str]] = {
    "denied": ({"ListAccounts": DENIED}, DISCOVERY, "access_denied", f"allow organizations:ListAccounts {BELONG}"),
    "units-denied": (
        {"ListAccountsForParent": DENIED},
        replace(IN_UNIT, exclude=tagged(team="*")),
        "access_denied",
        f"allow {ALL_ACTIONS} {BELONG}; check organizational_units",
    ),
    "tags-denied": (TAGGED | {"ListTagsForResource": DENIED}, BY_TAG, "access_denied", f"ListTagsForResource {BELONG}"),
    "no-organization": ({"ListAccounts": NO_ORGANIZATION}, DISCOVERY, "access_denied", "NotInUseException"),
    "no-such-unit": ({"ListAccountsForParent": NO_UNIT}, IN_UNIT, "access_denied", "check organizational_units"),
    "role-denied": (
        {"AssumeRole": faults.sts_error(403, "AccessDenied")},
        replace(DISCOVERY, assume_role=ROLE),
        "assume_role_denied",
        "allow sts:AssumeRole on the role",
    ),
    "throttled": (then(THROTTLED), DISCOVERY, "throttled", "raise discovery.organizations.refresh"),
    "server-error": (
        then(aws_error("ServiceException", 500)),
        DISCOVERY,
        "server_error",
        "the next listing tries again",
    ),
    "dropped": (then(drop), DISCOVERY, "network", "DNS, the proxy and AWS_ENDPOINT_URL_ORGANIZATIONS"),
    "expired": (then(aws_error("ExpiredTokenException")), DISCOVERY, "credentials", "valid, current AWS credentials"),
    "token-twice": (
        then(said(Accounts=[], NextToken="1")),
        DISCOVERY,
        "runaway_pagination",
        "AWS Organizations repeated a page token for Accounts after 1 pages",
    ),
    "nobody": (accounts(), DISCOVERY, "malformed_response", NOBODY),
    "nobody-active": (accounts(member(ONE, State="SUSPENDED")), DISCOVERY, "malformed_response", NOBODY),
    "unit-without-id": (TREE | NO_UNIT_ID, IN_UNIT, "malformed_response", "{'Name': 'x'} without Id"),
    "tag-without-value": (TAGGED | NO_VALUE, BY_TAG, "malformed_response", "{'Key': 'team'} without Value"),
}
MALFORMED: dict[str, tuple[Response, str]] = {
    "proxy": (faults.body_of(faults.HTML, content_type="text/html"), f"a page without Accounts; {CHECK}"),
    "empty": (said(), "a page without Accounts"),
    "null": (said(Accounts=None), "a page without Accounts"),
    "no-list": (said(Accounts="none"), ""),
    "no-account": (said(Accounts=[None]), "None without Arn"),
    "no-id": (said(Accounts=[member(TWO, Id=None)]), "without Id"),
    "other-id": (said(Accounts=[member(TWO, Id=THREE)]), "an account with the ARN 'arn:aws:org"),
    "no-arn": (said(Accounts=[member(TWO, Arn="x")]), "an account with the ARN 'x'"),
    "no-state": (said(Accounts=[member(TWO, State=None, Status=None)]), "without State"),
    "no-name": (said(Accounts=[member(TWO, Name=7)]), "without Name"),
}
FAILURES |= {name: (then(answer), DISCOVERY, "malformed_response", text) for name, (answer, text) in MALFORMED.items()}


@pytest.mark.parametrize(("organization", "discovery", "reason", "message"), FAILURES.values(), ids=FAILURES)
def test_a_listing_that_is_not_whole_fails(
    aws: Aws, organization: Organization, discovery: Discovery, reason: str, message: str
) -> None:
    """Whatever breaks it off, it returns no account, and says why and what to do."""
    with pytest.raises(WalkError) as caught:
        aws.list(organization, discovery)
    assert caught.value.reason == reason
    assert message in caught.value.message


def test_new_credentials_are_read_after_the_old_ones_failed(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without credentials nothing is asked; once good ones are in the file, the next listing works."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    profile = replace(DISCOVERY, profile="lister")

    def respond(request: Request) -> Response:
        good = "Credential=AKIANEW/" in request.headers["authorization"]
        return said(Accounts=[ROOT, member(ONE)]) if good else aws_error("UnrecognizedClientException")

    aws.respond = respond
    for content, requests in [("", 0), ("AKIAOLD", 1)]:
        file.write_text(content and f"[lister]\naws_access_key_id = {content}\naws_secret_access_key = any\n")
        with pytest.raises(WalkError) as caught:
            aws.work(profile)
        assert caught.value.reason is FailureReason.CREDENTIALS
        assert len(aws.requests) == requests
    file.write_text("[lister]\naws_access_key_id = AKIANEW\naws_secret_access_key = any\n")
    assert [account.id for account in aws.work(profile)] == [ONE]


def test_a_listing_has_a_deadline(aws: Aws) -> None:
    """A peer that sends a byte now and then can't hold it for ever."""
    stall = faults.Stall()
    aws.respond = stall.dripping
    try:
        with pytest.raises(WalkError) as caught:
            aws.work(DISCOVERY, timeout=0.5)
    finally:
        stall.release()
    assert caught.value.reason is FailureReason.TIMEOUT
