{{/* The name of every object: the release's, with the chart's where it does not say so itself. */}}
{{- define "pgbackstop.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | trunc 46 | trimSuffix "-" -}}
{{- end }}

{{- define "pgbackstop.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pgbackstop.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "pgbackstop.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "pgbackstop.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "pgbackstop.fullname" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{/* pgbackstop.yaml of the runner, where the console listens to the pod's own address. */}}
{{- define "pgbackstop.runnerConfig" -}}
{{- $config := deepCopy .Values.config -}}
{{- if not (or $config.servers $config.groups $config.discovery) }}{{ fail "config.servers names no PostgreSQL server: name one, or name a Secret with the whole configuration in existingConfig.secretName." }}{{ end -}}
{{- $console := $config.console | default dict -}}
{{- if $console.users }}{{ fail "config.console.users holds hashes of passwords, and config becomes a ConfigMap: use config.console.oidc, or put the whole configuration into a Secret and name it in existingConfig.secretName." }}{{ end -}}
{{- if .Values.console.enabled -}}
{{- if not $console.oidc }}{{ fail "Nobody could log in to the console: set config.console.oidc, or put a configuration with users into a Secret and name it in existingConfig.secretName." }}{{ end -}}
{{- $_ := set $config "console" (merge (dict "listen" "0.0.0.0:9854" "public_url" .Values.console.publicUrl) $console) -}}
{{- else -}}
{{- $config = omit $config "console" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* That of the exporter, which faces the network and lets nobody into a console. */}}
{{- define "pgbackstop.exporterConfig" -}}
{{- toYaml (omit .Values.config "console") -}}
{{- end }}

{{/* A container may nothing: it runs as who the image says, writes to its volumes alone, and gains no rights. */}}
{{- define "pgbackstop.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "pgbackstop.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Of whoever runs pgbackstop itself. */}}
{{- define "pgbackstop.runnerMounts" -}}
- {name: backups, mountPath: /var/lib/pgbackstop}
- {name: catalog, mountPath: /var/lib/pgbackstop-catalog}
- {name: tmp, mountPath: /tmp}
- {name: runner-config, mountPath: /etc/pgbackstop, readOnly: true}
{{- range .Values.secrets }}
- {name: {{ printf "secret-%s" .name | quote }}, mountPath: {{ printf "/run/secrets/%s" .name | quote }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Configuration and secrets as files; group 10001, which the processes have, reads them. */}}
{{- define "pgbackstop.configVolumes" -}}
- name: tmp
  emptyDir: {}
- name: runner-config
  {{- include "pgbackstop.configSource" (dict "root" . "key" .Values.existingConfig.runnerKey "who" "runner") | nindent 2 }}
{{- range .Values.secrets }}
- name: {{ printf "secret-%s" .name | quote }}
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0440
    {{- with .items }}
    items: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "pgbackstop.configSource" -}}
{{- $items := printf "items: [{key: %s, path: pgbackstop.yaml}]" (quote .key) -}}
{{- if .root.Values.existingConfig.secretName -}}
secret:
  secretName: {{ .root.Values.existingConfig.secretName | quote }}
  defaultMode: 0440
  {{ $items }}
{{- else -}}
configMap:
  name: {{ include "pgbackstop.fullname" .root }}-{{ .who }}
{{- end }}
{{- end }}

{{- define "pgbackstop.claim" -}}
{{- $one := index .root.Values.persistence .name -}}
{{- $one.existingClaim | default (printf "%s-%s-0" .name (include "pgbackstop.fullname" .root)) -}}
{{- end }}

{{/* What the pods of a daemon and of workers have in common. */}}
{{- define "pgbackstop.podBasics" -}}
serviceAccountName: {{ include "pgbackstop.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
# So that somebody takes the exit status of what a command leaves behind: the pod's first process.
shareProcessNamespace: true
securityContext: {{- include "pgbackstop.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volume of the backups in the pods of workers: that of the runner, or none where they are all elsewhere. */}}
{{- define "pgbackstop.workersBackups" -}}
{{- $one := .Values.persistence.backups -}}
{{- if and (not .Values.existingConfig.secretName) (not .Values.config.storages.backups) -}}
emptyDir: {}
{{- else if or $one.existingClaim (has "ReadWriteMany" $one.accessModes) -}}
persistentVolumeClaim: {claimName: {{ include "pgbackstop.claim" (dict "root" . "name" "backups") | quote }}}
{{- else -}}
{{- fail "Workers on several nodes write into one volume: set persistence.backups.accessModes to [ReadWriteMany], or keep backups in buckets alone and set config.storages.backups to null." -}}
{{- end -}}
{{- end }}

{{/* Refuses values with which workers would not work. */}}
{{- define "pgbackstop.checkWorkers" -}}
{{- if not .Values.existingConfig.secretName -}}
{{- $config := .Values.config -}}
{{- if not ($config.workers | default dict).enabled }}{{ fail "workers.replicas asks for workers, and the configuration for none: set config.workers.enabled." }}{{ end -}}
{{- if not (kindIs "map" $config.catalog) }}{{ fail "Workers share a catalog in PostgreSQL: set config.catalog.postgres." }}{{ end -}}
{{- if not (hasPrefix "/var/lib/pgbackstop-catalog/" ($config.state_folder | default "")) }}{{ fail "Each worker has a state of its own: set config.state_folder to a folder in /var/lib/pgbackstop-catalog." }}{{ end -}}
{{- end -}}
{{- end }}
