"""How many file descriptors the process may have, and whether they suffice."""

import resource
import sys

RESERVED = 32
"""For the process itself: its streams, listeners, the event loop, and files that it reads."""


def limit() -> int:
    """The most that the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def for_clients() -> int:
    """How many connections of HTTP clients there may be: half of what is left."""
    return max(1, (limit() - RESERVED) // 2)


def wanted(aws: int) -> int:
    """The limit at which so many connections to AWS can be kept open."""
    return 2 * aws + RESERVED
