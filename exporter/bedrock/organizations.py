"""The accounts of an organization, read from AWS Organizations."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from exporter import permissions
from exporter.bedrock.client import Sessions
from exporter.bedrock.errors import WISHES, walk_error
from exporter.discovery import chooses
from exporter.model import Account, Discovery, FailureReason, WalkError


def list_accounts(discovery: Discovery, sessions: Sessions) -> tuple[Account, ...]:
    """The accounts that a discovery chooses among the active ones of the organization, as AWS lists them now, by id.

    All or nothing: a listing that breaks off, or that does not look like one, raises, and never gives fewer accounts.
    None at all is a good answer where the file chooses none, but not from AWS for a whole organization, which always
    has its management account. Blocks; the number of requests grows with that of the organizational units, and with
    that of the accounts if the file asks for tags. A `Lifeline` around it can cut it off, as it can a walk.

    Args:
        discovery: which accounts, and how to reach AWS Organizations. Its endpoint is the one of the first region's
            partition, or what ``AWS_ENDPOINT_URL_ORGANIZATIONS`` says.
        sessions: gives the client.

    Raises:
        WalkError: for whatever goes wrong.
    """
    try:
        with contextlib.closing(sessions.organizations(discovery.identity)) as client:
            return tuple(sorted(_chosen(client, discovery), key=lambda account: account.id))
    except Exception as error:
        explained = walk_error(error, wishes=_wishes(discovery))
        if explained.reason is FailureReason.CREDENTIALS:
            sessions.forget(discovery.identity)  # somebody may write new ones into a file that botocore reads once
        raise explained from error


def _chosen(client: Any, discovery: Discovery) -> Iterator[Account]:  # noqa: ANN401 - boto3 makes its classes at run time
    if discovery.organizational_units:
        members = _in_units(client, discovery.organizational_units)
    else:
        members = _items(client.list_accounts, "Accounts")
    active = {account.id: account for account in map(_active_account, members) if account is not None}
    if not active and not discovery.organizational_units:
        raise _malformed("no active account, where at least the management account is one")
    for account in active.values():
        told = account
        # By its id and its name alone it may be out already.
        if discovery.asks_for_tags and not account.is_management and not discovery.exclude.fits(account):
            try:
                tags = _items(client.list_tags_for_resource, "Tags", ResourceId=account.id)
                told = replace(account, tags={_text(tag, "Key"): _text(tag, "Value") for tag in tags})
            except client.exceptions.TargetNotFoundException:  # it has left the organization meanwhile
                continue
        if chooses(discovery, told):
            yield told


def _in_units(client: Any, units: tuple[str, ...]) -> Iterator[object]:  # noqa: ANN401 - see above
    """The accounts in some organizational units and in all of those below them."""
    waiting = list(units)
    seen: set[str] = set()
    while waiting:
        parent = waiting.pop()
        if parent in seen:
            continue
        seen.add(parent)
        yield from _items(client.list_accounts_for_parent, "Accounts", ParentId=parent)
        below = _items(client.list_organizational_units_for_parent, "OrganizationalUnits", ParentId=parent)
        waiting += [_text(unit, "Id") for unit in below]


def _items(call: Callable[..., dict[str, Any]], key: str, **request: str) -> Iterator[object]:
    """Everything that stands under `key` on the pages of a list. Pages may be empty; only a missing token is its end.

    Not botocore's paginator: it takes an answer without the list for an empty page, and notices only the same token
    twice in a row.
    """
    tokens: set[str] = set()
    while True:
        page = call(**request)
        if key not in page:
            raise _malformed(f"a page without {key}")
        yield from page[key]
        token = page.get("NextToken")
        if not token:
            return
        if token in tokens:
            raise WalkError(
                FailureReason.RUNAWAY_PAGINATION,
                f"AWS Organizations gave a page token for {key} for the second time after {len(tokens)} pages",
            )
        tokens.add(token)
        request["NextToken"] = token


_ACCOUNT_ARN = re.compile(r"arn:[a-z-]+:organizations::\d{12}:account/[^/]+/(\d{12})", re.ASCII)


def _active_account(member: object) -> Account | None:
    """An account as the API describes it; None if it is not active.

    ``State`` says so, and ``Status``, which AWS retires in September 2026, where that is all there is.
    """
    arn = _text(member, "Arn")
    matched = _ACCOUNT_ARN.fullmatch(arn)
    if matched is None or matched[1] != _text(member, "Id"):
        raise _malformed(f"an account with the ARN {arn!r}")
    state = _text(member, "State", "Status")
    return Account(matched[1], _text(member, "Name"), arn) if state == "ACTIVE" else None


def _text(item: object, *keys: str) -> str:
    """The text under the first of the keys that the item has."""
    for key in keys:
        if isinstance(item, dict) and isinstance(text := item.get(key), str):
            return text
    raise _malformed(f"{item!r:.200} without {keys[0]}")


def _malformed(what: str) -> WalkError:
    wish = _OWN_WISHES[FailureReason.MALFORMED_RESPONSE]
    return WalkError(FailureReason.MALFORMED_RESPONSE, f"AWS Organizations answered with {what}; {wish}")


_OWN_WISHES = {
    FailureReason.THROTTLED: "raise discovery.organizations.refresh, or choose accounts without tags",
    FailureReason.TIMEOUT: "check the network, or raise aws.read_timeout",
    FailureReason.NETWORK: "check the network, DNS, the proxy and AWS_ENDPOINT_URL_ORGANIZATIONS",
    FailureReason.SERVER_ERROR: "wait; the service is at fault, and the next listing tries again",
    FailureReason.MALFORMED_RESPONSE: (
        "check that AWS_ENDPOINT_URL_ORGANIZATIONS and the proxy lead to AWS Organizations"
    ),
}


def _wishes(discovery: Discovery) -> Mapping[FailureReason, str]:
    """What to do about a failure of this discovery."""
    *actions, last = permissions.discover(operations(discovery))["Action"]
    allow = f"allow {', '.join(actions)}{' and ' if actions else ''}{last} on Resource '*' for this identity"
    whose = "which has to be of the organization's management account or of a delegated administrator"
    units = "; check organizational_units" if discovery.organizational_units else ""
    return WISHES | _OWN_WISHES | {FailureReason.ACCESS_DENIED: f"{allow}, {whose}{units}"}


def operations(discovery: Discovery) -> tuple[str, ...]:
    """The operations of AWS Organizations that a listing calls, and so the permissions that it needs."""
    listing = (
        ("ListAccountsForParent", "ListOrganizationalUnitsForParent")
        if discovery.organizational_units
        else ("ListAccounts",)
    )
    return (*listing, "ListTagsForResource") if discovery.asks_for_tags else listing
