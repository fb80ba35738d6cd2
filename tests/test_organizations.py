"""The list of an organization's accounts is whole or a failure with its reason: real boto3, real HTTP."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import faults
import pytest
from botocore.loaders import Loader

from exporter.bedrock import Lifeline, Sessions, list_accounts
from exporter.bedrock.organizations import operations
from exporter.model import Account, AccountChoice, AssumeRole, AwsSettings, Discovery, FailureReason, Target, WalkError
from exporter.simulator import Request, Respond, Response, Server

MANAGEMENT = "999988887777"
ONE, TWO, THREE, FOUR = "111111111111", "222222222222", "333333333333", "444444444444"
SETTINGS = AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1)
DISCOVERY = Discovery("bedrock-exporter", ("us-west-2",))
ROLE = AssumeRole(f"arn:aws:iam::{MANAGEMENT}:role/list-accounts", "exporter")

List = Callable[..., tuple[Account, ...]]
Serve = Callable[[Respond], None]
Answer = Callable[[dict[str, Any]], Response]
Organization = dict[str, Answer | Response]
"""Name of an operation → its answer."""


@pytest.fixture(scope="module")
def loader() -> Loader:
    """One for all tests, as reading the service models takes longer than most of them."""
    return Loader()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


@pytest.fixture
def requests() -> list[str]:
    """The operations of all requests that left the machine."""
    return []


@pytest.fixture
def sessions(requests: list[str], loader: Loader) -> Sessions:
    made = Sessions(SETTINGS, requests.append)
    made._loader = loader
    return made


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Have AWS Organizations and STS answer so from now on. One server for all tests, as to close one takes long."""
    answers: list[Respond] = []

    def newest(request: Request) -> Response:
        return answers[-1](request)

    with Server(newest) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", server.url)
        environment.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield answers.append


@pytest.fixture
def listed(sessions: Sessions, serve: Serve) -> List:
    """List the accounts of an organization as a discovery says."""

    def listed(organization: Organization, discovery: Discovery = DISCOVERY) -> tuple[Account, ...]:
        serve(respond(organization))
        return list_accounts(discovery, sessions)

    return listed


def respond(organization: Organization) -> Respond:
    """Answers requests to AWS Organizations, and those to STS by what stands under its operations."""

    def respond(request: Request) -> Response:
        target = request.headers.get("x-amz-target")
        operation = target.partition(".")[2] if target else faults.action_of(request)
        answer = organization[operation]
        return answer if isinstance(answer, Response) else answer(json.loads(request.body))

    return respond


def said(**members: object) -> Response:
    """A good answer."""
    return faults.body_of(json.dumps(members).encode(), content_type="application/x-amz-json-1.1")


def member(number: str, name: str = "", **members: Any) -> dict[str, Any]:
    """An account as the service describes it; `members` are put in, or taken out where they are None."""
    account = {
        "Id": number,
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{number}",
        "Name": name or f"account-{number[0]}",
        "State": "ACTIVE",
        "Status": "ACTIVE",
    }
    return {key: value for key, value in (account | members).items() if value is not None}


