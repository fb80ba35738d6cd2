"""Writes what the chart renders: plain manifests for people without Helm, and objects that the tests compare with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from exporter import NAME
from tools.helm import CHART, render, values_of

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "docs" / "examples" / "kubernetes"
GOLDEN = ROOT / "tests" / "data" / "chart"
GOLDEN_RELEASE = "bedrock"

MONITORING = ("templates/servicemonitor.yaml", "templates/prometheusrule.yaml")
"""Templates that need Prometheus Operator."""

HEAD = "# Rendered from the chart with the values.yaml beside this file: `make docs`. See docs/kubernetes.md.\n"


def files() -> dict[Path, str]:
    """The manifests, and the goldens of the tests."""
    rendered = render(values_of(MANIFESTS / "values.yaml"), name=NAME)
    plain = {
        path: re.sub(r"(?m)^ +(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", "", text)
        for path, text in rendered.items()
        if path.endswith(".yaml") and not path.startswith("templates/tests/")
    }
    return {
        MANIFESTS / "exporter.yaml": HEAD + _text({path: plain[path] for path in plain if path not in MONITORING}),
        MANIFESTS / "prometheus-operator.yaml": HEAD
        + _text({path: plain[path] for path in plain if path in MONITORING}),
        GOLDEN / "default.yaml": _golden({}),
        GOLDEN / "full.yaml": _golden(values_of(CHART / "ci" / "full-values.yaml")),
    }


def _golden(values: Mapping[str, object]) -> str:
    """What the chart renders, without the alerts and the text of the dashboards: tests compare these elsewhere."""
    templates = render(values, name=GOLDEN_RELEASE)
    templates.pop("templates/prometheusrule.yaml", None)
    return re.sub(r"(?ms)^(  \S+\.json: \|\n).*?(?=^---|\Z)", r"\1    …\n", _text(templates))


def _text(templates: Mapping[str, str]) -> str:
    """Templates as one text, each under its path."""
    return "".join(f"---\n# {path}\n{text.strip().removeprefix('---').strip()}\n" for path, text in templates.items())
