"""Families and their subjects → lines of the exposition, the same in both formats. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.jobs.details import NOTHING, Known
from exporter.jobs.families import (
    DETAIL_FAMILIES,
    JOB_FAMILIES,
    JOB_LABELS,
    SNAPSHOT_FAMILIES,
    Family,
    JobSeries,
    Since,
)
from exporter.jobs.snapshot import Snapshot
from exporter.labels import Labels


class FamilyText(NamedTuple):
    """Samples of one family, rendered.

    Attributes:
        fixed: complete lines, each with its line feed.
        growing: a bytes template of complete lines, with a ``%.3f`` where a value grows; other ``%`` are doubled.
        since: Unix seconds from which the values grow, one for each placeholder of the template.
    """

    fixed: bytes
    growing: bytes = b""
    since: tuple[float, ...] = ()


Text = Mapping[str, FamilyText]
"""Name of a family → its samples. Families without samples are left out."""


def render_snapshot(labels: Labels, snapshot: Snapshot) -> Iterator[tuple[str, FamilyText]]:
    """The items of the `Text` about a snapshot and its jobs, family by family.

    Args:
        labels: on every series of the target.
        snapshot: of its last good walk.
    """
    yield from _render(SNAPSHOT_FAMILIES, [(spell(labels), snapshot)])
    yield from _render(JOB_FAMILIES, _series(labels, snapshot, NOTHING))


def render_details(labels: Labels, snapshot: Snapshot, known: Known) -> Text:
    """The samples of the families that change with details; the others come from `render_snapshot`."""
    info, *others = DETAIL_FAMILIES
    series = _series(labels, snapshot, known)
    tagged = [(",".join(filter(None, (c, spell(known.tag_labels(s.job))))), s) for c, s in series]
    return dict(_render([info], tagged)) | dict(_render(others, series))


def _series(labels: Labels, snapshot: Snapshot, known: Known) -> list[tuple[str, JobSeries]]:
    common, series = spell(labels), []
    for job in snapshot.job_series:
        own = spell(zip(JOB_LABELS, (job.id, job.job_name, job.customization_type), strict=True))
        series.append((f"{common},{own}", JobSeries(job, job.subtasks, snapshot, known)))
    return series


def render(families: Iterable[Family[Any]], labels: Labels, subject: object) -> Text:
    """The samples of families about one subject, with these labels on every series."""
    return dict(_render(families, [(spell(labels), subject)]))


def count_series(text: Text) -> int:
    """The number of series in a text."""
    return sum(part.fixed.count(b"\n") + len(part.since) for part in text.values())


def _render(
    families: Iterable[Family[Any]], subjects: Sequence[tuple[str, object]]
) -> Iterator[tuple[str, FamilyText]]:
    for family in families:
        text = _lines(family, subjects)
        if text.fixed or text.since:
            yield family.name, text


def spell(labels: Iterable[tuple[str, str]]) -> str:
    """Labels (name, value) as both formats write them, without the braces."""
    return ",".join([f'{name}="{escape(value)}"' for name, value in labels])


def escape(value: str) -> str:
    r"""A label value as both formats want it: ``\``, ``"`` and the line feed escaped."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _lines(family: Family[Any], subjects: Iterable[tuple[str, Any]]) -> FamilyText:
    """A family's samples about all subjects, given as (common labels, subject)."""
    name, names, samples = family.name, (*family.labels, "quantile"), family.samples
    spelt: dict[tuple[str, ...], str] = {(): ""}  # most samples have one of a few label values
    fixed: list[str] = []
    growing: list[str] = []
    since: list[float] = []
    for common, subject in subjects:
        for sample in samples(subject):
            value, suffix = sample.value, sample.suffix
            own = spelt.get(sample.labels)
            if own is None:
                own = spelt[sample.labels] = "," + spell(zip(names, sample.labels, strict=False))
            if isinstance(value, Since):
                growing.append(f"{name}{suffix}{{{common}{own}}} ".replace("%", "%%") + "%.3f\n")
                since.append(value.timestamp)
            else:
                fixed.append(f"{name}{suffix}{{{common}{own}}} {value!r}\n")
    return FamilyText("".join(fixed).encode(), "".join(growing).encode(), tuple(since))