def pages(key: str, *parts: Sequence[object]) -> Answer:
    """Answers with these pages; the token is the number of the page."""

    def answer(request: dict[str, Any]) -> Response:
        number = int(request.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number + 1 < len(parts) else {}
        return said(**{key: parts[number]}, **more)

    return answer


def by(parameter: str, answers: Mapping[str, Answer | Response]) -> Answer:
    """Answers by the value of a parameter."""

    def answer(request: dict[str, Any]) -> Response:
        chosen = answers[request[parameter]]
        return chosen if isinstance(chosen, Response) else chosen(request)

    return answer


ROOT = member(MANAGEMENT, "management")
ALL: Organization = {"ListAccounts": pages("Accounts", [member(TWO), ROOT], [member(ONE)])}


def ids(accounts: tuple[Account, ...]) -> list[str]:
    return [account.id for account in accounts]


def failure(call: Callable[[], object]) -> WalkError:
    with pytest.raises(WalkError) as caught:
        call()
    return caught.value


# What is listed


def test_every_page_counts_empty_ones_too(listed: List, requests: list[str]) -> None:
    """AWS Organizations may give an empty page before the last one; only a missing token ends the list."""
    accounts = pages("Accounts", [], [member(TWO)], [], [ROOT, member(ONE)], [])

    assert ids(listed({"ListAccounts": accounts})) == [ONE, TWO]
    assert requests == ["ListAccounts"] * 5


def test_an_account_as_it_is_listed(listed: List) -> None:
    """Id, name and ARN are AWS's; the management account is left out."""
    assert listed(ALL) == tuple(
        Account(number, f"account-{number[0]}", f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{number}")
        for number in (ONE, TWO)
    )


def test_only_active_accounts(listed: List) -> None:
    """`State` says which are, and `Status` where there is nothing else, as AWS retires it."""
    members = [
        ROOT,
        member(ONE, State="ACTIVE", Status=None),
        member(TWO, State=None, Status="ACTIVE"),
        member(THREE, State="SUSPENDED", Status=None),
        member(FOUR, State=None, Status="SUSPENDED"),
        member("555555555555", State="PENDING_CLOSURE", Status="ACTIVE", Name=None),
        member("666666666666", State="NEW_TO_US", Status=None),
    ]

    assert ids(listed({"ListAccounts": pages("Accounts", list(members))})) == [ONE, TWO]


UNITS = {
    "r-ab12": ([ROOT], ["ou-ab12-11111111"]),
    "ou-ab12-11111111": ([member(ONE)], ["ou-ab12-22222222", "ou-ab12-33333333"]),
    "ou-ab12-22222222": ([member(TWO), member(THREE)], []),
    "ou-ab12-33333333": ([member(FOUR, State="SUSPENDED")], []),
}
TREE: Organization = {
    "ListAccountsForParent": by(
        "ParentId", {unit: pages("Accounts", list(accounts), []) for unit, (accounts, _) in UNITS.items()}
    ),
    "ListOrganizationalUnitsForParent": by(
        "ParentId",
        {
            unit: pages("OrganizationalUnits", [], *([{"Id": below}] for below in units))
            for unit, (_, units) in UNITS.items()
        },
    ),
}


@pytest.mark.parametrize(
    ("units", "below", "found"),
    [
        (("r-ab12",), 4, [ONE, TWO, THREE]),
        (("ou-ab12-22222222",), 1, [TWO, THREE]),
        (("ou-ab12-22222222", "ou-ab12-11111111"), 3, [ONE, TWO, THREE]),
        (("ou-ab12-33333333",), 1, []),
    ],
    ids=["root", "leaf", "one-in-the-other", "nobody-active"],
)
def test_organizational_units_and_those_below(
    listed: List, requests: list[str], units: tuple[str, ...], below: int, found: list[str]
) -> None:
    """Accounts count at any depth, each unit is read once, and one without accounts is no failure."""
    assert ids(listed(TREE, replace(DISCOVERY, organizational_units=units))) == found
    assert requests.count("ListAccountsForParent") == 2 * below  # two pages each


def tags(**values: str) -> Answer:
    """Answers with a page for each tag."""
    return pages("Tags", *([{"Key": key, "Value": value}] for key, value in values.items()), [])


TAGS = {ONE: tags(team="ml", stage="prod"), TWO: tags(stage="test"), THREE: tags()}
TAGGED: Organization = {
    "ListAccounts": pages("Accounts", [ROOT, member(ONE), member(TWO), member(THREE), member(FOUR, "sandbox")]),
    "ListTagsForResource": by("ResourceId", TAGS),
}


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        pytest.param(AccountChoice(tags=(("stage", "*"),)), AccountChoice(), [ONE, TWO], id="include"),
        pytest.param(AccountChoice(), AccountChoice(tags=(("stage", "test"),)), [ONE, THREE], id="exclude"),
        pytest.param(
            AccountChoice(accounts=(TWO, THREE)),
            AccountChoice(tags=(("team", "ml"), ("stage", "t*"))),
            [THREE],
            id="both",
        ),
    ],
)
def test_tags_are_read_where_they_decide(
    listed: List, requests: list[str], include: AccountChoice, exclude: AccountChoice, found: list[str]
) -> None:
    """Every page of an account's tags counts; nobody asks for those of an account that is out already."""
    exclude = replace(exclude, names=("sandbox",))

    assert ids(listed(TAGGED, replace(DISCOVERY, include=include, exclude=exclude))) == found
    assert requests == ["ListAccounts", *["ListTagsForResource"] * 6]


