"""What `--doctor` found → a table for people, or JSON: which checks a target passed, and what to do about the others.

Pure: what was asked of AWS, and what it answered, comes from `exporter.bedrock.doctor`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from exporter import permissions
from exporter.model import Discovery, Failed, FailureReason, Seen, account_of

CLOCK_TOLERANCE = 120.0
"""Seconds that the clock may be off. AWS refuses what is signed more than 5 minutes off, and a wrong clock drifts."""


# Findings -------------------------------------------------------------------------------------------------------------


class Check(StrEnum):
    """What is checked, in this order."""

    CLOCK = "clock"
    IDENTITY = "identity"
    ROLE = "role"
    REGION = "region"
    PERMISSION = "permission"
    PAGE = "page"


class Outcome(StrEnum):
    """How a check ended; skipped is what can't be made, or need not be."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(NamedTuple):
    """Something to do, with the statement to do it with if it is about a policy."""

    text: str
    statement: Mapping[str, Any] | None = None


class Finding(NamedTuple):
    """What a check came to.

    Attributes:
        check: which one.
        outcome: how it ended.
        detail: what was seen; for a failure also what to do, in general.
        steps: what to do exactly, where that can be told.
    """

    check: Check
    outcome: Outcome
    detail: str = ""
    steps: tuple[Step, ...] = ()


class Report(NamedTuple):
    """All findings about one target, one for each check."""

    seen: Seen
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """Where the target stands in the configuration, and its region."""
        return f"{self.seen.target.name} {self.seen.target.region}"

    @property
    def good(self) -> bool:
        """Whether no check failed."""
        return all(finding.outcome is not Outcome.FAILED for finding in self.findings)


def reports(seen: Iterable[Seen]) -> list[Report]:
    """Judge what was seen of all targets; of two that are the same account and region, the second one is not good."""
    places: dict[tuple[str, str], str] = {}
    judged = []
    for each in seen:
        told = _report(each)
        account = each.target.account_id or account_of(each.who)
        if isinstance(each.listed, str) and account and each.target.name != Discovery.name:
            first = places.setdefault((account, each.target.region), each.target.name)
            if first != each.target.name:
                told = _report(each, duplicate_of=first)
        judged.append(told)
    return judged


def _report(seen: Seen, duplicate_of: str | None = None) -> Report:
    findings = {finding.check: finding for finding in (_clock(seen), _identity(seen), _role(seen), *_list(seen))}
    if duplicate_of is not None:
        check = Check.ROLE if seen.target.assume_role else Check.IDENTITY
        detail = f"this account in {seen.target.region} is {duplicate_of}'s already"
        findings[check] = Finding(check, Outcome.FAILED, detail, (Step("Remove one of the two."),))
    return Report(seen, tuple(findings.get(check, Finding(check, Outcome.SKIPPED)) for check in Check))


def _clock(seen: Seen) -> Finding:
    if seen.ahead is None:
        return Finding(Check.CLOCK, Outcome.SKIPPED)
    if _clock_is_good(seen):
        return Finding(Check.CLOCK, Outcome.PASSED, f"{seen.ahead:+.0f} s from AWS's")
    off = f"{abs(seen.ahead) / 60:.0f} min {'ahead of' if seen.ahead > 0 else 'behind'} AWS's"
    detail = f"the clock of this machine is {off}; AWS refuses what is signed more than 5 minutes off"
    return Finding(Check.CLOCK, Outcome.FAILED, detail, (Step("Set the clock of this machine, by NTP for example."),))


def _clock_is_good(seen: Seen) -> bool:
    return seen.ahead is None or abs(seen.ahead) <= CLOCK_TOLERANCE


