"""The chart as Helm renders it, within this process and without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import helm_python

CHART = Path(__file__).parents[1] / "helm"
NAMESPACE = "monitoring"


def values_of(path: Path) -> dict[str, Any]:
    """The values in a file, read as Helm reads them."""
    return helm_python.values_from_yaml(path.read_text(encoding="utf-8"))


def render(values: Mapping[str, Any], *, name: str, chart: Path = CHART, namespace: str = NAMESPACE) -> dict[str, str]:
    """Path within the chart → text of each template that is not empty.

    Args:
        values: as in a values file.
        name: of the release.
        chart: its folder or archive.
        namespace: of the release.

    Raises:
        helm_python.HelmValuesError: the schema refuses the values.
        helm_python.HelmRenderError: a template does.
    """
    with helm_python.Chart.load(chart) as loaded:
        texts = loaded.render(dict(values), name=name, namespace=namespace)
    return {path.partition("/")[2]: text for path, text in sorted(texts.items()) if text.strip()}
