{{- define "fsproxy.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Labels of a part: dict "root" $ "part" "injector". */ -}}
{{- define "fsproxy.selector" -}}
app.kubernetes.io/name: fsproxy
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "fsproxy.labels" -}}
{{ include "fsproxy.selector" . }}
app.kubernetes.io/part-of: fsproxy
{{- end }}

{{- define "fsproxy.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "fsproxy.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end }}

{{- /* A value as the injector takes it: a list of words with commas, all else as YAML
in one line. A number of a values file is a float here, which print would write as
1e+06. */ -}}
{{- define "fsproxy.text" -}}
{{- if kindIs "string" . }}{{ . }}
{{- else if and (kindIs "slice" .) (kindIs "string" (first .)) }}{{ join "," . }}
{{- else }}{{ toJson . }}
{{- end }}
{{- end }}

{{- /* Spread over zones, then nodes, if there are such. */ -}}
{{- define "fsproxy.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "fsproxy.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{- define "fsproxy.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
