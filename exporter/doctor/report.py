"""Findings of `--doctor` → a table for people, or JSON: which checks each target passed, and how to fix the rest. Pure.

`exporter.doctor.checks` asks AWS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from exporter.bedrock.answers import Problem
from exporter.doctor import iam
from exporter.doctor.advice import Step, steps
from exporter.doctor.seen import Seen
from exporter.errors import FailureReason
from exporter.labels import account_of

CLOCK_TOLERANCE = 120.0
"""Seconds that the clock may be off. AWS rejects signatures more than 5 minutes off, and a wrong clock drifts."""


# Findings -------------------------------------------------------------------------------------------------------------


class Check(StrEnum):
    """The checks, in order."""

    CLOCK = "clock"
    IDENTITY = "identity"
    ROLE = "role"
    REGION = "region"
    PERMISSION = "permission"
    PAGE = "page"
    DETAILS = "details"
    TAGS = "tags"


_ON_REQUEST = {Check.DETAILS, Check.TAGS}
"""Checks that are made and shown only if the configuration needs them."""


class Outcome(StrEnum):
    """How a check ended. Skipped: it could not be made. Not needed: nothing depends on it here."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_NEEDED = "not_needed"


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        check: which one.
        outcome: how it ended.
        detail: what was seen; for a failure, also what to do in general.
        steps: exactly what to do, if known.
    """

    check: Check
    outcome: Outcome
    detail: str = ""
    steps: tuple[Step, ...] = ()


class Report(NamedTuple):
    """All findings about one target, one for each check that is made."""

    seen: Seen
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """The target's name in the configuration, and its region."""
        return f"{self.seen.target.name} {self.seen.target.region}"

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(finding.outcome is not Outcome.FAILED for finding in self.findings)


def reports(seen: Iterable[Seen]) -> list[Report]:
    """Judge the answers for every target."""
    return [_report(each) for each in seen]


def _report(seen: Seen) -> Report:
    findings = {finding.check: finding for finding in _findings(seen)}
    if seen.duplicate_of is not None:
        check = Check.ROLE if seen.target.assume_role else Check.IDENTITY
        detail = f"{seen.duplicate_of} already watches this account in {seen.target.region}"
        findings[check] = Finding(check, Outcome.FAILED, detail, (Step("Remove one of the two."),))
    made = [check for check in Check if check not in _ON_REQUEST or check in findings]
    return Report(seen, tuple(findings.get(check, Finding(check, Outcome.SKIPPED)) for check in made))


def _findings(seen: Seen) -> list[Finding]:
    return [_clock(seen), _identity(seen), _role(seen), *_list(seen), *_details(seen)]


def _details(seen: Seen) -> Iterator[Finding]:
    """The findings about the details and the tags of a job, if the configuration needs them."""
    for kind, answer in seen.details:
        check = Check(kind)
        if isinstance(answer, Problem):
            yield _failed(check, seen, answer)
        elif answer is None:
            yield Finding(check, Outcome.SKIPPED, "there is no job to ask about")
        else:
            yield Finding(check, Outcome.PASSED, answer)


def _clock(seen: Seen) -> Finding:
    if seen.ahead is None:
        return Finding(Check.CLOCK, Outcome.SKIPPED)
    if not _clock_is_wrong(seen):
        return Finding(Check.CLOCK, Outcome.PASSED, f"{seen.ahead:+.0f} s from AWS's")
    off = f"{abs(seen.ahead) / 60:.0f} min {'ahead of' if seen.ahead > 0 else 'behind'} AWS's"
    detail = f"this machine's clock is {off}; AWS rejects requests signed more than 5 minutes off"
    return Finding(Check.CLOCK, Outcome.FAILED, detail, (Step("Set the clock of this machine, for example by NTP."),))


def _clock_is_wrong(seen: Seen) -> bool:
    return seen.ahead is not None and abs(seen.ahead) > CLOCK_TOLERANCE


