"""Everything that is generated, in the order in which it is to be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools import (
    alerts_page,
    api_page,
    chart,
    dashboards,
    iam_files,
    iam_page,
    manifests,
    metrics_page,
    performance_page,
    rules,
)

GENERATORS: Mapping[str, Callable[[], Mapping[Path, str]]] = {
    "rules": rules.files,
    "dashboards": dashboards.files,
    "chart": chart.files,
    "manifests": manifests.files,  # renders the chart as the three before it have left it
    "alerts_page": alerts_page.files,
    "iam_files": iam_files.files,
    "iam_page": iam_page.files,
    "api_page": api_page.files,
    "metrics_page": metrics_page.files,
    "performance_page": performance_page.files,
}
"""Name of a module → its `files`."""
