"""What to do about a problem, as precisely as AWS's message allows. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from exporter.bedrock.actions import GET_JOB, LIST_TAGS
from exporter.bedrock.answers import Problem
from exporter.doctor import iam
from exporter.doctor.seen import DetailKind, Seen
from exporter.errors import FailureReason
from exporter.labels import account_of


class Step(NamedTuple):
    """One thing to do, with the IAM statement to add if it is about a policy."""

    text: str
    statement: iam.Statement | None = None


_BY_AWS = re.compile(r"AccessDenied|NotAuthorized|UnauthorizedOperation|not authorized")
"""Words of AWS's own refusals. A proxy that answers 403 uses others."""

_ACTIONS: dict[DetailKind, str] = {"details": GET_JOB, "tags": LIST_TAGS}

_UNKNOWN_KEY = re.compile(r"InvalidClientTokenId|UnrecognizedClientException")
"""Codes for unknown keys: invented, deleted, or of an account that has not enabled the region."""

_EXPLICIT = re.compile(r"with an explicit deny in an? ([A-Za-z -]+?(?:policy|boundary))(?:: (arn:[^\s;]+[^\s;.]))?")
_IMPLICIT = re.compile(r"because no ([A-Za-z -]+?) allows the \S+ action")
"""How AWS names the kind of policy at fault, if it does: IAM User Guide, "Troubleshoot access denied"."""

_RESOURCE_POLICY = "resource-based policy"
_USUAL = {"identity-based policy", _RESOURCE_POLICY}

_DISABLED_FOR = re.compile(r"for account: ?(\d{12})", re.ASCII)
_CALLER = re.compile(r"User: (arn:\S+) is not authorized")


def steps(seen: Seen, problem: Problem) -> tuple[Step, ...]:
    """What to do about a target's problem; empty if its message already says everything."""
    message, target = problem.message, seen.target
    if text := _beyond_policies(seen, message):
        return (Step(text),)
    match problem.reason:
        case FailureReason.ACCESS_DENIED if _BY_AWS.search(message) and (allow := _permission(seen, problem)):
            return _other_policy(message, allow) or (Step(f"Add to a policy of {_lister(seen)}:", allow),)
        case FailureReason.ASSUME_ROLE_DENIED if _BY_AWS.search(message):
            return _allow_role(seen, problem)
        case FailureReason.UNSUPPORTED_REGION:
            where = f"{target.region} from the regions of {target.name}"
            text = f"Remove {where}, or leave it: the exporter then checks once an hour, and no alert fires for it."
            return (Step(text),)
        case FailureReason.CREDENTIALS if _UNKNOWN_KEY.search(message):
            text = f"If these credentials work in other regions, enable {target.region} for their account."
            return (Step(text),)
        case _:
            return ()


def _beyond_policies(seen: Seen, message: str) -> str:
    """What to do about a refusal that no policy can fix; empty if it is not one."""
    name, region = seen.target.name, seen.target.region
    if "RegionDisabledException" in message:
        account = f"account {found[1]}" if (found := _DISABLED_FOR.search(message)) else "the account"
        return (
            f"Enable {region} for {account}, and AWS STS there in its IAM account settings; or remove {region} from "
            f"the regions of {name}."
        )
    if "Roles may not be assumed by root accounts" in message:
        return f"Give {name} the credentials of a role or a user: the root user of an account can't assume roles."
    if "our account is not authorized" in message:
        return f"Ask AWS Support: it is about the account or {region}, and no policy lifts it."
    if "AWSOrganizationsNotInUseException" in message:
        account = f" ({account_of(seen.who)})" if seen.who else ""
        return (
            f"The account of these credentials{account} is in no organization: give {name} a profile or a role of the "
            "organization's management account or of a delegated administrator."
        )
    if "ParentNotFoundException" in message:
        return f"Correct organizational_units of {name}: the organization does not have all of them."
    return ""


def _allow_role(seen: Seen, problem: Problem) -> tuple[Step, ...]:
    """What to do about a role that can't be assumed.

    Within an account, a trust policy that names the caller is enough. Between accounts both sides have to allow it, and
    AWS seldom says which side does not.
    """
    if problem is seen.identity and seen.web_identity is not None:
        role_arn, *token = seen.web_identity
        return (Step(f"Add to the trust policy of {role_arn}:", iam.trust_web_identity(*token)),)
    role = seen.target.assume_role
    identity = seen.identity if isinstance(seen.identity, str) else _denied_caller(problem.message)
    if role is None or identity is None:
        return ()
    caller = iam.principal(identity)
    allow = Step(f"Add to a policy of {caller}:", iam.assume([role.role_arn]))
    if found := _other_policy(problem.message, allow.statement):
        return found
    path = "" if caller == identity else f" (if role/{caller.rpartition('/')[2]} has a path, insert it)"
    trust = Step(f"Add to the trust policy of {role.role_arn}{path}:", iam.trust(caller, role.external_id))
    if kind := _IMPLICIT.search(problem.message):
        return (trust,) if kind[1] == _RESOURCE_POLICY else (allow,)
    return (trust,) if account_of(identity) == role.account_id else (trust, allow)


def _other_policy(message: str, statement: iam.Statement | None) -> tuple[Step, ...]:
    """What to do if AWS names a policy other than the caller's or a trust policy; otherwise empty."""
    if denied := _EXPLICIT.search(message):
        arn = f" {denied[2]}" if denied[2] else ""
        return (Step(f"Remove the denial from the {denied[1]}{arn}; no other policy can override it."),)
    if (lacking := _IMPLICIT.search(message)) and lacking[1] not in _USUAL:
        return (Step(f"Allow it in the {lacking[1]} as well:", statement),)
    return ()


def _permission(seen: Seen, problem: Problem) -> iam.Statement | None:
    """The statement that allows the denied list, details or tags; None if something else was denied."""
    if seen.listed is problem:
        return seen.permission
    actions = [_ACTIONS[kind] for kind, answer in seen.details if answer is problem]
    partition = seen.who.split(":", 2)[1] if seen.who else "aws"
    return iam.details(seen.account_id or "*", partition=partition, actions=actions) if actions else None


def _denied_caller(message: str) -> str | None:
    """The principal that AWS says was denied."""
    found = _CALLER.search(message)
    return found[1] if found else None


def _lister(seen: Seen) -> str:
    """The principal that calls the list, as a policy names it."""
    if seen.target.assume_role is not None:
        return seen.target.assume_role.role_arn
    return iam.principal(seen.identity) if isinstance(seen.identity, str) else "the exporter's identity"
