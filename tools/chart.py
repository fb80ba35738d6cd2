"""Writes the parts of the chart that follow from something else.

The version, from the exporter's; what values.schema.json says of the exporter's configuration, from
`exporter.config.schema`; the README with the table of values, from the comments of values.yaml.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter import __version__
from exporter.config.schema import File
from tools.helm import CHART


def files() -> dict[Path, str]:
    """Chart.yaml, the schema and the README."""
    chart_file = _chart_file()
    return {
        CHART / "Chart.yaml": chart_file,
        CHART / "values.schema.json": _schema(),
        CHART / "README.md": _readme(yaml.safe_load(chart_file)["home"]),
    }


def _chart_file() -> str:
    """Chart.yaml with the exporter's version."""
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    return re.sub(r'(?m)^(version: |appVersion: ")[^"\n]*', rf"\g<1>{__version__}", text)


# values.schema.json ---------------------------------------------------------------------------------------------------

_VARIABLE = r"\$\{"
_BOUNDS = {"ge": "minimum", "le": "maximum"}
_FOR_PYDANTIC = {"title", "description", "default"}


def _schema() -> str:
    """values.schema.json with a new description of `config`; the rest of it is written by hand."""
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    by_hand = {name: about for name, about in schema["definitions"].items() if not name.startswith("config_")}
    config = File.model_json_schema(ref_template="#/definitions/config_{model}")
    sections = config.pop("$defs")
    schema["definitions"] = by_hand | {f"config_{name}": _draft_7(about) for name, about in sections.items()}
    schema["properties"]["config"] = _draft_7(config)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _draft_7(about: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """A part of pydantic's schema in draft 7, without texts. Any scalar may be a variable, and any section null."""
    if isinstance(about, list):
        return [_draft_7(one) for one in about]
    if not isinstance(about, dict):
        return about
    about = {
        _BOUNDS.get(key, key): {name: _draft_7(one) for name, one in value.items()}
        if key == "properties"
        else _draft_7(value)
        for key, value in about.items()
        if key not in _FOR_PYDANTIC
    }
    if "anyOf" in about:  # this, or null
        (about,) = (one for one in about["anyOf"] if one != {"type": "null"})
        if kinds := about.get("type"):  # a $ref leads to a section, which may be null anyway
            about["type"] = list(dict.fromkeys([*([kinds] if isinstance(kinds, str) else kinds), "null"]))
        return about
    match about.get("type"):
        case "string" if "pattern" in about:
            about["pattern"] += f"|{_VARIABLE}"
        case "integer":
            about |= {"type": ["integer", "string"], "pattern": rf"^[0-9]+$|{_VARIABLE}"}
        case "boolean":
            about |= {"type": ["boolean", "string"], "pattern": f"^(true|false)$|{_VARIABLE}"}
        case "object":
            about["type"] = ["object", "null"]
            patterns = {} if "properties" in about else about.pop("patternProperties", {})
            for pattern, values in patterns.items():  # which alone would let others pass
                about |= {
                    "propertyNames": {"pattern": pattern, **about.get("propertyNames", {})},
                    "additionalProperties": values,
                }
    return about


# README.md ------------------------------------------------------------------------------------------------------------

README = """\
# Chart bedrock-customization-exporter

<!-- Written by tools/chart.py from values.yaml: `make docs`. -->

Installs the [Prometheus exporter for Amazon Bedrock model customization jobs](HOMEPAGE), and what goes with it. By
default it creates a Deployment, a Service, a ServiceAccount and a ConfigMap; everything else is off.

Neither chart nor image is published yet. From a checkout, once you have
[built the image](HOMEPAGE/blob/main/docs/kubernetes.md#the-image):

```sh
helm upgrade --install bedrock-customization-exporter ./helm \\
  --namespace monitoring --create-namespace --values=values.yaml
```

A `values.yaml` for IRSA and Prometheus Operator, for example:

```yaml
image:
  repository: registry.example.com/team/bedrock-customization-exporter
  tag: dev
serviceAccount:
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/bedrock-customization-exporter
config:
  targets:
    - regions: [us-east-1, us-west-2]
serviceMonitor:
  enabled: true
  labels: {release: kube-prometheus-stack}
prometheusRule:
  enabled: true
  labels: {release: kube-prometheus-stack}
```

[docs/eks.md](HOMEPAGE/blob/main/docs/eks.md) leads from an empty account to the first alert;
[docs/kubernetes.md](HOMEPAGE/blob/main/docs/kubernetes.md) covers updates, reloading and
shards. The folder [ci](HOMEPAGE/tree/main/helm/ci) has example values for each feature.

The chart refuses unknown keys and wrong types, in `config` too. Values that are passed on unchanged, such as
`affinity`, are checked by Kubernetes only.

## Values

| key | type | default | |
|---|---|---|---|
ROWS"""


def _readme(homepage: str) -> str:
    return README.replace("HOMEPAGE", homepage).replace("ROWS", "".join(map(_row, documented_values())))


def documented_values() -> list[tuple[str, Any, str]]:
    """Path, default and description of everything in values.yaml that has a comment with ``# -- ``, in its order.

    Raises:
        ValueError: something has none.
    """
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    tree = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(tree, yaml.MappingNode)
    return list(_documented("", tree, yaml.safe_load(text), text.splitlines()))


def _documented(
    path: str, mapping: yaml.MappingNode, values: dict[str, Any], lines: list[str]
) -> Iterator[tuple[str, Any, str]]:
    for key, node in mapping.value:
        name, value = f"{path}{key.value}", values[key.value]
        if description := _description(lines, key.start_mark.line, " " * key.start_mark.column + "# "):
            yield name, value, description
        elif isinstance(value, dict) and value:
            yield from _documented(f"{name}.", node, value, lines)
        else:
            raise ValueError(f"values.yaml:{key.start_mark.line + 1}: {name} has no description")


def _description(lines: list[str], below: int, mark: str) -> str:
    """The comment above a line from its ``# -- `` on, as one line; empty if there is none."""
    said: list[str] = []
    for line in reversed(lines[:below]):
        if not line.startswith(mark):
            break
        said.insert(0, line.removeprefix(mark).strip())
        if said[0].startswith("-- "):
            return " ".join(said).removeprefix("-- ")
    return ""


_TYPES = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "mapping"}


def _row(value: tuple[str, Any, str]) -> str:
    path, default, description = value
    kind = _TYPES.get(type(default), "")  # null tells nothing
    shown = json.dumps(default, ensure_ascii=False)
    return f"| `{path}` | {kind} | `{shown}` | {description} |\n"
