"""Writes the alerts of docs/monitoring/alerts.py as plain Prometheus rules, as the chart's rules, and into the docs."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
if str(DOCS) not in sys.path:
    sys.path.insert(0, str(DOCS))

from monitoring.alerts import (  # noqa: E402 - found by the line above
    EXPORTER_ALERTS,
    EXPORTER_RECORDINGS,
    JOB_ALERTS,
    RECORDINGS,
    REPLICA_LABELS,
    RUNBOOKS,
    THRESHOLDS,
    Alert,
    Recording,
    held,
)

PLACE = DOCS / "alerts.md"
FIGURES = DOCS / "monitoring" / "signal_quality.json"
RULES = DOCS / "monitoring" / "rules.yaml"
CHART = "bedrock-customization-exporter"
CHART_RULES = DOCS.parent / "helm" / "templates" / "_rules.tpl"

INTRO = """\
# Alerts

<!-- Written by docs/build_alerts.py from docs/monitoring: `make docs`. -->

They tell of jobs that failed or are stuck, and of an exporter that can't see. With Prometheus alone, load
[monitoring/rules.yaml](monitoring/rules.yaml) by `rule_files`. With Prometheus Operator, set
`prometheusRule.enabled` of the [chart](../helm/README.md), which makes the same rules with your thresholds. Each alert
links to its runbook, by `runbook_url`, and to a dashboard, by `dashboard_url`; all resolve by themselves. In the plain
rules `dashboard_url` begins with `/d/`: put your Grafana's address before it in the template of the message, as
[the compose example](examples/compose/alertmanager.yml) does; the chart does it by `prometheusRule.dashboardUrl`.

| alert | severity | fires when |
|---|---|---|
"""

THRESHOLDS_INTRO = """\

## Thresholds

Values of the chart below `prometheusRule.thresholds`. Those that are said to be *by type* can have another value for a
customization type:

```yaml
prometheusRule:
  enabled: true
  thresholds:
    jobWaiting: 3h
    byCustomizationType:
      DISTILLATION: {jobNotProgressing: 24h, jobSlow: 3}
```

| threshold | default | what | by type |
|---|---|---|---|
"""

PROMISES = """\

## What you can count on

- **A restart of the exporter changes nothing.** Alerts on jobs neither begin nor cease while it is away, for an hour at
  most; those on targets bridge five minutes. Only **BedrockExporterDiscoveryFailed** begins sooner after one: until
  accounts are listed, none of them is watched.
- **An outage of AWS is told of by the exporter's alerts, not by those on jobs.** What holds of a job is taken from good
  walks only. While there are none, what the last ones showed stays: times that go on growing start nothing, and series
  that end after `stale_after` end nothing.
- **A job that failed unseen is alerted on when it is seen**, be it hours later: what counts is that the last good walk
  an hour ago ended before the job did. So the first walk of a new target does not tell of last week's failures.
- **One alert for one trouble.** A job that waits between two sub-tasks is none that is slow or does not progress; of
  these two, the one judges jobs whose peers are known, the other jobs whose peers are not. One that was slow before it
  came to wait alerts as both.
- **Replicas count once.** What differs between them (`instance`, `pod` and the like, `prometheusRule.replicaLabels` of
  the chart) is aggregated away after everything else, so all that is said of a job comes from the same replica. Of a
  pair, one that sees is enough. The target's own labels stay, to route by.
- **A region without the service is no trouble**: targets whose reason is `unsupported_region` are passed over.

## What they can't do

- If the exporter is away for more than an hour, alerts on jobs resolve, and fire again when it is back. The same hour
  passes before the alerts of a target end that was taken out of the configuration.
- What failed while the exporter was away for more than three days is not alerted on.
- Where credentials, not the configuration, say which account a target is, a restart while AWS is out of reach leaves
  its alerts with `aws_account_id="unknown"` until the first answer.
- If Prometheus itself is away for more than five minutes in an outage of AWS, alerts on jobs resolve until AWS is back.
- One of several shards whose pod Prometheus no longer knows of, because it is not scheduled, say, is not missed:
  alert on the StatefulSet, as kube-state-metrics shows it.
- A healthy job that takes longer than {jobNotProgressing} and has fewer than five completed peers, such as the first of
  its kind, is alerted on as not progressing: raise `jobNotProgressing` for its type. When its fifth peer completes, the
  alert ends, and from then on the job is judged by its peers.
- An exporter that comes back at a new address and can't be scraped there is not told of while others can be: alert on
  pods that crash, as kube-state-metrics shows them.
- Whoever changes the labels of a target has its alerts twice for an hour, with the old labels and with the new.
- The thresholds on targets are for walks a minute apart. With a longer `poll.interval`, `targetDown` and `targetStale`
  are to be twice that at least, and `throttled` at most half of the walks in 30 minutes.
- A failed job for which AWS gives neither `endTime` nor `lastModifiedTime` is counted and has its status, but no
  alert.

## Routing

One trouble of the exporter can bring several of its alerts. In Alertmanager, let the worst one speak:

```yaml
inhibit_rules:
  - source_matchers: [alertname="BedrockExporterTargetStale"]
    target_matchers: [alertname=~"BedrockExporterTargetDown|BedrockExporterThrottled"]
    equal: [aws_account_id, aws_region]
```

## Why they are as they are

- **BedrockCustomizationJobFailed** does not ask whether a job ended within the hour: one that failed in an outage of
  two hours would never be told of.