def _identity(seen: Seen) -> Finding:
    target, identity = seen.target, seen.identity
    if isinstance(identity, Failed):
        return _unknown_identity(seen, identity)
    if identity is None:
        return Finding(Check.IDENTITY, Outcome.SKIPPED)
    account = account_of(identity)
    if target.assume_role is None and target.account_id not in {None, account}:
        detail = f"account_id is {target.account_id}, but the credentials are of {account}: {identity}"
        return Finding(Check.IDENTITY, Outcome.FAILED, detail, (Step(f"Correct account_id of {target.name}."),))
    return Finding(Check.IDENTITY, Outcome.PASSED, identity)


def _unknown_identity(seen: Seen, failed: Failed) -> Finding:
    listed = isinstance(seen.listed, str)
    if not seen.has_credentials and seen.listed not in {None, failed}:
        told = "an API key has none that STS tells"
        if not listed or not seen.needs_identity:
            return Finding(Check.IDENTITY, Outcome.SKIPPED, told)
        step = Step(f"Give {seen.target.name} its account_id.")
        return Finding(Check.IDENTITY, Outcome.FAILED, f"{told}, and no job tells the account", (step,))
    if listed and seen.needs_identity:
        step = Step(f"Let AWS STS tell the account, or give {seen.target.name} its account_id.")
        return Finding(Check.IDENTITY, Outcome.FAILED, failed.message, (step,))
    if listed or (seen.role is not None and not _fails_like_identity(seen)):
        return Finding(Check.IDENTITY, Outcome.SKIPPED, f"not known, and not needed: {failed.message}")
    return _failed(Check.IDENTITY, seen, failed)


def _fails_like_identity(seen: Seen) -> bool:
    """Whether the role can't be assumed for the reason that hides the identity: both come from STS."""
    return (
        isinstance(seen.identity, Failed) and isinstance(seen.role, Failed) and seen.role.reason is seen.identity.reason
    )


def _role(seen: Seen) -> Finding:
    if _fails_like_identity(seen):
        return Finding(Check.ROLE, Outcome.SKIPPED)
    if isinstance(seen.role, Failed):
        return _failed(Check.ROLE, seen, seen.role)
    if seen.role is None:
        return Finding(Check.ROLE, Outcome.SKIPPED, "" if seen.target.assume_role else "none is configured")
    return Finding(Check.ROLE, Outcome.PASSED, seen.role)


_CHECK_OF = {
    FailureReason.UNSUPPORTED_REGION: Check.REGION,
    FailureReason.NETWORK: Check.REGION,
    FailureReason.TIMEOUT: Check.REGION,
    FailureReason.ASSUME_ROLE_DENIED: Check.ROLE,
    FailureReason.ACCESS_DENIED: Check.PERMISSION,
    FailureReason.CREDENTIALS: Check.PERMISSION,
}
"""The check that a list which fails for a reason has not passed; for any other reason it is the page."""


def _list(seen: Seen) -> list[Finding]:
    """The findings that the list allows."""
    listed = seen.listed
    if isinstance(listed, str):
        passed = [Finding(check, Outcome.PASSED) for check in (Check.REGION, Check.PERMISSION)]
        return [*passed, Finding(Check.PAGE, Outcome.PASSED, listed)]
    if listed is None or listed == seen.identity:  # which is told once
        return []
    finding = _failed(_CHECK_OF.get(listed.reason, Check.PAGE), seen, listed)
    if listed.reason is FailureReason.ACCESS_DENIED:  # by a service that is there
        return [Finding(Check.REGION, Outcome.PASSED), finding]
    return [finding]


def _failed(check: Check, seen: Seen, failed: Failed) -> Finding:
    if failed.reason is FailureReason.CREDENTIALS and not _clock_is_good(seen):
        return Finding(check, Outcome.SKIPPED, f"can't be told while the clock is wrong: {failed.message}")
    return Finding(check, Outcome.FAILED, failed.message, _steps(seen, failed))


# What to do -----------------------------------------------------------------------------------------------------------


