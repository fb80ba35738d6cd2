"""Writes the alerts of `monitoring` as plain Prometheus rules and as a template of the chart."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from monitoring.alerts import ALERTS, GROUPS, RUNBOOKS, THRESHOLDS
from monitoring.rule import REPLICA_LABELS, SCOPE, Alert, held, recorded

ROOT = Path(__file__).parents[1]
CHART = "bedrock-customization-exporter"

DASHBOARDS = {
    "job": "/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}"
    "&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}",
    "exporter": "/d/bedrock-customization-exporter",
}

_BASES = {
    "runbook_url": (RUNBOOKS, "{{ $values.runbookUrl }}"),
    "dashboard_url": ("", "{{ $values.dashboardUrl }}"),
}
"""Annotation → its beginning in the plain rules, and the value of the chart that replaces it."""

_BY_TYPE = re.compile(r"^( *)«(\w+)\|(.*?)»$", re.MULTILINE | re.DOTALL)
"""What `monitoring.rule.by_type` writes: indentation, name of the threshold, comparison."""

_THRESHOLDS = {threshold.name: threshold for threshold in sorted(THRESHOLDS, key=lambda one: -len(one.name))}
"""Longest name first, so that no name is replaced within a longer one."""


def files() -> dict[Path, str]:
    """The plain rules and the chart's template."""
    return {
        ROOT / "monitoring" / "rules.yaml": _plain_rules(),
        ROOT / "helm" / "templates" / "_rules.tpl": _chart_rules(),
    }


def in_words(text: str) -> str:
    """A text with the default thresholds in place of their names."""
    for threshold in _THRESHOLDS.values():
        text = text.replace(f"${threshold.name}_seconds", str(threshold.number))
        text = text.replace(f"${threshold.name}", str(threshold.default))
    return text


# Plain rules ----------------------------------------------------------------------------------------------------------


SETTINGS = "#| "
"""How the lines of the plain rules begin that are values of the chart."""

_HEAD = """\
# Written by tools/rules.py from monitoring: `make docs`.
#
# These are the settings of the rules below, as values of the chart. For others, change them here, and let Helm write
# the rules anew, where the chart is:
#
#   sed -n 's/^#| //p' rules.yaml | helm template rules helm --show-only templates/prometheusrule.yaml --values - |
#     sed '1,/^spec:/d; s/^  //' > own-rules.yaml
#
"""


def _settings() -> Iterator[str]:
    yield "prometheusRule:"
    yield "  enabled: true"
    yield "  # The exporters that the rules are about: matchers that stand in every selector."
    yield f"  selector: '{SCOPE}'"
    yield "  # More labels in which replicas of an exporter, or its pods before and after a rollout, differ."
    yield "  replicaLabels: []"
    yield "  # Where the runbooks are: a page for each alert, called by its name with .md."
    yield f"  runbookUrl: {RUNBOOKS}"
    yield "  thresholds:"
    for threshold in THRESHOLDS:
        yield f"    # {threshold.about}."
        yield f"    {threshold.name}: {threshold.default}"
    yield "  severity:"
    for alert in ALERTS:
        yield f"    {alert.name}: {alert.severity}"


def _plain_rules() -> str:
    lines = [*_HEAD.splitlines(), *(SETTINGS + line for line in _settings()), "groups:"]
    for name, recordings, alerts in GROUPS:
        lines += [f"  - name: {name}", "    rules:"]
        for recording in recordings:
            lines += _comment(in_words(recording.why))
            lines += _recording(recording.record, _plain(recording.expr))
        for alert in alerts:
            lines += _comment(in_words(alert.why) + (" Held while there are no good walks." if alert.record else ""))
            lines += _alert(alert, _plain, _in_force)
            lines += [f"          severity: {alert.severity}", "        annotations:"]
            lines += (f"          {name}: {json.dumps(in_words(text))}" for name, text in _annotations(alert).items())
    return "\n".join(lines) + "\n"


def _plain(expr: str) -> str:
    """An expression with the default thresholds."""

    def fill(match: re.Match[str]) -> str:
        indent, name, text = match.groups()
        text = text.replace("$types", "").replace("$threshold", str(_THRESHOLDS[name].number))
        return textwrap.indent(text, indent)

    expr = _BY_TYPE.sub(fill, expr).replace("$replica", ", ".join(REPLICA_LABELS))
    return in_words(expr.replace("$scope", SCOPE))


def _in_force(wait: str) -> str:
    """How long an alert waits: the default of a threshold, or a duration as it is."""
    return str(_THRESHOLDS[wait].default) if wait in _THRESHOLDS else wait


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 116, initial_indent="      # ", subsequent_indent="      # ")


