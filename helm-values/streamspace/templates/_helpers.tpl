{{/* Labels of everything here; `component` is service or turn. */}}
{{- define "streamspace.labels" -}}
{{ include "streamspace.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* What tells our pods from others. */}}
{{- define "streamspace.selector" -}}
app.kubernetes.io/name: streamspace
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Pod Security's `restricted`. */}}
{{- define "streamspace.podSecurity" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}
