{{/* Written by tools/rules.py from monitoring: `make docs`. */}}
{{- define "bedrock-customization-exporter.rules" -}}
{{- $values := .Values.prometheusRule }}
{{- $thresholds := merge (dict) $values.thresholds (dict "jobFailed" "12h" "jobWaiting" "2h" "jobQueued" "24h" "jobValidation" "45m" "jobDataProcessing" "3h" "jobTraining" "48h" "subtaskSlow" 3 "jobNotProgressing" "12h" "jobSlow" 2 "jobStopping" "1h" "targetDown" "10m" "targetStale" "15m" "throttled" 5 "jobSeriesOmitted" "1h" "configReloadFailed" "5m" "discoveryFailed" "3h" "exporterDown" "5m") }}
{{- $replica := concat (list "instance" "pod" "container" "endpoint" "node" "pod_name" "pod_uid" "pod_ip" "host" "host_ip" "node_name" "kubernetes_pod_name" "kubernetes_node" "prometheus_replica" "replica" "pod_template_hash" "controller_revision_hash" "pod_template_generation" "apps_kubernetes_io_pod_index" "statefulset_kubernetes_io_pod_name" "helm_sh_chart" "chart" "app_kubernetes_io_version" "version") (default list $values.replicaLabels) | uniq | join ", " }}
{{- $scope := include "bedrock-customization-exporter.rules.scope" . -}}
groups:
  - name: bedrock-customization-jobs
    rules:
      - record: target:bedrock_exporter_target_last_success_timestamp_seconds:known
        expr: |-
          max without ({{ $replica }}) (bedrock_exporter_target_last_success_timestamp_seconds{{ "{" }}{{ $scope }}} <= time() and bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1)
          or
          max without ({{ $replica }}) (bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1) * 0 + time()
          or
          max without ({{ $replica }}) (max_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known{{ "{" }}{{ $scope }}}[1h])) > time() - 691200
      - record: target:bedrock_exporter_target_last_success_timestamp_seconds:known_before
        expr: |-
          max without ({{ $replica }}) (max_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known{{ "{" }}{{ $scope }}}[7d:61m] offset {{ $thresholds.jobFailed }}))
          or
          max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])) * 0 + time() - {{ include "bedrock-customization-exporter.rules.seconds" $thresholds.jobFailed }}
      {{- if not (has "BedrockCustomizationJobFailed" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_status:failed
        expr: |-
          (
            max without ({{ $replica }}) (
              (
                clamp_min(time() - bedrock_model_customization_job_ended_timestamp_seconds{{ "{" }}{{ $scope }}}, 1)
              )
              and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="Failed"} == 1
              and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
            )
            < ignoring (job_id, job_name, customization_type, subtask) group_left () (time() - last_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known_before{{ "{" }}{{ $scope }}}[15m]) + 300)
          )
          unless on (aws_account_id, aws_region, job_id) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, subtask="validation", status="Failed"}
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_status:failed{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_status:failed{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobFailed
        expr: last_over_time(customization_job:bedrock_model_customization_job_status:failed{{ "{" }}{{ $scope }}}[15m]) > 0
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobFailed" "critical") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} has failed`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} failed {{ $value | humanizeDuration }} ago{{ with printf \"bedrock_model_customization_job_failure_info{aws_account_id=%q,aws_region=%q,job_id=%q}\" $labels.aws_account_id $labels.aws_region $labels.job_id | query }} (reason: {{ . | first | label \"reason\" }}){{ end }}. Bedrock's failure message says why; nothing starts it again by itself.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobFailed.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobFailedValidation" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_status:failed_validation
        expr: |-
          (
            max without ({{ $replica }}) (
              (
                clamp_min(time() - bedrock_model_customization_job_ended_timestamp_seconds{{ "{" }}{{ $scope }}}, 1)
              )
              and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="Failed"} == 1
              and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
            )
            < ignoring (job_id, job_name, customization_type, subtask) group_left () (time() - last_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known_before{{ "{" }}{{ $scope }}}[15m]) + 300)
          )
          and on (aws_account_id, aws_region, job_id) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, subtask="validation", status="Failed"}
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_status:failed_validation{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_status:failed_validation{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobFailedValidation
        expr: last_over_time(customization_job:bedrock_model_customization_job_status:failed_validation{{ "{" }}{{ $scope }}}[15m]) > 0
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobFailedValidation" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} has failed in validation`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} failed {{ $value | humanizeDuration }} ago, in validation{{ with printf \"bedrock_model_customization_job_failure_info{aws_account_id=%q,aws_region=%q,job_id=%q}\" $labels.aws_account_id $labels.aws_region $labels.job_id | query }} (reason: {{ . | first | label \"reason\" }}){{ end }}. Bedrock's failure message says what is wrong.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobFailedValidation.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobStuck" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_subtask_duration_seconds:stuck
        expr: |-
          max without ({{ $replica }}) (
            (
              (
                {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobValidation" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers, subtask=\"validation\"$types} > $threshold" $scope) | nindent 16 }}
                or
                {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobDataProcessing" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers, subtask=\"data_processing\"$types} > $threshold" $scope) | nindent 16 }}
              )
              and ignoring (status) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"}
              unless
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "subtaskSlow" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers$types} <= $threshold * bedrock_model_customization_subtask_expected_duration_seconds{$matchers}" $scope) | nindent 14 }}
            )
            and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (
            last_over_time(customization_job:bedrock_model_customization_subtask_duration_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_subtask_duration_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobStuck
        expr: last_over_time(customization_job:bedrock_model_customization_subtask_duration_seconds:stuck{{ "{" }}{{ $scope }}}[15m]) > 0
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobStuck" "critical") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} is stuck in {{ $labels.subtask }}`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} has been in {{ $labels.subtask }} for {{ $value | humanizeDuration }}, which should take far less.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobStuck.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobWaiting" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_waiting_seconds:stuck
        expr: |-
          max without ({{ $replica }}) (
            {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobWaiting" "time() - bedrock_model_customization_job_created_timestamp_seconds{$matchers$types} - (bedrock_model_customization_job_duration_seconds{$matchers$types} - bedrock_model_customization_job_waiting_seconds{$matchers$types}) > $threshold" $scope) | nindent 12 }}
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          unless on (aws_account_id, aws_region, job_id)
            (
              bedrock_model_customization_job_waiting_seconds{{ "{" }}{{ $scope }}} <= {{ include "bedrock-customization-exporter.rules.seconds" $thresholds.jobQueued }}
              and on (aws_account_id, aws_region, job_id)
                (
                  bedrock_model_customization_job_info{{ "{" }}{{ $scope }}}
                  unless on (aws_account_id, aws_region, job_id) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"Failed|Stopped"}
                  unless on (aws_account_id, aws_region, job_id) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, subtask="training", status="Completed"}
                  and on (aws_account_id, aws_region, customization_type, base_model)
                    (
                      bedrock_model_customization_job_info{{ "{" }}{{ $scope }}}
                      and on (aws_account_id, aws_region, job_id)
                        {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobWaiting" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers$types} < $threshold" $scope) | nindent 24 }}
                    )
                )
              unless on (aws_account_id, aws_region, job_id) last_over_time(customization_job:bedrock_model_customization_job_waiting_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
            )
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_waiting_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_waiting_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobWaiting
        expr: last_over_time(customization_job:bedrock_model_customization_job_waiting_seconds:stuck{{ "{" }}{{ $scope }}}[15m]) > 0
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
          max without ({{ $replica }}, subtask) (
            (
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobTraining" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers, subtask=\"training\"$types} > $threshold" $scope) | nindent 14 }}
                and ignoring (status) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"}
                unless bedrock_model_customization_subtask_expected_duration_seconds{{ "{" }}{{ $scope }}}
              or
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "subtaskSlow" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers, subtask=\"training\"$types} > $threshold * bedrock_model_customization_subtask_expected_duration_seconds{$matchers}" $scope) | nindent 14 }}
                and ignoring (status) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"}
                and on (aws_account_id, aws_region, job_id) last_over_time(customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
              or
              (
                {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobNotProgressing" "time() - bedrock_model_customization_job_last_modified_timestamp_seconds{$matchers$types} > $threshold" $scope) | nindent 16 }}
                or
                {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobTraining" "time() - bedrock_model_customization_job_created_timestamp_seconds{$matchers$types} > $threshold" $scope) | nindent 16 }}
              )
                unless bedrock_model_customization_job_expected_duration_seconds{{ "{" }}{{ $scope }}}
                unless ignoring (subtask, status) (bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"} and ignoring (status) bedrock_model_customization_subtask_started_timestamp_seconds{{ "{" }}{{ $scope }}})
                unless bedrock_model_customization_job_waiting_seconds{{ "{" }}{{ $scope }}}
            )
            and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobNotProgressing
        expr: last_over_time(customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck{{ "{" }}{{ $scope }}}[15m]) > 0
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockCustomizationJobNotProgressing" "warning") | nindent 10 }}
        annotations:
          summary: "{{`Job {{ $labels.job_name }} does not progress`}}"
          description: "{{`The {{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} is InProgress, and for {{ $value | humanizeDuration }} nothing has shown that it goes on.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockCustomizationJobNotProgressing.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-job?var-account={{ $labels.aws_account_id | urlquery }}&var-region={{ $labels.aws_region | urlquery }}&var-job_id={{ $labels.job_id | urlquery }}`}}"
      {{- end }}
      {{- if not (has "BedrockCustomizationJobSlow" $values.disabled) }}
      - record: customization_job:bedrock_model_customization_job_duration_seconds:slow
        expr: |-
          max without ({{ $replica }}, subtask) (
            (
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "subtaskSlow" "time() - bedrock_model_customization_subtask_started_timestamp_seconds{$matchers, subtask=\"training\"$types} > $threshold * bedrock_model_customization_subtask_expected_duration_seconds{$matchers}" $scope) | nindent 14 }}
                and ignoring (status) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"}
                unless on (aws_account_id, aws_region, job_id)
                  (
                    max by (aws_account_id, aws_region, job_id, customization_type, base_model) (bedrock_model_customization_job_info{{ "{" }}{{ $scope }}})
                    * on (aws_account_id, aws_region, job_id) group_left ()
                      max by (aws_account_id, aws_region, job_id) (
                        (time() - bedrock_model_customization_subtask_started_timestamp_seconds{{ "{" }}{{ $scope }}, subtask="training"}) / bedrock_model_customization_subtask_expected_duration_seconds{{ "{" }}{{ $scope }}}
                      )
                    <= on (aws_account_id, aws_region, customization_type, base_model) group_left ()
                      max by (aws_account_id, aws_region, customization_type, base_model) (
                        bedrock_model_customization_completed_subtask_duration_seconds{{ "{" }}{{ $scope }}, subtask="training", quantile="0.95"}
                        / ignoring (quantile) bedrock_model_customization_completed_subtask_duration_seconds{{ "{" }}{{ $scope }}, subtask="training", quantile="0.5"}
                      ) ^ 1.25
                  )
                unless on (aws_account_id, aws_region, job_id) last_over_time(customization_job:bedrock_model_customization_job_time_since_last_modified_seconds:stuck{{ "{" }}{{ $scope }}}[1h]) > 0
              or
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobSlow" "time() - bedrock_model_customization_job_created_timestamp_seconds{$matchers$types} > $threshold * bedrock_model_customization_job_expected_duration_seconds{$matchers}" $scope) | nindent 14 }}
                unless ignoring (subtask, status) (bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"} and ignoring (status) bedrock_model_customization_subtask_started_timestamp_seconds{{ "{" }}{{ $scope }}})
                unless bedrock_model_customization_job_waiting_seconds{{ "{" }}{{ $scope }}}
            )
            and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max without ({{ $replica }}, subtask) (
            (
              time() - bedrock_model_customization_subtask_started_timestamp_seconds{{ "{" }}{{ $scope }}, subtask="training"}
                and ignoring (status) bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"}
              or
              time() - bedrock_model_customization_job_created_timestamp_seconds{{ "{" }}{{ $scope }}}
                unless ignoring (subtask, status) (bedrock_model_customization_subtask_status{{ "{" }}{{ $scope }}, status=~"InProgress|Stopping"} and ignoring (status) bedrock_model_customization_subtask_started_timestamp_seconds{{ "{" }}{{ $scope }}})
                unless bedrock_model_customization_job_waiting_seconds{{ "{" }}{{ $scope }}}
            )
            and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="InProgress"} == 1
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          ) and last_over_time(customization_job:bedrock_model_customization_job_duration_seconds:slow{{ "{" }}{{ $scope }}}[1h]) > 0)
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_duration_seconds:slow{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_duration_seconds:slow{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobSlow
        expr: last_over_time(customization_job:bedrock_model_customization_job_duration_seconds:slow{{ "{" }}{{ $scope }}}[15m]) > 0
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
            (
              {{- include "bedrock-customization-exporter.rules.byType" (list $thresholds "jobStopping" "time() - (bedrock_model_customization_job_last_modified_timestamp_seconds{$matchers$types} or bedrock_model_customization_job_created_timestamp_seconds{$matchers$types}) > $threshold" $scope) | nindent 14 }}
            )
            and ignoring (status, subtask) bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="Stopping"} == 1
            and ignoring (job_id, job_name, customization_type, subtask) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          unless
            max without ({{ $replica }}, status) (max_over_time(bedrock_model_customization_job_status{{ "{" }}{{ $scope }}, status="InProgress"}[{{ $thresholds.jobStopping }}])) == 1
          or
          (
            last_over_time(customization_job:bedrock_model_customization_job_status:stopping{{ "{" }}{{ $scope }}}[1h]) > 0
            and on (aws_account_id, aws_region) last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}}[1h])
            unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}} == 1
          )
          or
          (max_over_time(customization_job:bedrock_model_customization_job_status:stopping{{ "{" }}{{ $scope }}}[1h]) > 0) * 0 - 1
      - alert: BedrockCustomizationJobStopping
        expr: last_over_time(customization_job:bedrock_model_customization_job_status:stopping{{ "{" }}{{ $scope }}}[15m]) > 0
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
          group without (version, python_version) (last_over_time(bedrock_exporter_build_info{{ "{" }}{{ $scope }}}[1d]))
          or
          up{{ "{" }}{{ $scope }}} * 0 + 1 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m])
      {{- if not (has "BedrockExporterTargetDown" $values.disabled) }}
      - alert: BedrockExporterTargetDown
        expr: |-
          (
            max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id!="unknown"}[5m]))
            or
            max without ({{ $replica }}) (bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id="unknown"})
          ) == 0
          unless ignoring (reason)
            max without ({{ $replica }}) (bedrock_exporter_target_failure_info{{ "{" }}{{ $scope }}, reason="unsupported_region"})
        for: {{ $thresholds.targetDown }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterTargetDown" "warning") | nindent 10 }}
        annotations:
          summary: "{{`No successful walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} for `}}{{ $thresholds.targetDown }}{{``}}"
          description: "{{`Every walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} fails.{{ with printf \"max by (reason) (bedrock_exporter_target_failure_info{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q})\" (or $labels.namespace \"\") (or $labels.job \"\") $labels.aws_account_id $labels.aws_region | query }} Reason: {{ . | first | label \"reason\" }}.{{ end }}{{ with printf \"time() - max (last_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q}[1h]))\" (or $labels.namespace \"\") (or $labels.job \"\") $labels.aws_account_id $labels.aws_region | query }} The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }} No alert on its jobs starts or ends meanwhile.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterTargetDown.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterTargetStale" $values.disabled) }}
      - alert: BedrockExporterTargetStale
        expr: |-
          (
            max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id!="unknown"}[5m]))
            or
            max without ({{ $replica }}) (bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id="unknown"})
          ) == 0
          unless ignoring (reason)
            max without ({{ $replica }}) (bedrock_exporter_target_failure_info{{ "{" }}{{ $scope }}, reason="unsupported_region"})
        for: {{ $thresholds.targetStale }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterTargetStale" "critical") | nindent 10 }}
        annotations:
          summary: "{{`No successful walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} for `}}{{ $thresholds.targetStale }}{{``}}"
          description: "{{`Every walk of account {{ $labels.aws_account_id }} in {{ $labels.aws_region }} has failed for so long that the series of its jobs have ended.{{ with printf \"max by (reason) (bedrock_exporter_target_failure_info{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q})\" (or $labels.namespace \"\") (or $labels.job \"\") $labels.aws_account_id $labels.aws_region | query }} Reason: {{ . | first | label \"reason\" }}.{{ end }}{{ with printf \"time() - max (last_over_time(target:bedrock_exporter_target_last_success_timestamp_seconds:known{namespace=%q,job=%q,aws_account_id=%q,aws_region=%q}[1h]))\" (or $labels.namespace \"\") (or $labels.job \"\") $labels.aws_account_id $labels.aws_region | query }} The last good one ended {{ . | first | value | humanizeDuration }} ago.{{ end }} A job that fails or gets stuck now is alerted on when walks are good again.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterTargetStale.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterThrottled" $values.disabled) }}
      - alert: BedrockExporterThrottled
        expr: |-
          max without ({{ $replica }}) (increase(bedrock_exporter_target_walk_failures_total{{ "{" }}{{ $scope }}, reason="throttled"}[30m])) >= {{ $thresholds.throttled }}
          and ignoring (reason) (
            max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id!="unknown"}[5m]))
            or
            max without ({{ $replica }}) (bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id="unknown"})
          ) >= 0
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
        expr: max without ({{ $replica }}) (last_over_time(bedrock_exporter_target_job_series_omitted{{ "{" }}{{ $scope }}}[1h])) > 0
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
        expr: |-
          last_over_time(bedrock_exporter_config_last_reload_successful{{ "{" }}{{ $scope }}}[5m]) == 0
          or last_over_time(bedrock_exporter_web_config_last_reload_successful{{ "{" }}{{ $scope }}}[5m]) == 0
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
          time() - last_over_time(bedrock_exporter_discovery_last_success_timestamp_seconds{{ "{" }}{{ $scope }}}[5m]) > {{ include "bedrock-customization-exporter.rules.seconds" $thresholds.discoveryFailed }}
          and last_over_time(bedrock_exporter_discovery_up{{ "{" }}{{ $scope }}}[5m]) == 0
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
          up{{ "{" }}{{ $scope }}} == 0 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m])
          and on (cluster, namespace, job, instance)
            (
              last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m]) unless on (cluster, namespace, job) (up{{ "{" }}{{ $scope }}} == 1 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m]))
              or
              last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id!="unknown"}[1d])
              unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}}
            )
          or
          absent(bedrock_exporter_build_info{{ "{" }}{{ $scope }}}) unless on () (up{{ "{" }}{{ $scope }}} == 0 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m]))
        for: {{ $thresholds.exporterDown }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterDown" "critical") | nindent 10 }}
        annotations:
          summary: "{{`The exporter for Bedrock customization jobs is down`}}"
          description: "{{`Prometheus can't scrape {{ with $labels.instance }}the exporter {{ . }}{{ else }}any exporter for Bedrock customization jobs{{ end }}. Nobody watches its jobs.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterDown.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
      {{- if not (has "BedrockExporterReplicaDown" $values.disabled) }}
      - alert: BedrockExporterReplicaDown
        expr: |-
          up{{ "{" }}{{ $scope }}} == 0 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m])
          unless on (cluster, namespace, job, instance)
            (
              last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m]) unless on (cluster, namespace, job) (up{{ "{" }}{{ $scope }}} == 1 and on (cluster, namespace, job, instance) last_over_time(instance:bedrock_exporter_build_info:known{{ "{" }}{{ $scope }}}[15m]))
              or
              last_over_time(bedrock_exporter_target_up{{ "{" }}{{ $scope }}, aws_account_id!="unknown"}[1d])
              unless on (aws_account_id, aws_region) bedrock_exporter_target_up{{ "{" }}{{ $scope }}}
            )
        for: {{ $thresholds.exporterDown }}
        labels:
          {{- include "bedrock-customization-exporter.rules.labels" (list $values "BedrockExporterReplicaDown" "warning") | nindent 10 }}
        annotations:
          summary: "{{`A replica of the exporter for Bedrock customization jobs is down`}}"
          description: "{{`Prometheus can't scrape the exporter {{ $labels.instance }}. Another replica watches its jobs.`}}"
          runbook_url: "{{ $values.runbookUrl }}{{`/BedrockExporterReplicaDown.md`}}"
          dashboard_url: "{{ $values.dashboardUrl }}{{`/d/bedrock-customization-exporter`}}"
      {{- end }}
{{- end }}
