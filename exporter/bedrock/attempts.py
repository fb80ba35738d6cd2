"""Repeats a call that failed for a reason that may pass. All retries of the exporter are here, none in botocore.

botocore keeps one quota of retries per client. With shared clients, a few accounts that answer 503 would use it up for
everybody; and its pauses could not end with a walk.
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
"""Bounds of the pauses in seconds: a pause is random, from 0 to a limit that starts at the first and doubles up to the
second ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""


def attempt(call: Callable[[], T], attempts: int) -> T:
    """What `call` returns, at its `attempts`-th try at the latest.

    Raises:
        WalkError: the work's deadline passed during a pause; or `call` raised it, which is a verdict and final.
        Exception: what the last try raised. It is also raised if the next one would begin after the deadline.
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
