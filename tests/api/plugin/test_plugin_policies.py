"""The plugin where the chart's policies are in force."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.api.crd.server import ROOT, Refused, Server
from tests.api.plugin.world import APPLY, RBAC, Operator, bind, grant, minimal, path, program, report
from tests.support.waiting import eventually

from tradingbot_operator.plugin.api import Connection
from tradingbot_operator.plugin.cluster import Cluster
from tradingbot_operator.plugin.errors import ExitCode
from tradingbot_operator.plugin.risk import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.api

Plugin = Callable[..., tuple[int, str, str]]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DIGEST = "sha256:" + "ab" * 32
PLACES = {
    "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
    "ClusterRole": f"{RBAC}/clusterroles",
}


@pytest.fixture(scope="module")
def policed(server: Server, kubeconfig: Path) -> Iterator[str]:
    """A namespace in which the chart's policies are in force, and no other."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "plugin-policed-"}}
    name: str = server.request("POST", "/api/v1/namespaces", body)["metadata"]["name"]
    me = Cluster.connect(Connection(kubeconfig=str(kubeconfig))).whoami().username
    chart = str(ROOT / "charts" / "tradingbot-operator")
    command = [program("helm"), "template", name, chart, "--namespace", name, "--kube-version", "1.34.0",
               "--skip-schema-validation", "--set-json", f"watchNamespaces={json.dumps([name])}",
               "--set-json", f"policies.statusWriters={json.dumps([me])}"]  # fmt: skip
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    manifests = [found for found in yaml.safe_load_all(text) if found and found["kind"] in PLACES]
    manifests = [m for m in manifests if m["kind"] != "ClusterRole" or m["metadata"]["name"].startswith("tradingbot-")]
    places = [f"{PLACES[manifest['kind']]}/{manifest['metadata']['name']}" for manifest in manifests]
    for place, manifest in zip(places, manifests, strict=True):
        server.request("PATCH", f"{place}?fieldManager=plugin-tests&force=true", manifest, APPLY)
    wait_until_in_force(server, name)
    yield name
    for place, manifest in zip(places, manifests, strict=True):
        if manifest["kind"] != "ClusterRole":
            server.request("DELETE", place)
    server.request("DELETE", f"/api/v1/namespaces/{name}")


def wait_until_in_force(server: Server, namespace: str) -> None:
    probe = minimal(namespace, "probe", resume={"stopId": "1-1", "reason": "probe"})

    def answer() -> str:
        try:
            server.create(namespace, probe, dry_run=True)
        except Refused as refusal:
            return str(refusal)
        return "taken"

    eventually(answer, "the policies are in force", holds=lambda said: "resume" in said)


def test_resume_under_the_policies(server: Server, policed: str, kubeconfig: Path, plugin: Plugin) -> None:
    server.create(policed, minimal(policed, "guarded"), dry_run=False)
    grant(server, policed, "eve", "get", "patch")
    with Operator(kubeconfig, policed, "guarded"):
        assert plugin("stop", "guarded", user="eve", where=policed)[0] == ExitCode.OK
        words = ("resume", "guarded", "--reason", "drill over")
        code, _, err = plugin(*words, user="eve", where=policed)
        assert code == ExitCode.FORBIDDEN
        assert "eve may not resume trading" in err
        assert "kubectl create rolebinding tradingbot-resumer --clusterrole=tradingbot-resumer" in err
        assert server.request("GET", path(policed, "guarded"))["spec"]["emergencyStop"]["active"] is True
        bind(server, policed, "tradingbot-resumer", "rita")
        code, out, err = plugin(*words, user="rita", where=policed)
        assert code == ExitCode.OK, err
        assert "the stop is lifted" in out


def test_approve_under_the_policies(server: Server, policed: str, kubeconfig: Path, plugin: Plugin) -> None:
    server.create(policed, minimal(policed, "live-one"), dry_run=False)
    grant(server, policed, "alice", "get", "patch")
    grant(server, policed, "eve", "get", "patch")
    bind(server, policed, "tradingbot-approver", "bob")
    as_alice = Cluster.connect(Connection(kubeconfig=str(kubeconfig), namespace=policed, as_user="alice"))
    exchange = {"name": "binance", "credentialsSecretRef": {"name": "account"}}
    asked = as_alice.patch(
        policed, "live-one", {"spec": {"mode": "live", "requestedBy": "alice", "exchange": exchange}}
    )
    generation = asked["metadata"]["generation"]
    report(server, policed, "live-one", observedGeneration=generation, approval={"requiredDigest": DIGEST})

    words = ("approve", "live-one", "--expires", "2h", "--comment", "looked at it")
    code, _, err = plugin(*words, user="alice", where=policed)
    assert (code, "you (alice) asked for this change" in err) == (ExitCode.FORBIDDEN, True)
    code, _, err = plugin(*words, user="eve", where=policed)
    assert code == ExitCode.FORBIDDEN
    assert "eve may not approve live trading" in err
    assert "--clusterrole=tradingbot-approver" in err
    code, out, err = plugin(*words, user="bob", where=policed)
    assert code == ExitCode.OK, err
    assert f"approved {DIGEST} until" in out
    assert "exchange.credentialsSecretRef.name: account" in err
    obj = server.request("GET", path(policed, "live-one"))
    assert obj["spec"]["approval"]["approvedBy"] == "bob"
    assert json.loads(obj["metadata"]["annotations"][ANNOTATION])["approvedBy"] == "bob"

    changed = as_alice.patch(policed, "live-one", {"spec": {"requestedBy": "alice", "risk": {"maxDrawdown": 0.3}}})
    newer = "sha256:" + "cd" * 32
    report(server, policed, "live-one", observedGeneration=changed["metadata"]["generation"],
           approval={"requiredDigest": newer})  # fmt: skip
    code, out, err = plugin("approve", "live-one", user="bob", where=policed)
    assert code == ExitCode.OK, err
    assert "~ risk.maxDrawdown:" in err
    assert "→ 0.3" in err
