{{/*
ValidatingAdmissionPolicies: they run inside the API server, so there is nothing that can be down. What they are for, and
what they cannot do, is in docs/security.md; each rule is tested as an attack in tests/api/policies.

Every rule looks at what a write changes. A write that does nothing but stop the bot changes nothing that any of them
looks at, whatever else is wrong with the object; to be sure, "aroundStops" exempts it by name as well.
*/}}

{{- define "tradingbot-operator.policies.enabled" -}}
{{- if dig "enabled" true (.Values.policies | default dict) -}}true{{- end -}}
{{- end -}}

{{/* A policy's name: include "tradingbot-operator.policies.name" (list "approval" .) */}}
{{- define "tradingbot-operator.policies.name" -}}
{{- printf "%s.%s.%s" (index . 1).Release.Namespace (include "tradingbot-operator.fullname" (index . 1)) (index . 0) -}}
{{- end -}}

{{/* The binding that puts a policy in force where this operator works: include "tradingbot-operator.policies.binding" (list "approval" .) */}}
{{- define "tradingbot-operator.policies.binding" -}}
{{- $root := index . 1 -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "tradingbot-operator.policies.name" . }}
  labels: {{- include "tradingbot-operator.labels" $root | nindent 4 }}
spec:
  policyName: {{ include "tradingbot-operator.policies.name" . }}
  validationActions: [Deny]
  {{- with $root.Values.watchNamespaces }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
  {{- end }}
{{- end -}}

{{/* Every write of a TradingBot's spec. */}}
{{- define "tradingbot-operator.policies.writes" -}}
failurePolicy: Fail
matchConstraints:
  matchPolicy: Equivalent
  resourceRules:
    - apiGroups: [tradingbots.dev]
      apiVersions: [v1alpha1]
      operations: [CREATE, UPDATE]
      resources: [tradingbots]
{{- end -}}

{{- define "tradingbot-operator.policies.aroundStops" -}}
- name: is-more-than-a-stop
  expression: >-
    !(request.operation == 'UPDATE' && dyn(object).spec.?emergencyStop.?active.orValue(false)
    && dyn(object).spec.all(field, field == 'emergencyStop'
    || (field in dyn(oldObject).spec && dyn(object).spec[field] == dyn(oldObject).spec[field]))
    && dyn(oldObject).spec.all(field, field == 'emergencyStop' || field in dyn(object).spec))
{{- end -}}

{{/*
What a bot risks: the fields whose values are in status.approval.requiredDigest (policy/approval.py has the same list, and
a test compares the two), without the mode.
*/}}
{{- define "tradingbot-operator.policies.riskVariables" -}}
- name: new
  expression: dyn(object).spec
- name: old
  expression: "oldObject == null ? dyn({}) : dyn(oldObject).spec"
- name: isLive
  expression: variables.new.?mode.orValue('simulation') == 'live'
- name: wasLive
  expression: variables.old.?mode.orValue('simulation') == 'live'
- name: beyondLimitsChanged
  expression: >-
    variables.new.?image != variables.old.?image
    || variables.new.?exchange != variables.old.?exchange
    || variables.new.?strategy != variables.old.?strategy
    || variables.new.?promotion != variables.old.?promotion
    || variables.new.?database.?secretRef != variables.old.?database.?secretRef
    || variables.new.?redis != variables.old.?redis
    || variables.new.?api != variables.old.?api
- name: limitsChanged
  expression: variables.new.?risk != variables.old.?risk
{{- end -}}

{{/* Users and groups that may neither approve nor resume, whatever their roles say: those with the verbs "*" above all. */}}
{{- define "tradingbot-operator.policies.notDenied" -}}
{{- $denied := dig "neverApprove" list (.Values.policies | default dict) -}}
!(request.userInfo.username in {{ toJson $denied }}) && !request.userInfo.?groups.orValue([]).exists(group, group in {{ toJson $denied }})
{{- end -}}

{{- define "tradingbot-operator.policies.mayVerb" -}}
authorizer.group('tradingbots.dev').resource('tradingbots').namespace(request.namespace).name(request.name).check('{{ . }}').allowed()
{{- end -}}

{{/* ServiceAccounts and other accounts of the system are not people, whatever verbs they have ("*" is all of them). */}}
{{- define "tradingbot-operator.policies.isPerson" -}}
!request.userInfo.username.startsWith('system:') && !request.userInfo.?groups.orValue([]).exists(group, group == 'system:serviceaccounts')
{{- end -}}
