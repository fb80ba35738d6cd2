"""The alerts on the exporter and its targets."""

from __future__ import annotations

from exporter.jobs.families import EXPORTER_PREFIX
from monitoring.rule import AGE, LAST_GOOD, PLACE, TARGET_UP, Alert, Recording, of_exporter, series

_EXPORTERS = f"instance:{EXPORTER_PREFIX}build_info:known"
_ONE_EXPORTER = "cluster, namespace, job, instance"
_ALIKE = "cluster, namespace, job"
_KNOWN = f"last_over_time({series(_EXPORTERS)}[15m])"

EXPORTER_RECORDINGS = (
    Recording(
        _EXPORTERS,
        f"""\
group without (version, python_version) (last_over_time({of_exporter("build_info")}[1d]))
or
{series("up")} * 0 + 1 and on ({_ONE_EXPORTER}) {_KNOWN}""",
        "Instances that are exporters: seen within a day, or still a scrape target. With all labels of the scrape: the "
        "selector may name any.",
    ),
)
"""What the alerts on the exporter build on."""


def _latest(family: str, window: str) -> str:
    """The last value within a window, so that a missed scrape or a restart changes nothing."""
    return f"max without ($replica) (last_over_time({of_exporter(family)}[{window}]))"


_LATELY = f"""\
(
  max without ($replica) (last_over_time({of_exporter("target_up", 'aws_account_id!="unknown"')}[5m]))
  or
  max without ($replica) ({of_exporter("target_up", 'aws_account_id="unknown"')})
)"""
"""Whether the last walk of a target was good, within 5 minutes; of an account that is not known yet, now."""

_DOWN = f"""\
{_LATELY} == 0
unless ignoring (reason)
  max without ($replica) ({of_exporter("target_failure_info", 'reason="unsupported_region"')})"""

_DOWN_EXPORTER = f"{series('up')} == 0 and on ({_ONE_EXPORTER}) {_KNOWN}"
_NOTHING_LEFT = f"""\
on ({_ONE_EXPORTER})
  (
    {_KNOWN} unless on ({_ALIKE}) ({series("up")} == 1 and on ({_ONE_EXPORTER}) {_KNOWN})
    or
    last_over_time({of_exporter("target_up", 'aws_account_id!="unknown"')}[1d])
    unless on (aws_account_id, aws_region) {TARGET_UP}
  )"""

_OF_TARGET = "{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q}"
_TARGET = '(or $labels.namespace "") (or $labels.job "") $labels.aws_account_id $labels.aws_region'
"""Arguments for it; to vmalert a label that there is not is no empty text."""

_REASON = (
    f'{{{{ with printf "max by (reason) ({EXPORTER_PREFIX}target_failure_info{_OF_TARGET})" {_TARGET} | query }}}} '
    'Reason: {{ . | first | label "reason" }}.{{ end }}'
)
_LAST_SUCCESS = (
    f'{{{{ with printf "time() - max (last_over_time({LAST_GOOD}{_OF_TARGET}[1h]))" {_TARGET} | query }}}} '
    "The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }}"
)

