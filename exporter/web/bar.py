"""A job's time as a bar with its sub-tasks, to scale. Pure."""

from __future__ import annotations

from typing import NamedTuple

from exporter.web.views import JobView

WIDTH = 1000
"""Length of a bar, in units."""


class Piece(NamedTuple):
    """A part of a bar, in units from its left end.

    Attributes:
        name: sub-task.
        status: of the sub-task.
        x: where it begins.
        width: how long it took; at least 4, so that it can be seen.
    """

    name: str
    status: str
    x: int
    width: int


class Bar(NamedTuple):
    """A job from its creation to its end, to now, or to its expected end, whichever is last.

    Attributes:
        length: units until its end, or now.
        pieces: its sub-tasks.
        expected: where completed peers ended; None if unknown.
        marks: where running sub-tasks would end if they took as long as those of peers.
    """

    length: int
    pieces: tuple[Piece, ...]
    expected: int | None
    marks: tuple[int, ...]


def bar(job: JobView) -> Bar:
    """The bar of a job."""
    ends = [
        each.started - job.created + each.expected_duration
        for each in job.subtasks
        if each.started is not None and each.expected_duration is not None
    ]
    scale = WIDTH / max(job.duration, job.expected_duration or 0.0, *ends, 1.0)

    def units(seconds: float) -> int:
        return round(min(max(0.0, seconds * scale), WIDTH))

    pieces = []
    for each in job.subtasks:
        if each.started is not None and each.duration is not None:
            x = min(units(each.started - job.created), WIDTH - 4)
            pieces.append(Piece(each.name, each.status, x, min(max(4, units(each.duration)), WIDTH - x)))
    expected = None if job.expected_duration is None else units(job.expected_duration)
    return Bar(units(job.duration), tuple(pieces), expected, tuple(units(end) for end in ends))
