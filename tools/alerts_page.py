"""Writes docs/alerts.md: the alerts, their thresholds, what one can count on, and the figures of the simulated year."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitoring.alerts import ALERTS, THRESHOLDS
from monitoring.rule import REPLICA_LABELS
from tools.rules import in_words

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "monitoring" / "signal_quality.json"

INTRO = """\
# Alerts

<!-- Written by tools/alerts_page.py from monitoring: `make docs`. -->

They tell of jobs that failed or are stuck, and of an exporter that can't see. With Prometheus alone, load
[monitoring/rules.yaml](../monitoring/rules.yaml) by `rule_files`. With Prometheus Operator, set
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
customization type. The plain rules have them, the severities and the exporters that they are about in one block at the
head of the file, with the command that writes the rules from it.

```yaml
prometheusRule:
  enabled: true
  thresholds:
    jobWaiting: 3h
    byCustomizationType:
      DISTILLATION: {jobTraining: 72h, subtaskSlow: 4}
```

| threshold | default | what | by type |
|---|---|---|---|
"""

PROMISES = """\

## What you can count on

- **A restart of the exporter changes nothing.** Alerts on jobs neither begin nor cease while it is away, for an hour
  at most; those on targets bridge five minutes. Only **BedrockExporterDiscoveryFailed** begins sooner after one:
  until accounts are listed, none of them is watched.
- **An outage of AWS is told of by the exporter's alerts, not by those on jobs.** What holds of a job is taken from
  good walks only. While there are none, what the last ones showed stays: times that go on growing start nothing, and
  series that end after `stale_after` end nothing.
- **A job that failed unseen is alerted on when it is seen**, be it hours later: what counts is that the last good
  walk {jobFailed} ago ended before the job did. It is remembered for a week, through restarts of the exporter and
  gaps in the evaluation of rules. The first walk of a new target does not tell of last week's failures.
- **An alert on a failed job lasts {jobFailed}**, a shift on call: long enough to be found in the morning, so that
  nobody is told "resolved" at night of what nobody has mended. It ends by itself, as nobody can mend a failed job.
- **One alert for one trouble.** A job is told of by the sub-task that it is in, or as waiting for one; as a whole only
  where AWS gives no status details. Trainings are slow where ten peers are known, and not progressing where not.
- **Replicas count once, and so do the pods before and after a rollout.** What differs between them is aggregated away
  after everything else, so all that is said of a job comes from the same replica: {replicaLabels}, and
  `prometheusRule.replicaLabels` of the chart. Of a pair, one that sees is enough. The target's own labels stay, to
  route by, unless they have one of these names.
- **The rules are about their own exporter.** Every selector has the same matchers: in the chart the namespace, with a
  ServiceMonitor also the job, or `prometheusRule.selector`. So the alert that no exporter is left has the namespace,
  too.
- **The exporter's clock does not matter** to alerts on jobs, except to the {jobQueued} of a queue: they compare AWS's
  timestamps with Prometheus's clock, which may be wrong by some minutes. A last good walk in the future is not
  believed; a clock that is slow makes alerts on failed jobs last longer by as much.
- **A region without the service is no trouble**: targets whose reason is `unsupported_region` are passed over.

## What they can't do

- If the exporter is away for more than an hour, alerts on jobs resolve, and fire again when it is back. The same hour
  passes before the alerts of a target end that was taken out of the configuration.
- What failed more than a week before the first good walk is not certain to be alerted on.
- A queue whose jobs begin more than {jobWaiting} apart alerts between them: raise `jobWaiting` for its type.
- Where credentials, not the configuration, say which account a target is, a restart while AWS is out of reach leaves
  its alerts with `aws_account_id="unknown"` until the first answer.
- If Prometheus itself is away for more than an hour in an outage of AWS, alerts on jobs resolve until AWS is back.
- One of several shards whose pod Prometheus no longer knows of, because it is not scheduled, say, is not missed:
  alert on the StatefulSet, as kube-state-metrics shows it.
- A healthy training that takes longer than {jobTraining} and has fewer than ten completed peers, such as the first of
  its kind, is alerted on as not progressing: raise `jobTraining` for its type.
- Scrapes more than five minutes apart leave gaps that Prometheus does not look across: `scrape_interval` is to be
  less.
