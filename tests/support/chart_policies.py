"""The chart's policies, roles and the operator's account, put into an API server without helm's release around them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml
from tests.api.crd.server import ROOT, Manifest, Server

if TYPE_CHECKING:
    from pathlib import Path

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CHART = ROOT / "charts/tradingbot-operator"
COLLECTIONS = {
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
}


def render(namespace: str, *settings: str) -> list[Manifest]:
    """Return what helm would install of the policies, the roles and the operator's account."""
    program = [sys.executable, "-m", "tradingbot_cluster", "program", "helm"]
    helm = subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    command = [helm, "template", "tbo", str(CHART), "--namespace", namespace, "--kube-version", "1.34.0"]
    for setting in settings:
        command += ["--set-json", setting]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document and document["kind"] in COLLECTIONS]


def place(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{COLLECTIONS[manifest['kind']].format(metadata.get('namespace'))}/{metadata['name']}"


def install(server: Server, manifest: Manifest) -> Any:
    return server.request(
        "PATCH", f"{place(manifest)}?fieldManager=tests&force=true", manifest, "application/apply-patch+yaml"
    )


def kubeconfig_by_token(server: Server, kubeconfig: Path, folder: Path, namespace: str, account: str) -> Path:
    """Write a kubeconfig of a ServiceAccount, with a token from the API server and no certificate."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = server.request("POST", path, request)["status"]["token"]
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    for cluster in config["clusters"]:
        authority = cluster["cluster"].get("certificate-authority")
        if authority:
            cluster["cluster"]["certificate-authority"] = str(kubeconfig.parent / authority)
    written = folder / f"{account}.json"
    written.write_text(json.dumps(config), encoding="utf-8")
    return written
