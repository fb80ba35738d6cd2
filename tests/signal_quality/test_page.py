"""What docs/alerts.md says of the alerts is so."""

import json
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from signal_quality.account import Trouble
from signal_quality.year import DOCS

PAGE = DOCS / "alerts.md"


def test_page_is_up_to_date() -> None:
    """docs/alerts.md is what its generator writes; if it is not, `make docs` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == runpy.run_path(str(DOCS / "build_alerts.py"))["build"]()


def test_figures_are_of_a_good_year() -> None:
    """The figures are of a year with 10,000 jobs and every trouble, in which each alert was as it should be."""
    figures = json.loads((DOCS / "monitoring" / "signal_quality.json").read_text(encoding="utf-8"))
    counts = {row["of"]: row["count"] for row in figures["of_jobs"]}
    assert figures["good"]
    assert figures["days"] >= 365
    assert figures["jobs"] >= 10_000
    assert all(counts[trouble] for trouble in Trouble)


@pytest.mark.e2e
def test_inhibition_is_good(tmp_path: Path) -> None:
    """Alertmanager takes the rules of inhibition that the page shows."""
    blocks = re.findall(
        r"^```yaml\n(inhibit_rules:.+?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n" + "".join(blocks), encoding="utf-8")
    done = subprocess.run(["amtool", "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " - 1 inhibit rules" in done.stdout
