"""Writes what stands in or beside the chart and follows from something else.

The chart's version from the exporter's; the part of values.schema.json that is about the exporter's configuration from
exporter/config.py; its README with the table from values.yaml; plain manifests, and the objects that the tests hold the
chart to, by rendering it.
"""

# ruff: noqa: SLF001 - what the configuration's file may hold is nobody else's business

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from exporter import NAME, __version__, config
from exporter.metrics import LABEL_NAMES

ROOT = Path(__file__).parents[1]
if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))

from chart import CHART, render, values_of  # noqa: E402 - the path to it is set above

MANIFESTS = ROOT / "docs" / "examples" / "kubernetes"
GOLDEN = ROOT / "tests" / "data" / "chart"


def build() -> dict[Path, str]:
    """The text of every file."""
    plain = values_of(MANIFESTS / "values.yaml")
    return {
        CHART / "Chart.yaml": _chart_file(),
        CHART / "values.schema.json": _schema(),
        CHART / "README.md": _readme(),
        MANIFESTS / "exporter.yaml": _manifests(plain, without=MONITORING),
        MANIFESTS / "prometheus-operator.yaml": _manifests(plain, only=MONITORING),
        GOLDEN / "default.yaml": _golden({}),
        GOLDEN / "full.yaml": _golden(values_of(CHART / "ci" / "full-values.yaml")),
    }


def _chart_file() -> str:
    """Chart.yaml with the exporter's version."""
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    return re.sub(r'(?m)^(version: |appVersion: ")[^"\n]*', rf"\g<1>{__version__}", text)


# Manifests ------------------------------------------------------------------------------------------------------------

MONITORING = ("templates/servicemonitor.yaml", "templates/prometheusrule.yaml")
HEAD = "# Rendered from the chart with the values.yaml beside this file: `make docs`. See docs/kubernetes.md.\n"


def _text(templates: dict[str, str]) -> str:
    """Templates as one text, each under its path."""
    return "".join(f"---\n# {path}\n{text.strip().removeprefix('---').strip()}\n" for path, text in templates.items())


def _golden(values: dict[str, Any]) -> str:
    """What the chart renders, but for alerts and the text of dashboards, which have their own sources."""
    templates = {path: text for path, text in render(values).items() if path != "templates/prometheusrule.yaml"}
    return re.sub(r"(?ms)^(  \S+\.json: \|\n).*?(?=^---|\Z)", r"\1    …\n", _text(templates))


def _manifests(values: dict[str, Any], only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:
    """What the chart renders, as one who does not use Helm wants it."""
    templates = {
        path: re.sub(r"(?m)^ +(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", "", text)
        for path, text in render(values, name=NAME).items()
        if path.endswith(".yaml") and not path.startswith("templates/tests/")
        if path not in without and (not only or path in only)
    }
    return HEAD + _text(templates)


# values.schema.json ---------------------------------------------------------------------------------------------------

_VARIABLE = r"\$\{"


class _FileSchema(GenerateJsonSchema):
    """The exporter's configuration as it stands in the file: pydantic would describe what validators make of it."""

    def function_before_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's own schema of a field
        function = schema["function"]["function"]
        if function is config.parse_duration or "_at_least" in function.__qualname__:
            return {"type": "string", "pattern": f"^{config._DURATION.pattern}$"}
        if function is config._parse_moment:
            return {"type": "string"}  # Helm makes a text of a date
        return super().function_before_schema(schema)

    def function_after_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
        described = super().function_after_schema(schema)
        function = schema["function"]["function"]
        if function is config._not_yet:
            return {"type": "array", "maxItems": 0} if described["type"] == "array" else {"const": False}
        if function is config._check_label:
            taken = "|".join(sorted(LABEL_NAMES))
            return described | {"pattern": f"^{config._LABEL_NAME.pattern}$", "not": {"pattern": f"^(__.*|{taken})$"}}
        if function is config._check_url:
            return described | {"pattern": "^https?://"}
        if function is config._check_region:
            function = config._is_region
        if not inspect.isfunction(function):  # a bound: pydantic has described it
            return described
        if pattern := inspect.getclosurevars(function).nonlocals.get("pattern"):  # of config._matching
            described["pattern"] = f"^({pattern.pattern})$"
        return described


def _schema() -> str:
    """values.schema.json with what is about `config` written anew; the rest of it is written by hand."""
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    generated = config._File.model_json_schema(schema_generator=_FileSchema, ref_template="#/definitions/config{model}")
    sections = generated.pop("$defs")
    by_hand = {name: about for name, about in schema["definitions"].items() if not name.startswith("config_")}
    schema["definitions"] = by_hand | {f"config{name}": _in_file(about) for name, about in sections.items()}
    schema["properties"]["config"] = _in_file(generated)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _in_file(about: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """A part of pydantic's schema, in draft 7 and without texts; any scalar may be a variable."""
    if isinstance(about, list):
        return [_in_file(one) for one in about]
    if not isinstance(about, dict):
        return about
    bounds = {"ge": "minimum", "le": "maximum"}
    about = {
        bounds.get(key, key): {name: _in_file(one) for name, one in value.items()}
        if key == "properties"
        else _in_file(value)
        for key, value in about.items()
        if key not in {"title", "description", "default"}
    }
    if "anyOf" in about:  # is always: this or null
        (about,) = (one for one in about["anyOf"] if one != {"type": "null"})
        if kinds := about.get("type"):  # a section, which a $ref leads to, may be null anyway
            about["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
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
            for pattern, values in about.pop("patternProperties", {}).items():  # which alone would let others pass
                about |= {
                    "propertyNames": {"pattern": pattern, **about.get("propertyNames", {})},
                    "additionalProperties": values,
                }
    return about


# README.md ------------------------------------------------------------------------------------------------------------

README = """\
# Chart bedrock-customization-exporter

<!-- Written by docs/build_chart.py from values.yaml: `make docs`. -->

Installs the [Prometheus exporter for Amazon Bedrock model customization jobs](HOMEPAGE), and what goes with it. As it
comes, it makes a Deployment, a Service, a ServiceAccount and a ConfigMap; everything else is off.

```sh
helm upgrade --install bedrock-customization-exporter \\
  oci://ghcr.io/bedrock-customization-exporter/charts/bedrock-customization-exporter \\
  --namespace monitoring --create-namespace --values=values.yaml
```

with, for IRSA and Prometheus Operator, a `values.yaml` such as

```yaml
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

[docs/eks.md](HOMEPAGE/blob/main/docs/eks.md) goes from an empty account to the first alert;
[docs/kubernetes.md](HOMEPAGE/blob/main/docs/kubernetes.md) tells about updates, reloading and
shards. The folder [ci](HOMEPAGE/tree/main/helm/ci) has values for each feature.

Unknown keys and wrong types are refused, those of `config` too. What Kubernetes takes as it is, such as `affinity`,
Kubernetes checks.

## Values

| key | type | default | |
|---|---|---|---|
ROWS"""


def _readme() -> str:
    homepage = yaml.safe_load(_chart_file())["home"]
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


if __name__ == "__main__":
    for place, text in build().items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
