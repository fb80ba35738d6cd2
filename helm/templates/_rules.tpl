{{/* Written by tools/rules.py from monitoring/alerts.py: `make docs`. */}}
{{- define "bedrock-customization-exporter.rules" -}}
{{- $values := .Values.prometheusRule }}
{{- $thresholds := $values.thresholds }}
{{- $replica := join ", " $values.replicaLabels -}}
groups:
  - name: bedrock-customization-jobs
    rules:
      - record: target:bedrock_exporter_target_up:recent
        expr: |-
          max without ({{ $replica }}) (bedrock_exporter_target_up)
          or
          max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up[1h])) * 0
      {{- if not (has "BedrockCustomizationJobFailed" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_status:failed
        expr: |-
          max without ({{ $replica }}) (
            time() - bedrock_model_customization_job_ended_timestamp_seconds
            and ignoring (status) bedrock_model_customization_job_status{status="Failed"} == 1
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          )
          < ignoring (job_id, job_name, customization_type) group_left ()
            (
              time() - max without ({{ $replica }}) (max_over_time(bedrock_exporter_target_last_success_timestamp_seconds[3d] offset {{ $thresholds.jobFailed }}))
              or target:bedrock_exporter_target_up:recent * 0 + {{ include "bedrock-customization-exporter.rules.seconds" $thresholds.jobFailed }}
            ) + 300
          or
          (customization_job:bedrock_model_customization_job_status:failed and ignoring (job_id, job_name, customization_type) target:bedrock_exporter_target_up:recent == 0)
      - alert: BedrockCustomizationJobFailed
        expr: customization_job:bedrock_model_customization_job_status:failed
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobFailed" "critical") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} has failed`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} failed {{ $value | humanizeDuration }} ago{{ with printf \"bedrock_model_customization_job_failure_info{aws_account_id=%q,aws_region=%q,job_id=%q}\" $labels.aws_account_id $labels.aws_region $labels.job_id | query }} (reason: {{ . | first | label \"reason\" }}){{ end }}. Bedrock's failure message says why; nothing starts it again by itself.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobFailed.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobWaiting" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_waiting_seconds:stuck
        expr: |-
          max without ({{ $replica }}) (
            {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobWaiting" "bedrock_model_customization_job_waiting_seconds$types > $threshold") | nindent 12 }}
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          )
          or
          (customization_job:bedrock_model_customization_job_waiting_seconds:stuck and ignoring (job_id, job_name, customization_type) target:bedrock_exporter_target_up:recent == 0)
      - alert: BedrockCustomizationJobWaiting
        expr: customization_job:bedrock_model_customization_job_waiting_seconds:stuck
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobWaiting" "critical") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} has no running sub-task`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} is InProgress, yet for {{ $value | humanizeDuration }} none of its sub-tasks has run. Such jobs have stayed like this for days, until somebody stopped them.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobWaiting.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobNotProgressing" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck
        expr: |-
          max without ({{ $replica }}) (
            {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobNotProgressing" "bedrock_model_customization_job_time_since_last_modified_seconds$types > $threshold") | nindent 12 }}
            unless bedrock_model_customization_job_expected_duration_seconds
            unless bedrock_model_customization_job_waiting_seconds
            and ignoring (status) bedrock_model_customization_job_status{status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          )
          or
          (customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck and ignoring (job_id, job_name, customization_type) target:bedrock_exporter_target_up:recent == 0)
      - alert: BedrockCustomizationJobNotProgressing
        expr: customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobNotProgressing" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} does not progress`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} is InProgress and was last modified {{ $value | humanizeDuration }} ago.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobNotProgressing.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobSlow" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_duration_seconds:slow
        expr: |-
          max without ({{ $replica }}) (
            {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobSlow" "bedrock_model_customization_job_duration_seconds$types > $threshold * bedrock_model_customization_job_expected_duration_seconds") | nindent 12 }}
            unless bedrock_model_customization_job_waiting_seconds
            and ignoring (status) bedrock_model_customization_job_status{status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          )
          or
          (max without ({{ $replica }}) (
            bedrock_model_customization_job_duration_seconds
            and ignoring (status) bedrock_model_customization_job_status{status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          ) and customization_job:bedrock_model_customization_job_duration_seconds:slow)
          or
          (customization_job:bedrock_model_customization_job_duration_seconds:slow and ignoring (job_id, job_name, customization_type) target:bedrock_exporter_target_up:recent == 0)
      - alert: BedrockCustomizationJobSlow
        expr: customization_job:bedrock_model_customization_job_duration_seconds:slow
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobSlow" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} is slower than its peers`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} has run for {{ $value | humanizeDuration }}, which is far longer than 95 in 100 completed jobs of its base model and type.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobSlow.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobStopping" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_status:stopping
        expr: |-
          max without ({{ $replica }}) (
            {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobStopping" "(bedrock_model_customization_job_time_since_last_modified_seconds$types or bedrock_model_customization_job_duration_seconds$types) > $threshold") | nindent 12 }}
            and ignoring (status) bedrock_model_customization_job_status{status="Stopping"} == 1
            and ignoring (job_id, job_name, customization_type) bedrock_exporter_target_up == 1
          )
          unless max without ({{ $replica }}, status) (max_over_time(bedrock_model_customization_job_status{status="InProgress"}[{{ $thresholds.jobStopping }}])) == 1
          or
          (customization_job:bedrock_model_customization_job_status:stopping and ignoring (job_id, job_name, customization_type) target:bedrock_exporter_target_up:recent == 0)
      - alert: BedrockCustomizationJobStopping
        expr: customization_job:bedrock_model_customization_job_status:stopping
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobStopping" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} does not stop`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} was asked to stop, last modified {{ $value | humanizeDuration }} ago, and is still Stopping.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobStopping.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
  - name: bedrock-customization-exporter
    rules:
      - record: instance:bedrock_exporter_build_info:known
        expr: |-
          group by (job, instance) (last_over_time(bedrock_exporter_build_info[1d]))
          or
          (instance:bedrock_exporter_build_info:known and on (job, instance) up)
      {{- if not (has "BedrockExporterTargetDown" $values.disabled) }}
      - alert: BedrockExporterTargetDown
        expr: |-
          max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up[5m])) == 0
          unless ignoring (reason)
            max without ({{ $replica }}) (bedrock_exporter_target_failure_info{reason="unsupported_region"})
        for: {{ $thresholds.targetDown }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterTargetDown" "warning") | nindent 10 }}
        annotations:
          summary: "{{`No successful walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} for `}}{{ $thresholds.targetDown }}{{``}}"
          description: "{{`Every walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} fails.{{ with printf \"max by (reason) (bedrock_exporter_target_failure_info{aws_account_id=%q,aws_region=%q})\" $labels.aws_account_id $labels.aws_region | query }} Reason: {{ . | first | label \"reason\" }}.{{ end }}{{ with printf \"time() - max (last_over_time(bedrock_exporter_target_last_success_timestamp_seconds{aws_account_id=%q,aws_region=%q}[3d]))\" $labels.aws_account_id $labels.aws_region | query }} The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }} No alert on its jobs starts or ends meanwhile.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterTargetDown.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterTargetStale" $values.disabled) }}
      - alert: BedrockExporterTargetStale
        expr: |-
          max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up[5m])) == 0
          unless ignoring (reason)
            max without ({{ $replica }}) (bedrock_exporter_target_failure_info{reason="unsupported_region"})
        for: {{ $thresholds.targetStale }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterTargetStale" "critical") | nindent 10 }}
        annotations:
          summary: "{{`No successful walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} for `}}{{ $thresholds.targetStale }}{{``}}"
          description: "{{`Every walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} has failed for so long that the series of its jobs have ended.{{ with printf \"max by (reason) (bedrock_exporter_target_failure_info{aws_account_id=%q,aws_region=%q})\" $labels.aws_account_id $labels.aws_region | query }} Reason: {{ . | first | label \"reason\" }}.{{ end }}{{ with printf \"time() - max (last_over_time(bedrock_exporter_target_last_success_timestamp_seconds{aws_account_id=%q,aws_region=%q}[3d]))\" $labels.aws_account_id $labels.aws_region | query }} The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }} A job that fails or gets stuck now is alerted on when walks are good again.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterTargetStale.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterThrottled" $values.disabled) }}
      - alert: BedrockExporterThrottled
        expr: |-
          max without ({{ $replica }}) (increase(bedrock_exporter_target_walk_failures_total{reason="throttled"}[30m]))
          >= {{ $thresholds.throttled }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterThrottled" "warning") | nindent 10 }}
        annotations:
          summary: "{{`AWS throttles the walks of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }}`}}"
          description: "{{`{{ $value | humanize }} walks of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} within 30 minutes have failed because AWS throttles ListModelCustomizationJobs.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterThrottled.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterJobSeriesOmitted" $values.disabled) }}
      - alert: BedrockExporterJobSeriesOmitted
        expr: max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_job_series_omitted[1h])) > 0
        for: {{ $thresholds.jobSeriesOmitted }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterJobSeriesOmitted" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Some jobs of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} have no series`}}"
          description: "{{`{{ $value }} jobs of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }}, running or ended within job_series.retain, have no series of their own, as job_series.max_jobs is reached. The oldest are left out first; no alert on them can fire.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterJobSeriesOmitted.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterConfigReloadFailed" $values.disabled) }}
      - alert: BedrockExporterConfigReloadFailed
        expr: last_over_time(bedrock_exporter_config_last_reload_successful[5m]) == 0
        for: {{ $thresholds.configReloadFailed }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterConfigReloadFailed" "warning") | nindent 10 }}
        annotations:
          summary: "{{`The exporter could not load its configuration`}}"
          description: "{{`The exporter {{ $labels.instance }} could not load its changed configuration and goes on with the one before. It would not start with the new one; its log says what is wrong.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterConfigReloadFailed.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterDiscoveryFailed" $values.disabled) }}
      - alert: BedrockExporterDiscoveryFailed
        expr: |-
          time() - last_over_time(bedrock_exporter_discovery_last_success_timestamp_seconds[5m]) > {{ include "bedrock-customization-exporter.rules.seconds" $thresholds.discoveryFailed }}
          and last_over_time(bedrock_exporter_discovery_up[5m]) == 0
        for: 5m
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterDiscoveryFailed" "warning") | nindent 10 }}
        annotations:
          summary: "{{`The exporter can't list the accounts of the organization`}}"
          description: "{{`The exporter {{ $labels.instance }} fails to list the accounts of the organization. It {{ if gt $value 1e9 }}never could, so it watches none of them.{{ else }}last could {{ $value | humanizeDuration }} ago, and does not see accounts made since.{{ end }}`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterDiscoveryFailed.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterDown" $values.disabled) }}
      - alert: BedrockExporterDown
        expr: |-
          up == 0 and on (job, instance) instance:bedrock_exporter_build_info:known
          or
          absent(bedrock_exporter_build_info) unless on () (up == 0 and on (job, instance) instance:bedrock_exporter_build_info:known)
        for: {{ $thresholds.exporterDown }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterDown" "critical") | nindent 10 }}
        annotations:
          summary: "{{`The exporter for Bedrock customization jobs is down`}}"
          description: "{{`Prometheus can't scrape {{ with $labels.instance }}the exporter {{ . }}{{ else }}any exporter for Bedrock customization jobs{{ end }}. Unless a replica of it runs, nobody watches its jobs.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterDown.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
{{- end }}
