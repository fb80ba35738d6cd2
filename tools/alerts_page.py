"""Writes docs/alerts.md: the alerts, their thresholds, what one can count on, and the figures of the simulated year."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitoring.alerts import ALERTS, THRESHOLDS
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
- **One alert for one trouble.** A job without a running sub-task is not told of as slow or as not progressing; of
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
- **BedrockCustomizationJobSlow** passes over a job while it has no running sub-task, and lasts until the job has
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
    promises = PROMISES.replace("{jobNotProgressing}", str(defaults["jobNotProgressing"]))
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
