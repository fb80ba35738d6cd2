"""What PromQL expressions name."""

import re

from prometheus_client.parser import text_string_to_metric_families
from runbooks import groups

from exporter.exposition import Format
from exporter.metrics import FAMILIES
from exporter.telemetry import Telemetry

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
    """The names of the series that a PromQL expression selects, by name."""
    for pattern in _NOT_NAMES:
        expression = re.sub(pattern, " ", expression)
    names = set(re.findall(r"[a-zA-Z_:][\w:]*+(?!\s*\()", expression))
    return {name for name in names if name.lower() not in _KEYWORDS}


_PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


def _shown() -> set[str]:
    """The name of every sample that a scrape of the exporter can show."""
    telemetry = Telemetry()
    telemetry.discovery.switch(on=True)
    own = text_string_to_metric_families(telemetry.render(Format.TEXT).decode())
    kinds = [(family.name, family.type) for family in own]
    kinds += [(family.name.removesuffix("_total"), family.kind) for family in FAMILIES]
    return {name + part for name, kind in kinds for part in _PARTS.get(kind, ("",))}


SHOWN = _shown()
RECORDED = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
KNOWN = SHOWN | RECORDED | {"up"}
"""What rules, dashboards and documents may name: what a scrape shows, what is recorded, and Prometheus's own `up`."""
