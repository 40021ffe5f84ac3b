"""A fresh control plane with fake nodes for each measurement, and the operator on it under its own rights."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - a dataclass field
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from tradingbot_cluster import binaries
from tradingbot_cluster.demo.tools import Tools
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.local.provider import LocalProvider
from tradingbot_cluster.paths import Layout, checkout_root

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = checkout_root()
INSTANCE = "bench"
OPERATOR_NAMESPACE = "tradingbot-system"
SERVICE_ACCOUNT = "tradingbot-operator"
NODES = 20
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class ScaleCluster:
    """One control plane; `audit_log` notes every request of ServiceAccounts outside kube-system."""

    kubeconfig: Path
    audit_log: Path
    tools: Tools

    def operator_requests(self) -> list[dict[str, Any]]:
        """Every request that the operator has made, as the API server saw it."""
        user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{SERVICE_ACCOUNT}"
        with self.audit_log.open() as lines:
            return [event for line in lines if (event := json.loads(line))["user"]["username"] == user]

    def operator_kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig with a token of the operator's ServiceAccount: its rights, and its audit."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        token = self.tools.kubectl(
            "create", "token", SERVICE_ACCOUNT, "--namespace", OPERATOR_NAMESPACE, "--duration", "2h"
        )
        config["users"][0]["user"] = {"token": token.strip()}
        path = folder / "operator.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


@contextmanager
def scale_cluster(instance: str = INSTANCE) -> Iterator[ScaleCluster]:
    """A new, empty control plane with scheduler and fake nodes, the CRDs and the chart's rights; gone afterwards."""
    layout = Layout.of(instance)
    provider = LocalProvider(layout)
    binaries.ensure(["kube", "kwok", "helm"])
    provider.down()
    provider.up(UpOptions(control_plane_only=True, scheduler=True, audit=True, kwok_nodes=NODES))
    try:
        tools = Tools(binaries.program("kubectl"), binaries.program("helm"), provider.kubeconfig())
        tools.kubectl("create", "namespace", OPERATOR_NAMESPACE)
        tools.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        tools.kubectl("apply", "-f", "-", stdin=_rights(tools))
        names = [path.stem.partition("_")[2] + ".tradingbots.dev" for path in (ROOT / "crds").glob("*.yaml")]
        tools.kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in names))
        yield ScaleCluster(provider.kubeconfig(), layout.logs / "audit.log", tools)
    finally:
        provider.down()


def _rights(tools: Tools) -> str:
    """ServiceAccount and RBAC as the chart grants them, and nothing else of the chart."""
    chart = str(ROOT / "charts" / "tradingbot-operator")
    rendered = tools.helm(
        "template", "tradingbot-operator", chart, "--namespace", OPERATOR_NAMESPACE, "--kube-version", "1.34.0"
    )
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    documents = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] in kinds]
    for document in documents:
        document["metadata"].setdefault("annotations", {}).pop("helm.sh/hook", None)
    return yaml.safe_dump_all(documents)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Operator:
    """The operator as a process of this machine, with the token of its ServiceAccount."""

    def __init__(self, cluster: ScaleCluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.health_port, self.metrics_port = _free_port(), _free_port()
        self.log = folder / "operator.log"
        self.kubeconfig = cluster.operator_kubeconfig(folder)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TBO_", "KUBE"))},
            "KUBECONFIG": str(self.kubeconfig),
            "TBO_BOT_IMAGE": "localhost/tradingbot/bot:bench",
            "TBO_WATCH_NAMESPACES": namespace,
            "TBO_BOT_POLL_SECONDS": "0",  # fake nodes run no bots that could answer
            "TBO_HEALTH_PORT": str(self.health_port),
            "TBO_METRICS_PORT": str(self.metrics_port),
            "TBO_LOG_LEVEL": "WARNING",
        }
        with self.log.open("ab") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "tradingbot_operator"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_ready(self, seconds: float = 120) -> None:
        """Wait until the operator has seen everything that exists."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the operator did not become ready:\n{self.log.read_text()[-3000:]}")

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{")) and not line.startswith("#")
        )

    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        return float(self.process.memory_info().rss) / 2**20

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """End it by SIGTERM, by SIGKILL after twenty seconds; nothing when it has ended."""
        if not self.process.is_running():
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
