"""Snapshots and target states → the bytes of `/metrics`. Pure.

A snapshot is rendered once, when its walk has ended; `compose` joins what the targets have into one page, a family at a
time. What grows with time stands at the end of the page, so that a scrape only fills that in, and gzip's work on all
before it is done once per page.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from exporter.metrics import (
    FAMILIES,
    JOB_FAMILIES,
    JOB_LABELS,
    SNAPSHOT_FAMILIES,
    TARGET_FAMILIES,
    TARGET_LABELS,
    Family,
    JobSeries,
)
from exporter.model import UNKNOWN, FamilyText, Job, Rendered, Sample, Since, Snapshot, Target, TargetState


class Format(Enum):
    """The text formats; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Renderer:
    """Renders the snapshots of one target, one after the other; lines are the same in both formats.

    The text of a job that has ended is kept until the job leaves the snapshot: it never changes, and rendering it is
    most of what a later walk of an unchanged list would cost.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = ""
        self._ended: dict[Job, tuple[FamilyText, ...]] = {}

    def render(self, account_id: str, snapshot: Snapshot) -> Rendered:
        """The samples of every family about the snapshot and its jobs."""
        place = _place(self._target, account_id)
        before = self._ended if place == self._place else {}
        texts = [before.get(job) or _render_job(place, job, snapshot) for job in snapshot.job_series]
        self._place = place
        self._ended = {job: text for job, text in zip(snapshot.job_series, texts, strict=True) if job.has_ended}
        rendered = {family.name: _lines(family, place, family.samples(snapshot)) for family in SNAPSHOT_FAMILIES}
        for index, family in enumerate(JOB_FAMILIES):
            rendered[family.name] = _join([text[index] for text in texts])
        return rendered


def _render_job(place: str, job: Job, snapshot: Snapshot) -> tuple[FamilyText, ...]:
    """The samples of one job, in the order of `JOB_FAMILIES`."""
    common = place + "," + _labels(JOB_LABELS, (job.id, job.name, job.customization_type))
    series = JobSeries(job, snapshot)
    return tuple([_lines(family, common, family.samples(series)) for family in JOB_FAMILIES])


def _place(target: Target, account_id: str) -> str:
    names = (*TARGET_LABELS, *(name for name, _ in target.labels))
    return _labels(names, (account_id, target.region, *(value for _, value in target.labels)))


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def escape(value: str) -> str:
    r"""A label value as both formats want it: ``\``, ``"`` and the line feed escaped."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _lines(family: Family[Any], common: str, samples: Iterable[Sample]) -> FamilyText:
    fixed: list[str] = []
    growing: list[tuple[bytes, float]] = []
    for value, labels, suffix in samples:
        own = "".join([f',{name}="{escape(text)}"' for name, text in labels.items()])
        line = f"{family.name}{suffix}{{{common}{own}}} "
        if isinstance(value, Since):
            growing.append((line.encode(), value.timestamp))
        else:
            fixed.append(f"{line}{value!r}\n")
    return FamilyText("".join(fixed).encode(), tuple(growing))


def _join(texts: Sequence[FamilyText]) -> FamilyText:
    return FamilyText(
        b"".join([text.fixed for text in texts]), tuple([line for text in texts for line in text.growing])
    )


_PAGE_ORDER = sorted(FAMILIES, key=lambda family: family.grows)
"""What is the same at every scrape comes first. Of the families that grow the one with the most fixed lines leads."""


class Page:
    """All that the table's families say, in one format, at any time.

    Args:
        fixed: all ahead of the first value that grows.
        template: the rest, as a ``%`` template with a place for each of `since`.
        since: Unix seconds since which the values in these places grow.
    """

    def __init__(self, fixed: bytes, template: bytes, since: Sequence[float]) -> None:
        self._fixed = fixed
        self._template = template
        self._since = since
        self._squeezed: tuple[bytes, Any] | None = None

    def body(self, now: float, tail: bytes) -> bytes:
        """The page at `now` (Unix seconds), and after it the `tail`."""
        return self._fixed + self._grown(now) + tail

    def gzipped(self, now: float, tail: bytes) -> bytes:
        """`body`, as one gzip member. The fixed part is compressed once; each call continues a copy of that state."""
        if self._squeezed is None:
            compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
            self._squeezed = compressor.compress(self._fixed) + compressor.flush(zlib.Z_SYNC_FLUSH), compressor
        head, compressor = self._squeezed
        rest = compressor.copy()
        return b"".join((head, rest.compress(self._grown(now) + tail), rest.flush()))

    def _grown(self, now: float) -> bytes:
        return self._template % tuple([now - since if now > since else 0.0 for since in self._since])


