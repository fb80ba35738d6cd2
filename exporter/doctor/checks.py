"""Asks AWS about every target: many targets at a time, one question after another, each within a deadline."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

from exporter.bedrock import questions
from exporter.bedrock.answers import Answer, Problem
from exporter.bedrock.clients import Clients
from exporter.bedrock.organizations import operations
from exporter.bedrock.settings import AwsSettings
from exporter.doctor import iam
from exporter.doctor.seen import DetailKind, Seen
from exporter.errors import FailureReason, WalkError, describe_bug
from exporter.fleet.schedule import Schedule
from exporter.jobs.details import OFF, DetailSettings
from exporter.targets.accounts import Account, Discovery
from exporter.targets.claims import Claims
from exporter.targets.desired import desired
from exporter.targets.shard import Shard
from exporter.targets.target import Target
from exporter.work import Worker

_log = logging.getLogger(__name__)

ATTEMPTS = 2
"""Attempts per request. Fewer than a walk makes, because several questions share one deadline."""

T = TypeVar("T")

_ADVICE = "check the network, DNS and the proxy, or raise poll.timeout"

_Identities = dict[tuple[str | None, str], Answer[str]]
"""(profile, region) → the identity of its credentials; asked once for all targets that start from them."""


async def examine(
    targets: Iterable[Target],
    discovery: Discovery | None,
    aws: AwsSettings,
    schedule: Schedule,
    listing_timeout: float,
    *,
    details: DetailSettings = OFF,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Seen]:
    """Ask about every target, discovered ones included.

    Args:
        targets: the configured ones.
        discovery: how to find more targets; None for none.
        aws: how to talk to AWS.
        schedule: its timeout is the deadline of each target, its concurrency the number of targets at a time.
        listing_timeout: deadline of listing accounts, seconds.
        details: which details and tags the exporter will read; each call is tried once.
        progress: called with a short text about the progress.

    Returns:
        The listing of accounts, if there is a discovery; then every target, in order.
    """
    wanted: dict[DetailKind, bool] = {"details": details.enabled, "tags": bool(details.tags)}
    kinds = tuple([kind for kind, on in wanted.items() if on])
    clients = Clients(replace(aws, max_attempts=min(aws.max_attempts, ATTEMPTS)), schedule.concurrency)
    identities: _Identities = {}
    slots = asyncio.Semaphore(schedule.concurrency)
    listing: list[Seen] = []
    accounts: tuple[Account, ...] = ()
    done = 0

    async def ask_about(target: Target) -> Seen:
        nonlocal done
        async with slots:
            seen = await _ask_about_target(target, _Asker(target, clients, schedule.timeout), identities, kinds)
        done += 1
        progress(f"targets checked: {done} of {len(everything)}")
        return seen

    if discovery is not None:
        progress("listing the accounts of the organization")
        asker = _Asker(discovery.lister, clients, listing_timeout)
        listed, accounts = await _ask_about_accounts(discovery, asker, identities)
        listing.append(listed)
    everything = desired(tuple(targets), discovery, accounts, Shard())
    progress(f"targets checked: 0 of {len(everything)}")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_about(target)) for target in everything]
    return [*listing, *_mark_duplicates(everything, [task.result() for task in tasks])]


def _mark_duplicates(targets: Iterable[Target], seen: Iterable[Seen]) -> Iterator[Seen]:
    claims = Claims(targets)
    for each in seen:
        lists = isinstance(each.listed, str)
        owner = claims.claim(each.target, each.account_id) if lists else each.target
        yield each if owner == each.target else replace(each, duplicate_of=owner.name)


class _Asker:
    """Asks about one target within one deadline. Each question has its own thread, which can be cut off."""

    def __init__(self, target: Target, clients: Clients, timeout: float) -> None:
        self._target = target
        self._name = f"doctor {target.name} {target.region}"
        self._clients = clients
        self._deadline = asyncio.get_running_loop().time() + timeout

    @property
    def left(self) -> float:
        """Seconds left."""
        return self._deadline - asyncio.get_running_loop().time()

    async def ask(self, question: Callable[[Clients], Answer[T]]) -> Answer[T]:
        """The answer to a question; a timeout if the deadline passes first."""
        try:
            return await Worker(self._name, _ADVICE).run(
                partial(question, self._clients), max(0.1, round(self.left, 1))
            )
        except WalkError as error:
            return Answer(Problem(error.reason, error.message))
        except Exception as error:  # noqa: BLE001 - a bug of ours about one target must not hide the others
            message, bug = describe_bug(error)
            _log.error("a check failed", extra={"target": self._target.name, "detail": message, "traceback": bug})
            return Answer(Problem(FailureReason.INTERNAL, message))


async def _ask_about_target(
    target: Target, asker: _Asker, identities: _Identities, kinds: tuple[DetailKind, ...]
) -> Seen:
    """The target's identity, the first page of its jobs, and whether details of one of them may be read."""
    unasked = Seen(target, iam.watch(), details=tuple((kind, None) for kind in kinds))
    signed_in = await _sign_in(unasked, asker, identities)
    known = replace(target, account_id=signed_in.account_id)
    seen, page = await _list(signed_in, asker, partial(questions.first_page, known))
    if page is None:
        return seen
    jobs, more = "1 job" if page.jobs == 1 else f"{page.jobs} jobs", ", and there are more" if page.has_more else ""
    seen = replace(seen, listed=f"{jobs} on the first page{more}", listed_account=page.account_id)
    return seen if page.job_arn is None else await _ask_about_job(seen, page.job_arn, asker)


