"""The benchmark works; how fast anything is, is not judged here."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.budget import SETTINGS, Scene, measure

from tools.performance_page import MEANING


@pytest.mark.parametrize(
    ("scene", "most", "reasons_after"),
    [(Scene(1, 100), SETTINGS.calls_per_walk, 60), (Scene(60, 2), 60 * SETTINGS.calls_per_second, 60)],
    ids=["one-target", "many-targets"],
)
def test_the_budget_of_calls_is_kept(scene: Scene, most: float, reasons_after: float) -> None:
    """Nothing is asked twice, no minute has more calls than the budget, and failed jobs have their reasons first."""
    measured = measure(scene)
    assert measured.calls == scene.targets * (2 * scene.jobs + 1)
    assert measured.most_per_minute <= most
    assert measured.reasons_after <= reasons_after < measured.all_after + 1


@pytest.mark.e2e
def test_short_benchmark_fills_every_row(tmp_path: Path) -> None:
    table, figure = tmp_path / "table.json", tmp_path / "figure.svg"
    command = [sys.executable, "-m", "benchmarks", "--short", f"--json={table}", f"--figure={figure}"]
    root = Path(__file__).parents[1]
    environ = os.environ | {"PYTHONPATH": "tests"}
    ended = subprocess.run(command, check=False, cwd=root, env=environ, capture_output=True, text=True, timeout=180)
    assert ended.returncode == 0, ended.stderr
    rows = {row["row"]: row for row in json.loads(table.read_text("utf-8"))["rows"]}
    assert rows.keys() == MEANING.keys()
    assert all(name in ended.stdout for name in rows)
    for row in rows.values():
        numbers = [value for value in (row["ours"], row["theirs"], row["measure"]) if value is not None]
        assert all(math.isfinite(number) for number in numbers), row
    assert len(ElementTree.parse(figure).findall(".//{*}path")) == 4
