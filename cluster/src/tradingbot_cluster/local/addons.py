"""What a new cluster holds beside Kubernetes itself: DNS and storage."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from tradingbot_cluster.kubeconfig import Kubectl
    from tradingbot_cluster.local.components import Instance

STORAGE_CLASS: Final = "standard"
VOLUMES: Final = 24
VOLUME_SIZE: Final = "10Gi"


def objects(instance: Instance) -> list[dict[str, Any]]:
    """Return the objects of DNS and storage, without the volumes."""
    return [*dns(instance), storage_class()]


def dns(instance: Instance) -> list[dict[str, Any]]:
    """Return the Service of CoreDNS, which runs beside the kubelet and not in a pod, and what it may read."""
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"clusterIP": instance.plan.dns_service_ip, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kube-dns",
                "namespace": "kube-system",
                "labels": {
                    "kubernetes.io/service-name": "kube-dns",
                    "endpointslice.kubernetes.io/managed-by": "tradingbot-cluster",
                },
            },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [instance.plan.node_ip], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
        },
    ]


def storage_class() -> dict[str, Any]:
    """Return the default StorageClass: a claim gets one of the volumes when its first pod is scheduled."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def volume(name: str, directory: Path, node: str) -> dict[str, Any]:
    """Return a volume that is a directory of this machine."""
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "tradingbot-cluster"}},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": str(directory), "type": "Directory"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    }


def apply(instance: Instance, kubectl: Kubectl) -> None:
    """Apply DNS and storage; empty the volumes whose claim is gone, and offer them again."""
    existing = json.loads(kubectl.run("get", "persistentvolumes", "--output=json"))["items"]
    phases = {item["metadata"]["name"]: item.get("status", {}).get("phase", "") for item in existing}
    freed = [name for name, phase in phases.items() if phase in {"Released", "Failed"} and name.startswith("local-")]
    if freed:
        kubectl.run("delete", "persistentvolumes", *freed)
    wanted = []
    for number in range(VOLUMES):
        name = f"local-{number:02d}"
        directory = instance.layout.data / "volumes" / name
        if name in freed and directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if name in freed or name not in phases:
            directory.chmod(0o777)  # fsGroup does not change a hostPath, and no pod runs as root
            wanted.append(volume(name, directory, instance.node))
    kubectl.apply([*objects(instance), *wanted])
