"""The metric reference says what the exporter does."""

import runpy
from pathlib import Path

import pytest
from benchmarks.table import FULL, rows

from exporter.exposition import Format
from exporter.metrics import EXPORTER_PREFIX, FAMILIES
from exporter.model import FailureReason
from exporter.telemetry import Telemetry

DOCS = Path(__file__).parents[1] / "docs"


def test_metric_reference_is_up_to_date() -> None:
    """docs/metrics.md is what its generator writes; if it is not, `make docs` writes it anew."""
    built = runpy.run_path(str(DOCS / "build_metrics.py"))["build"]()
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == built


def test_performance_is_up_to_date() -> None:
    """docs/performance.md shows the figures of docs/performance.json, which the benchmark has written."""
    built = runpy.run_path(str(DOCS / "build_performance.py"))["build"]()
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == built


def test_every_row_of_the_benchmark_is_explained() -> None:
    """And no other is."""
    meaning = runpy.run_path(str(DOCS / "build_performance.py"))["MEANING"]
    assert list(meaning) == [row.name for row in rows(FULL)]


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_is_explained(reason: FailureReason) -> None:
    """The README says what each reason of a failure means and what to do."""
    assert f"\n| `{reason}` | " in (DOCS.parent / "README.md").read_text(encoding="utf-8")


OWN = [
    line.split()[2]
    for line in Telemetry().render(Format.TEXT).decode().splitlines()
    if line.startswith(f"# TYPE {EXPORTER_PREFIX}")
]


@pytest.mark.parametrize("name", [*(family.name for family in FAMILIES), *OWN])
def test_every_family_has_an_entry(name: str) -> None:
    """Each family that a scrape can show has one entry, with one line of it as an example."""
    _, found, entry = (DOCS / "metrics.md").read_text(encoding="utf-8").partition(f"### `{name}`\n")
    assert found
    example = entry.split("```")[1].removeprefix("text\n")
    assert example.startswith(name)
    assert example.count("\n") == 1
