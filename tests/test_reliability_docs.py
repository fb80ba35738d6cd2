"""The table of faults says what the tests prove."""

import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reliability.rows import Row

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def builder() -> Mapping[str, Any]:
    """What docs/build_reliability.py defines."""
    return runpy.run_path(str(ROOT / "docs" / "build_reliability.py"))


@pytest.fixture(scope="module")
def rows(builder: Mapping[str, Any]) -> list[Row]:
    """Every line of the table."""
    return [row for module, *_ in builder["SECTIONS"] for row in builder["rows"](module)]


def test_table_of_faults_is_up_to_date(builder: Mapping[str, Any]) -> None:
    """docs/reliability.md is what its generator writes; if it is not, `python docs/build_reliability.py` writes it."""
    assert (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8") == builder["build"]()


def test_every_line_says_something(rows: list[Row]) -> None:
    """No cell is empty, and no fault stands there twice."""
    for row in rows:
        assert all((row.fault, row.seen, row.log, row.test)), row
    assert [fault for fault, count in Counter(row.fault for row in rows).items() if count > 1] == []


@pytest.mark.e2e
def test_every_test_exists(rows: list[Row]) -> None:
    """pytest finds each test that the table names, with its parameter."""
    files = sorted({row.test.partition("::")[0] for row in rows})
    assert [file for file in files if not (ROOT / file).is_file()] == []
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr
    assert [row.test for row in rows if row.test not in collected.stdout.splitlines()] == []
