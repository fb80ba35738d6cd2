"""The HTML pages: frozen views → bytes, by Jinja2 templates that escape whatever they show. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from exporter import NAME, __version__
from exporter.web.bar import WIDTH, bar
from exporter.web.views import GROUPS, Status

if TYPE_CHECKING:
    from jinja2 import Environment

_FILES = resources.files("exporter.web") / "templates"
_STYLE = (_FILES / "style.css").read_text(encoding="utf-8")
_SCRIPT = (_FILES / "refresh.js").read_text(encoding="utf-8")

MAX_TARGETS = 200
"""The most targets that the status page lists; the API lists all."""

MAX_CHOICES = 500
"""The most accounts or regions to choose from."""

HEADINGS = {
    "failed": "Failed in the last 24 hours",
    "waiting": "Waiting: no sub-task runs",
    "slow": "Slow",
    "stopping": "Stopping for too long",
    "running": "Running",
    "ended": "Ended lately",
}
"""Group of jobs → its heading."""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Allows the pages' own style and script, by their hashes, the form of the status page, and nothing else."""


def status_page(status: Status, telemetry_path: str) -> bytes:
    """The status page.

    Args:
        status: what it shows.
        telemetry_path: where the metrics are.
    """
    return _render("status.html", status=status, telemetry_path=telemetry_path)


def config_page(config: str) -> bytes:
    """The page that shows the configuration in use, as YAML."""
    return _render("config.html", config=config)


def _render(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(values).encode(errors="replace")


@cache
def _environment() -> Environment:
    # Only with the first page: an exporter that is only scraped needs none of it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("exporter.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        NAME=NAME,
        VERSION=__version__,
        STYLE=_STYLE,
        SCRIPT=_SCRIPT,
        GROUPS=GROUPS,
        HEADINGS=HEADINGS,
        MAX_TARGETS=MAX_TARGETS,
        MAX_CHOICES=MAX_CHOICES,
        WIDTH=WIDTH,
        bar=bar,
    )
    environment.filters.update(duration=duration, moment=moment, words=words)
    return environment


def duration(seconds: float) -> str:
    """A duration in its two largest units: ``45 s``, ``3 min``, ``1 h 20 min``, ``3 d 4 h``."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    first, second, rest = (f"{hours} h", "min", minutes % 60) if hours < 24 else (f"{days} d", "h", hours % 24)
    return f"{first} {rest} {second}" if rest else first


def moment(timestamp: float) -> str:
    """A time as ``2026-11-26 08:30 UTC``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


def words(name: str) -> str:
    """An identifier such as ``data_processing``, ``FINE_TUNING`` or ``NotStarted`` in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
