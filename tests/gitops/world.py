"""What the real GitOps tools work on: an API server, two namespaces of bots, the operator, bots that watch and trade.

In one namespace the chart's policies are in force, in the other they are not. Everything that a tool does it does as a
ServiceAccount of its own with all rights, as Argo CD and Flux are installed by default.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from bench import stop_watchers
from bench.stop import ask, process
from tests.api.crd.server import Manifest, Server
from tests.api.operator.harness import Namespace, OperatorProcess
from tests.api.plugin.world import minimal, program
from tests.support.chart_policies import RBAC, install, kubeconfig_by_token, render
from tests.support.gitops_facts import CONFLICT, KEPT, REVERTED
from tests.support.waiting import ANSWER_SECONDS, eventually

from tradingbot_operator.plugin.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANDLES = 3
"""So many candles a bot is shown after it was stopped, at the least."""
PATCH = '{"spec":{"emergencyStop":{"active":true,"reason":"drill"}}}'


def run(kubeconfig: Path, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of the cluster as whom the kubeconfig names; the caller looks at the exit code."""
    environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment, check=False, timeout=2 * ANSWER_SECONDS
    )


@dataclass(frozen=True)
class World:
    server: Server
    kubeconfig: Path
    folder: Path
    free: Namespace
    """Bots without the chart's policies."""
    guarded: Namespace
    """Bots with them."""
    operator_kubeconfig: Path
    serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def file(self, namespace: Namespace, **spec: Any) -> Manifest:
        """A new bot as Git has it."""
        return minimal(namespace.name, f"bot-{next(self.serial)}", **spec)

    def account(self, name: str, namespace: str = "") -> Path:
        """The kubeconfig of a tool that may do everything, but is no person."""
        namespace = namespace or self.guarded.name
        folder = self.folder / namespace
        folder.mkdir(exist_ok=True)
        install(
            self.server,
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        )
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{namespace}-{name}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        install(self.server, binding)
        written = kubeconfig_by_token(self.server, self.kubeconfig, folder, namespace, name)
        with Server(written) as tool:
            eventually(lambda: tool.request("GET", f"{RBAC}/clusterroles"), f"{name} may do everything")
        return written

    @contextmanager
    def operator(self, namespace: Namespace) -> Iterator[OperatorProcess]:
        log = self.folder / f"operator-{next(self.serial)}.log"
        running = OperatorProcess(namespace, self.operator_kubeconfig, log)
        try:
            yield running
        finally:
            running.kill()

    @contextmanager
    def watched(self, file: Manifest) -> Iterator[Callable[[], stop_watchers.Seen]]:
        """A bot trades; what is given ends it and tells what it saw."""
        with self.all_watched([file]) as end:
            yield lambda: end()[file["metadata"]["name"]]

    @contextmanager
    def all_watched(self, files: list[Manifest]) -> Iterator[Callable[[], dict[str, stop_watchers.Seen]]]:
        """Bots of one namespace trade, in one process."""
        uids = {file["metadata"]["name"]: self.live(file)["metadata"]["uid"] for file in files}
        place = self._place(files[0]["metadata"]["namespace"])
        with process(stop_watchers.bots, place, uids, 0.05, CANDLES) as pipe:
            yield lambda: ask(pipe)

    def _place(self, namespace: str) -> stop_watchers.Place:
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        ca, token = self.folder / "ca.crt", self.folder / f"{namespace}.token"
        if "certificate-authority" in config:
            ca.write_bytes((self.kubeconfig.parent / config["certificate-authority"]).read_bytes())
        else:
            ca.write_bytes(base64.b64decode(config["certificate-authority-data"]))
        named = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "bots", "namespace": namespace}}
        rule = {"apiGroups": ["tradingbots.dev"], "resources": ["tradingbots"], "verbs": ["get", "watch"]}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bots"}
        subject = {"kind": "ServiceAccount", "name": "bots", "namespace": namespace}
        install(self.server, {**named, "apiVersion": "v1", "kind": "ServiceAccount"})
        install(self.server, {**named, "kind": "Role", "rules": [rule]})
        install(self.server, {**named, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]})
        written = kubeconfig_by_token(self.server, self.kubeconfig, self.folder, namespace, "bots")
        token.write_text(json.loads(written.read_text(encoding="utf-8"))["users"][0]["user"]["token"])
        return stop_watchers.Place(config["server"], namespace, token, ca)

    # --- one bot -----------------------------------------------------------------------------------------------

    def beside(self, file: Manifest) -> Manifest:
        """Something else that Git has in the same place as a bot."""
        meta = {"name": f"{file['metadata']['name']}-beside", "namespace": file["metadata"]["namespace"]}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"said-by": "git"}}

    def said_by(self, beside: Manifest, hand: str = "") -> str:
        """Who wrote last what lies beside a bot; with `hand`, this hand does now."""
        path = f"/api/v1/namespaces/{beside['metadata']['namespace']}/configmaps/{beside['metadata']['name']}"
        if hand:
            self.server.request("PATCH", path, {"data": {"said-by": hand}}, "application/merge-patch+json")
        return str(self.server.request("GET", path)["data"]["said-by"])

    def live(self, file: Manifest) -> Manifest:
        meta = file["metadata"]
        path = f"/apis/{file['apiVersion']}/namespaces/{meta['namespace']}/tradingbots/{meta['name']}"
        found: Manifest = self.server.request("GET", path)
        return found

    def is_stopped(self, file: Manifest) -> bool:
        return (self.live(file)["spec"].get("emergencyStop") or {}).get("active") is True

    def stop(self, file: Manifest, writer: str) -> None:
        """Stop a bot as a person does, with the real program."""
        name, namespace = file["metadata"]["name"], file["metadata"]["namespace"]
        if writer == "plugin":
            words = ("--reason", "drill", "--no-wait", "--yes", "--kubeconfig", str(self.kubeconfig), "-n", namespace)
            assert main(["stop", name, *words]) == 0
            return
        done = run(
            self.kubeconfig, program("kubectl"), "patch", "tbot", name, "-n", namespace, "--type", "merge", "-p", PATCH
        )
        assert done.returncode == 0, done.stderr

    def until_latched(self, file: Manifest) -> Manifest:
        """Wait until the operator holds the stop, and return the latch."""
        found: Manifest = eventually(
            lambda: (self.live(file).get("status") or {}).get("emergencyStop"), "the operator has latched the stop"
        )
        return found

    def became(self, file: Manifest, said: str) -> str:
        """What became of the field, in the table's words."""
        if "conflict" in said:
            assert self.is_stopped(file)
            return CONFLICT
        assert not said, said
        return KEPT if self.is_stopped(file) else REVERTED


def make(server: Server, kubeconfig: Path, folder: Path) -> World:
    """Make the namespaces, and put what the chart installs into them: the policies into one of the two."""
    free, guarded = Namespace(server, kubeconfig), Namespace(server, kubeconfig)
    rendered = render(guarded.name, f"watchNamespaces={json.dumps([free.name, guarded.name])}")
    for manifest in rendered:
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding":
            (only,) = manifest["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
            only["values"] = [guarded.name]
        install(server, manifest)
    operator = next(m["metadata"]["name"] for m in rendered if m["kind"] == "ServiceAccount")
    written = kubeconfig_by_token(server, kubeconfig, folder, guarded.name, operator)
    return World(server, kubeconfig, folder, free, guarded, written)
