"""Writes the Grafana dashboards of the chart, helm/dashboards/*.json, and docs/dashboards.md about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.dashboards import exporter, job, overview

ROOT = Path(__file__).parents[1]
BOARDS = {"overview": overview.build, "job": job.build, "exporter": exporter.build}
"""Name of a file in helm/dashboards → what builds it, in the order of the page."""

INTRO = """\
# Dashboards

<!-- Written by tools/dashboards.py from monitoring/dashboards: `make docs`. -->

Three Grafana dashboards, in [helm/dashboards](../helm/dashboards). The [chart](../helm/README.md) installs them with
`dashboards.enabled`, for Grafana's sidecar or as objects of Grafana Operator; as files they are imported by
*Dashboards*, *New*, *Import*. [The compose example](examples/compose/README.md) has them provisioned. They link to
each other and keep data source, variables and time range.

Each has the variables *Data source*, *Cluster* (the label `cluster`, where Prometheus or an agent sets it), *Account*
and *Region*, those on jobs also *Type*, and *Target labels*: ad hoc filters on the labels that your targets have in
the configuration, which differ from one installation to the next. Series of processes have no such labels: while a
filter is set, panels about processes are empty. What is scraped twice, by a pair of exporters or during a rollout, is
counted once. Thresholds are those of the alerts as they ship.

They are written in the schema of Grafana 11.6, and need a Prometheus that knows `@ end()` and negative offsets: 2.33
or newer, or VictoriaMetrics: 1.79 answers every query, with the data that it has, 30 seconds late. The tests ask
every query of a real Prometheus. `make test-browser` has Grafana's own libraries (11.6, from npm) make the texts of
every cell and draw tables, numbers and bars from what the demo's Prometheus answers. The pictures are made in the
same way, by `python -m tools.pictures`; lines and states are drawn plainly in them, as Grafana draws these outside
its libraries.
"""


def files() -> dict[Path, str]:
    """The dashboards and the page."""
    boards = {name: json.dumps(build(), cls=JSONEncoder, indent=2) + "\n" for name, build in BOARDS.items()}
    return {
        **{ROOT / "helm" / "dashboards" / f"{name}.json": text for name, text in boards.items()},
        ROOT / "docs" / "dashboards.md": "\n".join([INTRO, *map(_section, map(json.loads, boards.values()))]),
    }


def _section(board: dict[str, Any]) -> str:
    return (
        "\n".join(
            [f"## {board['title'].rpartition(' / ')[2]}\n", board["description"], "", _picture(board), *_panels(board)]
        )
        + "\n"
    )


def _picture(board: dict[str, Any]) -> str:
    name = board["uid"].rpartition("-")[2]
    return f"![The dashboard, of the demo](dashboards/{name}.png)\n"


def _panels(board: dict[str, Any]) -> Iterator[str]:
    """The lines of a table; the heading of a row stands beside its first panel."""
    yield "| | panel | shows |\n|---|---|---|"
    heading = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            heading = panel["title"]
        else:
            yield f"| {heading} | {panel['title']} | {panel['description']} |"
            heading = ""
