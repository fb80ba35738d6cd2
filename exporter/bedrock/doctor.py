"""Asks AWS, for each target, what `--doctor` wants to know, one question after the other."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, NoCredentialsError

from exporter import permissions
from exporter.bedrock import lifeline
from exporter.bedrock.client import Sessions, TargetClient
from exporter.bedrock.errand import Errand
from exporter.bedrock.errors import WISHES, walk_error
from exporter.bedrock.organizations import list_accounts, operations
from exporter.discovery import discovered_targets
from exporter.model import (
    Account,
    AwsSettings,
    Discovery,
    Failed,
    FailureReason,
    Schedule,
    Seen,
    Target,
    WalkError,
    account_of,
)

_STS_WISHES = {
    **WISHES,
    FailureReason.ACCESS_DENIED: "check the policy of the VPC endpoint of STS, and the proxy; IAM can't deny this",
    FailureReason.NETWORK: "check the network, DNS, the proxy and AWS_ENDPOINT_URL_STS",
    FailureReason.MALFORMED_RESPONSE: "check that AWS_ENDPOINT_URL_STS and the proxy lead to AWS STS",
}

_Identities = dict[tuple[str | None, str], tuple[str, float | None]]
"""(Profile, region) → who STS said that is, and how far the clock was ahead then."""

ATTEMPTS = 2
"""Tries of one request. Fewer than a walk has: the deadline has to do for several questions."""


async def examine(
    targets: Iterable[Target],
    discovery: Discovery | None,
    aws: AwsSettings,
    schedule: Schedule,
    listing_timeout: float,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Seen]:
    """Ask about every target, and about those that are discovered; what is asked of one ends with `poll.timeout`.

    Args:
        targets: those of the configuration.
        discovery: finds more of them, if it can.
        aws: how to talk to AWS.
        schedule: how long, and how many at a time.
        listing_timeout: deadline of listing accounts, seconds.
        progress: told in a few words how far it is.
    """
    sessions = Sessions(replace(aws, max_attempts=min(aws.max_attempts, ATTEMPTS)))
    identities: _Identities = {}
    free = asyncio.Semaphore(schedule.concurrency)
    seen: list[Seen] = []
    done = 0

    async def ask(target: Target) -> Seen:
        nonlocal done
        async with free:
            told = await _within(schedule.timeout, _TargetExaminer(target, sessions, identities))
        done += 1
        progress(f"targets checked: {done} of {len(all_targets)}")
        return told

    all_targets = tuple(targets)
    if discovery is not None:
        progress("listing the accounts of the organization")
        organization = _OrganizationExaminer(discovery, sessions, identities)
        seen.append(await _within(listing_timeout, organization))
        all_targets += discovered_targets(discovery, organization.accounts, all_targets)
    progress(f"targets checked: 0 of {len(all_targets)}")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(target)) for target in all_targets]
    return [*seen, *(each.result() for each in asked)]


async def _within(deadline: float, examiner: _Examiner) -> Seen:
    """What could be seen before the deadline."""
    errand = Errand(examiner.examine, f"doctor {examiner.seen.target.name} {examiner.seen.target.region}")
    try:
        async with asyncio.timeout(deadline):
            await errand.run()
    except TimeoutError:
        message = f"no answer within {deadline:g} s; check the network, DNS and the proxy, or raise poll.timeout"
        examiner.answer(Failed(None, FailureReason.TIMEOUT, message))
    except Exception as error:  # noqa: BLE001 - a bug of ours about one target must not hide the others
        examiner.answer(Failed(None, FailureReason.INTERNAL, f"{error!r}; please report this as a bug"))
    return examiner.seen


class _Examiner(ABC):
    """Asks about one target; `examine` blocks.

    Attributes:
        seen: what is known so far; replaced whole.
    """

    def __init__(
        self, target: Target, permission: permissions.Statement, sessions: Sessions, identities: _Identities
    ) -> None:
        self.seen = Seen(target, permission)
        self._sessions = sessions
        self._identities = identities
        self._question = "identity"

    def examine(self) -> None:
        """Ask, until an answer makes further questions pointless."""
        target = self.seen.target
        self._ask_for_identity(target)
        if target.assume_role is not None:
            if not self.seen.has_credentials:
                return
            role_arn = target.assume_role.role_arn
            self._ask("role", lambda: self._enter_role(target, role_arn))
            if isinstance(self.seen.role, Failed):
                return
        self._ask("listed", self._list)

    def _ask_for_identity(self, target: Target) -> None:
        """Who the target starts as; once for all targets that start alike."""
        start = (target.profile, target.region)
        if start in self._identities:
            identity, ahead = self._identities[start]
            self.seen = replace(self.seen, identity=identity, ahead=ahead)
            return
        self._ask("identity", lambda: self._who_am_i(replace(target, assume_role=None)))
        if isinstance(self.seen.identity, str):
            self._identities[start] = (self.seen.identity, self.seen.ahead)
        elif target.profile is None:
            self.seen = replace(self.seen, web_identity=web_identity(os.environ))

    def answer(self, answer: str | Failed) -> None:
        """The question that is being asked has this answer."""
        changes: dict[str, Any] = {self._question: answer}
        self.seen = replace(self.seen, **changes)

    def _ask(self, question: str, ask: Callable[[], str]) -> None:
        self._question = question
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001 - `walk_error` explains any
            if (line := lifeline.current()) is not None:
                line.check()  # cut off: what happened is that there was no answer in time, and nobody asks further
            cause = error.__cause__ if isinstance(error, WalkError) else error
            if isinstance(cause, ClientError):
                self._compare_clocks(cause.response.get("ResponseMetadata", {}))
            if isinstance(cause, NoCredentialsError):
                self.seen = replace(self.seen, has_credentials=False)
            explained = walk_error(error, wishes=_STS_WISHES)
            self.answer(Failed(None, explained.reason, explained.message))
        else:
            self.answer(answer)

    def _enter_role(self, target: Target, role_arn: str) -> str:
        """The ARN of the session in the target's role; that of the role where STS gives its keys, and no word of it.

        The policy of an endpoint may allow AssumeRole alone, which is all that a walk needs.
        """
        try:
            return self._who_am_i(target)
        except ClientError as error:
            if error.operation_name != "GetCallerIdentity":
                raise
            self._compare_clocks(error.response.get("ResponseMetadata", {}))
            return role_arn

    def _who_am_i(self, target: Target) -> str:
        """The ARN of who the target's credentials belong to."""
        sts = self._sessions.sts(target)
        try:
            answer = sts.get_caller_identity()
        finally:
            sts.close()
        self._compare_clocks(answer["ResponseMetadata"])
        arn = str(answer.get("Arn", ""))
        if account_of(arn) is None:  # botocore makes much of any XML
            message = f"GetCallerIdentity answered with the ARN {arn!r}; is a proxy or a wrong endpoint in between?"
            raise WalkError(FailureReason.MALFORMED_RESPONSE, message)
        return arn

    def _compare_clocks(self, answer: Mapping[str, Any]) -> None:
        try:
            theirs = parsedate_to_datetime(answer.get("HTTPHeaders", {}).get("date", "")).timestamp()
        except (ValueError, OverflowError):  # there is none, or a year that is none
            return
        self.seen = replace(self.seen, ahead=time.time() - theirs)

    @abstractmethod
    def _list(self) -> str:
        """What the list brought, in words."""


