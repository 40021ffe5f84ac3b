"""The certificates of one instance: written once, and again only when what they have to say has changed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from tradingbot_cluster.binaries import program
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import read_json, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tradingbot_cluster.local.addresses import AddressPlan

DAYS: Final = 3650
SERVICE_ACCOUNT: Final = "service-account"
REQUEST: Final = "request.json"


def request(directory: Path, plan: AddressPlan, node: str) -> dict[str, Any]:
    """Return what the certificate writer is asked for."""
    local = ["localhost", "127.0.0.1"]
    api_names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]

    def leaf(name: str, common: str, *organizations: str, hosts: list[str] | None = None) -> dict[str, Any]:
        return {
            "name": name,
            "commonName": common,
            "organizations": list(organizations),
            "hosts": hosts or [],
            "server": bool(hosts),
        }

    return {
        "directory": str(directory),
        "days": DAYS,
        "certificates": [
            leaf("apiserver", "kube-apiserver", hosts=[*api_names, *local, plan.node_ip, plan.api_service_ip]),
            leaf("etcd", "etcd", hosts=local),
            leaf("apiserver-etcd-client", "kube-apiserver"),
            leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
            leaf("admin", "tradingbot-admin", "system:masters"),
            leaf("controller-manager", "system:kube-controller-manager", hosts=local),
            leaf("scheduler", "system:kube-scheduler", hosts=local),
            leaf("proxy", "system:kube-proxy"),
            leaf("kubelet", f"system:node:{node}", "system:nodes"),
            leaf("kubelet-server", f"system:node:{node}", "system:nodes", hosts=[node, plan.node_ip, *local]),
            leaf("coredns", "system:coredns"),
        ],
        "keyPairs": [SERVICE_ACCOUNT],
    }


def ensure(directory: Path, plan: AddressPlan, node: str) -> bool:
    """Write the certificates unless they are there and say the same; return whether they were written."""
    wanted = request(directory, plan, node)
    files = [directory / f"{entry['name']}.{kind}" for entry in wanted["certificates"] for kind in ("crt", "key")]
    files += [directory / f"{SERVICE_ACCOUNT}.{kind}" for kind in ("key", "pub")]
    files += [directory / "ca.crt", directory / "ca.key"]
    if read_json(directory / REQUEST) == wanted and all(file.is_file() for file in files):
        return False
    done = subprocess.run(
        [str(program("pki"))], input=json.dumps(wanted), capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise ClusterError(done.stderr.strip())
    write_atomically(directory / REQUEST, json.dumps(wanted))
    return True
