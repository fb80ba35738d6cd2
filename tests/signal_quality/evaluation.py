"""Prometheus's rule engine on what was scraped, by `promtool test rules`: when each alert began to fire, and ceased to.

promtool only says what it has found where that differs from what a test expects. So the tests here expect nothing, and
its complaints are read.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from signal_quality.scrapes import STEP, Stretch, Tape

WINDOW = 6 * 3600
"""Seconds that one query looks back on."""

_FIRING = 'ALERTS{alertstate="firing"}'
_BEGINS = f"{_FIRING} unless {_FIRING} offset {STEP}s"
_CEASES = f"{_FIRING} offset {STEP}s unless {_FIRING}"
_SAMPLE = re.compile(r"\{(.*?)\} (\S+?)(?:, (?=\{)|$)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]
"""Of an alert, sorted by name."""


@dataclass(slots=True)
class Firing:
    """When an alert began to fire, and when it ceased to; Unix seconds."""

    begins: set[float] = field(default_factory=set)
    ceases: set[float] = field(default_factory=set)


def evaluate(
    tape: Tape, rules: Path, folder: Path, *, origin: float, since: float, until: float
) -> dict[Labels, Firing]:
    """Evaluate the rules at every step from `origin` on: what began or ceased to fire after `since`, until `until`.

    Args:
        tape: what was scraped.
        rules: the file of rules.
        folder: for promtool's input.
        origin: Unix seconds at step 0.
        since: Unix seconds, a whole number of windows after `origin`.
        until: Unix seconds, a whole number of windows after `since`.
    """
    ends = range(round(since - origin) + WINDOW, round(until - origin) + 1, WINDOW)
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": [
                    {"series": series, "values": "".join(_values(stretches))}
                    for series, stretches in tape.series.items()
                ],
                "promql_expr_test": [
                    {"expr": query, "eval_time": f"{end}s", "exp_samples": []} for end in ends for query in _MEANING
                ],
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    complaints = done.stdout + done.stderr
    found: dict[Labels, Firing] = {}
    for query, samples in re.findall(r'expr: ("(?:[^"\\]|\\.)*"), time: .*\n +exp: ?.*\n +got: ?(.*)', complaints):
        what, edge = _MEANING[ast.literal_eval(query)]
        for labels, value in _SAMPLE.findall(samples):
            firing = found.setdefault(_labels(labels), Firing())
            if what == "count":
                assert float(value) <= 2, f"more than an alert's first and last change within {WINDOW} s: {labels}"
            else:
                (firing.begins if edge == "begins" else firing.ceases).add(origin + float(value))
    assert "FAILED" not in complaints or found, complaints
    return found


def _over_window(function: str, of: str) -> str:
    return f"{function}(({of})[{WINDOW - STEP}s:{STEP}s])"


_MEANING = {
    _over_window("min_over_time", f"({_BEGINS}) * 0 + time()"): ("first", "begins"),
    _over_window("max_over_time", f"({_BEGINS}) * 0 + time()"): ("last", "begins"),
    _over_window("count_over_time", _BEGINS): ("count", "begins"),
    _over_window("min_over_time", f"({_CEASES}) * 0 + time()"): ("first", "ceases"),
    _over_window("max_over_time", f"({_CEASES}) * 0 + time()"): ("last", "ceases"),
    _over_window("count_over_time", _CEASES): ("count", "ceases"),
}


def _labels(text: str) -> Labels:
    labels = {name: ast.literal_eval(f'"{value}"') for name, value in _LABEL.findall(text)}
    return tuple(sorted((name, value) for name, value in labels.items() if name not in {"__name__", "alertstate"}))


def _values(stretches: list[Stretch]) -> Iterator[str]:
    """The stretches of a series in promtool's notation, each with a stale marker after it, as a lost series has."""
    step = 0
    for stretch in stretches:
        if stretch.first > step:
            if step:
                yield "stale "
                step += 1
            if stretch.first > step:
                yield f"_x{stretch.first - step} "
        value, growth = stretch.shown
        yield f"{value:.3f}{growth:+.3f}x{stretch.end - stretch.first - 1} "
        step = stretch.end
    yield "stale"
