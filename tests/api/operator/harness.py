"""A real API server and the operator as a real process, with exactly the rights that docs/rbac.md lists."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from tests.api.crd.server import Refused, Server
from tests.support.files import whole_lines
from tests.support.ports import free_port
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS, eventually

from tradingbot_operator.desired.kinds import BY_NAME, CHILDREN, Kind

ROOT = Path(__file__).parents[3]
CLUSTER_RULES = re.compile(r"```yaml\ncluster rules:\n(.*?)```", re.DOTALL)
RULES = re.compile(r"```yaml\nrules:\n(.*?)```", re.DOTALL)
MERGE = "application/merge-patch+json"
SPEC: dict[str, Any] = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"], "parameters": {"entry_lookback": 20}},
    "database": {"secretRef": {"name": "trading-database"}},
}
Manifest = dict[str, Any]
_numbers = itertools.count()


def documented_rules() -> tuple[list[Manifest], list[Manifest]]:
    """The operator's rights as docs/rbac.md has them: in each namespace, and in the cluster."""
    text = (ROOT / "docs" / "rbac.md").read_text(encoding="utf-8")
    found = []
    for pattern in (RULES, CLUSTER_RULES):
        block = pattern.search(text)
        assert block is not None
        found.append(yaml.safe_load("rules:\n" + block[1])["rules"])
    return found[0], found[1]