def compose(states: Iterable[TargetState], format_: Format) -> Page:
    """The page of all targets: one block per family, whatever the number of targets."""
    shown = _distinct(states)
    fixed: list[bytes] = []
    template: list[bytes] = []
    since: list[float] = []
    own = [_render_state(state) for state in shown]
    for family in _PAGE_ORDER:
        parts = own if family in TARGET_FAMILIES else [state.rendered for state in shown]
        texts = [part[family.name] for part in parts if family.name in part]
        lines = b"".join([text.fixed for text in texts])
        growing = [line for text in texts for line in text.growing]
        if not lines and not growing:
            continue
        block = header(family.name, family.kind, family.help, format_) + lines
        if template:
            template.append(block.replace(b"%", b"%%"))
        else:  # nothing has grown so far, so this is the same at every scrape
            fixed.append(block)
        template += [line.replace(b"%", b"%%") + b"%.3f\n" for line, _ in growing]
        since += [timestamp for _, timestamp in growing]
    return Page(b"".join(fixed), b"".join(template), since)


def header(name: str, kind: str, help_: str, format_: Format) -> bytes:
    """HELP and TYPE, and in OpenMetrics UNIT, of a family."""
    help_ = help_.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.TEXT:
        return f"# HELP {name} {help_}\n# TYPE {name} {kind}\n".encode()
    name = name.removesuffix("_total")
    help_ = help_.replace('"', r"\"")
    unit = f"# UNIT {name} seconds\n" if name.endswith("_seconds") else ""
    return f"# HELP {name} {help_}\n# TYPE {name} {kind}\n{unit}".encode()


def _render_state(state: TargetState) -> Rendered:
    place = _place(state.target, state.account_id)
    return {family.name: _lines(family, place, family.samples(state)) for family in TARGET_FAMILIES}


def _distinct(states: Iterable[TargetState]) -> list[TargetState]:
    """What of the states can be shown without two series that have the same labels, which would break the scrape.

    Of targets that are one account and region only the first has job series. Of those whose labels are all the same,
    the series are one: the first one's, with the failures and malformed jobs of all; while the account is unknown, so
    that nobody can say whether they are one, it is up only if all are.
    """
    places: set[tuple[str, str]] = set()
    shown: dict[tuple[str, str, tuple[tuple[str, str], ...]], TargetState] = {}
    for each in states:
        state = each
        place = (state.account_id, state.target.region)
        if place in places:
            state = replace(state, snapshot=None, rendered={})
        places.add(place)
        labels = (*place, state.target.labels)
        shown[labels] = _merged(shown[labels], state) if labels in shown else state
    return list(shown.values())


def _merged(first: TargetState, second: TargetState) -> TargetState:
    failures = dict(first.failures)
    for reason, count in second.failures.items():
        failures[reason] = failures.get(reason, 0) + count
    failure = first.failure
    if failure is None and first.account_id == UNKNOWN:
        failure = second.failure
    return replace(first, failures=failures, malformed=first.malformed + second.malformed, failure=failure)


class PageCache:
    """Composes a page once for as long as the states are the same tuple, for each format."""

    def __init__(self) -> None:
        self._states: tuple[TargetState, ...] | None = None
        self._pages: dict[Format, Page] = {}

    def page(self, states: tuple[TargetState, ...], format_: Format) -> Page:
        """The page of these states."""
        if states is not self._states:
            self._states, self._pages = states, {}
        if format_ not in self._pages:
            self._pages[format_] = compose(states, format_)
        return self._pages[format_]


def negotiate(accept: str) -> Format:
    """The format that an Accept header asks for: OpenMetrics 1.0 if it is named at least as gladly as plain text."""
    wishes = {Format.TEXT: -1.0, Format.OPENMETRICS: -1.0}
    for wish in accept.split(","):
        media, *parameters = [part.strip() for part in wish.lower().split(";")]
        wanted = dict(part.partition("=")[::2] for part in parameters)
        try:
            quality = float(wanted.get("q", "1"))
        except ValueError:
            continue
        if media == "application/openmetrics-text" and wanted.get("version", "1.0.0") in {"1.0.0", "0.0.1"}:
            wishes[Format.OPENMETRICS] = max(wishes[Format.OPENMETRICS], quality)
        elif media in {"text/plain", "text/*"}:
            wishes[Format.TEXT] = max(wishes[Format.TEXT], quality)
    openmetrics = wishes[Format.OPENMETRICS]
    return Format.OPENMETRICS if openmetrics > 0 and openmetrics >= wishes[Format.TEXT] else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for wish in accept_encoding.lower().split(","):
        coding, *parameters = [part.strip() for part in wish.split(";")]
        if coding in {"gzip", "x-gzip"}:
            return not any(part.startswith("q=") and not part.strip("q=0.") for part in parameters)
    return False
