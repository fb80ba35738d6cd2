"""What is generated is up to date, and the pages say what the product, the tests and the benchmark do."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from promql import FAMILIES, own_families
from reliability import page as reliability_page
from signal_quality.account import Trouble

from exporter import flags
from exporter.errors import FailureReason
from exporter.jobs.families import EXPORTER_PREFIX
from tools import alerts_page, dashboards, iam_files, performance_page
from tools.generated import GENERATORS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.e2e] if name == "manifests" else []) for name in GENERATORS]
)
def test_generated_files_are_up_to_date(name: str) -> None:
    for path, text in GENERATORS[name]().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is out of date: make docs"


def test_nothing_is_left_over() -> None:
    """Every file in the folders of generated files is generated, or known to be written by hand."""
    generated = {path for files in (iam_files.files(), dashboards.files()) for path in files}
    by_hand = {f"docs/iam/terraform/{name}" for name in ("README.md", "outputs.tf", "variables.tf", "versions.tf")}
    found = [path for place in ("docs/iam", "helm/dashboards") for path in (ROOT / place).rglob("*") if path.is_file()]
    assert {path.relative_to(ROOT).as_posix() for path in found if path not in generated} == by_hand


def test_every_family_has_an_entry() -> None:
    """Each family of a scrape has one entry in docs/metrics.md, with one of its samples."""
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    entries = re.findall(r"(?ms)^### `(\w+)`\n\n(?:(?!^###).)+?^```text\n(\w+)[^\n]*\n```$", page)
    own = [name for name in own_families() if name.startswith(EXPORTER_PREFIX)]
    assert [name for name, _ in entries] == [*(family.name for family in FAMILIES), *own]
    assert [name for name, example in entries if not example.startswith(name)] == []


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_is_explained(reason: FailureReason) -> None:
    """docs/reference.md says what each reason of a failure means and what to do."""
    assert f"\n| `{reason}` | " in (DOCS / "reference.md").read_text(encoding="utf-8")


def test_every_flag_is_explained() -> None:
    """docs/reference.md has every flag of `--help` and no other."""
    rows = re.findall(r"^\| `(--[\w.-]+)", (DOCS / "reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    shown = set(re.findall(r"^ +(?:-h, )?(--[\w.-]+)", flags.parser().format_help(), re.MULTILINE)) - {"--help"}
    assert shown == set(rows)


def links(page: Path) -> set[str]:
    """The links of a page to files of the project; what is in a block of code is none."""
    text = re.sub(r"(?ms)^( *)```.+?^\1```$", "", page.read_text(encoding="utf-8"))
    return set(re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md")), ROOT / "helm" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each file is there, and in it the heading, if the link names one."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def test_readme_is_short() -> None:
    """150 lines at most, with the two commands to begin with."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert [line.split("#")[0].strip() for line in lines[:15] if line.startswith("make ")] == ["make demo", "make test"]


# Reliability


def test_table_of_faults_is_up_to_date() -> None:
    assert reliability_page.PLACE.read_text(encoding="utf-8") == reliability_page.text(), "make docs"


def test_every_fault_is_described_once() -> None:
    assert [row for row in reliability_page.ROWS if not all((row.fault, row.seen, row.log, row.test))] == []
    assert [fault for fault, count in Counter(row.fault for row in reliability_page.ROWS).items() if count > 1] == []


def test_every_missed_figure_is_explained() -> None:
    """docs/performance.md says why each figure that missed its bound did."""
    assert performance_page.UNEXPLAINED not in (DOCS / "performance.md").read_text(encoding="utf-8")
    assert performance_page.REASONS.keys() <= performance_page.MEANING.keys()


@pytest.mark.e2e
def test_every_test_of_a_fault_exists() -> None:
    """pytest finds each test that the table names, with its parameter."""
    wanted = [row.test for row in reliability_page.ROWS]
    files = sorted({test.partition("::")[0] for test in wanted})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr
    assert [test for test in wanted if test not in collected.stdout.splitlines()] == []


# Alerts


def test_figures_are_good() -> None:
    """docs/alerts.md tells of every trouble, of each sigma; no trouble is missed, and no moving queue wakes anybody."""
    runs = json.loads(alerts_page.FIGURES.read_text(encoding="utf-8"))
    assert [run["sigma"] for run in runs] == [0.2, 0.4, 0.8]
    for run in runs:
        rows = {row["of"]: row for row in run["of_jobs"]}
        assert all(rows[trouble]["count"] for trouble in Trouble)
        assert {trouble for trouble in Trouble if rows[trouble]["missed"]} == set()
        assert rows[Trouble.QUEUE]["critical"] == 0
        assert 10_000 * rows[Trouble.NONE]["wrong"] <= 10 * rows[Trouble.NONE]["count"]


@pytest.mark.e2e
def test_inhibition_is_good(tmp_path: Path) -> None:
    """Alertmanager accepts the inhibition rules of docs/alerts.md."""
    page = (DOCS / "alerts.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(inhibit_rules:.+?)^```$", page, re.MULTILINE | re.DOTALL)
    config = tmp_path / "alertmanager.yml"
    config.write_text(f"route: {{receiver: nobody}}\nreceivers: [{{name: nobody}}]\n{block}", encoding="utf-8")
    done = subprocess.run(["amtool", "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " - 1 inhibit rules" in done.stdout
