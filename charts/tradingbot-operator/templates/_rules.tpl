{{/*
What the operator may do in each namespace that it serves: exactly the rules of docs/rbac.md, which gives the reasons.
A unit test compares the two. It reads no Secret: it writes references, and the kubelet mounts them.
*/}}
{{- define "tradingbot-operator.rules" -}}
- {apiGroups: [tradingbots.dev], resources: [tradingbots], verbs: [get, list, watch, patch]}
- {apiGroups: [tradingbots.dev], resources: [tradingbots/status], verbs: [patch]}
- {apiGroups: [tradingbots.dev], resources: [tradingbots/finalizers], verbs: [update]}
- {apiGroups: [tradingbots.dev], resources: [backupschedules], verbs: [list]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch]}
- {apiGroups: [""], resources: [services, serviceaccounts], verbs: [get, list, watch, create, patch]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [get, list, watch, create, patch]}
- {apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, list, watch, create, patch]}
- {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [get, list, watch, create, patch]}
- {apiGroups: [batch], resources: [jobs], verbs: [list, watch, create, patch, delete]}
- {apiGroups: [apps], resources: [replicasets], verbs: [list, watch]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
{{- end -}}
{{- define "tradingbot-operator.namespacerules" -}}
- {apiGroups: [""], resources: [namespaces], verbs: [list, watch]}
{{- end -}}
