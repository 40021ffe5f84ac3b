"""Which children may go: ConfigMaps of earlier configurations, and only when nothing can need them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def rollout_complete(deployment: Mapping[str, Any] | None) -> bool:
    """Return whether every pod of the Deployment is of its present template, and ready."""
    if deployment is None:
        return False
    status = deployment.get("status") or {}
    replicas = deployment.get("spec", {}).get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == replicas
        and status.get("replicas", 0) == replicas
        and status.get("availableReplicas", 0) == replicas
    )


def superseded_config_maps(
    owned: Iterable[Mapping[str, Any]], current: str, deployment: Mapping[str, Any] | None
) -> list[Mapping[str, Any]]:
    """Return the ConfigMaps that may be deleted. While a rollout is under way the old pod may restart and need its."""
    if not rollout_complete(deployment):
        return []
    return [config_map for config_map in owned if config_map["metadata"]["name"] != current]