def web_identity(environ: Mapping[str, str]) -> tuple[str, permissions.Statement] | None:
    """The role that EKS gives the pod by web identity (IRSA), and the trust that it needs; None if there is none.

    The token says whom it is for. Whether it is true is for AWS to judge.
    """
    try:
        role_arn = environ["AWS_ROLE_ARN"]
        payload = Path(environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text(encoding="ascii").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        _, partition, _, _, account, _ = role_arn.split(":", 5)
        provider = f"arn:{partition}:iam::{account}:oidc-provider/{claims['iss'].removeprefix('https://')}"
        audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
        return role_arn, permissions.trust_web_identity(provider, claims["sub"], audience)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # whatever is in that file
        return None


class _TargetExaminer(_Examiner):
    """Reads the first page of the target's jobs."""

    def __init__(self, target: Target, sessions: Sessions, identities: _Identities) -> None:
        super().__init__(target, permissions.watch(), sessions, identities)

    def _list(self) -> str:
        client = TargetClient(self.seen.target, self._sessions)
        who = self.seen.role or self.seen.identity
        if isinstance(who, str):
            client.account_id = account_of(who)
        try:
            page = next(client.pages(1, time.time()))
        finally:
            client.close()
        jobs = len(page.summaries())
        self.seen = replace(self.seen, needs_identity=client.account_id is None and not jobs)
        return f"{jobs} jobs on the first page{', and there are more' if page.next_token else ''}"


class _OrganizationExaminer(_Examiner):
    """Lists the accounts of a discovery.

    Attributes:
        accounts: those that it chooses; none if they can't be listed.
    """

    def __init__(self, discovery: Discovery, sessions: Sessions, identities: _Identities) -> None:
        super().__init__(discovery.identity, permissions.discover(operations(discovery)), sessions, identities)
        self.accounts: tuple[Account, ...] = ()
        self._discovery = discovery

    def _list(self) -> str:
        self.accounts = list_accounts(self._discovery, self._sessions)
        return f"{len(self.accounts)} accounts"