class Namespace:
    """One namespace of the server, as a person with all rights sees it."""

    def __init__(self, server: Server, kubeconfig: Path) -> None:
        self.server = server
        self.kubeconfig = kubeconfig
        self._cluster: list[str] = []
        self.name = f"operator-{os.getpid()}-{next(_numbers)}"
        self.request(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        )

    def request(self, method: str, path: str, body: Manifest | None = None, content: str = "application/json") -> Any:
        """Send a request, once more when the server closed the idle connection."""
        try:
            return self.server.request(method, path, body, content)
        except ConnectionError:
            return self.server.request(method, path, body, content)

    def annotate(self, **annotations: str | None) -> None:
        """Annotate the Namespace itself: `emergency_stop="true"` for tradingbots.dev/emergency-stop."""
        named = {f"tradingbots.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.request("PATCH", f"/api/v1/namespaces/{self.name}", {"metadata": {"annotations": named}}, MERGE)

    def close(self) -> None:
        for path in self._cluster:
            self.request("DELETE", path)
        self.request("DELETE", f"/api/v1/namespaces/{self.name}")

    def bot(self, name: str = "a", **spec: Any) -> Manifest:
        """Create a TradingBot."""
        return self.create(
            {
                "apiVersion": "tradingbots.dev/v1alpha1",
                "kind": "TradingBot",
                "metadata": {"name": name},
                "spec": SPEC | spec,
            }
        )

    def create(self, manifest: Manifest) -> Manifest:
        made: Manifest = self.request("POST", BY_NAME[manifest["kind"]].path(self.name), manifest)
        return made

    def get(self, kind: str, name: str, subresource: str = "") -> Manifest | None:
        try:
            found: Manifest = self.request("GET", BY_NAME[kind].path(self.name, name, subresource))
        except Refused as error:
            if error.code == 404:
                return None
            raise
        return found

    def list(self, kind: Kind | str, selector: str = "") -> list[Manifest]:
        path = (BY_NAME[kind] if isinstance(kind, str) else kind).path(self.name)
        found: list[Manifest] = self.request("GET", path + (f"?labelSelector={selector}" if selector else ""))["items"]
        return found

    def edit(self, kind: str, name: str, change: Manifest, subresource: str = "") -> Manifest:
        path = BY_NAME[kind].path(self.name, name, subresource)
        changed: Manifest = self.request("PATCH", path, change, MERGE)
        return changed

    def delete(self, kind: str, name: str) -> None:
        self.request("DELETE", BY_NAME[kind].path(self.name, name))

    def children(self, bot: str = "a") -> dict[str, Manifest]:
        """The children of a bot by kind; of two ConfigMaps the newer."""
        found: dict[str, Manifest] = {}
        for kind in CHILDREN:
            for child in self.list(kind, f"tradingbots.dev/bot={bot}"):
                seen = found.get(kind.kind)
                if seen is None or seen["metadata"]["creationTimestamp"] <= child["metadata"]["creationTimestamp"]:
                    found[kind.kind] = child
        return found

    def wait_for_children(self, bot: str = "a") -> dict[str, Manifest]:
        def look() -> dict[str, Manifest] | None:
            found = self.children(bot)
            return found if len(found) == len(CHILDREN) else None

        return eventually(look, f"the children of {bot}")

    def status(self, bot: str = "a") -> Manifest:
        found = self.get("TradingBot", bot)
        assert found is not None
        status: Manifest = found.get("status", {})
        return status

    def told(self, reason: str) -> Manifest | None:
        """Return an Event with this reason, if there is one."""
        found: list[Manifest] = self.list("Event")
        return next((event for event in found if event["reason"] == reason), None)

    def wait_for_condition(self, kind: str, status: str, reason: str, bot: str = "a") -> Manifest:
        def look() -> Manifest | None:
            for condition in self.status(bot).get("conditions", []):
                if (condition["type"], condition["status"], condition["reason"]) == (kind, status, reason):
                    found: Manifest = condition
                    return found
            return None

        return eventually(look, f"{kind}={status} {reason}")

    def pod(self, bot: str = "a") -> Manifest:
        """Return the newest pod that the Deployment made (no kubelet runs it)."""

        def look() -> Manifest | None:
            wanted = self.children(bot)["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
            pods = self.list("Pod", f"tradingbots.dev/bot={bot}")
            return next((p for p in pods if p["spec"]["volumes"][0]["configMap"]["name"] == wanted), None)

        return eventually(look, "a pod of the present template")

    def kubelet(self, pod: Manifest, *, ready: bool, ip: str = "198.51.100.1", **container: Any) -> None:
        """Report a pod's status as kubelet does."""
        status = {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "bot", "ready": ready, "restartCount": 0, "image": "bot", "imageID": "", **container}
            ],
        }
        self.edit("Pod", pod["metadata"]["name"], {"status": status}, "status")

    def account(self) -> Path:
        """Make the operator's ServiceAccount with the documented rights; return a kubeconfig of its own."""
        rules, cluster_rules = documented_rules()
        name, group = "the-operator", "rbac.authorization.k8s.io"
        for manifest in (
            {"apiVersion": "v1", "kind": "ServiceAccount"},
            {"apiVersion": f"{group}/v1", "kind": "Role", "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
            },
        ):
            self.create(manifest | {"metadata": {"name": name}})
        for kind, body in (
            ("clusterroles", {"rules": cluster_rules}),
            (
                "clusterrolebindings",
                {
                    "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": self.name},
                    "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
                },
            ),
        ):
            self.request("POST", f"/apis/{group}/v1/{kind}", {"metadata": {"name": self.name}, **body})
            self._cluster.append(f"/apis/{group}/v1/{kind}/{self.name}")
        token = self.request(
            "POST",
            f"/api/v1/namespaces/{self.name}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        )["status"]["token"]
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        cluster = config["clusters"][0]["cluster"]
        if "certificate-authority" in cluster:
            authority = self.kubeconfig.parent / cluster.pop("certificate-authority")
            cluster["certificate-authority-data"] = base64.b64encode(authority.read_bytes()).decode()
        config["users"] = [{"name": name, "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = name
        config["current-context"] = config["contexts"][0]["name"]
        return self._write(config)

    def _write(self, config: Any) -> Path:
        path = Path(os.environ.get("TMPDIR", "/tmp")) / f"{self.name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


class OperatorProcess:
    """`python -m tradingbot_operator`, serving one namespace."""

    def __init__(self, namespace: Namespace, kubeconfig: Path, log: Path, **settings: str) -> None:
        self.log = log
        self.metrics_port, self.health_port = free_port(), free_port()
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TBO_", "KUBE"))}
        environment |= {
            "TBO_BOT_IMAGE": "registry.example/tradingbot:1",
            "TBO_BOT_POLL_SECONDS": "0",
            "TBO_WATCH_NAMESPACES": namespace.name,
            "TBO_KUBECONFIG": str(kubeconfig),
            "TBO_METRICS_PORT": str(self.metrics_port),
            "TBO_HEALTH_PORT": str(self.health_port),
            **settings,
        }
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tradingbot_operator"], env=environment, stdout=out, stderr=out, cwd=ROOT
            )
        eventually(self._ready, f"the operator is ready: {log}")

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.health_port}/readyz", timeout=ANSWER_SECONDS
            ) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def metrics(self) -> dict[str, float]:
        """Read all samples, by name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=ANSWER_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def writes(self) -> dict[str, float]:
        """Count the writes that the API server took, by resource."""
        found: dict[str, float] = {}
        for name, value in self.metrics().items():
            if name.startswith('rest_client_requests_total{code="2') and 'method="GET"' not in name:
                resource = name.partition('resource="')[2].partition('"')[0]
                found[resource] = found.get(resource, 0) + value
        return found

    def reads(self) -> float:
        """Count the reads of the API server, the first LISTs included."""
        return sum(
            value
            for name, value in self.metrics().items()
            if name.startswith("rest_client_requests_total") and 'method="GET"' in name
        )

    def idle(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until no pass has run for a second, and nothing is left to report."""
        last = (-1.0, 0.0)

        def quiet() -> bool:
            nonlocal last
            samples = self.metrics()
            passes = sum(v for name, v in samples.items() if name.startswith("controller_runtime_reconcile_total"))
            left = samples['workqueue_depth{name="tradingbot"}'] + samples["tradingbot_operator_waiting_reports"]
            if passes != last[0] or left:
                last = (passes, time.monotonic())
            return time.monotonic() - last[1] > 1.0

        eventually(quiet, "the operator is at rest", seconds=seconds)

    def lines(self) -> list[Manifest]:
        """Read the log; every line must be a JSON object."""
        return [json.loads(line) for line in whole_lines(self.log)]

    def stop(self) -> int:
        """Stop as Kubernetes does; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=ANSWER_SECONDS)

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait(timeout=ANSWER_SECONDS)
