"""Retries calls that failed for a passing reason. All retries of the exporter are here, none in botocore.

botocore has one retry quota per client. With shared clients, a few accounts that answer 503 would use it up for all
the others; and botocore's pauses can't end with a walk.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from exporter import work
from exporter.bedrock.errors import reason_of
from exporter.errors import FailureReason, WalkError

T = TypeVar("T")

_PASSING = frozenset({
    FailureReason.THROTTLED,
    FailureReason.TIMEOUT,
    FailureReason.NETWORK,
    FailureReason.SERVER_ERROR,
})  # fmt: skip

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
"""Limits of the pauses in seconds: a pause is random, from 0 to a limit that starts at the first and doubles up to the
second ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""


def attempt(call: Callable[[], T], attempts: int) -> T:
    """Call until it succeeds, at most `attempts` times, and return the result.

    Raises:
        WalkError: the work's deadline passed during a pause; or `call` raised it, which is not retried.
        Exception: from the last attempt, or from an earlier one if the next would begin after the deadline.
    """
    limit = FIRST_PAUSE
    while True:
        attempts -= 1
        try:
            return call()
        except WalkError:
            raise
        except Exception as error:
            pause = random.uniform(0, limit)  # noqa: S311 - no secret
            if attempts <= 0 or reason_of(error) not in _PASSING or pause >= work.remaining():
                raise
            work.drop_tracebacks(error)
        work.wait(pause)
        limit = min(2 * limit, LONGEST_PAUSE)
