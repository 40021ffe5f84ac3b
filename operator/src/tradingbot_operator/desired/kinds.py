"""The kinds that the operator watches and writes, and how the API server's paths name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tradingbot_operator.api import names


@dataclass(frozen=True, slots=True)
class Kind:
    """A namespaced resource of the API server."""

    kind: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """What a manifest has in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path: of all objects, of those of a namespace, of one, or of a subresource of it."""
        path = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        if namespace:
            path += f"/namespaces/{namespace}"
        path += f"/{self.plural}"
        if name:
            path += f"/{name}"
        return f"{path}/{subresource}" if subresource else path


TRADING_BOT: Final = Kind(names.TRADING_BOT.kind, names.GROUP, names.VERSION, names.TRADING_BOT.plural)
BACKUP_SCHEDULE: Final = Kind(names.BACKUP_SCHEDULE.kind, names.GROUP, names.VERSION, names.BACKUP_SCHEDULE.plural)
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "", "v1", "serviceaccounts")
ROLE: Final = Kind("Role", "rbac.authorization.k8s.io", "v1", "roles")
ROLE_BINDING: Final = Kind("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings")
NETWORK_POLICY: Final = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
POD_DISRUPTION_BUDGET: Final = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
CONFIG_MAP: Final = Kind("ConfigMap", "", "v1", "configmaps")
SERVICE: Final = Kind("Service", "", "v1", "services")
DEPLOYMENT: Final = Kind("Deployment", "apps", "v1", "deployments")
REPLICA_SET: Final = Kind("ReplicaSet", "apps", "v1", "replicasets")
POD: Final = Kind("Pod", "", "v1", "pods")
JOB: Final = Kind("Job", "batch", "v1", "jobs")
NAMESPACE: Final = Kind("Namespace", "", "v1", "namespaces")
"""Not in a namespace itself: it is asked for without one."""
EVENT: Final = Kind("Event", "events.k8s.io", "v1", "events")

CHILDREN: Final = (
    SERVICE_ACCOUNT,
    ROLE,
    ROLE_BINDING,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    CONFIG_MAP,
    SERVICE,
    DEPLOYMENT,
)
"""In the order in which they are written: what a pod needs before the Deployment that makes the pod."""

BY_NAME: Final = {
    kind.kind: kind for kind in (TRADING_BOT, BACKUP_SCHEDULE, *CHILDREN, REPLICA_SET, JOB, POD, NAMESPACE, EVENT)
}
