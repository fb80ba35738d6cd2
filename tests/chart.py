"""The Helm chart, rendered by Helm itself, within this process and without a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

from exporter import NAME

CHART = Path(__file__).parents[1] / "helm"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
"""Values for each feature, as chart-testing looks for them."""

RELEASE = "bedrock"
NAMESPACE = "monitoring"

Object = dict[str, Any]


def values_of(path: Path) -> dict[str, Any]:
    """A values file, read as Helm does."""
    return helm.values_from_yaml(path.read_text(encoding="utf-8"))


def render(
    values: Mapping[str, Any], *, name: str = RELEASE, chart: Path = CHART, namespace: str = NAMESPACE
) -> dict[str, str]:
    """The text of each template that is not empty, by its path within the chart.

    Raises:
        helm.HelmValuesError: the schema refuses the values.
        helm.HelmRenderError: a template does.
    """
    with helm.Chart.load(chart) as loaded:
        texts = loaded.render(dict(values), name=name, namespace=namespace)
    return {path.partition("/")[2]: text for path, text in sorted(texts.items()) if text.strip()}


def objects(
    values: Mapping[str, Any], *, name: str = RELEASE, chart: Path = CHART, namespace: str = NAMESPACE
) -> list[Object]:
    """Every Kubernetes object, the pod of ``helm test`` included."""
    texts = render(values, name=name, chart=chart, namespace=namespace)
    return [
        one
        for path, text in texts.items()
        if path.endswith(".yaml")
        for one in yaml.load_all(text, yaml.CSafeLoader)
        if one
    ]


def one(kind: str, values: Mapping[str, Any]) -> Object:
    """The exporter's own object of a kind, of which there is one."""
    name = values.get("fullnameOverride", f"{RELEASE}-{NAME}")[:52]
    (found,) = (
        one for one in objects(values) if one["kind"] == kind and one["metadata"]["name"].partition(".")[0] == name
    )
    return found


def container(values: Mapping[str, Any], kind: str = "Deployment") -> Object:
    """The exporter's container in a Deployment or a StatefulSet."""
    containers = one(kind, values)["spec"]["template"]["spec"]["containers"]
    (found,) = (each for each in containers if each["name"] == "exporter")
    return dict(found)


def pod_templates(rendered: list[Object]) -> Iterator[Object]:
    """Whatever becomes a pod."""
    for one in rendered:
        if one["kind"] == "Pod":
            yield one
        elif one["kind"] in {"Deployment", "StatefulSet"}:
            yield one["spec"]["template"]


def lint(values: Mapping[str, Any]) -> list[str]:
    """What ``helm lint --strict`` finds; empty if nothing."""
    report = helm.lint(CHART, dict(values), strict=True)
    assert report["total_charts_linted"] == 1
    notes = [message for message in report["messages"] if message["severity"] >= 2]
    return [*report["errors"], *(json.dumps(message) for message in notes)]