def _identity(seen: Seen) -> Finding:
    target, identity = seen.target, seen.identity
    if isinstance(identity, Problem):
        return _unknown_identity(seen, identity)
    if identity is None:
        return Finding(Check.IDENTITY, Outcome.SKIPPED)
    account = account_of(identity)
    if target.assume_role is None and target.account_id not in {None, account}:
        detail = f"account_id is {target.account_id}, but the credentials belong to {account}: {identity}"
        return Finding(Check.IDENTITY, Outcome.FAILED, detail, (Step(f"Correct account_id of {target.name}."),))
    return Finding(Check.IDENTITY, Outcome.PASSED, identity)


def _unknown_identity(seen: Seen, problem: Problem) -> Finding:
    listed, name = isinstance(seen.listed, str), seen.target.name
    if not seen.has_credentials and seen.listed not in {None, problem}:
        detail = "STS cannot identify an API key"
        if not listed or seen.account_id is not None:
            return Finding(Check.IDENTITY, Outcome.NOT_NEEDED if listed else Outcome.SKIPPED, detail)
        detail = f"{detail}, and no job in the list tells the account"
        return Finding(Check.IDENTITY, Outcome.FAILED, detail, (Step(f"Set account_id of {name}."),))
    if listed and seen.account_id is None:
        step = Step(f"Make AWS STS reachable, or set account_id of {name}.")
        return Finding(Check.IDENTITY, Outcome.FAILED, problem.message, (step,))
    if listed or (seen.role is not None and not _role_fails_alike(seen)):
        return Finding(Check.IDENTITY, Outcome.NOT_NEEDED, f"unknown: {problem.message}")
    return _failed(Check.IDENTITY, seen, problem)


def _role_fails_alike(seen: Seen) -> bool:
    """Whether the role fails for the same reason as the identity: both come from STS."""
    return (
        isinstance(seen.identity, Problem)
        and isinstance(seen.role, Problem)
        and seen.role.reason is seen.identity.reason
    )


def _role(seen: Seen) -> Finding:
    if _role_fails_alike(seen):
        return Finding(Check.ROLE, Outcome.SKIPPED)
    if isinstance(seen.role, Problem):
        return _failed(Check.ROLE, seen, seen.role)
    if seen.role is None:
        if seen.target.assume_role is None:
            return Finding(Check.ROLE, Outcome.NOT_NEEDED, "none is configured")
        return Finding(Check.ROLE, Outcome.SKIPPED)
    return Finding(Check.ROLE, Outcome.PASSED, seen.role)


_FAILED_CHECK = {
    FailureReason.UNSUPPORTED_REGION: Check.REGION,
    FailureReason.NETWORK: Check.REGION,
    FailureReason.TIMEOUT: Check.REGION,
    FailureReason.ASSUME_ROLE_DENIED: Check.ROLE,
    FailureReason.ACCESS_DENIED: Check.PERMISSION,
    FailureReason.CREDENTIALS: Check.PERMISSION,
}
"""Why the list failed → the check that failed; the page for every other reason."""


def _list(seen: Seen) -> list[Finding]:
    """The findings that follow from the list."""
    listed = seen.listed
    if isinstance(listed, str):
        passed = [Finding(check, Outcome.PASSED) for check in (Check.REGION, Check.PERMISSION)]
        return [*passed, Finding(Check.PAGE, Outcome.PASSED, listed)]
    if listed is None or listed == seen.identity:  # reported once is enough
        return []
    finding = _failed(_FAILED_CHECK.get(listed.reason, Check.PAGE), seen, listed)
    if listed.reason is FailureReason.ACCESS_DENIED:  # by a service that exists
        return [Finding(Check.REGION, Outcome.PASSED), finding]
    return [finding]


def _failed(check: Check, seen: Seen, problem: Problem) -> Finding:
    if problem.reason is FailureReason.CREDENTIALS and _clock_is_wrong(seen):
        return Finding(check, Outcome.SKIPPED, f"unclear while the clock is wrong: {problem.message}")
    return Finding(check, Outcome.FAILED, problem.message, steps(seen, problem))


# Reports → text -------------------------------------------------------------------------------------------------------

_MARKS = {Outcome.PASSED: "✔", Outcome.FAILED: "✘", Outcome.SKIPPED: "?", Outcome.NOT_NEEDED: "–"}  # noqa: RUF001
_PLAIN_MARKS = {Outcome.PASSED: "ok", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "?", Outcome.NOT_NEEDED: "-"}

