"""The dashboards are what their sources say, and everything on them can be understood."""

import itertools
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from promql import KNOWN, metrics_of

ROOT = Path(__file__).parents[1]
BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "helm" / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(name, panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
each_panel = pytest.mark.parametrize(("name", "panel"), PANELS)

BUILT_IN = {
    "__all",
    "__range",
    "__interval",
    "__rate_interval",
    "__url_time_range",
    "__data",
    "__field",
}
OTHERS = re.compile(r"^(ALERTS|scrape_\w+|process_\w+|python_\w+)$")
"""Series of Prometheus and of prometheus_client."""


def test_files_are_up_to_date() -> None:
    """The JSON and docs/dashboards.md are what their generator writes; if not, `make docs` writes them anew."""
    built = runpy.run_path(str(ROOT / "docs" / "build_dashboards.py"))["build"]()
    assert {path.stem for path in built} == {*BOARDS, "dashboards"}
    for path, text in built.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is out of date: make docs"


def test_three_dashboards_that_links_find() -> None:
    """Alerts and dashboards lead to each other by these."""
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        name: f"bedrock-customization-{name}" for name in ("exporter", "job", "overview")
    }


@each_board
def test_panels_have_places_and_titles_of_their_own(board: dict[str, Any]) -> None:
    """No two panels overlap, stick out, or are called the same."""
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@each_panel
def test_a_panel_can_be_understood(name: str, panel: dict[str, Any]) -> None:
    """It says what it shows, in which unit, and what it means when there is nothing; and asks the chosen source."""
    defaults = panel["fieldConfig"]["defaults"]
    assert len(panel["description"]) > 20, name
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["noValue"]
    assert defaults["thresholds"]["steps"]
    assert panel["targets"]
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@each_panel
def test_every_series_is_known(name: str, panel: dict[str, Any]) -> None:
    """What a query names is in the metric table, a recording rule, or Prometheus's own."""
    for target in panel["targets"]:
        named = metrics_of(re.sub(r"\$\w+", "1", target["expr"]))
        assert named, name
        assert [series for series in named if series not in KNOWN and not OTHERS.match(series)] == []


@each_panel
def test_variables_are_no_series(name: str, panel: dict[str, Any]) -> None:
    """They stand in texts, ranges and offsets: by itself one looks like a series, and Grafana would filter it."""
    for target in panel["targets"]:
        rest = re.sub(r'"[^"]*"', "", target["expr"])
        assert re.findall(r"(?<!\[)(?<!offset )(?<!offset -)\$\w+", rest) == [], name


def texts(part: Any) -> Iterator[str]:
    """Every text in a dashboard."""
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from texts(each)
    elif isinstance(part, str):
        yield part


@each_board
def test_variables_are_defined(board: dict[str, Any]) -> None:
    """Every variable that is used is one of the dashboard or of Grafana; and every one of the dashboard is used."""
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = {
        name
        for text in texts(board["panels"] + board["templating"]["list"])
        for name in re.findall(r"\$\{?([a-z_]\w*)", text)
    }
    links = {name for text in texts(board) for name in re.findall(r"\$\{(\w+):queryparam\}", text)}
    assert used - links <= defined | BUILT_IN
    assert defined - {"filters"} <= used  # Grafana itself puts filters into every query
    assert {"datasource", "account", "region", "filters"} <= defined


@each_board
def test_links_lead_somewhere(board: dict[str, Any]) -> None:
    """To a dashboard that there is, with data source and time range kept."""
    known = {other["uid"] for other in BOARDS.values()}
    links = [text for text in texts(board) if text.startswith("/d/")]
    for link in links:
        assert re.split(r"[/?]", link)[2] in known
        assert "${__url_time_range}" in link
        assert "${datasource:queryparam}" in link
    assert board["links"][0]["tags"] == ["bedrock-customization"]
    assert board["links"][0]["includeVars"] is board["links"][0]["keepTime"] is True
