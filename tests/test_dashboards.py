"""Everything on the dashboards can be understood, and what it names exists."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from promql import KNOWN, metrics_of

ROOT = Path(__file__).parents[1]
BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "helm" / "dashboards").glob("*.json"))}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())

OF_GRAFANA = {"__all", "__range", "__interval", "__rate_interval", "__url_time_range", "__data", "__field"}
OTHERS = re.compile(r"^(ALERTS|scrape_\w+|process_\w+|python_\w+)$")
"""Series of Prometheus and of prometheus_client."""


def test_alerts_and_links_find_them() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        name: f"bedrock-customization-{name}" for name in ("exporter", "job", "overview")
    }


@each_board
def test_panels_have_places_and_titles_of_their_own(board: dict[str, Any]) -> None:
    """No two panels overlap, are called the same or have the same id, and none sticks out."""
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)
    places = [panel["gridPos"] for panel in panels]
    assert [place for place in places if not 0 <= place["x"] < place["x"] + place["w"] <= 24] == []
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_panel_can_be_understood(panel: dict[str, Any]) -> None:
    """It says what it shows, in which unit, and what it means when there is nothing, and asks the chosen data source.

    Its queries name series that exist. Variables stand in texts, ranges and offsets only: by itself one looks like a
    series, and Grafana would add filters to it.
    """
    defaults = panel["fieldConfig"]["defaults"]
    assert len(panel["description"]) > 20
    assert panel["description"].endswith(".")
    assert all((defaults["unit"], defaults["noValue"], defaults["thresholds"]["steps"], panel["targets"]))
    if panel["type"] in {"stat", "bargauge"}:
        assert len(defaults["noValue"].split()) <= 3
        nothing = {"type": "special", "options": {"match": "null", "result": {"color": "text"}}}
        assert nothing in defaults["mappings"]  # else its words have the colour of the least value
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        named = metrics_of(re.sub(r"\$\w+", "1", target["expr"]))
        assert named
        assert [series for series in named if series not in KNOWN and not OTHERS.match(series)] == []
        rest = re.sub(r'"[^"]*"', "", target["expr"])
        assert re.findall(r"(?<![\[:])(?<!offset )(?<!offset -)\$\w+", rest) == []


def texts(part: Any) -> Iterator[str]:
    """Every text in a dashboard."""
    if isinstance(part, str):
        yield part
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from texts(each)


@each_board
def test_variables_are_defined(board: dict[str, Any]) -> None:
    """Every variable that is used is one of the dashboard or of Grafana, and every one of the dashboard is used."""
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = {
        name
        for text in texts(board["panels"] + board["templating"]["list"])
        for name in re.findall(r"\$\{?([a-z_]\w*)", text)
    }
    links = {name for text in texts(board) for name in re.findall(r"\$\{(\w+):queryparam\}", text)}
    assert used - links <= defined | OF_GRAFANA
    assert defined - {"filters"} <= used  # Grafana itself adds filters to every query
    assert {"datasource", "cluster", "account", "region", "filters"} <= defined


@each_board
def test_links_lead_somewhere(board: dict[str, Any]) -> None:
    """To a dashboard that exists, and keep data source and time range."""
    known = {other["uid"] for other in BOARDS.values()}
    for link in (text for text in texts(board) if text.startswith("/d/")):
        assert re.split(r"[/?]", link)[2] in known
        assert "${__url_time_range}" in link
        assert "${datasource:queryparam}" in link
    assert board["links"][0]["tags"] == ["bedrock-customization"]
    assert board["links"][0]["includeVars"] is board["links"][0]["keepTime"] is True
