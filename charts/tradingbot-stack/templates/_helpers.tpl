{{/* Names are fixed: bots refer to them, and a namespace has one stack. */}}
{{- define "tradingbot-stack.selector" -}}
app.kubernetes.io/name: tradingbot-stack
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tradingbot-stack.labels" -}}
{{ include "tradingbot-stack.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tradingbot-stack
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tradingbot-stack.image" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "tradingbot-stack.podsecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tradingbot-stack.containersecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The value of a key of an existing Secret, or a new random one: include … (list . "secret" "key" length) */}}
{{- define "tradingbot-stack.generated" -}}
{{- $root := index . 0 -}}
{{- $existing := lookup "v1" "Secret" $root.Release.Namespace (index . 1) | default dict -}}
{{- $data := get $existing "data" | default dict -}}
{{- if get $data (index . 2) -}}
{{- get $data (index . 2) | b64dec -}}
{{- else -}}
{{- randAlphaNum (index . 3) -}}
{{- end -}}
{{- end -}}

{{/* A volume of a server: a claim or, without persistence, what is gone with the pod. */}}
{{- define "tradingbot-stack.claim" -}}
volumeClaimTemplates:
  - metadata:
      name: data
      labels: {{- include "tradingbot-stack.selector" . | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .server.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .server.persistence.size }}}
{{- end -}}

{{/* Who may connect to a server, and nothing that it connects to. */}}
{{- define "tradingbot-stack.networkpolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: tradingbot-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingbot-stack.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "tradingbot-stack.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - {port: {{ .port }}, protocol: TCP}
      from:
        # Bots, backups and restores
        - podSelector:
            matchLabels:
              app.kubernetes.io/managed-by: tradingbot-operator
        {{- if .root.Values.tests.enabled }}
        - podSelector:
            matchLabels: {{- include "tradingbot-stack.selector" (dict "root" .root "component" "test") | nindent 14 }}
        {{- end }}
        {{- with .root.Values.networkPolicy.additionalFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  egress: []
{{- end -}}

{{- define "tradingbot-stack.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: tradingbot-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingbot-stack.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector: {{- include "tradingbot-stack.selector" . | nindent 4 }}
  ports:
    - {name: {{ .portname }}, port: {{ .port }}, targetPort: {{ .portname }}, protocol: TCP}
{{- end -}}