def _steps(seen: Seen, failed: Failed) -> tuple[Step, ...]:
    if text := _beyond_policies(seen, failed.message):
        return (Step(text),)
    match failed.reason:
        case FailureReason.ACCESS_DENIED if seen.listed is failed and _IS_AWS.search(failed.message):
            return _allow_list(seen, failed.message)
        case FailureReason.ASSUME_ROLE_DENIED if _IS_AWS.search(failed.message):
            return _allow_role(seen, failed)
        case FailureReason.UNSUPPORTED_REGION:
            where = f"{seen.target.region} out of the regions of {seen.target.name}"
            return (Step(f"Take {where}, or leave it: it is walked once an hour then, and no alert looks at it."),)
        case FailureReason.CREDENTIALS if _UNKNOWN_KEY.search(failed.message):
            where = f"in other regions, switch {seen.target.region} on for their account: it is off until somebody does"
            return (Step(f"If these credentials are good {where}."),)
        case _:
            return ()


_UNKNOWN_KEY = re.compile(r"InvalidClientTokenId|UnrecognizedClientException")
"""The codes for keys that are not known: made up, deleted, or those of an account that has not opted in to a region."""

_IS_AWS = re.compile(r"AccessDenied|NotAuthorized|UnauthorizedOperation|not authorized")
"""How AWS says that it is a matter of policies. Others who answer 403, such as a proxy, say something else."""

_EXPLICIT = re.compile(r"with an explicit deny in an? ([A-Za-z -]+?(?:policy|boundary))(?:: (arn:[^\s;]+[^\s;.]))?")
_IMPLICIT = re.compile(r"because no ([A-Za-z -]+?) allows the \S+ action")
"""How AWS names the kind of policy that is at fault, where it does: IAM User Guide, "Troubleshoot access denied"."""

_USUAL = {"identity-based policy", "resource-based policy"}


def _beyond_policies(seen: Seen, message: str) -> str:
    """What to do where AWS refuses what no policy can allow; nothing where it is not that."""
    name, region = seen.target.name, seen.target.region
    if "RegionDisabledException" in message:
        account = f"account {found[1]}" if (found := _DISABLED_FOR.search(message)) else "the account"
        return (
            f"Switch {region} on for {account}, and AWS STS there in its IAM account settings; or take {region} out of "
            f"the regions of {name}."
        )
    if "Roles may not be assumed by root accounts" in message:
        return f"Let {name} start from credentials of a role or a user: the root user of an account can't assume roles."
    if "AWSOrganizationsNotInUseException" in message:
        account = f" ({account_of(seen.who)})" if seen.who else ""
        return (
            f"The account of these credentials{account} is in no organization: give {name} a profile, or a role to "
            "assume, of the organization's management account or of a delegated administrator."
        )
    if "ParentNotFoundException" in message:
        return f"Correct organizational_units of {name}: the organization does not have all of them."
    return ""


_DISABLED_FOR = re.compile(r"for account: ?(\d{12})", re.ASCII)


def _allow_list(seen: Seen, message: str) -> tuple[Step, ...]:
    return _elsewhere(message, seen.permission) or (Step(f"Add to a policy of {_principal(seen)}:", seen.permission),)


def _allow_role(seen: Seen, failed: Failed) -> tuple[Step, ...]:
    """What to do about a role that can't be assumed.

    Within an account, a trust policy that names who asks is enough; between accounts both sides have to allow it, and
    AWS seldom says which side it is that does not.
    """
    if failed is seen.identity and seen.web_identity is not None:
        role_arn, statement = seen.web_identity
        return (Step(f"Add to the trust policy of {role_arn}:", statement),)
    message = failed.message
    role = seen.target.assume_role
    identity = seen.identity if isinstance(seen.identity, str) else _caller(message)
    if role is None or identity is None:
        return ()
    caller = permissions.principal(identity)
    in_trust = f"Add to the trust policy of {role.role_arn}"
    if caller != identity:
        in_trust += f" (where role/{caller.rpartition('/')[2]} needs its path, if it has one)"
    trust = Step(f"{in_trust}:", permissions.trust(caller, role.external_id))
    allow = Step(f"Add to a policy of {caller}:", permissions.assume([role.role_arn]))
    if steps := _elsewhere(message, permissions.assume([role.role_arn])):
        return steps
    kind = _IMPLICIT.search(message)
    if kind is not None:
        return (trust,) if kind[1] == "resource-based policy" else (allow,)
    return (trust,) if account_of(identity) == role.account_id else (trust, allow)


