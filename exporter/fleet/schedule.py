"""When targets are walked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """When targets are walked, and how far. Seconds.

    Attributes:
        interval: between the starts of two walks of a target.
        timeout: deadline of one walk.
        stale_after: time without a good walk after which a target's jobs are no longer shown.
        concurrency: walks at a time.
        max_pages: pages of one walk, at most.
    """

    interval: float
    timeout: float
    stale_after: float
    concurrency: int
    max_pages: int
