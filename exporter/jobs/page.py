"""Rendered text → the bytes of `/metrics`, and what a client accepts. Pure.

Nothing is kept between scrapes: the values that grow are filled in, and each family is compressed after the other. A
page of a thousand targets has 90 MB, and whoever joins it first spends most of the time on new memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

from isal import isal_zlib

from exporter.jobs.families import Family
from exporter.jobs.text import Text


class Format(Enum):
    """The text formats; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def compose(families: Iterable[Family[Any]], texts: Sequence[Text], format_: Format, now: float) -> Iterator[bytes]:
    """The page, one piece for each family that has samples.

    Args:
        families: in the order of the page.
        texts: the samples of each target; a text may lack families.
        format_: of the headers; samples are the same in both formats.
        now: Unix seconds, for growing values.
    """
    for family in families:
        parts = [part for text in texts if (part := text.get(family.name)) is not None]
        if not parts:
            continue
        pieces = [header(family.name, family.kind, family.help, format_), *[part.fixed for part in parts]]
        since = [timestamp for part in parts for timestamp in part.since]
        if since:
            template = b"".join([part.growing for part in parts])
            pieces.append(template % tuple([now - timestamp if now > timestamp else 0.0 for timestamp in since]))
        yield b"".join(pieces)


def header(name: str, kind: str, help_: str, format_: Format) -> bytes:
    """The HELP and TYPE lines of a family, and in OpenMetrics UNIT."""
    help_ = help_.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.TEXT:
        return f"# HELP {name} {help_}\n# TYPE {name} {kind}\n".encode()
    name = name.removesuffix("_total")
    help_ = help_.replace('"', r"\"")
    unit = f"# UNIT {name} seconds\n" if name.endswith("_seconds") else ""
    return f"# HELP {name} {help_}\n# TYPE {name} {kind}\n{unit}".encode()


def compress(pieces: Iterable[bytes]) -> bytes:
    """A body, given in pieces, as one gzip member."""
    compressor = isal_zlib.compressobj(2, wbits=31)
    return b"".join([*map(compressor.compress, pieces), compressor.flush()])


def negotiate(accept: str) -> Format:
    """The format that an Accept header asks for: OpenMetrics 1.0 if its q-value is at least text/plain's."""
    qualities = {Format.TEXT: -1.0, Format.OPENMETRICS: -1.0}
    for media, parameters in _entries(accept):
        quality = _quality(parameters)
        if media == "application/openmetrics-text" and parameters.get("version", "1.0.0") in {"1.0.0", "0.0.1"}:
            qualities[Format.OPENMETRICS] = max(qualities[Format.OPENMETRICS], quality)
        elif media in {"text/plain", "text/*"}:
            qualities[Format.TEXT] = max(qualities[Format.TEXT], quality)
    openmetrics = qualities[Format.OPENMETRICS]
    return Format.OPENMETRICS if openmetrics > 0 and openmetrics >= qualities[Format.TEXT] else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header names gzip and does not refuse it."""
    return any(
        coding in {"gzip", "x-gzip"} and _quality(parameters) > 0 for coding, parameters in _entries(accept_encoding)
    )


def _entries(header_: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The entries of an Accept header, each with its parameters, in lower case."""
    for entry in header_.lower().split(","):
        name, *parameters = [part.strip() for part in entry.split(";")]
        yield name, dict(part.partition("=")[::2] for part in parameters)


def _quality(parameters: dict[str, str]) -> float:
    """The q-value of an entry; 0 if it is not a number."""
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if quality > 0 else 0.0  # NaN, too