MAX_NAMED = 10
"""The most targets that are listed one by one if they share a row or a failure."""


def as_text(reports: Sequence[Report], *, plain: bool = False) -> str:
    """A table of all checks, then each failure and how to fix it, once for all targets that share it.

    More than `MAX_NAMED` targets that differ only in their names and accounts share a row.

    Args:
        reports: of all targets.
        plain: whether to use ASCII marks.
    """
    marks = _PLAIN_MARKS if plain else _MARKS
    made = {finding.check for each in reports for finding in each.findings}
    checks = [check for check in Check if check not in _ON_REQUEST or check in made]
    rows = [("target", "account", *checks, "who"), *_rows(reports, checks, marks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for places, finding in _failures(reports):
        lines += ["", f"{marks[Outcome.FAILED]} {finding.check}: {_named(places, len(reports))}"]
        lines += _indented(finding.detail, 2)
        for step in finding.steps:
            lines += _indented(step.text, 2)
            lines += _indented(iam.as_json(step.statement), 4) if step.statement else []
    ok = sum(each.ok for each in reports)
    skipped = any(finding.outcome is Outcome.SKIPPED for each in reports for finding in each.findings)
    legend = (
        [f"{marks[Outcome.SKIPPED]} not checked, or unknown   {marks[Outcome.NOT_NEEDED]} not needed"]
        if skipped
        else []
    )
    summary = f"{ok} target{'' if ok == 1 else 's'} OK, {len(reports) - ok} failing"
    return "\n".join([*lines, "", *legend, summary, ""])


def _rows(reports: Sequence[Report], checks: Sequence[Check], marks: dict[Outcome, str]) -> Iterator[tuple[str, ...]]:
    """One row per target, in order; a large group of equal results has one row, at the place of its first target."""
    unknown = marks[Outcome.SKIPPED]
    groups: dict[tuple[str, ...], list[Report]] = {}
    marked = []
    for each in reports:
        outcomes = {finding.check: finding.outcome for finding in each.findings}
        shown = [marks[outcomes.get(check, Outcome.NOT_NEEDED)] for check in checks]
        marked.append((*shown, each.seen.who or unknown))
        groups.setdefault(marked[-1], []).append(each)
    for each, cells in zip(reports, marked, strict=True):
        group = groups[cells]
        if len(group) <= MAX_NAMED:
            yield each.place, each.seen.account_id or unknown, *cells
        elif each is group[0]:
            accounts = {one.seen.account_id or unknown for one in group}
            account = accounts.pop() if len(accounts) == 1 else f"{len(accounts)} accounts"
            yield _named([one.place for one in group], len(reports)), account, *cells


def _named(places: Sequence[str], total: int) -> str:
    """Targets in words, in one line however many there are."""
    if len(places) <= MAX_NAMED:
        return ", ".join(places)
    return f"all {total} targets" if len(places) == total else f"{len(places)} of {total} targets"


def _failures(reports: Iterable[Report]) -> list[tuple[list[str], Finding]]:
    """The failed checks, each with all targets for which it failed in the same way."""
    groups: dict[str, tuple[list[str], Finding]] = {}
    for each in reports:
        for finding in each.findings:
            if finding.outcome is Outcome.FAILED:
                places, _ = groups.setdefault(repr(finding), ([], finding))
                places.append(each.place)
    return list(groups.values())


def _indented(text: str, by: int) -> list[str]:
    return [" " * by + line for line in text.splitlines()]


def as_json(reports: Sequence[Report]) -> str:
    """The same as one JSON document, for programs."""
    document = {
        "good": all(each.ok for each in reports),
        "targets": [
            {
                "target": each.seen.target.name,
                "region": each.seen.target.region,
                "who": each.seen.who or None,
                "good": each.ok,
                "checks": [
                    {**finding._asdict(), "steps": [step._asdict() for step in finding.steps]}
                    for finding in each.findings
                ],
            }
            for each in reports
        ],
    }
    return json.dumps(document, indent=2) + "\n"