def test_an_account_keeps_its_tags(listed: List) -> None:
    """What the tags were is known afterwards."""
    [account] = listed(
        TAGGED, replace(DISCOVERY, include=AccountChoice(tags=(("team", "*"),)), exclude=AccountChoice(names=("s*",)))
    )

    assert account.tags == {"team": "ml", "stage": "prod"}


def test_nobody_asks_for_tags_that_do_not_matter(listed: List, requests: list[str]) -> None:
    """Ids and names are in the list; without tags in the file it is one request a page."""
    discovery = replace(DISCOVERY, include=AccountChoice(names=("account-*",)), exclude=AccountChoice(accounts=(TWO,)))

    assert ids(listed(TAGGED, discovery)) == [ONE, THREE]
    assert requests == ["ListAccounts"]


def test_an_account_that_leaves_meanwhile_is_left_out(listed: List) -> None:
    """Between the list and its tags an account may be closed; that is no failure."""
    gone = aws_error("TargetNotFoundException")
    organization = TAGGED | {"ListTagsForResource": by("ResourceId", {**TAGS, ONE: gone, FOUR: tags()})}

    assert ids(listed(organization, replace(DISCOVERY, exclude=AccountChoice(tags=(("stage", "test"),))))) == [
        THREE,
        FOUR,
    ]


def test_a_role_lists_the_accounts(listed: List, requests: list[str]) -> None:
    """A role of the management account is assumed for the list."""
    organization = ALL | {"AssumeRole": faults.assumed("token", timedelta(hours=1))}

    assert ids(listed(organization, replace(DISCOVERY, assume_role=ROLE))) == [ONE, TWO]
    assert requests == ["AssumeRole", "ListAccounts", "ListAccounts"]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-3", "organizations.us-east-1.amazonaws.com"),
        ("cn-north-1", "organizations.cn-northwest-1.amazonaws.com.cn"),
        ("us-gov-east-1", "organizations.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_endpoint_is_that_of_the_partition(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    """AWS Organizations has one endpoint in each partition, wherever the jobs are."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_ORGANIZATIONS", raising=False)
    client = sessions.organizations(Target("", region))

    assert client.meta.endpoint_url == f"https://{host}"


# What fails


def aws_error(code: str, status: int = 400, message: str = "No.") -> Response:
    """An error of AWS Organizations."""
    body = json.dumps({"__type": code, "Message": message}).encode()
    return faults.body_of(body, status, "application/x-amz-json-1.1")


def then(first: Response, *others: Response | Respond) -> Answer:
    """Answers with each of these in turn, by the token."""

    def answer(request: dict[str, Any]) -> Response:
        chosen = (first, *others)[int(request.get("NextToken", "0"))]
        return chosen if isinstance(chosen, Response) else chosen(Request("POST", "/"))

    return answer


FIRST = said(Accounts=[ROOT, member(ONE)], NextToken="1")
CHECK = "check that AWS_ENDPOINT_URL_ORGANIZATIONS and the proxy lead to AWS Organizations"
IN_UNIT = replace(DISCOVERY, organizational_units=("ou-ab12-22222222",))
BY_TAG = replace(DISCOVERY, include=AccountChoice(tags=(("team", "*"),)))


