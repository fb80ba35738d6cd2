"""Writes `docs/openapi.yaml`, which describes the API: the views' own schema, and the parameters that select them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from exporter import NAME
from exporter.web import selection, views

_PAGE = Path(__file__).parents[1] / "docs" / "openapi.yaml"

_FILTERS = {
    "text": "Part of a job's name, id, base model, custom model or type, or of a label of its target; any case.",
    "account": "Account id.",
    "region": "AWS region name.",
    "status": "Status of a job, as Amazon Bedrock names it.",
}

_NUMBERS = {
    "page": (1, selection.MAX_PAGE, "Page of jobs; beyond the last one, the last."),
    "limit": (selection.LIMIT, selection.MAX_LIMIT, "Jobs of a page."),
}


def document() -> dict[str, Any]:
    """The description, as OpenAPI 3.1."""
    shown = (views.Targets, views.Jobs, views.Error)
    _, schemas = msgspec.json.schema_components(shown, ref_template="#/components/schemas/{name}")
    filters = [
        _parameter(name, text, {"type": "string", "maxLength": selection.MAX_TEXT}) for name, text in _FILTERS.items()
    ]
    targets = [each for each in filters if each["name"] in {"account", "region"}]
    numbers = [
        _parameter(name, text, {"type": "integer", "minimum": 1, "maximum": greatest, "default": default})
        for name, (default, greatest, text) in _NUMBERS.items()
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": NAME,
            "version": "1",
            "description": "What the status page shows, for programs. Times are Unix seconds, durations seconds. "
            "Everything is as old as the last walk of its target.",
        },
        "paths": {
            "/api/v1/targets": {
                "get": _operation("The targets of an account and a region, or all.", "Targets", targets)
            },
            "/api/v1/jobs": {
                "get": _operation("The jobs that match, those that need attention first.", "Jobs", filters + numbers)
            },
        },
        "components": {"schemas": schemas},
    }


def _parameter(name: str, description: str, schema: Mapping[str, object]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": dict(schema)}


def _operation(summary: str, schema: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    def answer(description: str, name: str) -> dict[str, Any]:
        shown = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        return {"description": description, "content": shown}

    return {
        "summary": summary,
        "operationId": schema.lower(),
        "parameters": parameters,
        "responses": {
            "200": answer(summary, schema),
            "400": answer("A parameter can't be used.", "Error"),
            "503": answer("Too many different requests wait at once; ask again in a second.", "Error"),
        },
    }


def files() -> Mapping[Path, str]:
    """The file and its text."""
    note = "# Written by tools/api_page.py: make docs\n"
    return {_PAGE: note + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)}


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, without YAML's aliases."""

    def ignore_aliases(self, _data: object) -> bool:
        return True
