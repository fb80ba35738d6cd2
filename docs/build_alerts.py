"""Writes the alerts of docs/monitoring/alerts.py as plain Prometheus rules, as the chart's rules, and into the docs."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

DOCS = Path(__file__).parent
if str(DOCS) not in sys.path:
    sys.path.insert(0, str(DOCS))

from monitoring.alerts import (  # noqa: E402 - found by the line above
    EXPORTER_ALERTS,
    JOB_ALERTS,
    RECORDINGS,
    REPLICA_LABELS,
    RUNBOOKS,
    THRESHOLDS,
    Alert,
    Recording,
    held,
)

RULES = DOCS / "monitoring" / "rules.yaml"
CHART = "bedrock-customization-exporter"
CHART_RULES = DOCS.parent / "helm" / "templates" / "_rules.tpl"

GROUPS: tuple[tuple[str, tuple[Recording, ...], tuple[Alert, ...]], ...] = (
    ("bedrock-customization-jobs", RECORDINGS, JOB_ALERTS),
    ("bedrock-customization-exporter", (), EXPORTER_ALERTS),
)
"""The rules of a group are evaluated one after the other, so those on jobs see what was recorded just before."""

DASHBOARDS = {
    "job": "/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}"
    "&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}",
    "exporter": "/d/bedrock-customization-exporter",
}

Dialect = Callable[[str], str]
"""Fills in the thresholds of an expression."""

_BY_TYPE = re.compile(r"^( *)«(\w+)\|(.*?)»$", re.MULTILINE | re.DOTALL)


def build_rules() -> str:
    """The text of docs/monitoring/rules.yaml."""
    lines = ["# Written by docs/build_alerts.py from docs/monitoring/alerts.py: `make docs`.", "groups:"]
    for name, recordings, alerts in GROUPS:
        lines += [f"  - name: {name}", "    rules:"]
        for recording in recordings:
            lines += _indented(_recording(recording.record, plain(recording.expr), recording.why))
        for alert in alerts:
            lines += _indented(_plain_alert(alert))
    return "\n".join(lines) + "\n"


def plain(expr: str) -> str:
    """An expression with the default thresholds."""

    def fill(match: re.Match[str]) -> str:
        indent, name, text = match.groups()
        text = text.replace("$types", "").replace("$threshold", str(_THRESHOLDS[name].number))
        return textwrap.indent(text, indent)

    expr = _BY_TYPE.sub(fill, expr).replace("$replica", ", ".join(REPLICA_LABELS))
    return in_words(expr)


def in_words(text: str) -> str:
    """A text with the default thresholds for their names."""
    for threshold in _LONGEST_NAME_FIRST:
        text = text.replace(f"${threshold.name}_seconds", str(threshold.number))
        text = text.replace(f"${threshold.name}", str(threshold.default))
    return text


def build_chart_rules() -> str:
    """The text of helm/templates/_rules.tpl: the same rules, with the chart's values for the thresholds."""
    lines = [
        "{{/* Written by docs/build_alerts.py from docs/monitoring/alerts.py: `make docs`. */}}",
        f'{{{{- define "{CHART}.rules" -}}}}',
        "{{- $values := .Values.prometheusRule }}",
        "{{- $thresholds := $values.thresholds }}",
        '{{- $replica := join ", " $values.replicaLabels -}}',
        "groups:",
    ]
    for name, recordings, alerts in GROUPS:
        lines += [f"  - name: {name}", "    rules:"]
        for recording in recordings:
            lines += _indented(_recording(recording.record, _chart(recording.expr)))
        for alert in alerts:
            lines.append(f'      {{{{- if not (has "{alert.name}" $values.disabled) }}}}')
            lines += _indented(_chart_alert(alert))
            lines.append("      {{- end }}")
    return "\n".join([*lines, "{{- end }}", ""])


def _chart(expr: str) -> str:
    """An expression of the table as a template of the chart; it will stand 10 spaces from the margin."""

    def fill(match: re.Match[str]) -> str:
        indent, name, text = match.groups()
        return (
            f'{indent}{{{{- include "{CHART}.rules.byType" (list $thresholds "{name}" {json.dumps(text)})'
            f" | nindent {10 + len(indent)} }}}}"
        )

    expr = _BY_TYPE.sub(fill, expr).replace("$replica", "{{ $replica }}")
    for threshold in _LONGEST_NAME_FIRST:
        value = f"$thresholds.{threshold.name}"
        expr = re.sub(
            rf"(?<![\w.])\${threshold.name}_seconds", f'{{{{ include "{CHART}.rules.seconds" {value} }}}}', expr
        )
        expr = re.sub(rf"(?<![\w.])\${threshold.name}\b", f"{{{{ {value} }}}}", expr)
    return expr


def _chart_alert(alert: Alert) -> Iterator[str]:
    if alert.record:
        yield from _recording(alert.record, _chart(held(alert)))
    yield f"- alert: {alert.name}"
    yield from _block("expr", alert.record or _chart(alert.expr))
    if alert.wait:
        yield f"  for: {_chart('$' + alert.wait) if alert.wait in _THRESHOLDS else alert.wait}"
    yield "  labels:"
    yield f'    {{{{- include "{CHART}.rules.labels" (list $values "{alert.name}" "{alert.severity}") | nindent 10 }}}}'
    yield "  annotations:"
    for name, text in annotations(alert).items():
        own = {"runbook_url": (RUNBOOKS, "{{ $values.runbookUrl }}"), "dashboard_url": ("", "{{ $values.dashboardUrl }}")}
        base, value = own.get(name, ("", ""))
        quoted = json.dumps(text.removeprefix(base))[1:-1]
        yield f'    {name}: "{value}{{{{`{quoted}`}}}}"'


_THRESHOLDS = {threshold.name: threshold for threshold in THRESHOLDS}
_LONGEST_NAME_FIRST = sorted(THRESHOLDS, key=lambda threshold: -len(threshold.name))


def _plain_alert(alert: Alert) -> Iterator[str]:
    if alert.record:
        yield from _comment(f"{in_words(alert.why)} Held while there are no good walks.")
        yield from _recording(alert.record, plain(held(alert)))
    else:
        yield from _comment(in_words(alert.why))
    yield f"- alert: {alert.name}"
    yield from _block("expr", alert.record or plain(alert.expr))
    if alert.wait:
        yield f"  for: {_THRESHOLDS[alert.wait].default if alert.wait in _THRESHOLDS else alert.wait}"
    yield "  labels:"
    yield f"    severity: {alert.severity}"
    yield "  annotations:"
    for name, text in annotations(alert).items():
        yield f"    {name}: {json.dumps(text)}"


def annotations(alert: Alert) -> dict[str, str]:
    """Name → template of each annotation, without the part of the dashboard's address that users set."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
        "dashboard_url": DASHBOARDS[alert.dashboard],
    }


def _recording(record: str, expr: str, why: str = "") -> Iterator[str]:
    yield from _comment(why)
    yield f"- record: {record}"
    yield from _block("expr", expr)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ")


def _block(key: str, text: str) -> Iterator[str]:
    if "\n" not in text:
        yield f"  {key}: {text}"
        return
    yield f"  {key}: |-"
    yield from textwrap.indent(text, "    ").splitlines()


def _indented(lines: Iterable[str], by: str = "      ") -> Iterator[str]:
    return (by + line for line in lines)


if __name__ == "__main__":
    RULES.write_text(build_rules(), encoding="utf-8")
    CHART_RULES.write_text(build_chart_rules(), encoding="utf-8")
