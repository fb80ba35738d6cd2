"""Why a walk fails: the reasons that users alert on and look up, and the error that carries one."""

from __future__ import annotations

import traceback
from enum import StrEnum

from exporter.scrub import scrub


class FailureReason(StrEnum):
    """Why a walk or a listing of accounts failed. The values are label values, so the set is bounded."""

    THROTTLED = "throttled"
    ACCESS_DENIED = "access_denied"
    ASSUME_ROLE_DENIED = "assume_role_denied"
    CREDENTIALS = "credentials"
    UNSUPPORTED_REGION = "unsupported_region"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER_ERROR = "server_error"
    MALFORMED_RESPONSE = "malformed_response"
    RUNAWAY_PAGINATION = "runaway_pagination"
    DUPLICATE_TARGET = "duplicate_target"
    INTERNAL = "internal"


def describe_bug(error: Exception) -> tuple[str, str]:
    """Describe an unexpected exception: a message, and its traceback as text, for the log only.

    The message does not quote the exception, which may contain anything. Text is returned because the exception itself
    would keep alive everything that its frames refer to.
    """
    message = f"{type(error).__name__}, which is a bug; please report it"
    return message, "".join(traceback.format_exception(error))


class WalkError(Exception):
    """Ends a walk, a listing of accounts, or a check of `--doctor`.

    Attributes:
        reason: the value of the label that counts it.
        message: what happened, where, and what to do; in our own words, and scrubbed of secrets.
    """

    def __init__(self, reason: FailureReason, message: str) -> None:
        message = scrub(message)
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
