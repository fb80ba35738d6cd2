"""What `--doctor` makes of AWS's answers. The whole way, over HTTP, is in tests/e2e/test_doctor.py."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.bedrock.answers import Problem
from exporter.doctor import iam
from exporter.doctor.report import Check, Outcome, as_json, as_text, reports
from exporter.doctor.seen import Seen
from exporter.errors import FailureReason
from exporter.targets.target import AssumeRole, Target

DATA = Path(__file__).parents[1] / "data" / "doctor"
OWN, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
USER = f"arn:aws:iam::{OWN}:user/exporter"
SESSION = f"arn:aws:sts::{OTHER}:assumed-role/bedrock-exporter/bedrock-customization-exporter"

GOOD = Seen(Target("targets[0]", "us-east-1"), iam.watch(), 0.4, USER, None, "3 jobs on the first page")
IN_ROLE = replace(GOOD, target=Target("targets[1]", "us-east-1", OTHER, AssumeRole(ROLE)), role=SESSION)
NO_ROLE = replace(IN_ROLE, role=None, listed=None)
MARKS = {Outcome.PASSED: "+", Outcome.FAILED: "!", Outcome.SKIPPED: "?", Outcome.NOT_NEEDED: "-"}


def problem(reason: str, message: str = "no") -> Problem:
    return Problem(FailureReason(reason), message)


NETWORK, CREDENTIALS, DENIED = problem("network"), problem("credentials"), problem("access_denied")
API_KEY = replace(GOOD, ahead=None, identity=CREDENTIALS, has_credentials=False)
CASES = {
    "good": (GOOD, "++-+++"),
    "good, in a role": (IN_ROLE, "++++++"),
    "nothing answered": (Seen(GOOD.target, GOOD.permission), "??-???"),
    "no clock": (replace(GOOD, ahead=None), "?+-+++"),
    "a clock a little off": (replace(GOOD, ahead=-120), "++-+++"),
    "a clock that AWS still accepts": (replace(GOOD, ahead=-121), "!+-+++"),
    "the clock is to blame": (replace(GOOD, ahead=400, identity=CREDENTIALS, listed=CREDENTIALS), "!?-???"),
    "the clock is not all": (replace(GOOD, ahead=400, listed=NETWORK), "!+-!??"),
    "the clock is to blame for the role": (replace(NO_ROLE, ahead=400, role=CREDENTIALS), "!+????"),
    "credentials": (replace(GOOD, identity=CREDENTIALS, listed=CREDENTIALS), "+!-???"),
    "another account": (replace(GOOD, target=replace(GOOD.target, account_id=OTHER)), "+!-+++"),
    "STS fails in one way, Bedrock in another": (replace(GOOD, identity=NETWORK, listed=DENIED), "+!-+!?"),
    "both fail for one reason": (replace(GOOD, identity=NETWORK, listed=problem("network", "nor")), "+!-!??"),
    "STS fails, nothing tells the account": (replace(GOOD, identity=NETWORK), "+!-+++"),
    "STS fails, a job tells the account": (replace(GOOD, identity=NETWORK, listed_account=OWN), "+--+++"),
    "an API key": (replace(API_KEY, listed_account=OWN), "?--+++"),
    "an API key, nothing tells the account": (API_KEY, "?!-+++"),
    "an API key that has expired": (replace(API_KEY, listed=problem("credentials", "expired")), "??-?!?"),
    "an API key, no answer": (replace(API_KEY, listed=problem("timeout")), "??-!??"),
    "neither credentials nor an API key": (replace(API_KEY, listed=CREDENTIALS), "?!-???"),
    "no credentials for a role": (replace(NO_ROLE, identity=CREDENTIALS), "+!????"),
    "STS allows the role alone": (replace(IN_ROLE, identity=DENIED, role=ROLE), "+-++++"),
    "STS allows the role alone, which may not list": (
        replace(IN_ROLE, identity=DENIED, role=ROLE, listed=problem("access_denied", "no list")),
        "+-++!?",
    ),
    "STS refuses identity and role": (replace(NO_ROLE, identity=DENIED, role=problem("assume_role_denied")), "+-!???"),
    "STS fails, for the role as well": (replace(NO_ROLE, identity=NETWORK, role=NETWORK), "+!????"),
    "STS fails, before the role": (replace(NO_ROLE, identity=NETWORK), "+!????"),
    "the role": (replace(NO_ROLE, role=problem("assume_role_denied")), "++!???"),
    "a role that can't be renewed": (replace(IN_ROLE, listed=problem("assume_role_denied")), "++!???"),
    "details and tags": (replace(GOOD, details=(("details", "of a job"), ("tags", "of a job"))), "++-+++++"),
    "no job to ask about": (replace(GOOD, details=(("details", None), ("tags", None))), "++-+++??"),
    "denied tags": (replace(GOOD, details=(("details", "of a job"), ("tags", DENIED))), "++-++++!"),
    "a duplicate": (replace(GOOD, duplicate_of="targets[0]"), "+!-+++"),
    "a duplicate in a role": (replace(IN_ROLE, duplicate_of="targets[0]"), "++!+++"),
}
LISTS = {
    "unsupported_region": "++-!??",
    "network": "++-!??",
    "timeout": "++-!??",
    "access_denied": "++-+!?",
    "credentials": "++-?!?",
    "throttled": "++-??!",
    "server_error": "++-??!",
    "malformed_response": "++-??!",
    "internal": "++-??!",
}


@pytest.mark.parametrize(
    ("seen", "outcomes"),
    [
        *(pytest.param(*case, id=name) for name, case in CASES.items()),
        *(pytest.param(replace(GOOD, listed=problem(reason)), marks, id=reason) for reason, marks in LISTS.items()),
    ],
)
def test_outcomes(seen: Seen, outcomes: str) -> None:
    """The first check that fails is the one to fix; one that could not be made is not called failed."""
    (report,) = reports([seen])
    assert [finding.check for finding in report.findings] == list(Check)[: len(outcomes)]
    assert "".join(MARKS[finding.outcome] for finding in report.findings) == outcomes
    assert report.ok is ("!" not in outcomes)


def test_screen() -> None:
    """Targets that share a failure share one paragraph, with what was seen and what to do."""
    denied = replace(IN_ROLE, listed=problem("access_denied", "AccessDenied"))
    seen = [
        denied,
        replace(denied, target=replace(denied.target, region="us-west-2"), duplicate_of="targets[0]"),
        replace(GOOD, target=replace(GOOD.target, account_id=OTHER)),
        replace(API_KEY, target=replace(GOOD.target, name="targets[2]")),
        replace(GOOD, identity=NETWORK, target=replace(GOOD.target, name="targets[3]")),
        GOOD,
    ]
    assert as_text(reports(seen), plain=True) == (DATA / "failures.txt").read_text(encoding="utf-8")


def test_many_targets_fail_alike() -> None:
    """A hundred targets without credentials are one row and one failure, with the number of their accounts."""
    failing = [
        replace(GOOD, target=Target(f"targets[{n}]", "us-east-1", f"{n:012}"), identity=CREDENTIALS, listed=CREDENTIALS)
        for n in range(100)
    ]
    lines = as_text(reports(failing), plain=True).splitlines()
    assert lines[1].split("  ")[0] == "all 100 targets"
    assert "  100 accounts  " in lines[1]
    assert "FAIL identity: all 100 targets" in lines
    assert lines[-1] == "0 targets OK, 100 failing"
    assert len(lines) < 12

    some = as_text(reports([GOOD, *failing[:20]]), plain=True)
    assert re.search(r"^20 of 21 targets +20 accounts +ok +FAIL ", some, re.MULTILINE)
    assert some.endswith("\n1 target OK, 20 failing\n")


def test_json() -> None:
    """Every target with every check, and whether all is good."""
    failing = replace(NO_ROLE, identity=None, ahead=400, role=CREDENTIALS)
    refused = replace(IN_ROLE, identity=DENIED, role=ROLE)
    assert as_json(reports([GOOD, failing, refused])) == (DATA / "report.json").read_text(encoding="utf-8")


def test_account() -> None:
    """What is configured counts first, then what STS says, then what a job tells."""
    seen = replace(GOOD, listed_account="222222222222")
    assert replace(seen, target=IN_ROLE.target).account_id == OTHER
    assert seen.account_id == OWN
    assert replace(seen, identity=NETWORK).account_id == "222222222222"
