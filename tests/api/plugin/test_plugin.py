"""The plugin against a real API server: real refusals, real field managers, a bot behind the real service proxy."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.crd.server import ROOT, Manifest, Refused, Server
from tests.api.plugin.conftest import minimal, program

from tradingbot_operator.plugin.api import FIELD_MANAGER, Connection
from tradingbot_operator.plugin.cluster import Cluster
from tradingbot_operator.plugin.errors import ExitCode
from tradingbot_operator.plugin.main import main
from tradingbot_operator.plugin.risk import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.api

Plugin = Callable[..., tuple[int, str, str]]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
DIGEST = "sha256:" + "ab" * 32
PLACES = {
    "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
    "ClusterRole": f"{RBAC}/clusterroles",
}


@pytest.fixture
def plugin(kubeconfig: Path, namespace: str, capsys: pytest.CaptureFixture[str]) -> Plugin:
    """Run a command as somebody; return its exit code and what it said."""

    def run(*words: str, user: str = "", where: str = namespace) -> tuple[int, str, str]:
        impersonation = ["--as", user] if user else []
        capsys.readouterr()
        code = main([*words, "--kubeconfig", str(kubeconfig), "-n", where, *impersonation])
        said = capsys.readouterr()
        return code, " ".join(said.out.split()), " ".join(said.err.split())

    return run


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
    for _ in range(200):
        if server.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{user} may still not {verb} {resource}")


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


def test_a_person_who_may_patch_stops_and_resumes(
    server: Server, namespace: str, kubeconfig: Path, plugin: Plugin
) -> None:
    made = server.create(namespace, minimal(namespace, "stop-me"), dry_run=False)
    grant(server, namespace, "eve", "get", "patch")
    with Operator(kubeconfig, namespace, "stop-me"):
        code, out, err = plugin("stop", "stop-me", "--reason", "drill", user="eve")
        assert code == ExitCode.OK, err
        stop_id = f"{made['metadata']['uid'][:8]}-2"
        assert f"stop {stop_id}, latched (says the operator)" in out
        obj = server.request("GET", path(namespace, "stop-me"))
        assert obj["spec"]["emergencyStop"] == {"active": True, "closePositions": False, "reason": "drill"}
        managers = {entry["manager"]: entry for entry in obj["metadata"]["managedFields"]}
        assert "f:emergencyStop" in managers[FIELD_MANAGER]["fieldsV1"]["f:spec"]
        code, out, err = plugin("resume", "stop-me", "--reason", "drill over", "--id", stop_id, user="eve")
        assert code == ExitCode.OK, err
    spec = server.request("GET", path(namespace, "stop-me"))["spec"]
    assert "emergencyStop" not in spec
    assert spec["resume"] == {"stopId": stop_id, "reason": "drill over"}


def test_refusals_of_the_server_are_explained(server: Server, namespace: str, plugin: Plugin) -> None:
    server.create(namespace, minimal(namespace, "not-mine"), dry_run=False)
    code, out, _ = plugin("stop", "not-mine", user="nobody")
    assert code == ExitCode.FORBIDDEN
    assert f"nobody may not patch tradingbots.tradingbots.dev in namespace {namespace}" in out
    assert "--verb=patch --resource=tradingbots.tradingbots.dev" in out
    assert "emergencyStop" not in server.request("GET", path(namespace, "not-mine"))["spec"]
    code, _, err = plugin("status", user="nobody")
    assert code == ExitCode.FORBIDDEN
    assert "nobody may not list" in err
    code, _, err = plugin("status", "-A", user="nobody")
    assert code == ExitCode.FORBIDDEN
    assert "kubectl create clusterrole" in err
    code, _, err = plugin("status", "not-there")
    assert code == ExitCode.NOT_FOUND
    code, _, err = plugin("positions", "not-mine")
    assert code == ExitCode.FAILED
    assert "does not answer" in err
    code, _, err = plugin("logs", "not-mine")
    assert code == ExitCode.NOT_FOUND
    assert "has no pod yet" in err


def test_what_the_hint_says_is_a_command_that_works(
    server: Server, namespace: str, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.create(namespace, minimal(namespace, "hinted"), dry_run=False)
    words = ["stop", "hinted", "--no-wait", "--kubeconfig", str(kubeconfig), "-n", namespace, "--as", "hal"]
    for verb in ("patch", "get"):
        code = main(words if verb == "patch" else ["status", "hinted", *words[3:]])
        said = capsys.readouterr()
        assert code == ExitCode.FORBIDDEN
        lines = [line.strip() for line in (said.out + said.err).splitlines() if "kubectl create" in line]
        assert len(lines) == 2
        for line in lines:
            command = [program("kubectl"), "--kubeconfig", str(kubeconfig), *line.split()[1:]]
            subprocess.run(command, check=True, capture_output=True)
        wait_until_allowed(server, namespace, "hal", verb)
    assert main(words) == ExitCode.OK
    assert main(["status", "hinted", *words[3:]]) == ExitCode.OK


def test_a_dry_run_changes_nothing(server: Server, namespace: str, plugin: Plugin) -> None:
    before = server.create(namespace, minimal(namespace, "dry"), dry_run=False)
    assert plugin("stop", "dry", "--dry-run=server")[0] == ExitCode.OK
    after = server.request("GET", path(namespace, "dry"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_list_longer_than_a_page_and_a_watch(server: Server, namespace: str, kubeconfig: Path) -> None:
    cluster = Cluster.connect(Connection(kubeconfig=str(kubeconfig), namespace=namespace))
    server.create(namespace, minimal(namespace, "watched"), dry_run=False)
    items, version = cluster.bots(namespace)
    assert "watched" in {item["metadata"]["name"] for item in items}
    changes = cluster.watch(namespace, "", version)
    cluster.patch(namespace, "watched", {"spec": {"trading": "Paused"}})
    kind, obj = next(changes)
    assert (kind, obj["spec"]["trading"]) == ("MODIFIED", "Paused")
    changes.close()  # type: ignore[attr-defined]
    assert cluster.whoami().username


# --- the bot behind the service proxy ----------------------------------------------------------------------------


class Bot(http.server.BaseHTTPRequestHandler):
    """A bot that trades, and stops when its object says so."""

    answers: dict[str, Any]

    def do_GET(self) -> None:
        found = self.answers.get(self.path)
        body = json.dumps(found).encode() if found is not None else b"no such page"
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def own_address() -> str:
    """An address of this machine that is not loopback: the API server proxies to no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@contextlib.contextmanager
