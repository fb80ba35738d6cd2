"""Why a walk fails: the reasons that users count, alert on and look up, and the error that carries one."""

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
    """What to tell of an exception that nobody expected: a message, and the traceback as text, for the log only.

    The message does not quote the exception, which may hold anything. The exception itself would keep everything alive
    that its frames refer to.
    """
    message = f"{type(error).__name__}, which nobody expected; please report this as a bug"
    return message, "".join(traceback.format_exception(error))


class WalkError(Exception):
    """Ends a walk, a listing of accounts, or a question of `--doctor`.

    Attributes:
        reason: what is counted.
        message: what happened, where, and what to do; in our own words, without secrets, which are also taken out here.
    """

    def __init__(self, reason: FailureReason, message: str) -> None:
        message = scrub(message)
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
