"""The Helm chart's objects, for tests."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from kubernetes_validate import utils  # type: ignore[import-untyped]

from exporter import NAME
from tools import helm
from tools.helm import CHART, NAMESPACE, values_of
from tools.manifests import GOLDEN_RELEASE

CI = sorted((CHART / "ci").glob("*-values.yaml"))
"""Values for each feature, where chart-testing looks for them."""

RELEASE = GOLDEN_RELEASE
FULLNAME = f"{RELEASE}-{NAME}"
POD = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/component": "exporter",
}
"""Labels that every pod of the exporter has."""

DATA = Path(__file__).parent / "data"
DEFAULTS = values_of(CHART / "values.yaml")
FULL = values_of(CHART / "ci" / "full-values.yaml")
each_file = pytest.mark.parametrize("file", CI, ids=lambda file: file.name.removesuffix("-values.yaml"))

MINORS = ("1.27", "1.32", "1.37")
"""Kubernetes versions: the oldest that Chart.yaml allows, the newest whose schemas are at hand, one between."""

utils.schema_contents = functools.cache(utils.schema_contents)  # it reads megabytes for every object

Object = dict[str, Any]


def render(
    values: Mapping[str, Any], *, name: str = RELEASE, chart: Path = CHART, namespace: str = NAMESPACE
) -> dict[str, str]:
    """`tools.helm.render` with the release's name that the tests use."""
    return helm.render(values, name=name, chart=chart, namespace=namespace)


def objects(
    values: Mapping[str, Any], *, name: str = RELEASE, chart: Path = CHART, namespace: str = NAMESPACE
) -> list[Object]:
    """Every Kubernetes object, the pod of ``helm test`` included."""
    texts = render(values, name=name, chart=chart, namespace=namespace)
    documents = (yaml.load_all(text, yaml.CSafeLoader) for path, text in texts.items() if path.endswith(".yaml"))
    return [one for each in documents for one in each if one]


def one(kind: str, values: Mapping[str, Any]) -> Object:
    """The exporter's own object of a kind."""
    name = values.get("fullnameOverride", FULLNAME)[:52]
    (found,) = (
        one for one in objects(values) if one["kind"] == kind and one["metadata"]["name"].partition(".")[0] == name
    )
    return found


def workload(values: Mapping[str, Any]) -> str:
    """The kind of object that makes the exporter's pods."""
    return "StatefulSet" if values.get("shards", 1) > 1 else "Deployment"


def container(values: Mapping[str, Any]) -> Object:
    """The exporter's container."""
    containers = one(workload(values), values)["spec"]["template"]["spec"]["containers"]
    (found,) = (each for each in containers if each["name"] == "exporter")
    return dict(found)


def pods(rendered: list[Object]) -> Iterator[Object]:
    """The pods and the templates of pods among objects."""
    for one in rendered:
        if one["kind"] == "Pod":
            yield one
        elif one["kind"] in {"Deployment", "StatefulSet"}:
            yield one["spec"]["template"]


def check_shape(rendered: Object, minor: str = MINORS[-1]) -> None:
    """Raise if this version of Kubernetes, or the object's CRD, would refuse the object."""
    crd = DATA / "chart" / "crds" / f"{rendered['kind']}.json"
    if crd.exists():
        jsonschema.validate(rendered, json.loads(crd.read_text(encoding="utf-8")))
    else:
        utils.validate(rendered, minor, strict=True)
