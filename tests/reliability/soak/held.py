"""What the process of the soak holds, and whether it grows."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import itertools
import os
import statistics
import sys
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

_WARM_UP = 0.5
"""Part of the run. What is in use is level after seconds, but resident memory rises for some thousand walks: each walk
has a thread of its own, and the C library's pools for threads (eight a processor) fill up one after the other."""


@dataclass(frozen=True)
class Sample:
    """What the process holds at a moment at which nothing is under way."""

    seconds: float
    walks: int
    scrapes: int
    rss: int
    malloc: int
    blocks: int
    objects: int
    threads: int
    descriptors: int
    sockets: int
    tasks: int

    MAY_GROW: ClassVar[dict[str, float]] = {"threads": 2, "descriptors": 5, "sockets": 5, "tasks": 1}
    """By how much the last third may exceed the first, counted things. A scrape is rendered in one of six threads."""

    @classmethod
    def take(cls, seconds: float, walks: int, scrapes: int) -> Sample:
        descriptors = list(map(_link, Path("/proc/self/fd").iterdir()))  # with those that wait to be collected
        gc.collect()
        return cls(
            seconds,
            walks,
            scrapes,
            rss=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            malloc=_in_use(),
            blocks=sys.getallocatedblocks(),
            objects=len(gc.get_objects()),
            threads=threading.active_count(),
            descriptors=len(descriptors),
            sockets=sum(each.startswith("socket:") for each in descriptors),
            tasks=len(asyncio.all_tasks()),
        )


class _MallInfo(ctypes.Structure):
    _fields_: ClassVar[list[tuple[str, Any]]] = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()  # noqa: SIM905
    ]


def _in_use() -> int:
    """Bytes that C code and large Python objects hold; 0 where the C library is not GNU's, 2.33 or later.

    Resident memory also has what was freed and not given back to the system, and so goes up and down by chance.
    """
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return 0
    mallinfo2.restype = _MallInfo
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _link(entry: Path) -> str:
    with contextlib.suppress(OSError):  # the one through which the folder is read is gone by now
        return str(entry.readlink())
    return ""


def slope(xs: list[float], ys: list[float]) -> float:
    """The median of the slopes between all pairs of points (Theil-Sen)."""
    slopes: list[float] = [
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(zip(xs, ys, strict=True), 2) if x1 != x2
    ]
    return statistics.median(slopes)


def verdict(samples: list[Sample], *, may_gain: float) -> tuple[str, list[str]]:
    """The table of what was held, and what of it grows.

    Args:
        samples: of the whole run.
        may_gain: bytes that resident memory may gain from the end of the warm-up to the end, by its slope.
    """
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = max(1, len(warm) // 3)
    walks = [float(sample.walks) for sample in warm]
    grown = []
    lines = [
        f"{'held':12} {'first':>10} {'warm':>10} {'last':>10} {'lowest':>10} {'highest':>10} {'gain':>9}  may gain"
    ]
    for name in [field.name for field in fields(Sample)][3:]:
        values = [float(getattr(sample, name)) for sample in warm]
        early, late = statistics.median(values[:third]), statistics.median(values[-third:])
        by_slope = slope(walks, values) * (walks[-1] - walks[0])
        if name in Sample.MAY_GROW:
            gain, limit = late - early, Sample.MAY_GROW[name]
        elif name == "rss":
            gain, limit = by_slope, may_gain
        else:  # Python's own count of what it holds: a leak shows here before it shows in pages of memory
            gain, limit = by_slope, (0.05 if len(warm) >= 20 else 0.5) * early
        if gain > limit:
            grown.append(f"{name} grows: by {gain:.0f} from {early:.0f}")
        unit = 2**20 if name in {"rss", "malloc"} else 1
        shown = [value / unit for value in (getattr(samples[0], name), early, late, min(values), max(values))]
        digits = 0 if unit == 1 else 1
        figures = " ".join(f"{value:10.{digits}f}" for value in shown)
        label = {"rss": "RSS, MiB", "malloc": "malloc, MiB"}.get(name, name)
        lines.append(f"{label:12} {figures} {gain / unit:+9.{digits}f}  {limit / unit:.{digits}f}")
    return "\n".join(lines), grown
