"""The accounts of an organization, read from AWS Organizations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from exporter.bedrock.clients import Clients
from exporter.bedrock.credentials import answer_of
from exporter.bedrock.errors import ADVICE, Advice, walk_error
from exporter.errors import FailureReason, WalkError
from exporter.targets.accounts import Account, Discovery

_CHECK_ENDPOINT = "check that AWS_ENDPOINT_URL_ORGANIZATIONS and the proxy lead to AWS Organizations"


def list_accounts(discovery: Discovery, clients: Clients) -> tuple[Account, ...]:
    """The active accounts of the organization that a discovery chooses, by id.

    All or nothing: a listing that breaks off or looks wrong raises; it never returns fewer accounts. The result may be
    empty if the file chooses no account; but an empty answer for a whole organization is an error, because it always
    has its management account. Blocks. The number of requests grows with the number of organizational units and, if
    the file selects by tags, of accounts. A `Worker` can cut it off.

    Args:
        discovery: which accounts, and how to reach AWS Organizations. The endpoint is that of the first region's
            partition, or ``AWS_ENDPOINT_URL_ORGANIZATIONS``.
        clients: provides the client.

    Raises:
        WalkError: for any failure; its cause is AWS's refusal or a `NoCredentialsError`, otherwise None.
    """
    try:
        client = clients.organizations(discovery.lister)
        return tuple(sorted(_chosen(client, discovery), key=lambda account: account.id))
    except Exception as error:  # noqa: BLE001 - `walk_error` explains any
        explained = walk_error(error, advice=_advice(discovery))
        clients.access(discovery.lister).recover(explained.reason)
        raise explained from answer_of(error)


def operations(discovery: Discovery) -> tuple[str, ...]:
    """The operations of AWS Organizations that a listing calls, and so the permissions that it needs."""
    in_units = ("ListAccountsForParent", "ListOrganizationalUnitsForParent")
    listing = in_units if discovery.organizational_units else ("ListAccounts",)
    return (*listing, "ListTagsForResource") if discovery.asks_for_tags else listing


def _chosen(client: Any, discovery: Discovery) -> Iterator[Account]:  # noqa: ANN401 - boto3 makes its classes at run time
    if discovery.organizational_units:
        members = _in_units(client, discovery.organizational_units)
    else:
        members = _items(client.list_accounts, "Accounts")
    active = {account.id: account for account in map(_active_account, members) if account is not None}
    if not active and not discovery.organizational_units:
        raise _malformed("no active account, although the management account has to be one")
    for account in active.values():
        tagged = account
        # The id or the name alone may exclude it.
        if discovery.asks_for_tags and not account.is_management and not discovery.exclude.fits(account):
            try:
                tags = _items(client.list_tags_for_resource, "Tags", ResourceId=account.id)
                tagged = replace(account, tags={_text(tag, "Key"): _text(tag, "Value") for tag in tags})
            except client.exceptions.TargetNotFoundException:  # it has just left the organization
                continue
        if discovery.chooses(tagged):
            yield tagged


def _in_units(client: Any, units: tuple[str, ...]) -> Iterator[object]:  # noqa: ANN401 - see above
    """The accounts in these organizational units and in all units below them."""
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
    """All items under `key` on the pages of a list. Pages may be empty; only a missing token ends the list.

    Not botocore's paginator: it reads an answer without the list as an empty page, and detects a repeated token only
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
                f"AWS Organizations repeated a page token for {key} after {len(tokens)} pages",
            )
        tokens.add(token)
        request["NextToken"] = token


_ACCOUNT_ARN = re.compile(r"arn:[a-z-]+:organizations::\d{12}:account/[^/]+/(\d{12})", re.ASCII)


def _active_account(member: object) -> Account | None:
    """An account as the API describes it; None if it is not active.

    Reads ``State``, or else ``Status``, which AWS retires in September 2026.
    """
    arn = _text(member, "Arn")
    matched = _ACCOUNT_ARN.fullmatch(arn)
    if matched is None or matched[1] != _text(member, "Id"):
        raise _malformed(f"an account with the ARN {arn!r:.200}")
    state = _text(member, "State", "Status")
    return Account(matched[1], _text(member, "Name"), arn) if state == "ACTIVE" else None


def _text(item: object, *keys: str) -> str:
    """The text under the first of the keys that the item has."""
    for key in keys:
        if isinstance(item, dict) and isinstance(text := item.get(key), str):
            return text
    raise _malformed(f"{item!r:.200} without {keys[0]}")


def _malformed(what: str) -> WalkError:
    return WalkError(FailureReason.MALFORMED_RESPONSE, f"AWS Organizations answered with {what}; {_CHECK_ENDPOINT}")


def _advice(discovery: Discovery) -> Advice:
    """What to do about a failure of this discovery."""
    *actions, last = (f"organizations:{name}" for name in operations(discovery))
    allow = f"allow {', '.join(actions)}{' and ' if actions else ''}{last} on Resource '*' for this identity"
    units = "; check organizational_units" if discovery.organizational_units else ""
    return {
        **ADVICE,
        FailureReason.ACCESS_DENIED: (
            f"{allow}, which has to belong to the organization's management account or to a delegated administrator"
            f"{units}"
        ),
        FailureReason.THROTTLED: "raise discovery.organizations.refresh, or choose accounts without tags",
        FailureReason.TIMEOUT: "check the network, or raise aws.read_timeout",
        FailureReason.NETWORK: "check the network, DNS, the proxy and AWS_ENDPOINT_URL_ORGANIZATIONS",
        FailureReason.SERVER_ERROR: "wait; the service is at fault, and the next listing tries again",
        FailureReason.MALFORMED_RESPONSE: _CHECK_ENDPOINT,
    }
