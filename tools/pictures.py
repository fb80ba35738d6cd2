"""Renders the dashboards with Grafana's own libraries, in headless Chromium, from what a Prometheus answers.

`python -m tools.pictures http://127.0.0.1:9090 1800` writes docs/dashboards/*.png, of the last 1,800 seconds; tests
look into the same pages. It needs npm, which installs the libraries of tools/grafana, Chromium, and for pictures
pngquant.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
LIBRARIES = ROOT / "tools" / "grafana"
BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "helm" / "dashboards").glob("*.json"))}
WIDTH, ROW = 1536, 38
"""In pixels: of a dashboard, and the height of a row of its grid, as panels.jsx has them."""

Answers = Mapping[int, Mapping[str, list[dict[str, Any]]]]
"""Id of a panel → letter of a query → its result, as Prometheus's API has it."""


def bundle(into: Path) -> Path:
    """Panels.jsx with Grafana's libraries, as one script for a browser.

    Args:
        into: a directory for libraries and script; what it has of an earlier time is used again.
    """
    for name in ("package.json", "panels.jsx"):
        (into / name).write_text((LIBRARIES / name).read_text())
    if not (into / "node_modules" / "esbuild").exists():
        _run("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=into)
    script = into / "panels.js"
    _run(
        into / "node_modules" / ".bin" / "esbuild",
        into / "panels.jsx",
        "--bundle",
        "--format=esm",
        "--jsx=automatic",
        "--minify",
        '--define:process.env.NODE_ENV="production"',
        # Grafana's modules call themselves ESM, and then esbuild takes the defaults of other CommonJS ones wrongly.
        *(f"--alias:@grafana/{name}=./node_modules/@grafana/{name}/dist/cjs/index.cjs" for name in ("data", "ui")),
        "--loader:.ttf=empty",
        "--log-level=error",
        f"--outfile={script}",
        cwd=into,
    )
    return script


def _run(*command: str | Path, cwd: Path) -> str:
    """What a program of this machine's prints."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=600).stdout  # noqa: S603


def _result(prometheus: str, path: str, **parameters: object) -> list[dict[str, Any]]:
    """What Prometheus's API answers."""
    with urlopen(f"{prometheus}/api/v1/{path}?{urlencode(parameters)}", timeout=60) as answer:  # noqa: S310
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def ask(prometheus: str, board: Mapping[str, Any], values: Mapping[str, str], seconds: int, now: int) -> Answers:
    """What Prometheus answers each query of a dashboard.

    Args:
        prometheus: its URL.
        board: the dashboard.
        values: of variables; those that are missing are All.
        seconds: length of the time range.
        now: its end, in Unix time.
    """
    step = max(15, seconds // 240)
    known = {"__range": f"{seconds}s", "__interval": f"{step}s", "__rate_interval": f"{max(60, step)}s", **values}

    def get(target: Mapping[str, Any]) -> list[dict[str, Any]]:
        query = re.sub(r"\$(\w+)", lambda found: known.get(found[1], ".*"), target["expr"])
        end = now - now % step
        path, when = (
            ("query", {"time": now})
            if target.get("instant")
            else ("query_range", {"start": end - seconds, "end": end, "step": step})
        )
        return _result(prometheus, path, query=query, **when)

    return {
        panel["id"]: {target["refId"]: get(target) for target in panel.get("targets", [])} for panel in board["panels"]
    }


_STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 14px Inter, Helvetica, Arial, sans-serif; }
#dashboard * { box-sizing: border-box; }
section, h2 { position: absolute; overflow: hidden; margin: 4px; }
section { background: #181b1f; border: 1px solid #2f3237; border-radius: 2px; }
h2 { font-size: 16px; padding-top: 8px; } h3 { font-size: 14px; font-weight: 500; margin: 8px; }
section > div { margin: 0 8px; position: relative; }
button, [role=columnheader] { background: none; border: 0; color: inherit; font: inherit; }
.empty { text-align: center; padding-top: 24px; color: #8e8e9a; } .axis { fill: #ccccdc; font-size: 11px; }
.legend { overflow: hidden; font-size: 11px; } .legend > div { display: flex; height: 18px; }
.legend b { width: 14px; height: 4px; margin: 7px 6px; } .legend i { margin-left: auto; font-style: normal; }
"""


def page(script: Path, board: Mapping[str, Any], answers: Answers, seconds: int, now: int) -> str:
    """A page that renders a dashboard; see panels.jsx."""
    given = {"board": board, "answers": answers, "from": (now - seconds) * 1000, "to": now * 1000}
    told = json.dumps(given).replace("<", "\\u003c")
    return (
        f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><div id="dashboard"></div>'
        f'<script>window.dashboard = {told}</script><script type="module">{_safe(script.read_text())}</script>'
    )


def _safe(script: str) -> str:
    """The script as an element may have it."""
    return script.replace("</script", "<\\/script")


def chromium(page_of: Path, *flags: str, height: int = 2000) -> str:
    """What headless Chromium prints about a page, once that has been rendered.

    Args:
        page_of: the file of the page.
        flags: what to do with it, such as ``--dump-dom`` or ``--screenshot=…``.
        height: of the window, in pixels.
    """
    with tempfile.TemporaryDirectory() as profile:
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={WIDTH},{height}",
            "--virtual-time-budget=20000",
            *flags,
            page_of.as_uri(),
        ]
        return _run(*command, cwd=page_of.parent)


def height_of(board: Mapping[str, Any]) -> int:
    """Of a dashboard, in pixels."""
    return ROW * max(int(panel["gridPos"]["y"] + panel["gridPos"]["h"]) for panel in board["panels"])


def main(prometheus: str, seconds: int = 1800) -> None:
    """Write the pictures of all dashboards.

    Args:
        prometheus: URL of one that has scraped the demo for some time.
        seconds: length of the time range.
    """
    into = ROOT / "build" / "grafana"
    into.mkdir(parents=True, exist_ok=True)
    script = bundle(into)
    now = int(time.time())
    (ROOT / "docs" / "dashboards").mkdir(exist_ok=True)
    for name, board in BOARDS.items():
        values = {"job_id": longest_waiting(prometheus)}
        file = into / f"{name}.html"
        file.write_text(page(script, board, ask(prometheus, board, values, seconds, now), seconds, now))
        picture = ROOT / "docs" / "dashboards" / f"{name}.png"
        # Headless Chromium's window is 87 pixels lower than it is told.
        chromium(file, f"--screenshot={picture}", height=height_of(board) + 100)
        _run("pngquant", "--force", "--skip-if-larger", "--output", picture, "--", picture, cwd=into)
        print(f"wrote {picture}")


def longest_waiting(prometheus: str) -> str:
    """The id of the job that waits longest, which has one of everything."""
    (job,) = _result(prometheus, "query", query="topk(1, bedrock_model_customization_job_waiting_seconds)")
    job_id: str = job["metric"]["job_id"]
    return job_id


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
