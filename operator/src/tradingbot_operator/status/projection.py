"""What the store keeps of each kind: all that was applied, and of the status only what the operator reads.

Everything else would wake the operator for nothing: times of conditions, counters of other controllers, revisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.desired.naming import COMPONENT_LABEL, KILL_COMPONENT
from tradingbot_operator.status.pods import project_pod

if TYPE_CHECKING:
    from collections.abc import Callable

_OURS: Final = "tradingbots.dev/"
_NOISE: Final = {"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"}
_COUNTS: Final = ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas")
_CONDITION: Final = ("type", "status", "reason")


def _child(obj: dict[str, Any]) -> dict[str, Any]:
    slim = {key: value for key, value in obj.items() if key != "status"}
    meta = dict(obj["metadata"])
    annotations = meta.get("annotations")
    if annotations:
        meta["annotations"] = {key: value for key, value in annotations.items() if key not in _NOISE}
    slim["metadata"] = meta
    return slim


def _deployment(obj: dict[str, Any]) -> dict[str, Any]:
    slim = _child(obj)
    status = obj.get("status") or {}
    slim["status"] = {key: status[key] for key in _COUNTS if key in status}
    slim["status"]["conditions"] = [_condition(condition) for condition in status.get("conditions") or []]
    return slim


def _condition(condition: dict[str, Any]) -> dict[str, Any]:
    kept = {key: condition.get(key) for key in _CONDITION}
    if condition.get("type") == "ReplicaFailure":
        kept["message"] = condition.get("message")
    if condition.get("type") == "Progressing" and condition.get("reason") != "ProgressDeadlineExceeded":
        kept["reason"] = "Other"
    return kept


def _job(obj: dict[str, Any]) -> dict[str, Any]:
    """Keep whose it is and how it ended, and of a kill Job what its pods are to be; its pod says the rest."""
    slim = _child(obj)
    spec = slim.pop("spec", {})
    if (obj["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == KILL_COMPONENT:
        slim["spec"] = {"template": {"spec": (spec.get("template") or {}).get("spec") or {}}}
    conditions = (obj.get("status") or {}).get("conditions") or []
    slim["status"] = {"conditions": [_condition(condition) for condition in conditions]}
    return slim


def _replica_set(obj: dict[str, Any]) -> dict[str, Any]:
    """Keep whose it is: it stands between a pod and its Deployment."""
    meta = obj["metadata"]
    return {"metadata": {key: meta[key] for key in ("name", "namespace", "uid", "ownerReferences") if key in meta}}


def _namespace(obj: dict[str, Any]) -> dict[str, Any]:
    """Keep what asks for a stop of all its bots."""
    meta = obj["metadata"]
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key.startswith(_OURS)}
    kept = {key: meta[key] for key in ("name", "uid") if key in meta}
    return {"metadata": kept | {"annotations": annotations}}


PROJECTIONS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "ServiceAccount": _child,
    "Role": _child,
    "RoleBinding": _child,
    "NetworkPolicy": _child,
    "PodDisruptionBudget": _child,
    "ConfigMap": _child,
    "Service": _child,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Job": _job,
    "Namespace": _namespace,
    "Pod": project_pod,
}