- A central ruler (Thanos, Mimir) sees every exporter: give `prometheusRule.selector` the label of the cluster. Rules
  that are loaded where the exporter is not scraped, as on another shard of Prometheus, say that it is down: load them
  on one.
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

Hundreds of jobs that fail at once are hundreds of alerts in one message. Limit it in the template, as in
`{{ range $i, $alert := .Alerts }}{{ if lt $i 20 }}{{ $alert.Annotations.summary }}{{ end }}{{ end }}`, and group by
`aws_account_id` and `aws_region`.

## What they were tried on

| | tried |
|---|---|
| Prometheus 2.42 | `promtool test rules` with every file of `monitoring/tests` |
| evaluations 6 and 10 minutes apart | with `promtool` 2.42: an outage ends none, a failure is told after a week |
| Prometheus 3 | not tried; no range in the rules depends on whether its left end is included |
| VictoriaMetrics and vmalert | not tried; records are read over 15 minutes or more, as they may arrive late |

## Why they are as they are

- **BedrockCustomizationJobFailed** does not ask whether a job ended within the hour: one that failed in an outage of
  two hours would never be told of.
- **BedrockCustomizationJobWaiting** leaves a job in a queue that moves alone for {jobQueued}: twelve jobs submitted
  at once would wake somebody for eleven that are well.
- **BedrockCustomizationJobSlow** lasts until the training has ended: what is expected of it changes as others
  complete. Where the 0.95 quantile of the peers is more than 2.4 times their median, that ratio to the power of 1.25
  takes the place of {subtaskSlow}: such lengths have tails that a fixed factor would alert on.
- **BedrockCustomizationJobStopping** does not trust the time of the last modification alone, as no document says that
  AWS modifies a job when it is told to stop.
- **BedrockExporterTargetStale** goes by how long walks have failed, not by the age of the last good one: that would
  fire at once when the exporter comes back after an hour, and never for a target that has not had one.
"""

QUALITY = """\

## Signal quality

These figures are of the rules before trainings were compared with trainings, and before the alerts on validation and
data processing: the year has yet to be run again.

`make signal-quality` simulates {days} days of one account, with {jobs:,} jobs and those of a month before: lengths as
they were recorded of the service, some waits of up to 100 minutes and stops of up to 50, trainings of 14 hours and
more, and the troubles below. Around them AWS is out of reach {outages_of_aws} times, for minutes to six hours, and
fails one walk in 200 besides; the exporter is away {outages_of_exporter} times, for minutes to eight hours, and
replaced by another instance {rollouts} times. The exporter's own code walks these jobs; what it exposes is
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


def files() -> dict[Path, str]:
    """The page."""
    return {ROOT / "docs" / "alerts.md": _page()}


def _page() -> str:
    alerts = "".join(
        f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {in_words(alert.fires)} |\n"
        for alert in ALERTS
    )
    thresholds = "".join(
        f"| `{threshold.name}` | {threshold.default} | {threshold.about} | {'yes' if threshold.by_type else ''} |\n"
        for threshold in THRESHOLDS
    )
    defaults = {threshold.name: threshold.default for threshold in THRESHOLDS}
    promises = PROMISES.replace("{replicaLabels}", ", ".join(f"`{label}`" for label in REPLICA_LABELS))
    for name, default in defaults.items():
        promises = promises.replace(f"{{{name}}}", str(default))
    return INTRO + alerts + THRESHOLDS_INTRO + thresholds + promises + _quality()


def _quality() -> str:
    """The section on the simulated year, with the figures that `make signal-quality` wrote."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    figures |= {"step": _duration(figures["step_seconds"]), "retain": _duration(figures["retain_seconds"])}
    for table, counts in (
        ("of_jobs", ("count", "once", "again", "missed", "wrong", "late", "long")),
        ("of_exporter", ("count", "once", "missed", "wrong", "late")),
    ):
        figures[table] = "".join(_row(row, counts) for row in figures[table])
    return QUALITY.format(**figures)


def _row(row: Mapping[str, Any], counts: Sequence[str]) -> str:
    cells = [row["of"], *(f"{row[name]:,}" for name in counts)]
    cells += ["" if row[name] is None else _duration(row[name]) for name in ("median_delay", "longest_delay")]
    return f"| {' | '.join(cells)} |\n"


def _duration(seconds: int) -> str:
    """Such as 2 min 5 s."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