@pytest.mark.parametrize(
    ("organization", "discovery", "reason", "message"),
    [
        pytest.param(
            {"ListAccounts": aws_error("AccessDeniedException")},
            DISCOVERY,
            FailureReason.ACCESS_DENIED,
            "allow organizations:ListAccounts on Resource '*' for this identity, which has to be of the organization's "
            "management account or of a delegated administrator",
            id="denied",
        ),
        pytest.param(
            {"ListAccountsForParent": aws_error("AccessDeniedException")},
            replace(IN_UNIT, exclude=AccountChoice(tags=(("team", "*"),))),
            FailureReason.ACCESS_DENIED,
            "allow organizations:ListAccountsForParent, organizations:ListOrganizationalUnitsForParent and "
            "organizations:ListTagsForResource on Resource '*' for this identity, which has to be of the "
            "organization's management account or of a delegated administrator; check organizational_units",
            id="units-denied",
        ),
        pytest.param(
            {"ListAccounts": aws_error("AWSOrganizationsNotInUseException")},
            DISCOVERY,
            FailureReason.ACCESS_DENIED,
            "AWSOrganizationsNotInUseException",
            id="no-organization",
        ),
        pytest.param(
            {"ListAccountsForParent": aws_error("ParentNotFoundException")},
            IN_UNIT,
            FailureReason.ACCESS_DENIED,
            "check organizational_units",
            id="no-such-unit",
        ),
        pytest.param(
            ALL | {"AssumeRole": faults.sts_error(403, "AccessDenied")},
            replace(DISCOVERY, assume_role=ROLE),
            FailureReason.ASSUME_ROLE_DENIED,
            "allow sts:AssumeRole on the role",
            id="role-denied",
        ),
        pytest.param(
            {"ListAccounts": aws_error("ExpiredTokenException")},
            DISCOVERY,
            FailureReason.CREDENTIALS,
            "give the exporter valid, current AWS credentials",
            id="expired",
        ),
        pytest.param(
            {"ListAccounts": then(FIRST, aws_error("TooManyRequestsException"))},
            DISCOVERY,
            FailureReason.THROTTLED,
            "raise discovery.organizations.refresh",
            id="throttled-half-way",
        ),
        pytest.param(
            {"ListAccounts": then(FIRST, aws_error("ServiceException", 500))},
            DISCOVERY,
            FailureReason.SERVER_ERROR,
            "the next listing tries again",
            id="server-error-half-way",
        ),
        pytest.param(
            {"ListAccounts": then(FIRST, faults.drop)},
            DISCOVERY,
            FailureReason.NETWORK,
            "check the network, DNS, the proxy and AWS_ENDPOINT_URL_ORGANIZATIONS",
            id="dropped-half-way",
        ),
        pytest.param(
            {"ListAccounts": then(FIRST, faults.truncated(b'{"Accounts": ['))},
            DISCOVERY,
            FailureReason.NETWORK,
            "check the network",
            id="torn-half-way",
        ),
        pytest.param(
            TREE | {"ListOrganizationalUnitsForParent": aws_error("AccessDeniedException")},
            IN_UNIT,
            FailureReason.ACCESS_DENIED,
            "when calling the ListOrganizationalUnitsForParent operation",
            id="units-below-denied",
        ),
        pytest.param(
            TAGGED | {"ListTagsForResource": aws_error("AccessDeniedException")},
            BY_TAG,
            FailureReason.ACCESS_DENIED,
            "allow organizations:ListAccounts and organizations:ListTagsForResource on Resource '*'",
            id="tags-denied",
        ),
        pytest.param(
            {"ListAccounts": lambda _: said(Accounts=[member(ONE)], NextToken="again")},
            DISCOVERY,
            FailureReason.RUNAWAY_PAGINATION,
            "AWS Organizations gave a page token for Accounts for the second time after 1 pages",
            id="token-twice",
        ),
        *(
            pytest.param(
                {"ListAccounts": then(FIRST, answer)},
                DISCOVERY,
                FailureReason.MALFORMED_RESPONSE,
                message,
                id=name,
            )
            for name, answer, message in (
                ("proxy", faults.body_of(faults.HTML, content_type="text/html"), f"a page without Accounts; {CHECK}"),
                ("empty", said(), "a page without Accounts"),
                ("null", said(Accounts=None), "a page without Accounts"),
                ("no-list", said(Accounts="none"), ""),
                ("no-account", said(Accounts=[None]), "None without Arn"),
                ("no-id", said(Accounts=[member(TWO, Id=None)]), "without Id"),
                ("other-id", said(Accounts=[member(TWO, Id=THREE)]), "an account with the ARN 'arn:aws:org"),
                ("no-arn", said(Accounts=[member(TWO, Arn="x")]), "an account with the ARN 'x'"),
                ("no-state", said(Accounts=[member(TWO, State=None, Status=None)]), "without State"),
                ("no-name", said(Accounts=[member(TWO, Name=7)]), "without Name"),
            )
        ),
        pytest.param(
            {"ListAccounts": said(Accounts=[member(ONE, State="SUSPENDED")])},
            DISCOVERY,
            FailureReason.MALFORMED_RESPONSE,
            "answered with no active account, where at least the management account is one",
            id="nobody-active",
        ),
        pytest.param(
            {"ListAccounts": said(Accounts=[])},
            DISCOVERY,
            FailureReason.MALFORMED_RESPONSE,
            "no active account",
            id="nobody",
        ),
        pytest.param(
            TREE | {"ListOrganizationalUnitsForParent": said(OrganizationalUnits=[{"Name": "x"}])},
            IN_UNIT,
            FailureReason.MALFORMED_RESPONSE,
            "{'Name': 'x'} without Id",
            id="unit-without-id",
        ),
        pytest.param(
            TAGGED | {"ListTagsForResource": said(Tags=[{"Key": "team"}])},
            BY_TAG,
            FailureReason.MALFORMED_RESPONSE,
            "{'Key': 'team'} without Value",
            id="tag-without-value",
        ),
    ],
)  # fmt: skip
def test_a_listing_that_is_not_whole_fails(
    listed: List, organization: Organization, discovery: Discovery, reason: FailureReason, message: str
) -> None:
    """Whatever breaks it off, no account of it is given, and the failure says why and what to do."""
    failed = failure(lambda: listed(organization, discovery))

    assert failed.reason is reason
    assert message in failed.message


