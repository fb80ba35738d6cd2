"""Runs the cases and prints the table: ``PYTHONPATH=tests python -m benchmarks [--short] [--rows NAME,...] ...``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from .cases import Seen
from .figure import draw
from .server import lead_to, serving
from .table import FULL, SHORT, Case, Line, Results, curves, rows, text


def main() -> None:
    flags = _parser().parse_args()
    sizes = SHORT if flags.short else FULL
    every = {row.name: row for row in rows(sizes)}
    names = flags.rows.split(",") if flags.rows else list(every)
    if not every.keys() >= set(names):
        sys.exit(f"no such row; there are {', '.join(every)}")
    chosen = [every[name] for name in names]
    drawn = curves(sizes) if flags.figure else {}
    results = _measure(
        [case for row in chosen for case in row.cases]
        + [value.case for points in drawn.values() for value in points.values()]
    )
    lines = [row.measured(results) for row in chosen]
    if flags.short:
        print("The short form shows that the benchmark works; its figures say nothing.")
    print(text(lines))
    if flags.json:
        flags.json.write_text(json.dumps(_document(lines, results), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if flags.figure:
        costs = {name: {n: value.of(results) for n, value in points.items()} for name, points in drawn.items()}
        flags.figure.write_text(draw(costs), "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the exporter costs.")
    parser.add_argument("--short", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table and all that was seen here, too")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the cost per job here, as an SVG")
    parser.add_argument("--rows", metavar="NAME,...", help="only these")
    return parser


def _measure(wanted: Iterable[Case]) -> Results:
    """Run every case once a round, each time in a process of its own."""
    results: dict[Case, list[Seen]] = {case: [] for case in wanted}
    with serving() as url:
        lead_to(url)
        for number in range(max(case.rounds for case in results)):
            for case in [case for case in results if number < case.rounds]:
                start = time.monotonic()
                results[case].append(_in_fresh_process(case, url))
                print(f"round {number + 1}: {case}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return results


def _in_fresh_process(case: Case, url: str) -> Seen:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(case.run, url, *case.arguments).result()


def _document(lines: Iterable[Line], results: Results) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("boto3", "prometheus-client", "urllib3")},
        "rows": [asdict(line) for line in lines],
        "seen": {str(case): rounds for case, rounds in results.items()},
    }


if __name__ == "__main__":
    main()
