{{/* The pod template of the Deployment and of the StatefulSet. */}}
{{- define "bedrock-customization-exporter.pod" -}}
{{- $web := include "bedrock-customization-exporter.web" . | fromYaml -}}
metadata:
  {{- $annotations := dict }}
  {{- if and (eq .Values.reload.mode "rolling") (not .Values.existingConfigMap) }}
  {{- $_ := set $annotations "checksum/config" (default dict .Values.config | toYaml | sha256sum) }}
  {{- end }}
  {{- with merge $annotations (default dict .Values.podAnnotations) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- /* Without the chart's version: a newer chart alone does not replace pods. */}}
    {{- $labels := include "bedrock-customization-exporter.labelsOf" (list . "exporter" .Values.podLabels) | fromYaml }}
    {{- omit $labels "helm.sh/chart" | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "bedrock-customization-exporter.serviceAccountName" . | quote }}
  {{- /* The exporter never asks the Kubernetes API. IRSA and Pod Identity bring a volume of their own with their token. */}}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "bedrock-customization-exporter.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.dnsPolicy }}
  dnsPolicy: {{ . | quote }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) }}
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  {{- end }}
  {{- with include "bedrock-customization-exporter.securityContext" (list . .Values.podSecurityContext) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "bedrock-customization-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - --config.file=/etc/bedrock-customization-exporter/config.yaml
        - --log.level={{ .Values.log.level }}
        - --log.format={{ .Values.log.format }}
        {{- if gt (int .Values.shards) 1 }}
        - --shard.total={{ .Values.shards }}
        {{- end }}
        {{- if eq .Values.reload.mode "live" }}
        - --web.enable-lifecycle
        - --config.auto-reload-interval=30s
        {{- end }}
        {{- if $web.existingSecret }}
        - --web.config.file=/etc/bedrock-customization-exporter-web/{{ $web.key }}
        {{- if $web.probesWithoutAuth }}
        - --web.probes-without-auth
        {{- end }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.extraEnv }}
      env:
        {{- include "bedrock-customization-exporter.env" . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 9848
          protocol: TCP
      startupProbe:
        {{- include "bedrock-customization-exporter.probe" (list . "/-/healthy") | trim | nindent 8 }}
        {{- with .Values.startupProbe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      livenessProbe:
        {{- include "bedrock-customization-exporter.probe" (list . "/-/healthy") | trim | nindent 8 }}
        {{- with .Values.livenessProbe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      readinessProbe:
        {{- include "bedrock-customization-exporter.probe" (list . "/-/ready") | trim | nindent 8 }}
        {{- with .Values.readinessProbe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "bedrock-customization-exporter.securityContext" (list . .Values.securityContext) }}
      {{- . | nindent 6 }}
      {{- end }}
      volumeMounts:
        - name: config
          mountPath: /etc/bedrock-customization-exporter
          readOnly: true
        {{- if $web.existingSecret }}
        - name: web-config
          mountPath: /etc/bedrock-customization-exporter-web
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "bedrock-customization-exporter.configMapName" . | quote }}
    {{- if $web.existingSecret }}
    - name: web-config
      projected:
        sources:
          - secret:
              name: {{ $web.existingSecret | quote }}
          {{- with $web.certificateSecret }}
          - secret:
              name: {{ . | quote }}
          {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  {{- $selector := dict "matchLabels" (include "bedrock-customization-exporter.selectorLabels" $ | fromYaml) }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $default := hasKey . "labelSelector" | ternary dict (dict "labelSelector" $selector) }}
    - {{ merge $default . | toYaml | nindent 6 | trim }}
    {{- end }}
  {{- end }}
{{- end }}
