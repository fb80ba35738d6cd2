{{- define "bedrock-customization-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
The name of every object. 52 characters at most: the pods of a StatefulSet carry it with 11 more in a label,
and a label holds 63.
*/}}
{{- define "bedrock-customization-exporter.fullname" -}}
{{- $name := include "bedrock-customization-exporter.name" . }}
{{- /* A Service's name begins with a letter. */}}
{{- $release := regexMatch "^[0-9]" .Release.Name | ternary (printf "r-%s" .Release.Name) .Release.Name }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name $release }}
{{- $release | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" $release $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "bedrock-customization-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/*
The name of an object in a namespace, from (list root name namespace). In another than the release's its name has the
release's namespace after a dot, which no other name has in it: releases of one name do not meet there. `helm lint` has
no namespace.
*/}}
{{- define "bedrock-customization-exporter.nameIn" -}}
{{- $root := index . 0 }}
{{- $own := include "bedrock-customization-exporter.namespace" $root }}
{{- eq $own (default $own (index . 2)) | ternary (index . 1) (printf "%s.%s" (index . 1) $own | trimSuffix ".") }}
{{- end }}

{{/* What tells the objects of a release from all others: no version in it, so that it never changes. */}}
{{- define "bedrock-customization-exporter.identity" -}}
app.kubernetes.io/name: {{ include "bedrock-customization-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of the exporter's pods by which they are selected. Selectors can't be changed: leave them alone. */}}
{{- define "bedrock-customization-exporter.selectorLabels" -}}
{{ include "bedrock-customization-exporter.identity" . }}
app.kubernetes.io/component: exporter
{{- end }}

{{/*
The labels of an object, from (list root component labels). The chart's own win over those of the object, and these over
commonLabels.
*/}}
{{- define "bedrock-customization-exporter.labelsOf" -}}
{{- $root := index . 0 }}
{{- $own := include "bedrock-customization-exporter.identity" $root | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/component" (index . 1) }}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- merge $own (default dict (index . 2)) (default dict $root.Values.commonLabels) | toYaml }}
{{- end }}

{{/*
The metadata of an object, from (list root component own): what it has of its own is its name, if that is not the usual
one, its namespace, its labels and its annotations.
*/}}
{{- define "bedrock-customization-exporter.metadata" -}}
{{- $root := index . 0 }}
{{- $own := default dict (index . 2) }}
{{- $name := default (include "bedrock-customization-exporter.fullname" $root) $own.name -}}
name: {{ include "bedrock-customization-exporter.nameIn" (list $root $name $own.namespace) | quote }}
namespace: {{ default (include "bedrock-customization-exporter.namespace" $root) $own.namespace | quote }}
labels:
  {{- include "bedrock-customization-exporter.labelsOf" (list $root (index . 1) $own.labels) | nindent 2 }}
{{- with merge dict (default dict $own.annotations) (default dict $root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
The spec of a ServiceMonitor or PodMonitor, from (list root values endpoints), the last the key of its endpoints. What is
passed through wins.
*/}}
{{- define "bedrock-customization-exporter.monitor" -}}
{{- $root := index . 0 }}
{{- $values := index . 1 }}
{{- $endpoint := dict "port" "http" "path" "/metrics" }}
{{- if eq (include "bedrock-customization-exporter.scheme" $root) "https" }}
{{- $_ := set $endpoint "scheme" "https" }}
{{- end }}
{{- range $key := list "interval" "scrapeTimeout" "honorLabels" "scheme" "tlsConfig" "basicAuth" "relabelings" "metricRelabelings" }}
{{- with get $values $key }}
{{- $_ := set $endpoint $key . }}
{{- end }}
{{- end }}
{{- $selector := include "bedrock-customization-exporter.selectorLabels" $root | fromYaml }}
{{- $spec := dict "selector" (dict "matchLabels" $selector) }}
{{- $_ := set $spec "namespaceSelector" (dict "matchNames" (list (include "bedrock-customization-exporter.namespace" $root))) }}
{{- range $key := list "jobLabel" "targetLabels" "podTargetLabels" "sampleLimit" }}
{{- with get $values $key }}
{{- $_ := set $spec $key . }}
{{- end }}
{{- end }}
{{- $endpoint = mergeOverwrite $endpoint (deepCopy (default dict (get $values "extraEndpointConfig"))) }}
{{- $_ := set $spec (index . 2) (list $endpoint) }}
{{- mergeOverwrite $spec (deepCopy (default dict (get $values "extraSpec"))) | toYaml }}
{{- end }}

{{/* The IP families of a Service. */}}
{{- define "bedrock-customization-exporter.ipFamilies" -}}
{{- $families := dict }}
{{- range $key := list "ipFamilyPolicy" "ipFamilies" }}
{{- with get $.Values.service $key }}
{{- $_ := set $families $key . }}
{{- end }}
{{- end }}
{{- with $families }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "bedrock-customization-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "bedrock-customization-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/*
The image. A registry that is set stands instead of the repository's own: the part before the first slash, where that is
the name of a host.
*/}}
{{- define "bedrock-customization-exporter.image" -}}
{{- $repository := .Values.image.repository }}
{{- with default .Values.image.registry (.Values.global).imageRegistry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The pull secrets of a pod: the chart's, then the parent chart's, each once. These may be names alone. */}}
{{- define "bedrock-customization-exporter.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat (default list .Values.imagePullSecrets) (default list (.Values.global).imagePullSecrets) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with uniq $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "bedrock-customization-exporter.configMapName" -}}
{{- default (include "bedrock-customization-exporter.fullname" .) .Values.existingConfigMap }}
{{- end }}

{{- define "bedrock-customization-exporter.workloadKind" -}}
{{- ternary "StatefulSet" "Deployment" (gt (int .Values.shards) 1) }}
{{- end }}

{{/* A security context, from (list root context): without users and groups where the platform chooses them. */}}
{{- define "bedrock-customization-exporter.securityContext" -}}
{{- $context := default dict (index . 1) }}
{{- if ((index . 0).Values.openshift).enabled }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- if $context -}}
securityContext:
  {{- toYaml $context | nindent 2 }}
{{- end }}
{{- end }}

{{/* Environment variables, from a list: `--set` makes numbers and truths of values that must be texts. */}}
{{- define "bedrock-customization-exporter.env" -}}
{{- $env := list }}
{{- range . }}
{{- $one := deepCopy . }}
{{- if has (kindOf .value) (list "bool" "int" "int64" "float64") }}
{{- $_ := set $one "value" (toJson .value) }}
{{- end }}
{{- $env = append $env $one }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/* Values that are good one by one and wrong together. */}}
{{- define "bedrock-customization-exporter.check" -}}
{{- if and (gt (int .Values.shards) 1) (ne (int .Values.replicas) 1) }}
{{- fail "replicas and shards: a shard has one pod; leave replicas at 1, or shards at 1" }}
{{- end }}
{{- if and .Values.existingConfigMap .Values.config }}
{{- fail "config and existingConfigMap: the configuration stands in one of the two; leave the other empty" }}
{{- end }}
{{- if and (.Values.serviceMonitor).enabled (.Values.podMonitor).enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled: Prometheus would scrape each pod twice; enable one of the two" }}
{{- end }}
{{- range .Values.extraVolumes }}
{{- if eq (toString .name) "config" }}
{{- fail "extraVolumes: the volume config is the chart's own; give yours another name" }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- if eq (toString .mountPath | trimSuffix "/") "/etc/bedrock-customization-exporter" }}
{{- fail "extraVolumeMounts: /etc/bedrock-customization-exporter is where the configuration is; take another mountPath" }}
{{- end }}
{{- end }}
{{- range concat (default list .Values.extraInitContainers) (default list .Values.extraContainers) }}
{{- if eq (toString .name) "exporter" }}
{{- fail "extraContainers and extraInitContainers: the container exporter is the chart's own; give yours another name" }}
{{- end }}
{{- end }}
{{- $pods := gt (int .Values.shards) 1 | ternary .Values.shards .Values.replicas | int }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) }}
{{- $least := int (toString .minAvailable | trimSuffix "%") }}
{{- if hasSuffix "%" (toString .minAvailable) }}
{{- $least = div (add (mul $least $pods) 99) 100 }}
{{- end }}
{{- if and (gt $pods 0) (ge (int $least) $pods) }}
{{- printf "podDisruptionBudget: minAvailable %v of %d pods would hold up the draining of a node for ever; set maxUnavailable instead" .minAvailable $pods | fail }}
{{- end }}
{{- end }}
{{- if and .enabled (has (toString .maxUnavailable) (list "0" "0%")) }}
{{- fail "podDisruptionBudget: maxUnavailable 0 would hold up the draining of a node for ever; 1 never does" }}
{{- end }}
{{- if and .enabled (not (kindIs "invalid" .minAvailable)) (not (kindIs "invalid" .maxUnavailable)) }}
{{- fail "podDisruptionBudget: minAvailable can't stand beside maxUnavailable; set maxUnavailable to null" }}
{{- end }}
{{- end }}
{{- end }}

{{/* `webConfig`, complete also where values are those of an older chart. */}}
{{- define "bedrock-customization-exporter.web" -}}
{{- $web := dict "existingSecret" "" "certificateSecret" "" "key" "web.yml" "tls" true "probesWithoutAuth" true }}
{{- range $key, $value := .Values.webConfig }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $web $key $value }}
{{- end }}
{{- end }}
{{- toYaml $web }}
{{- end }}

{{/* What the exporter speaks. */}}
{{- define "bedrock-customization-exporter.scheme" -}}
{{- $web := include "bedrock-customization-exporter.web" . | fromYaml }}
{{- and $web.existingSecret $web.tls | empty | ternary "http" "https" }}
{{- end }}

{{/* What a probe of a path asks. */}}
{{- define "bedrock-customization-exporter.probe" -}}
{{- $root := index . 0 }}
{{- $web := include "bedrock-customization-exporter.web" $root | fromYaml }}
{{- if and $web.existingSecret (not $web.probesWithoutAuth) }}
tcpSocket:
  port: http
{{- else }}
httpGet:
  path: {{ index . 1 }}
  port: http
  {{- if eq (include "bedrock-customization-exporter.scheme" $root) "https" }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}