def _caller(message: str) -> str | None:
    """Who AWS says it was that may not."""
    found = re.search(r"User: (arn:\S+) is not authorized", message)
    return found[1] if found else None


def _elsewhere(message: str, statement: Mapping[str, Any]) -> tuple[Step, ...]:
    """What to do where neither a policy of who asks nor a trust policy is at fault, as far as AWS says."""
    if denied := _EXPLICIT.search(message):
        arn = f" {denied[2]}" if denied[2] else ""
        return (Step(f"Take out of the {denied[1]}{arn} what denies it; no other policy can make up for that."),)
    if (lacking := _IMPLICIT.search(message)) and lacking[1] not in _USUAL:
        return (Step(f"Allow it in the {lacking[1]}, too:", statement),)
    return ()


def _principal(seen: Seen) -> str:
    """Who lists, as a policy calls it."""
    if seen.target.assume_role is not None:
        return seen.target.assume_role.role_arn
    return permissions.principal(seen.identity) if isinstance(seen.identity, str) else "the exporter's identity"


# Reports → text -------------------------------------------------------------------------------------------------------

_MARKS = {Outcome.PASSED: "✔", Outcome.FAILED: "✘", Outcome.SKIPPED: "–"}  # noqa: RUF001 - an en dash
_PLAIN_MARKS = {Outcome.PASSED: "ok", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "-"}


def as_text(reports: Sequence[Report], *, plain: bool = False) -> str:
    """A table of all checks, and for those that failed what was seen and what to do, the same for all alike.

    Args:
        reports: of all targets.
        plain: whether the marks have to do with ASCII.
    """
    marks = _PLAIN_MARKS if plain else _MARKS
    rows = [("target", *Check, "who")]
    rows += [
        (each.place, *(marks[finding.outcome] for finding in each.findings), each.seen.who or marks[Outcome.SKIPPED])
        for each in reports
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for (check, _, _), alike in _alike(reports).items():
        _, first = alike[0]
        lines += ["", f"{marks[Outcome.FAILED]} {check}: {', '.join(each.place for each, _ in alike)}"]
        lines += _indented(first.detail, 2)
        for step in first.steps:
            lines += _indented(step.text, 2)
            lines += _indented(permissions.as_json(step.statement), 4) if step.statement else []
    good = sum(each.good for each in reports)
    return "\n".join([*lines, "", f"targets: {len(reports)}, good: {good}, not: {len(reports) - good}", ""])


def _alike(reports: Iterable[Report]) -> dict[tuple[Check, str, str], list[tuple[Report, Finding]]]:
    """The failed checks, those together that look the same but for their target."""
    groups: dict[tuple[Check, str, str], list[tuple[Report, Finding]]] = {}
    for each in reports:
        for finding in each.findings:
            if finding.outcome is Outcome.FAILED:
                key = (finding.check, finding.detail, repr(finding.steps))
                groups.setdefault(key, []).append((each, finding))
    return groups


def _indented(text: str, by: int) -> list[str]:
    return [" " * by + line for line in text.splitlines()]


def as_json(reports: Sequence[Report]) -> str:
    """The same as one JSON document, for programs."""
    document = {
        "good": all(each.good for each in reports),
        "targets": [
            {
                "target": each.seen.target.name,
                "region": each.seen.target.region,
                "who": each.seen.who or None,
                "good": each.good,
                "checks": [
                    {
                        "check": finding.check,
                        "outcome": finding.outcome,
                        "detail": finding.detail,
                        "steps": [step._asdict() for step in finding.steps],
                    }
                    for finding in each.findings
                ],
            }
            for each in reports
        ],
    }
    return json.dumps(document, indent=2) + "\n"
