"""The credentials of a walk, and signing with them the requests of a client that many walks share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from exporter import work
from exporter.bedrock.attempts import attempt
from exporter.bedrock.errors import STS_ADVICE, walk_error
from exporter.errors import FailureReason, WalkError
from exporter.targets.target import AssumeRole

_MARGIN = 60.0
"""Seconds by which credentials must outlive a walk, to allow for clock differences."""

_URGENT = 600.0
"""Seconds before expiry from which botocore insists on a renewal."""

_signer: ContextVar[Signer] = ContextVar("signer")  # no default: without credentials, no request


def sign(context: dict[str, Any], **_: object) -> None:
    """Sign the request with the current `Signer`'s credentials; a ``before-parameter-build`` handler.

    Raises:
        LookupError: there is no current `Signer`.
        WalkError: there are no credentials any more.
    """
    context.setdefault("signing", {})["request_credentials"] = _signer.get().credentials()


class Signer:
    """One walk's credentials.

    Read once if they outlive the walk, otherwise for each request, because every read may call a server.

    Args:
        source: botocore credentials, which may renew themselves.
        attempts: to get them.

    Raises:
        WalkError: there are none, or they can't be sent.
    """

    def __init__(self, source: Any, attempts: int) -> None:  # noqa: ANN401 - any of botocore's
        self._source = source
        self._attempts = attempts
        self._kept: Credentials | None = None
        credentials = self.credentials()
        is_short = getattr(source, "refresh_needed", None)  # only expiring credentials have it
        if is_short is None or not is_short(work.remaining() + _MARGIN):
            self._kept = credentials

    def credentials(self) -> Credentials:
        """The credentials for the next request."""
        if self._kept is not None:
            return self._kept
        with bad_credentials():
            frozen = attempt(self._source.get_frozen_credentials, self._attempts)
            refuse_unsendable(frozen.access_key, "access key id", "AWS_ACCESS_KEY_ID")
            refuse_unsendable(frozen.secret_key, "secret access key", "AWS_SECRET_ACCESS_KEY")
            if frozen.token:
                refuse_unsendable(frozen.token, "session token", "AWS_SESSION_TOKEN")
            return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    @contextlib.contextmanager
    def signing(self) -> Iterator[None]:
        """Sign the requests inside the block with these credentials, in this thread."""
        token = _signer.set(self)
        try:
            yield
        finally:
            _signer.reset(token)


@contextlib.contextmanager
def bad_credentials() -> Iterator[None]:
    """Wraps all code that reads the user's AWS configuration or gets credentials.

    Providers may raise anything. So an unexpected exception is `FailureReason.CREDENTIALS` here, not a bug.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        raise walk_error(error, advice=STS_ADVICE, otherwise=FailureReason.CREDENTIALS) from answer_of(error)


def answer_of(error: Exception) -> Exception | None:
    """The allowed cause of a `WalkError`: AWS's refusal, or a lack of credentials."""
    cause = error.__cause__ if isinstance(error, WalkError) else error
    return cause if isinstance(cause, (ClientError, NoCredentialsError)) else None


def refuse_unsendable(value: object, what: str, variable: str) -> None:
    """Raise `WalkError` if a value can't be sent in a request; the message names it without quoting it.

    Args:
        value: never shown.
        what: its name.
        variable: the environment variable that may hold it.
    """
    if isinstance(value, str) and value and value.isascii() and value.isprintable() and " " not in value:
        return
    is_set = value is not None and os.environ.get(variable) == value
    if isinstance(value, str) and value[-1:] in {"\n", "\r"}:
        fault = "ends with a line feed"
    elif value == "":
        fault = "is empty"
    else:
        fault = "holds a line feed, a space or another character that can't be sent"
    name = f"{variable}, the {what}," if is_set else f"the {what}"
    where = f"correct {variable}" if is_set else "correct the file or program that the credentials come from"
    raise WalkError(FailureReason.CREDENTIALS, f"{name} {fault}; {where}")


def role_credentials(
    role: AssumeRole, sts: Callable[[int], Any], attempts: int, denied: Callable[[], None]
) -> DeferredRefreshableCredentials:
    """Credentials of a role that renew themselves before they expire. The role is assumed at their first use.

    botocore has no public call for a role that is not in its configuration file. The renewal is botocore's own: early,
    in one thread at a time; if it fails, the old credentials are used as long as they are valid.

    Args:
        role: which role.
        sts: returns an STS client with the credentials that may assume the role, for this number of attempts.
        attempts: when a renewal is urgent.
        denied: called when these credentials are of no use.
    """
    request = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name}
    if role.external_id is not None:
        request["ExternalId"] = role.external_id

    def assume() -> dict[str, str]:
        try:
            answer = sts(attempts if credentials.refresh_needed(_URGENT) else 1).assume_role(**request)["Credentials"]
            return {
                "access_key": answer["AccessKeyId"],
                "secret_key": answer["SecretAccessKey"],
                "token": answer["SessionToken"],
                "expiry_time": answer["Expiration"].isoformat(),
            }
        except KeyError as error:  # botocore accepts any XML
            message = f"AssumeRole answered without {error}; is a proxy or a wrong endpoint in between?"
            raise WalkError(FailureReason.MALFORMED_RESPONSE, message) from None
        except Exception as error:  # noqa: BLE001 - `walk_error` explains any
            explained = walk_error(error, advice=STS_ADVICE)
            if explained.reason is FailureReason.CREDENTIALS:
                denied()
            raise explained from answer_of(error)

    credentials = DeferredRefreshableCredentials(refresh_using=assume, method="assume-role")
    return credentials
