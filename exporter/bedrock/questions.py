"""The questions that `--doctor` asks AWS about one target. They block, and never raise: a failure is an answer too."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError, NoCredentialsError

from exporter.bedrock.answers import Answer, FirstPage, Problem, WebIdentity
from exporter.bedrock.clients import Clients
from exporter.bedrock.details import DetailReader
from exporter.bedrock.errors import STS_ADVICE, walk_error
from exporter.bedrock.organizations import list_accounts
from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason, WalkError
from exporter.labels import account_of
from exporter.targets.accounts import Account, Discovery
from exporter.targets.target import AssumeRole, Target

_ADVICE = {
    **STS_ADVICE,
    FailureReason.ACCESS_DENIED: "check the policy of the VPC endpoint of STS, and the proxy; IAM can't deny this",
}
"""GetCallerIdentity needs no permission."""

T = TypeVar("T")


def identity(target: Target, clients: Clients) -> Answer[str]:
    """ARN of the target's starting credentials."""
    return _ask(lambda: _caller(replace(target, assume_role=None), clients))


def role_session(target: Target, role: AssumeRole, clients: Clients) -> Answer[str]:
    """ARN of the session in the target's role, or of the role itself if STS allows only AssumeRole.

    A walk needs only AssumeRole, and the policy of a VPC endpoint may allow nothing else.
    """

    def question() -> tuple[str, float | None]:
        try:
            return _caller(target, clients)
        except ClientError as error:
            if error.operation_name != "GetCallerIdentity":
                raise
            return role.role_arn, _ahead(error.response)

    return _ask(question)


def first_page(target: Target, clients: Clients) -> Answer[FirstPage]:
    """The first page of the target's jobs."""

    def question() -> tuple[FirstPage, None]:
        page = next(TargetReader(target, clients).pages(1, time.time()))
        account_id = next(filter(None, (job.account_id for job in page.jobs)), None)
        by_use = sorted(page.jobs, key=lambda job: job.status != "Failed")
        more = page.next_token is not None
        return FirstPage(len(page.jobs) + page.malformed, more, account_id, by_use[0].job_arn if by_use else None), None

    return _ask(question)


def details(target: Target, job_arn: str, clients: Clients) -> Answer[str]:
    """Whether the details of a job may be read, in words; a job that no longer exists will do."""
    return _ask(lambda: _allowed(DetailReader(target, clients).details, job_arn))


def tags(target: Target, job_arn: str, clients: Clients) -> Answer[str]:
    """Whether the tags of a job may be read, in words; a job that no longer exists will do."""
    return _ask(lambda: _allowed(DetailReader(target, clients).tags, job_arn))


def _allowed(ask: Callable[[str], object], job_arn: str) -> tuple[str, None]:
    found = ask(job_arn) is not None
    return f"of {job_arn}" if found else f"{job_arn} has vanished, but may be asked about", None


def accounts(discovery: Discovery, clients: Clients) -> Answer[tuple[Account, ...]]:
    """The accounts that a discovery chooses."""
    return _ask(lambda: (list_accounts(discovery, clients), None))


def web_identity(environ: Mapping[str, str]) -> WebIdentity | None:
    """The web identity that the environment gives the process; None if there is none.

    The token is not verified; AWS does that.
    """
    try:
        role_arn = environ["AWS_ROLE_ARN"]
        payload = Path(environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text(encoding="ascii").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        _, partition, _, _, account, _ = role_arn.split(":", 5)
        provider_arn = f"arn:{partition}:iam::{account}:oidc-provider/{claims['iss'].removeprefix('https://')}"
        audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
        return WebIdentity(role_arn, provider_arn, claims["sub"], audience)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # the file may contain anything
        return None


def _ask(question: Callable[[], tuple[T, float | None]]) -> Answer[T]:
    try:
        return Answer(*question())
    except Exception as error:  # noqa: BLE001 - `walk_error` explains any
        explained = walk_error(error, advice=_ADVICE)
        cause = error.__cause__ if isinstance(error, WalkError) else error
        return Answer(
            Problem(explained.reason, explained.message),
            _ahead(cause.response) if isinstance(cause, ClientError) else None,
            not isinstance(cause, NoCredentialsError),
        )


def _caller(target: Target, clients: Clients) -> tuple[str, float | None]:
    """ARN of the target's starting identity, and the seconds by which the local clock is ahead."""
    answer = clients.sts(target).get_caller_identity()
    arn = str(answer.get("Arn", ""))
    if account_of(arn) is None:  # botocore accepts any XML
        message = f"GetCallerIdentity returned the ARN {arn!r:.200}; is a proxy or a wrong endpoint in between?"
        raise WalkError(FailureReason.MALFORMED_RESPONSE, message)
    return arn, _ahead(answer)


def _ahead(answer: Mapping[str, Any]) -> float | None:
    """Seconds by which the local clock is ahead of the Date header of a botocore response."""
    try:
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return time.time() - parsedate_to_datetime(date).timestamp()
    except (LookupError, ValueError, OverflowError):  # no date, or an impossible year
        return None
