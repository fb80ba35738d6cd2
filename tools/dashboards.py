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
`dashboards.enabled`, for Grafana's sidecar or Grafana Operator. To import the files by hand, use *Dashboards*, *New*,
*Import*. [The compose example](examples/compose/README.md) provisions them. Links between them keep data source,
variables and time range.

Each has the variables *Data source*, *Cluster* (the label `cluster`, where Prometheus or an agent sets it), *Account*
and *Region*; those about jobs also have *Type*. *Target labels* are ad hoc filters on the labels that the targets have
in your configuration. Series about processes have no such labels, so panels about processes are empty while such a
filter is set. Jobs that are scraped twice, from two replicas or during a rollout, are counted once. Thresholds are the
alerts' defaults.

They use the schema of Grafana 11.6, and need a Prometheus that supports `@ end()` and negative offsets: 2.33 or newer.
VictoriaMetrics 1.79 also answers every query, with its usual delay of 30 seconds. The tests run every query on a real
Prometheus. `make test-browser` uses Grafana's own libraries (11.6, from npm) to format every cell and draw tables,
numbers and bars from the data of the demo's Prometheus. `python -m tools.pictures` makes the pictures on this page in
the same way; lines and states look plainer in them, as Grafana's libraries do not contain these panels.
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