def test_no_credentials(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing is asked."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    assert failure(lambda: list_accounts(DISCOVERY, sessions)).reason is FailureReason.CREDENTIALS


def test_new_credentials_are_read_after_the_old_ones_failed(
    sessions: Sessions, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody writes new credentials into the file, and the next listing has them."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    discovery = replace(DISCOVERY, profile="lister")

    def give(key: str) -> None:
        (tmp_path / "credentials").write_text(f"[lister]\naws_access_key_id = {key}\naws_secret_access_key = any\n")

    def answer(request: Request) -> Response:
        good = "Credential=AKIANEW/" in request.headers["authorization"]
        return said(Accounts=[ROOT, member(ONE)]) if good else aws_error("UnrecognizedClientException")

    serve(answer)
    give("AKIAOLD")
    assert failure(lambda: list_accounts(discovery, sessions)).reason is FailureReason.CREDENTIALS
    give("AKIANEW")
    assert ids(list_accounts(discovery, sessions)) == [ONE]


def test_a_listing_can_be_cut_off(sessions: Sessions, serve: Serve) -> None:
    """A peer that drips a byte now and then would hold it for ever; a lifeline ends it at once."""
    stall, lifeline = faults.Stall(), Lifeline()
    ended: list[WalkError] = []

    def work() -> None:
        with lifeline:
            ended.append(failure(lambda: list_accounts(DISCOVERY, sessions)))

    serve(stall.dripping)
    thread = threading.Thread(target=work)
    thread.start()
    assert stall.reached.wait(30)
    lifeline.cut()
    thread.join(30)
    stall.release()

    assert len(ended) == 1


@pytest.mark.parametrize(
    ("discovery", "needed"),
    [
        (DISCOVERY, {"ListAccounts"}),
        (IN_UNIT, {"ListAccountsForParent", "ListOrganizationalUnitsForParent"}),
        (BY_TAG, {"ListAccounts", "ListTagsForResource"}),
    ],
    ids=["all", "unit", "tags"],
)
def test_only_these_permissions_are_needed(
    listed: List, requests: list[str], discovery: Discovery, needed: set[str]
) -> None:
    """What a listing says it calls is what it calls."""
    organization = {**TREE, **TAGGED, "ListTagsForResource": tags()}

    listed(organization, discovery)

    assert set(requests) == needed == set(operations(discovery))
