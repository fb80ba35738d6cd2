"""Writes docs/alerts.md: the alerts, their thresholds, what one can count on, and figures of simulated weeks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
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

The alerts report jobs that failed or are stuck, and an exporter that can't see its jobs. With plain Prometheus, load
[monitoring/rules.yaml](../monitoring/rules.yaml) with `rule_files`. With Prometheus Operator, set
`prometheusRule.enabled` in the [chart](../helm/README.md), which creates the same rules with your thresholds. The
annotations `runbook_url` and `dashboard_url` of each alert link to its runbook and a dashboard. All alerts resolve by
themselves. In the plain rules `dashboard_url` begins with `/d/`: prefix it with your Grafana's address in the message
template, as [the compose example](examples/compose/alertmanager.yml) does; in the chart, set
`prometheusRule.dashboardUrl`.

| alert | severity | fires when |
|---|---|---|
"""

THRESHOLDS_INTRO = """\

## Thresholds

They are values of the chart, under `prometheusRule.thresholds`. Those marked *by type* can also be set for single
customization types. In the plain rules, a block at the top of the file has the thresholds, the severities and the
selector of the exporters, with the command that writes the rules from them.

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

- **A restart of the exporter changes nothing.** Alerts on jobs neither start nor end while it is away for up to an
  hour; alerts on targets bridge five minutes. The exception is **BedrockExporterDiscoveryFailed**, which fires sooner
  after a restart: until accounts are listed, none of them is watched.
- **An outage of AWS fires the exporter's alerts, not those on jobs.** Alerts on jobs use data of good walks only. While
  there are none, the last state holds: growing times start no alert, and series that end after `stale_after` end none.
- **A job that failed during an outage fires its alert when the exporter sees it**, even hours later: what counts is
  that the last good walk {jobFailed} ago ended before the job did. This works for a week, across restarts of the
  exporter and gaps in the evaluation of rules. The first walk of a new target does not report last week's failures.
- **An alert on a failed job lasts {jobFailed}**, an on-call shift: it is still there in the morning, and sends no
  "resolved" at night for something that nobody has fixed. It ends by itself, as a failed job can't be fixed.
- **One alert per problem.** A job is judged by the sub-task that it is in, or as waiting for one; as a whole only if
  AWS reports no status details. A long training is *Slow* if ten peers are known, and *NotProgressing* otherwise.
- **Replicas count once, and so do the pods before and after a rollout.** The labels in which they differ are aggregated
  away last, so each alert is computed from the data of one replica. These labels are {replicaLabels}, and the chart's
  `prometheusRule.replicaLabels`. One working replica is enough. The target's own labels stay for routing, unless they
  have one of these names.
- **The rules only apply to their own exporter.** Every selector has the same matchers: in the chart the namespace and,
  with a ServiceMonitor or PodMonitor, the job; or `prometheusRule.selector`, which two releases need that share a
  namespace without a monitor. So even the alert that no exporter is left has the namespace.
- **The exporter's clock does not matter** to alerts on jobs, except to the {jobQueued} of a queue: they compare AWS's
  timestamps with Prometheus's clock, which may be off by some minutes. A last good walk in the future is
  ignored; a slow clock makes alerts on failed jobs last longer by the same time.
- **A region without the service fires nothing**: targets with the reason `unsupported_region` are ignored.

## Limits

- If the exporter is away for more than an hour, alerts on jobs resolve, and fire again when it is back. After a target
  is removed from the configuration, its alerts also last another hour.
- A job that failed more than a week before the first good walk may go without an alert.
- If the jobs of a queue start more than {jobWaiting} apart, the alert fires in between: raise `jobWaiting` for its
  type.
- If a target's account is known from its credentials and not from the configuration, and the exporter restarts while
  AWS is unreachable, its alerts have `aws_account_id="unknown"` until AWS answers.
- If Prometheus itself is away for more than an hour during an outage of AWS, alerts on jobs resolve until AWS is back.
- If Prometheus no longer knows the pod of one of several shards, for instance because it is not scheduled, no alert
  fires: alert on the StatefulSet, with kube-state-metrics.
- A healthy training that takes longer than {jobTraining} and has fewer than ten completed peers, such as the first of
  its kind, fires *NotProgressing*: raise `jobTraining` for its type.
- `scrape_interval` must be less than five minutes: Prometheus does not bridge longer gaps between samples.
- A central ruler (Thanos, Mimir) sees every exporter: put the cluster's label into `prometheusRule.selector`. Rules
  loaded where the exporter is not scraped, such as on another shard of Prometheus, report that it is down: load them
  only where it is scraped.
- If one of several exporters comes back at a new address and can't be scraped there, no alert fires: alert on crashing
  pods, with kube-state-metrics.
- If you change the labels of a target, its alerts fire twice for an hour, with the old and the new labels.
- The thresholds for targets assume a walk per minute. With a longer `poll.interval`, set `targetDown` and
  `targetStale` to at least twice the interval, and `throttled` to at most half of the walks in 30 minutes.
- A failed job for which AWS reports neither `endTime` nor `lastModifiedTime` is counted and has its status, but fires
  no alert.

## Routing

One problem of the exporter can fire several of its alerts. In Alertmanager, let the worst one inhibit the others:

```yaml
inhibit_rules:
  - source_matchers: [alertname="BedrockExporterTargetStale"]
    target_matchers: [alertname=~"BedrockExporterTargetDown|BedrockExporterThrottled"]
    equal: [aws_account_id, aws_region]
```

If hundreds of jobs fail at once, one message has hundreds of alerts. Limit their number in the template, as in
`{{ range $i, $alert := .Alerts }}{{ if lt $i 20 }}{{ $alert.Annotations.summary }}{{ end }}{{ end }}`, and group by
`aws_account_id` and `aws_region`.

## Tested with

| | how |
|---|---|
| Prometheus 2.42 | `promtool test rules` with every file of `monitoring/tests` |
| evaluations 6 and 10 minutes apart | with `promtool` 2.42: an outage ends no alert, a failure fires after a week |
| Prometheus 3 | not tested; no range in the rules depends on whether its left end is included |
| a selector on any label of the scrape | the same tests, with every series there a second time for another exporter |
| VictoriaMetrics and vmalert 1.79, evaluations a minute apart | live: job alerts hold through an outage of AWS |
| vmalert with evaluations over 5 minutes apart | not supported: *JobFailed* did not fire at 6 minutes |

## Why they are as they are

- **BedrockCustomizationJobFailed** does not check whether a job ended within the last hour: a job that failed during an
  outage of two hours would never fire it.
- **BedrockCustomizationJobWaiting** tolerates a job in a moving queue for {jobQueued}: otherwise, twelve jobs submitted
  at once would fire for eleven healthy ones.
- **BedrockCustomizationJobSlow** lasts until the training has ended, as the expected duration changes when other
  jobs complete. If the 0.95 quantile of the peers is more than 2.4 times their median, that ratio to the power of 1.25
  replaces {subtaskSlow}: durations that vary this much have long tails, on which a fixed factor would fire.
- **BedrockCustomizationJobStopping** does not rely on the time of the last modification alone, as AWS does not document
  that stopping a job modifies it.
- **BedrockExporterTargetStale** uses how long walks have failed, not the age of the last good walk: the age would fire
  at once when the exporter comes back after an hour, and never for a target that has had no good walk.
"""