EXPORTER_ALERTS = (
    Alert(
        "BedrockExporterTargetDown",
        "warning",
        "every walk of a target has failed for $targetDown",
        _DOWN,
        "Of several replicas one good walk is enough. 5 minutes bridge a restart. Where the region has no such service "
        "there is nothing to mend.",
        f"No successful walk of {PLACE} for $targetDown",
        f"Every walk of {PLACE} fails.{_REASON}{_LAST_SUCCESS} No alert on its jobs starts or ends meanwhile.",
        "exporter",
        wait="targetDown",
    ),
    Alert(
        "BedrockExporterTargetStale",
        "critical",
        "every walk of a target has failed for $targetStale, after which the series of its jobs end",
        _DOWN,
        "As the one above, for longer. The age of the last good walk would say nothing of a target that never had one, "
        "and too much of an exporter that has just come back.",
        f"No successful walk of {PLACE} for $targetStale",
        f"Every walk of {PLACE} has failed for so long that the series of its jobs have ended."
        f"{_REASON}{_LAST_SUCCESS} A job that fails or gets stuck now is alerted on when walks are good again.",
        "exporter",
        wait="targetStale",
    ),
    Alert(
        "BedrockExporterThrottled",
        "warning",
        "$throttled walks of a target within 30 minutes have failed as throttled",
        f"""\
max without ($replica) (increase({of_exporter("target_walk_failures_total", 'reason="throttled"')}[30m])) >= $throttled
and ignoring (reason) {_LATELY} >= 0""",
        "A walk that is throttled now and then is made up for by the next one. An account that was not known yet is "
        "forgotten once it is.",
        "AWS throttles the walks of " + PLACE,
        f"{{{{ $value | humanize }}}} walks of {PLACE} within 30 minutes have failed because AWS throttles "
        "ListModelCustomizationJobs.",
        "exporter",
    ),
    Alert(
        "BedrockExporterJobSeriesOmitted",
        "warning",
        "the budget has left out jobs of a target for $jobSeriesOmitted",
        f"{_latest('target_job_series_omitted', '1h')} > 0",
        "An hour of failures, or without the exporter, does not end it.",
        "Some jobs of " + PLACE + " have no series",
        f"{{{{ $value }}}} jobs of {PLACE}, running or ended within job_series.retain, have no series of their own, "
        "as job_series.max_jobs is reached. The oldest are left out first; no alert on them can fire.",
        "exporter",
        wait="jobSeriesOmitted",
    ),
    Alert(
        "BedrockExporterConfigReloadFailed",
        "warning",
        "the last reload of the configuration or of the web configuration failed $configReloadFailed ago or longer",
        f"""\
last_over_time({of_exporter("config_last_reload_successful")}[5m]) == 0
or last_over_time({of_exporter("web_config_last_reload_successful")}[5m]) == 0""",
        "Each replica loads its configuration by itself. 5 minutes bridge a missed scrape.",
        "The exporter could not load its configuration",
        "The exporter {{ $labels.instance }} could not load its changed configuration and goes on with the one before. "
        "It would not start with the new one; its log says what is wrong.",
        "exporter",
        wait="configReloadFailed",
    ),
    Alert(
        "BedrockExporterDiscoveryFailed",
        "warning",
        "listing the organization's accounts fails, and has not been good for $discoveryFailed",
        f"""\
time() - last_over_time({of_exporter("discovery_last_success_timestamp_seconds")}[5m]) > $discoveryFailed_seconds
and last_over_time({of_exporter("discovery_up")}[5m]) == 0""",
        "Each replica lists the accounts by itself. One failed listing is made up for by the next.",
        "The exporter can't list the accounts of the organization",
        "The exporter {{ $labels.instance }} fails to list the accounts of the organization. It "
        "{{ if gt $value 1e9 }}never could, so it watches none of them.{{ else }}"
        f"last could {AGE} ago, and does not see accounts made since.{{{{ end }}}}",
        "exporter",
        wait="5m",
    ),
    Alert(
        "BedrockExporterDown",
        "critical",
        "a scrape of the exporter fails and no other one watches its targets, or there is no exporter to scrape, for "
        "$exporterDown",
        f"""\
{_DOWN_EXPORTER}
and {_NOTHING_LEFT}
or
absent({of_exporter("build_info")}) unless on () ({_DOWN_EXPORTER})""",
        "What was an exporter can't be scraped, and none of its job is left or some of its targets are nobody's; or "
        "there is none, nor one that is known to be down.",
        "The exporter for Bedrock customization jobs is down",
        "Prometheus can't scrape {{ with $labels.instance }}the exporter {{ . }}{{ else }}any exporter for Bedrock "
        "customization jobs{{ end }}. Nobody watches its jobs.",
        "exporter",
        wait="exporterDown",
    ),
    Alert(
        "BedrockExporterReplicaDown",
        "warning",
        "a scrape of an exporter fails for $exporterDown while others watch all its targets",
        f"""\
{_DOWN_EXPORTER}
unless {_NOTHING_LEFT}""",
        "One of a pair: nothing is lost yet.",
        "A replica of the exporter for Bedrock customization jobs is down",
        "Prometheus can't scrape the exporter {{ $labels.instance }}. Another replica watches its jobs.",
        "exporter",
        wait="exporterDown",
    ),
)
"""In the order of the documents."""
