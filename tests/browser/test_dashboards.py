"""What people see on the dashboards: tables, numbers and bars as Grafana's own libraries draw them, in Chromium."""

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.processes import Prometheus, clean_environment, prometheus, serving, wait_for

from exporter.jobs.families import JOBS_PREFIX
from tools import pictures

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

SECONDS = 1800
TEXT = "rgb(204, 204, 220)"
"""Grafana's colour of plain text, on dark ground."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the demo for some seconds."""
    home = tmp_path_factory.mktemp("demo")
    with (
        serving(["--demo"], home, clean_environment(home)) as demo,
        prometheus({"demo": demo.url}, tmp_path_factory.mktemp("prometheus")) as server,
    ):
        wait_for("a job that waits", lambda: server.query(f"{JOBS_PREFIX}job_waiting_seconds offset 3s"))
        yield server


@pytest.fixture(scope="module")
def script() -> Path:
    into = pictures.ROOT / "build" / "grafana"
    into.mkdir(parents=True, exist_ok=True)
    return pictures.bundle(into)


def drawn(board: str, script: Path, answers: pictures.Answers, now: int, file: Path) -> dict[str, str]:
    """Title of a panel → its HTML."""
    file.write_text(pictures.page(script, pictures.BOARDS[board], answers, SECONDS, now))
    dom = pictures.chromium(file, "--dump-dom", height=pictures.height_of(pictures.BOARDS[board]))
    assert "<title>rendered</title>" in dom
    sections = re.findall(r'<section[^>]* data-title="([^"]+)".*?</h3>(.*?)</section>', dom, re.DOTALL)
    return {html.unescape(title): rest for title, rest in sections}


def texts(panel: str) -> list[str]:
    """What a panel says, from left to right and top to bottom."""
    return [html.unescape(text) for text in re.findall(r">([^<]+)<", panel)]


@pytest.mark.parametrize("board", pictures.BOARDS)
def test_cells_say_what_they_are_about(board: str, server: Prometheus, script: Path, tmp_path: Path) -> None:
    """Every panel is drawn; where a table has rows, no cell has the text of an empty panel."""
    now = int(time.time())
    values = {"job_id": pictures.longest_waiting(server.url)}
    answers = pictures.ask(server.url, pictures.BOARDS[board], values, SECONDS, now)
    shown = {title: texts(panel) for title, panel in drawn(board, script, answers, now, tmp_path / "page.html").items()}
    for panel in pictures.BOARDS[board]["panels"]:
        if panel["type"] == "row":
            continue
        assert shown[panel["title"]], panel["title"]
        if any(answers[panel["id"]].values()):
            assert panel["fieldConfig"]["defaults"]["noValue"] not in shown[panel["title"]], panel["title"]
    if board == "job":
        assert "\N{EN DASH}" in shown["Sub-tasks"]  # the training has not started
    if board == "overview":
        assert "\N{EN DASH}" in shown["Running jobs"]  # most jobs do not wait


@pytest.mark.parametrize("board", pictures.BOARDS)
def test_empty_panels_say_why(board: str, script: Path, tmp_path: Path) -> None:
    """Where Prometheus knows nothing, every panel says so in its own words, once, and in no colour of a value."""
    panels = [panel for panel in pictures.BOARDS[board]["panels"] if panel["type"] != "row"]
    shown = drawn(board, script, {panel["id"]: {} for panel in panels}, int(time.time()), tmp_path / "page.html")
    assert {panel["title"]: panel["fieldConfig"]["defaults"]["noValue"] for panel in panels} == {
        title: " ".join(texts(panel)) for title, panel in shown.items()
    }
    assert set(re.findall(r"[\" ;]color: ([^;\"]+)", "".join(shown.values()))) == {TEXT}