QUALITY = """\

## Signal quality

`make signal-quality` simulates {days} days of six targets, three times: the lengths of sub-tasks are log-normal
within a base model and type, with a sigma of 0.2, 0.4 and 0.8. Their medians are those that were recorded of the
service. Twice as many jobs begin at the end as at the beginning. One job in ten is of a team whose trainings take
three times as long, some train for 14 hours and more, some are the only ones of their model. AWS leaves out what has
not started of a quarter of the jobs, and modifies another quarter all the time. Twelve jobs at once begin one every
30 minutes. Around them AWS is out of reach for minutes to six hours and fails one walk in 200 besides; the exporter
is away for minutes to eight hours, and is replaced by another instance. The exporter's own code walks these jobs;
what it exposes is scraped every {step}, and `promtool test rules` evaluates the rules as they ship. Outages of a
week, two replicas, and clocks that differ are in `monitoring/tests` instead. The same seed gives the same tables.

How long after the **onset of the trouble** it is told of: the start of the sub-task in which a job is stuck, the end of
the last one where none begins, the failure itself. Outages count, and of jobs that were stuck before the exporter was
installed only the time since. *Once* is: by the right alert, no other, and not twice. A job may alert again after an
hour without the exporter.

| sigma | jobs | number | told | once | median | longest | notifications for each |
|--:|---|--:|--:|--:|--:|--:|--:|
{of_jobs}
What was told of jobs that were well:

| sigma | jobs | number | alarms | in 10,000 | critical | by |
|--:|---|--:|--:|--:|--:|---|
{healthy}
| alert | outages that call for it | once | not | otherwise |
|---|--:|--:|--:|--:|
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
    """The section on the simulation, with the figures that `make signal-quality` wrote, of each sigma."""
    runs = json.loads(FIGURES.read_text(encoding="utf-8"))
    exporter: dict[str, Counter[str]] = defaultdict(Counter)
    for run in runs:
        for row in run["of_exporter"]:
            exporter[row["of"]].update({name: row[name] for name in ("count", "once", "missed", "wrong")})
    return QUALITY.format(
        days=runs[0]["days"],
        step=_duration(runs[0]["step_seconds"]),
        of_jobs="".join(_trouble(run["sigma"], row) for run in runs for row in run["of_jobs"] if row["delays"]),
        healthy="".join(_healthy(run["sigma"], row) for run in runs for row in run["of_jobs"] if not row["due"]),
        of_exporter="".join(
            f"| {name} | {row['count']} | {row['once']} | {row['missed']} | {row['wrong']} |\n"
            for name, row in exporter.items()
        ),
    )


def _trouble(sigma: float, row: Mapping[str, Any]) -> str:
    told = row["count"] - row["missed"]
    delays = " | ".join(_duration(row[name]) for name in ("median_delay", "longest_delay"))
    each = row["notifications"] / told
    return (
        f"| {sigma} | {row['of']} | {row['count']} | {told} | {row['once'] + row['again']} | {delays} | {each:.2f} |\n"
    )


def _healthy(sigma: float, row: Mapping[str, Any]) -> str:
    causes = ", ".join(f"{name}: {count}" for name, count in sorted(row["causes"].items()))
    share = 10_000 * row["wrong"] / max(1, row["count"])
    cells = (sigma, row["of"], f"{row['count']:,}", row["wrong"], f"{share:.0f}", row["critical"], causes)
    return f"| {' | '.join(map(str, cells))} |\n"


def _duration(seconds: int) -> str:
    """Such as 2 min 5 s."""
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
