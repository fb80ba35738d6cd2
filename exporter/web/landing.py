"""The landing page, for people. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from exporter import NAME, __version__
from exporter.fleet.state import TargetState

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}"
    ".bad{color:#b00020}"
)

STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
"""The style, as a Content-Security-Policy names it."""


def landing_page(states: Iterable[TargetState], telemetry_path: str, now: float) -> str:
    """What this is, how the targets are, and where to go, as HTML.

    Args:
        states: of every target.
        telemetry_path: where the metrics are.
        now: Unix seconds.
    """
    rows = "".join([_row(state, now) for state in states])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{NAME}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{NAME}</h1>
<p>Watches model customization jobs on Amazon Bedrock. Version {escape(__version__)}.</p>
<ul>
<li><a href="{escape(telemetry_path)}">Metrics</a></li>
<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li>
</ul>
<table>
<caption>Targets</caption>
<thead>
<tr><th>Account</th><th>Region</th><th>Labels</th><th>Jobs</th><th>Last good walk</th><th>Last walk</th></tr>
</thead>
<tbody>{rows}</tbody>
</table>
</body>
</html>
"""


def _row(state: TargetState, now: float) -> str:
    if state.failure is not None:
        outcome = f'<td class="bad">{escape(state.failure.reason)}: {escape(state.failure.message)}</td>'
    else:
        outcome = "<td>good</td>" if state.up else "<td>not yet ended</td>"
    labels = ", ".join(f"{name}={value}" for name, value in state.target.labels)
    jobs = "" if state.good is None else str(state.good.jobs)
    age = "never" if state.last_success is None else f"{max(0.0, now - state.last_success):.0f} s ago"
    if state.stale and state.good is not None:
        age += ", stale"
    cells = (state.account_id, state.target.region, labels, jobs, age)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + outcome + "</tr>\n"
