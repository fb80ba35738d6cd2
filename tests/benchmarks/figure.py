"""The figure: cost of a job over the number of jobs, as an SVG that draws on light and on dark ground."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 840, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 580, 56, 380  # of the plot; the labels of the lines stand at its right
_ON_LIGHT = ("#c2410c", "#1d4ed8", "#0e7490", "#6b7280")
_ON_DARK = ("#fb923c", "#93b4ff", "#4fd1e0", "#a8b0bd")


def _style() -> str:
    def colours(text: str, lines: Sequence[str]) -> str:
        of_lines = (
            f".c{number} path{{stroke:{colour}}}.c{number} circle,.c{number} text{{fill:{colour}}}"
            for number, colour in enumerate(lines)
        )
        return f"text{{fill:{text}}}{''.join(of_lines)}"

    return (
        "text{font:14px system-ui,sans-serif}.title{font-size:16px;font-weight:600}"
        ".grid{stroke:#888;stroke-opacity:.3}path{fill:none;stroke-width:2.5}"
        f"{colours('#333', _ON_LIGHT)}@media(prefers-color-scheme:dark){{{colours('#ddd', _ON_DARK)}}}"
    )


def draw(curves: Mapping[str, Mapping[int, float]]) -> str:
    """Both axes are logarithmic, with a line of the grid at each power of ten.

    Args:
        curves: name → jobs → µs of CPU per job.
    """
    xs = _Axis([jobs for points in curves.values() for jobs in points], _LEFT, _RIGHT)
    ys = _Axis([cost for points in curves.values() for cost in points.values()], _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>CPU per job over the number of jobs</title>",
        f"<style>{_style()}</style>",
        f'<text class="title" x="{_LEFT}" y="28">Reading the job list: µs of CPU per job</text>',
        f'<text x="{(_LEFT + _RIGHT) / 2:g}" y="{_BOTTOM + 46}" text-anchor="middle">jobs in the list</text>',
    ]
    for value in xs.ticks:
        x = xs.place(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_BOTTOM + 22}" text-anchor="middle">{value:,}</text>')
    for value in ys.ticks:
        y = ys.place(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{value:,}</text>')
    lowest = math.inf
    ends = {name: points[max(points)] for name, points in curves.items()}
    places = {}
    for name in sorted(ends, key=lambda name: ends[name]):  # From below: a label that would lie on another moves up.
        lowest = places[name] = min(ys.place(ends[name]) + 5, lowest - 20)
    for number, (name, points) in enumerate(curves.items()):
        at = [(xs.place(jobs), ys.place(cost)) for jobs, cost in sorted(points.items())]
        parts.append(f'<g class="c{number}"><path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in at)}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in at]
        label = f"{escape(name)}: {ends[name]:.3g}"
        parts.append(f'<text x="{_RIGHT + 14}" y="{places[name]:.1f}">{label}</text></g>')
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Places values of several powers of ten, whole powers included at both ends, between two coordinates."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.ticks = [10**power if power >= 0 else 10.0**power for power in range(low, max(high, low + 1) + 1)]
        self._low, self._scale, self._start = low, (end - start) / (max(high, low + 1) - low), start

    def place(self, value: float) -> float:
        return self._start + (math.log10(value) - self._low) * self._scale
