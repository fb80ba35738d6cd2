"""The limit of file descriptors, and how many are needed."""

import resource
import sys

RESERVED = 32
"""For the process itself: streams, listeners, the event loop, and files that it reads."""


def limit() -> int:
    """The most descriptors that the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def for_clients() -> int:
    """The most connections from HTTP clients: half of the rest."""
    return max(1, (limit() - RESERVED) // 2)


def wanted(aws: int) -> int:
    """The limit that is needed to keep this many connections to AWS open."""
    return 2 * aws + RESERVED