def serving(server: Server, namespace: str, name: str, answers: dict[str, Any]) -> Iterator[None]:
    """Put an HTTP server behind the bot's Service."""
    handler = type("Handler", (Bot,), {"answers": answers})
    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        port = listening.server_port
        service = f"tradingbot-{name}"
        core, address = f"/api/v1/namespaces/{namespace}", {"ip": own_address()}
        ports = [{"name": "http", "port": 8080}]
        server.request(
            "POST", f"{core}/services", named("Service", service, spec={"clusterIP": "None", "ports": ports})
        )
        # The API server proxies to addresses of pods only.
        container = {"name": "bot", "image": "bot"}
        pod = named("Pod", service, spec={"containers": [container], "automountServiceAccountToken": False})
        pod["metadata"]["labels"] = {"tradingbots.dev/bot": name}
        create_pod(server, core, pod)
        status = {"podIP": address["ip"], "podIPs": [address], "phase": "Running"}
        server.request("PATCH", f"{core}/pods/{service}/status", {"status": status}, MERGE)
        target = {"kind": "Pod", "name": service, "namespace": namespace}
        subset = {"addresses": [address | {"targetRef": target}], "ports": [{"name": "http", "port": port}]}
        server.request("POST", f"{core}/endpoints", named("Endpoints", service, subsets=[subset]))
        yield
        server.request("DELETE", f"{core}/pods/{service}?gracePeriodSeconds=0")
        server.request("DELETE", f"{core}/services/{service}")
        listening.shutdown()


def named(kind: str, name: str, **parts: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **parts}


def create_pod(server: Server, core: str, pod: Manifest) -> None:
    """The namespace's ServiceAccount comes a moment after the namespace."""
    for _ in range(50):
        try:
            server.request("POST", f"{core}/pods", pod)
        except Refused as refusal:
            if "serviceaccount" not in str(refusal):
                raise
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("there is no ServiceAccount")


def test_without_an_operator_the_bot_confirms_through_the_service_proxy(
    server: Server, namespace: str, plugin: Plugin
) -> None:
    server.create(namespace, minimal(namespace, "alone"), dry_run=False)
    stop = {"id": "0-2", "since": "2026-11-21T09:00:00Z", "outcome": {"state": "CANCELLED", "orders_cancelled": 2}}
    positions = {"positions": [{"symbol": "BTC/USD", "quantity": "0.5"}]}
    answers = {
        "/api/v1/status": {"state": "KILLED", "role": "trading", "stop": stop},
        "/api/v1/bot/positions": positions,
    }
    grant(server, namespace, "ann", "get", "patch")
    with serving(server, namespace, "alone", answers):
        code, out, err = plugin("stop", "alone", "--timeout", "20")
        assert code == ExitCode.OK, out + err
        assert "(says the bot)" in out
        assert plugin("positions", "alone")[1] == "SYMBOL QUANTITY BTC/USD 0.5"
        assert json.loads(plugin("positions", "alone", "-o", "json")[1]) == positions
        code, _, err = plugin("positions", "alone", user="ann")
        assert code == ExitCode.FORBIDDEN
        assert "ann may not get services/proxy" in err
        code, out, _ = plugin("stop", "alone", "--timeout", "4", user="ann")
        assert code == ExitCode.NOT_CONFIRMED
        assert "get on services/proxy" in out


# --- with the chart's policies -----------------------------------------------------------------------------------


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
    for _ in range(200):
        try:
            server.create(namespace, probe, dry_run=True)
        except Refused as refusal:
            if "resume" in str(refusal):
                return
        time.sleep(0.1)
    raise TimeoutError("the policies are not in force")


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