- **BedrockCustomizationJobNotProgressing** leaves jobs with known peers to **BedrockCustomizationJobSlow**. If it took
  all that were not modified for {jobNotProgressing}, each training that is meant to take longer would alert; and if
  it asked for more than the 0.95 quantile of the peers, one in twenty of these would still.
- **BedrockCustomizationJobSlow** passes over a job while it waits between two sub-tasks, and lasts until the job has
  ended: what is expected of it changes as others complete.
- **BedrockCustomizationJobStopping** does not trust the time of the last modification alone, as no document says that
  AWS modifies a job when it is told to stop.
- **BedrockExporterTargetStale** goes by how long walks have failed, not by the age of the last good one: that would
  fire at once when the exporter comes back after an hour, and never for a target that has not had one.
"""

QUALITY = """\

## Signal quality

`make signal-quality` simulates {days} days of one account, with {jobs:,} jobs and those of a month before: lengths as
they were recorded of the service, some waits of up to 100 minutes and stops of up to 50, trainings of 14 hours and
more, and the troubles below. Around them AWS is out of reach {outages_of_aws} times, for minutes to six hours, and
fails one walk in 200 besides; the exporter is away {outages_of_exporter} times, for minutes to eight hours, and
replaced by another instance {rollouts} times. The real poller walks these jobs; what the real exposition shows is
scraped every {step}, and `promtool test rules` evaluates the rules above on it as they ship, in stretches of four days.
Jobs keep their series for {retain} after their end. The same seed gives the same table.

An alert is as it should be if it begins within 10 minutes of when somebody could have known (the threshold is
reached, and no outage hides it), is the right one and the only one, and ceases within 10 minutes of the end of the
trouble; of alerts on the exporter, the end is not judged. Trouble that was over within 10 minutes of that moment is
left out. A job may alert a second time after an hour without the exporter. Left out, too, are healthy jobs of more than
12 hours without five peers, which do alert, as said above. Outages are at least two hours apart, and Prometheus begins
each stretch with six hours of history.

| jobs | number | alerted once | once again | not alerted | otherwise | too late | too long | median delay | longest |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{of_jobs}
In the first and the last line there is nothing to tell of: *alerted once* means not at all.

| alert | outages that call for it | once | not | otherwise | too late | median delay | longest |
|---|--:|--:|--:|--:|--:|--:|--:|
{of_exporter}
*Otherwise* in the last line are alerts on the exporter without an outage.
"""

GROUPS: tuple[tuple[str, tuple[Recording, ...], tuple[Alert, ...]], ...] = (
    ("bedrock-customization-jobs", RECORDINGS, JOB_ALERTS),
    ("bedrock-customization-exporter", EXPORTER_RECORDINGS, EXPORTER_ALERTS),
)
"""The rules of a group are evaluated one after the other, so those on jobs see what was recorded just before."""

DASHBOARDS = {
    "job": "/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}"
    "&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}",
    "exporter": "/d/bedrock-customization-exporter",
}

_BASES = {
    "runbook_url": (RUNBOOKS, "{{ $values.runbookUrl }}"),
    "dashboard_url": ("", "{{ $values.dashboardUrl }}"),
}
"""Annotation → how it begins, and what of the chart's values takes the place of that."""

_BY_TYPE = re.compile(r"^( *)«(\w+)\|(.*?)»$", re.MULTILINE | re.DOTALL)


def build() -> str:
    """The text of docs/alerts.md."""
    alerts = "".join(
        f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {in_words(alert.fires)} |\n"
        for alert in (*JOB_ALERTS, *EXPORTER_ALERTS)
    )
    thresholds = "".join(
        f"| `{threshold.name}` | {threshold.default} | {threshold.about} | {'yes' if threshold.by_type else ''} |\n"
        for threshold in THRESHOLDS
    )
    promises = PROMISES.replace("{jobNotProgressing}", str(_THRESHOLDS["jobNotProgressing"].default))
    return INTRO + alerts + THRESHOLDS_INTRO + thresholds + promises + _quality()


def _quality() -> str:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    figures |= {"step": _in_time(figures["step_seconds"]), "retain": _in_time(figures["retain_seconds"])}
    ends = ("median_delay", "longest_delay")
    figures["of_jobs"] = "".join(
        _row(row, ("count", "once", "again", "missed", "wrong", "late", "long"), ends) for row in figures["of_jobs"]
    )
    figures["of_exporter"] = "".join(
        _row(row, ("count", "once", "missed", "wrong", "late"), ends) for row in figures["of_exporter"]
    )
    return QUALITY.format(**figures)


def _row(row: dict[str, Any], counts: tuple[str, ...], times: tuple[str, ...]) -> str:
    cells = [row["of"], *(f"{row[name]:,}" for name in counts)]
    cells += ["" if row[name] is None else _in_time(row[name]) for name in times]
    return f"| {' | '.join(cells)} |\n"


def _in_time(seconds: int) -> str:
    """Such as 2 min 5 s."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


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
    for name, text in annotations_of(alert).items():
        base, value = _BASES.get(name, ("", ""))
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
    for name, text in annotations_of(alert).items():
        yield f"    {name}: {json.dumps(text)}"


def annotations_of(alert: Alert) -> dict[str, str]:
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
    PLACE.write_text(build(), encoding="utf-8")
    RULES.write_text(build_rules(), encoding="utf-8")
    CHART_RULES.write_text(build_chart_rules(), encoding="utf-8")
