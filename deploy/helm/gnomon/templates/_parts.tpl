{{/* What the workloads share. Each takes (dict "root" $ "name" "registry"). */}}

{{- define "gnomon.fullname" -}}
{{- if contains "gnomon" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-gnomon" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "gnomon.selector" -}}
app.kubernetes.io/name: gnomon
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "gnomon.labels" -}}
{{ include "gnomon.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "gnomon.image" -}}
{{ printf "%s-%s:%s" .root.Values.image.repository .name (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{- define "gnomon.port" -}}
{{ get (dict "registry" 7410 "trainer" 7411 "scorer" 7412) .name }}
{{- end }}

{{- define "gnomon.metricsPort" -}}
{{ get (dict "registry" 9410 "trainer" 9411 "scorer" 9412) .name }}
{{- end }}

{{- define "gnomon.healthService" -}}
{{ get (dict "registry" "gnomon.v1.RegistryService" "trainer" "gnomon.v1.TrainerService" "scorer" "gnomon.v1.ScorerService") .name }}
{{- end }}

{{/* Whether a service keeps nothing on a volume of its own: "yes" or empty. */}}
{{- define "gnomon.registryIsStateless" -}}
{{- if and .Values.registry.database.url .Values.registry.artifacts.url }}yes{{ end }}
{{- end }}

{{- define "gnomon.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "gnomon.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A probe: gRPC where Kubernetes can ask, else our own command, as its probes know no TLS. */}}
{{- define "gnomon.probe" -}}
{{- if .root.Values.tls.enabled -}}
exec:
  command:
    - gnomon
    - health
    - 127.0.0.1:{{ include "gnomon.port" . }}
    - --service={{ .service }}
    - --ca-file=/etc/gnomon/tls/ca.crt
    - --server-name={{ include "gnomon.fullname" .root }}-{{ .name }}
    {{- if .root.Values.tls.clientCertificates }}
    - --certificate-file=/etc/gnomon/tls/tls.crt
    - --certificate-key-file=/etc/gnomon/tls/tls.key
    {{- end }}
timeoutSeconds: 10
{{- else -}}
grpc: {port: {{ include "gnomon.port" . }}, service: {{ .service }}}
timeoutSeconds: 5
{{- end }}
{{- end }}

{{- define "gnomon.probes" -}}
startupProbe:
  {{- include "gnomon.probe" (dict "root" .root "name" .name "service" "live") | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  {{- include "gnomon.probe" (dict "root" .root "name" .name "service" "live") | nindent 2 }}
  periodSeconds: 30
  failureThreshold: 3
readinessProbe:
  {{- include "gnomon.probe" (dict "root" .root "name" .name "service" (include "gnomon.healthService" .)) | nindent 2 }}
  periodSeconds: 10
  failureThreshold: 1
{{- end }}

{{/* Variables that all services have. */}}
{{- define "gnomon.commonEnv" -}}
{{- $prefix := printf "GNOMON_%s" (upper .name) }}
- {name: {{ $prefix }}_LISTEN, value: "0.0.0.0:{{ include "gnomon.port" . }}"}
- {name: {{ $prefix }}_METRICS_LISTEN, value: "0.0.0.0:{{ include "gnomon.metricsPort" . }}"}
- {name: {{ $prefix }}_GRACE_S, value: {{ .root.Values.graceSeconds | quote }}}
- {name: TMPDIR, value: /tmp}
{{- if .root.Values.access.enabled }}
- {name: {{ $prefix }}_ACCESS, value: keys}
{{- end }}
{{- if .root.Values.tls.enabled }}
- {name: {{ $prefix }}_TLS_CERTIFICATE_FILE, value: /etc/gnomon/tls/tls.crt}
- {name: {{ $prefix }}_TLS_KEY_FILE, value: /etc/gnomon/tls/tls.key}
{{- if .root.Values.tls.clientCertificates }}
- {name: {{ $prefix }}_TLS_CLIENT_CA_FILE, value: /etc/gnomon/tls/ca.crt}
{{- end }}
{{- end }}
{{- $without := list }}
{{- if not .root.Values.access.enabled }}{{ $without = append $without "without-keys" }}{{ end }}
{{- if not .root.Values.tls.enabled }}{{ $without = append $without "without-tls" }}{{ end }}
{{- if $without }}
- {name: {{ $prefix }}_UNPROTECTED, value: {{ join "," $without | quote }}}
{{- end }}
{{- end }}

{{/* How the trainer and the scorer reach the registry. */}}
{{- define "gnomon.registryEnv" -}}
{{- $prefix := printf "GNOMON_%s_REGISTRY" (upper .name) }}
- {name: {{ $prefix }}_ADDRESS, value: "{{ include "gnomon.fullname" .root }}-registry:7410"}
{{- if .root.Values.access.enabled }}
- {name: {{ $prefix }}_API_KEY_FILE, value: /etc/gnomon/keys/api-key}
{{- end }}
{{- if .root.Values.tls.enabled }}
- {name: {{ $prefix }}_CA_FILE, value: /etc/gnomon/tls/ca.crt}
{{- if .root.Values.tls.clientCertificates }}
- {name: {{ $prefix }}_CERTIFICATE_FILE, value: /etc/gnomon/tls/tls.crt}
- {name: {{ $prefix }}_CERTIFICATE_KEY_FILE, value: /etc/gnomon/tls/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{/* A PostgreSQL database; nothing where the service keeps SQLite on its volume. Takes "database" as well. */}}
{{- define "gnomon.databaseEnv" -}}
{{- $prefix := printf "GNOMON_%s" (upper .name) }}
{{- with .database.url }}
- {name: {{ $prefix }}_DATABASE_URL, value: {{ . | quote }}}
- {name: {{ $prefix }}_MIGRATE_ON_START, value: "false"}
{{- end }}
{{- if and .database.url .database.existingSecret }}
- {name: {{ $prefix }}_DATABASE_PASSWORD_FILE, value: /etc/gnomon/database/password}
{{- end }}
{{- end }}

{{- define "gnomon.extraEnv" -}}
{{- range $name, $value := .env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* A share of a quantity such as 8Gi, in bytes. Takes (dict "of" "8Gi" "share" 0.75). */}}
{{- define "gnomon.bytes" -}}
{{- $text := .of }}
{{- if not (kindIs "string" .of) }}{{ $text = printf "%.0f" (float64 .of) }}{{ end }}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[A-Za-z]*$" $text)) .share | int64 }}
{{- end }}

{{/* The key that seals what a service keeps for others; nothing without "masterKeySecret" among its values. */}}
{{- define "gnomon.masterKeyEnv" -}}
{{- if .values.masterKeySecret }}
- {name: GNOMON_{{ upper .name }}_MASTER_KEY_FILE, value: /etc/gnomon/master/master-key}
{{- end }}
{{- end }}

{{/* Secrets as files, readable by the group that the pod runs as. Takes "key": the one that the pod gets, or all. */}}
{{- define "gnomon.secretVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 4Gi}
{{- if .root.Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ get .root.Values.tls (printf "%sSecret" .name) }}, defaultMode: 0440}
{{- end }}
{{- if .root.Values.access.enabled }}
- name: keys
  secret: {secretName: {{ .root.Values.access.existingSecret }}, defaultMode: 0440{{ with .key }}, items: [{key: {{ . }}, path: api-key}]{{ end }}}
{{- end }}
{{- with .values.masterKeySecret }}
- name: master
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: master-key, path: master-key}]}
{{- end }}
{{- with .database }}{{ if and .url .existingSecret }}
- name: database
  secret: {secretName: {{ .existingSecret }}, defaultMode: 0440, items: [{key: password, path: password}]}
{{- end }}{{ end }}
{{- include "gnomon.extraVolumes" .values }}
{{- end }}

{{- define "gnomon.secretMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .root.Values.tls.enabled }}
- {name: tls, mountPath: /etc/gnomon/tls, readOnly: true}
{{- end }}
{{- if .root.Values.access.enabled }}
- {name: keys, mountPath: /etc/gnomon/keys, readOnly: true}
{{- end }}
{{- if .values.masterKeySecret }}
- {name: master, mountPath: /etc/gnomon/master, readOnly: true}
{{- end }}
{{- with .database }}{{ if and .url .existingSecret }}
- {name: database, mountPath: /etc/gnomon/database, readOnly: true}
{{- end }}{{ end }}
{{- include "gnomon.extraMounts" .values }}
{{- end }}

{{/* What the values of a service add to its files; a migration has them as well. */}}
{{- define "gnomon.extraVolumes" -}}
{{- with .extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gnomon.extraMounts" -}}
{{- with .extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What of a pod is the same for all. Takes "values" of the service. */}}
{{- define "gnomon.podBasics" -}}
serviceAccountName: {{ include "gnomon.fullname" .root }}-{{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add .root.Values.graceSeconds .root.Values.preStopSeconds 10 }}
securityContext:
  {{- include "gnomon.podSecurity" . | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "gnomon.containerBasics" -}}
name: {{ .name }}
image: {{ include "gnomon.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "gnomon.containerSecurity" . | nindent 2 }}
ports:
  - {name: grpc, containerPort: {{ include "gnomon.port" . }}}
  - {name: metrics, containerPort: {{ include "gnomon.metricsPort" . }}}
lifecycle:
  preStop: {sleep: {seconds: {{ .root.Values.preStopSeconds }}}}
{{ include "gnomon.probes" . }}
{{- end }}