async def _ask_about_job(seen: Seen, job_arn: str, asker: _Asker) -> Seen:
    """Whether the details and the tags of a job may be read, if the configuration needs them."""
    answers: list[tuple[DetailKind, str | Problem | None]] = []
    for kind, _ in seen.details:
        question = questions.details if kind == "details" else questions.tags
        answers.append((kind, (await asker.ask(partial(question, seen.target, job_arn))).given))
    return replace(seen, details=tuple(answers))


async def _ask_about_accounts(
    discovery: Discovery, asker: _Asker, identities: _Identities
) -> tuple[Seen, tuple[Account, ...]]:
    """The identity that lists the organization's accounts, and the chosen accounts; none if that fails."""
    lister = Seen(discovery.lister, iam.discover(operations(discovery)))
    signed_in = await _sign_in(lister, asker, identities)
    seen, accounts = await _list(signed_in, asker, partial(questions.accounts, discovery))
    return (seen, ()) if accounts is None else (replace(seen, listed=f"{len(accounts)} accounts"), accounts)


async def _sign_in(seen: Seen, asker: _Asker, identities: _Identities) -> Seen:
    """The target's starting identity, and its role."""
    target, start = seen.target, (seen.target.profile, seen.target.region)
    answer = identities.get(start) or await asker.ask(partial(questions.identity, target))
    seen = replace(seen, identity=answer.given, ahead=answer.ahead, has_credentials=answer.has_credentials)
    if isinstance(answer.given, str):
        identities[start] = answer
    elif target.profile is None:
        seen = replace(seen, web_identity=questions.web_identity(os.environ))
    role = target.assume_role
    if role is None or _is_over(seen.identity, asker):
        return seen
    answer = await asker.ask(partial(questions.role_session, target, role))
    return replace(seen, role=answer.given, ahead=_newest(answer, seen))


async def _list(seen: Seen, asker: _Asker, question: Callable[[Clients], Answer[T]]) -> tuple[Seen, T | None]:
    """What the list contains; None, with the reason, if it was not or could not be read."""
    if _is_over(seen.role or seen.identity, asker) or (seen.target.assume_role and not isinstance(seen.role, str)):
        return seen, None
    answer = await asker.ask(question)
    if isinstance(answer.given, Problem):
        return replace(seen, listed=answer.given, ahead=_newest(answer, seen)), None
    return seen, answer.given


def _is_over(last: str | Problem | None, asker: _Asker) -> bool:
    """Whether the deadline cut off the last question. A worker's thread ends 0.2 s before the deadline."""
    return isinstance(last, Problem) and asker.left < 0.25


def _newest(answer: Answer[T], seen: Seen) -> float | None:
    """The seconds by which the clock is ahead, updated by another answer."""
    return seen.ahead if answer.ahead is None else answer.ahead
