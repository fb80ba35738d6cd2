"""The series that PromQL expressions name, and those that exist."""

import re
from typing import Any

from runbooks import groups

from exporter.fleet.families import TARGET_FAMILIES
from exporter.jobs.families import JOB_FAMILIES, SNAPSHOT_FAMILIES, Family
from exporter.jobs.page import Format
from exporter.telemetry import Telemetry

FAMILIES: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES, *TARGET_FAMILIES)

_KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_NOT_NAMES = (
    r'"(?:[^"\\]|\\.)*"',  # texts
    r"\{[^}]*\}",  # matchers
    r"\[[^\]]*\]",  # ranges
    r"\boffset\s+\w+",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    r"(?<![\w:])[\d.]\w*",  # numbers
)


def metrics_of(expression: str) -> set[str]:
    """The names of the series that a PromQL expression selects."""
    for pattern in _NOT_NAMES:
        expression = re.sub(pattern, " ", expression)
    names = set(re.findall(r"[a-zA-Z_:][\w:]*+(?!\s*\()", expression))
    return {name for name in names if name.lower() not in _KEYWORDS}


def own_families() -> dict[str, str]:
    """Name → type of the families that are about the process: the exporter's own, `process_*` and `python_*`."""
    telemetry = Telemetry()
    telemetry.discovery.switch(on=True)
    telemetry.web.loaded(None)
    lines = telemetry.render(Format.TEXT).decode().splitlines()
    return dict(line.split()[2:] for line in lines if line.startswith("# TYPE "))


_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
_TYPES = own_families() | {family.name: family.kind for family in FAMILIES}

SHOWN = {name + part for name, kind in _TYPES.items() for part in _PARTS.get(kind, ("",))}
"""Names of every sample that a scrape of the exporter can show."""

RECORDED = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
KNOWN = SHOWN | RECORDED | {"up"}
"""What rules, dashboards and documents may name: what a scrape shows, what is recorded, and Prometheus's own `up`."""
