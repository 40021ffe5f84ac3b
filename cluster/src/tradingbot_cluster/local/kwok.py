"""Simulated nodes, by kwok: pods that are scheduled to them become ready at once and run nothing. For benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_cluster.binaries import program
from tradingbot_cluster.local.components import Component
from tradingbot_cluster.local.health import HttpProbe

if TYPE_CHECKING:
    from tradingbot_cluster.kubeconfig import Kubectl
    from tradingbot_cluster.local.components import Instance

ANNOTATION: Final = "kwok.x-k8s.io/node"
PODS_PER_NODE: Final = 500


def component(instance: Instance) -> Component:
    """Return the daemon that plays the kubelets."""
    port = instance.ports["kwok"]
    return Component(
        "kwok",
        (
            str(program("kwok")),
            f"--kubeconfig={instance.layout.kubeconfig}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
            f"--server-address=127.0.0.1:{port}",
            f"--cidr={instance.plan.pods}",
            f"--node-ip={instance.plan.node_ip}",
            "--node-lease-duration-seconds=40",
            "--v=WARN",
        ),
        HttpProbe(port, "/healthz"),
    )


def node(name: str) -> dict[str, Any]:
    """Return a simulated node with room for many small pods."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {ANNOTATION: "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
        "status": {
            "allocatable": {"cpu": "256", "memory": "1Ti", "pods": str(PODS_PER_NODE)},
            "capacity": {"cpu": "256", "memory": "1Ti", "pods": str(PODS_PER_NODE)},
        },
    }


def apply_nodes(kubectl: Kubectl, count: int) -> None:
    """Make the simulated nodes that are missing."""
    wanted = [f"kwok-{number:03d}" for number in range(count)]
    existing = kubectl.run("get", "nodes", "--output=name").split()
    missing = [name for name in wanted if f"node/{name}" not in existing]
    if missing:
        kubectl.apply([node(name) for name in missing])
    kubectl.run("wait", "--for=condition=Ready", "--timeout=60s", *(f"node/{name}" for name in wanted), timeout=90)