# The chart's template -------------------------------------------------------------------------------------------------


def _chart_rules() -> str:
    """The same rules, with the chart's values for the thresholds; an upgrade that reuses values lacks new ones."""
    defaults = " ".join(f"{json.dumps(one.name)} {json.dumps(one.default)}" for one in THRESHOLDS)
    labels = " ".join(map(json.dumps, REPLICA_LABELS))
    lines = [
        "{{/* Written by tools/rules.py from monitoring: `make docs`. */}}",
        f'{{{{- define "{CHART}.rules" -}}}}',
        "{{- $values := .Values.prometheusRule }}",
        f"{{{{- $thresholds := merge (dict) $values.thresholds (dict {defaults}) }}}}",
        f'{{{{- $replica := concat (list {labels}) (default list $values.replicaLabels) | uniq | join ", " }}}}',
        f'{{{{- $scope := include "{CHART}.rules.scope" . -}}}}',
        "groups:",
    ]
    for name, recordings, alerts in GROUPS:
        lines += [f"  - name: {name}", "    rules:"]
        for recording in recordings:
            lines += _recording(recording.record, _template(recording.expr))
        for alert in alerts:
            lines.append(f'      {{{{- if not (has "{alert.name}" $values.disabled) }}}}')
            lines += _alert(alert, _template, lambda wait: _template(f"${wait}") if wait in _THRESHOLDS else wait)
            labels = f'include "{CHART}.rules.labels" (list $values "{alert.name}" "{alert.severity}")'
            lines += [f"          {{{{- {labels} | nindent 10 }}}}", "        annotations:"]
            for annotation, text in _annotations(alert).items():
                base, value = _BASES.get(annotation, ("", ""))
                quoted = _spliced(json.dumps(text.removeprefix(base))[1:-1])
                lines.append(f'          {annotation}: "{value}{{{{`{quoted}`}}}}"')
            lines.append("      {{- end }}")
    return "\n".join([*lines, "{{- end }}", ""])


def _template(expr: str) -> str:
    """An expression as a template of the chart; it will stand 10 spaces from the margin."""

    def fill(match: re.Match[str]) -> str:
        indent, name, text = match.groups()
        text = text.replace("$scope", "$matchers")
        return (
            f'{indent}{{{{- include "{CHART}.rules.byType" (list $thresholds "{name}" {json.dumps(text)} $scope)'
            f" | nindent {10 + len(indent)} }}}}"
        )

    expr = _BY_TYPE.sub(fill, expr).replace("$replica", "{{ $replica }}")
    expr = expr.replace("{$scope", '{{ "{" }}{{ $scope }}')
    for name in _THRESHOLDS:
        value = f"$thresholds.{name}"
        expr = re.sub(rf"(?<![\w.])\${name}_seconds", f'{{{{ include "{CHART}.rules.seconds" {value} }}}}', expr)
        expr = re.sub(rf"(?<![\w.])\${name}\b", f"{{{{ {value} }}}}", expr)
    return expr


def _spliced(text: str) -> str:
    """The inside of a raw string of a template, with the chart's values for the thresholds."""
    names = "|".join(_THRESHOLDS)
    return re.sub(rf"\$({names})\b", r"`}}{{ $thresholds.\1 }}{{`", text)


# Both -----------------------------------------------------------------------------------------------------------------


def _alert(alert: Alert, fill: Callable[[str], str], wait: Callable[[str], str]) -> Iterator[str]:
    """An alert up to its labels, after what it records.

    Args:
        alert: the alert.
        fill: puts thresholds into an expression.
        wait: the same for the time that the alert waits.
    """
    expr = alert.expr
    if alert.record:
        yield from _recording(alert.record, fill(held(alert)))
        expr = recorded(alert)
    yield f"      - alert: {alert.name}"
    yield from _expression(fill(expr))
    if alert.wait:
        yield f"        for: {wait(alert.wait)}"
    yield "        labels:"


def _recording(record: str, expr: str) -> Iterator[str]:
    yield f"      - record: {record}"
    yield from _expression(expr)


def _expression(text: str) -> Iterator[str]:
    if "\n" not in text:
        yield f"        expr: {text}"
        return
    yield "        expr: |-"
    yield from textwrap.indent(text, "          ").splitlines()


def _annotations(alert: Alert) -> dict[str, str]:
    """Name → template of each annotation, without the part of the dashboard's address that users set."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
        "dashboard_url": DASHBOARDS[alert.dashboard],
    }
