"""People, roles and the operator of the plugin's tests on a real API server."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from tests.api.crd.server import ROOT, Server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

RBAC = "/apis/rbac.authorization.k8s.io/v1"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def program(name: str) -> str:
    """The path of kubectl or helm, as the local cluster has it."""
    command = [sys.executable, "-m", "tradingbot_cluster", "program", name]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def minimal(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """The least TradingBot."""
    return {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
            "database": {"secretRef": {"name": "trading-database"}},
            **spec,
        },
    }


def path(namespace: str, name: str) -> str:
    return f"/apis/tradingbots.dev/v1alpha1/namespaces/{namespace}/tradingbots/{name}"


def report(server: Server, namespace: str, name: str, **status: Any) -> None:
    """What the operator writes."""
    server.request("PATCH", f"{path(namespace, name)}/status", {"status": status}, MERGE)


def grant(server: Server, namespace: str, user: str, *verbs: str, resource: str = "tradingbots") -> None:
    group = "tradingbots.dev" if resource == "tradingbots" else ""
    name = f"{user}-{'-'.join(verbs)}"
    rule = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    for kind, body in (("Role", {"rules": [rule]}), ("RoleBinding", {"roleRef": ref, "subjects": [subject]})):
        manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **body}
        where = f"{RBAC}/namespaces/{namespace}/{kind.lower()}s/{name}?fieldManager=tests&force=true"
        server.request("PATCH", where, manifest, APPLY)
    wait_until_allowed(server, namespace, user, verbs[0], group, resource)


def wait_until_allowed(
    server: Server, namespace: str, user: str, verb: str, group: str = "tradingbots.dev", resource: str = "tradingbots"
) -> None:
    """The authorizer hears of a new role a moment later."""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    where = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    eventually(
        lambda: server.request("POST", where, review)["status"]["allowed"],
        f"{user} may {verb} {resource}",
        every=0.05,
    )


class Operator:
    """Latches the stops that it sees and lifts those that are resumed, on a connection of its own."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str) -> None:
        self.kubeconfig, self.namespace, self.name = kubeconfig, namespace, name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Operator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with Server(self.kubeconfig) as server:
            while not self._over.wait(0.05):
                obj = server.request("GET", path(self.namespace, self.name))
                spec, generation = obj["spec"], obj["metadata"]["generation"]
                status = obj.get("status") or {}
                stop = status.get("emergencyStop")
                if spec.get("emergencyStop", {}).get("active") and stop is None:
                    latch = {
                        "id": f"{obj['metadata']['uid'][:8]}-{generation}",
                        "since": "2026-11-21T09:00:00Z",
                        "outcome": {"state": "CANCELLED", "message": "nothing was open"},
                    }
                    report(server, self.namespace, self.name, emergencyStop=latch, observedGeneration=generation)
                elif stop is not None and spec.get("resume", {}).get("stopId") == stop["id"]:
                    report(server, self.namespace, self.name, emergencyStop=None, observedGeneration=generation)


def bind(server: Server, namespace: str, role: str, user: str) -> None:
    name = f"{role}-{user}"
    manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    place = f"{RBAC}/namespaces/{namespace}/rolebindings/{name}?fieldManager=tests&force=true"
    server.request("PATCH", place, manifest, APPLY)
    wait_until_allowed(
        server, namespace, user, {"tradingbot-approver": "approve", "tradingbot-resumer": "resume"}[role]
    )
