"""The plugin against a real API server: real refusals, real field managers, a bot behind the real service proxy."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.plugin.world import MERGE, Operator, grant, minimal, path, program, wait_until_allowed
from tests.support.waiting import eventually

from tradingbot_operator.plugin.api import FIELD_MANAGER, Connection
from tradingbot_operator.plugin.cluster import Cluster
from tradingbot_operator.plugin.errors import ExitCode
from tradingbot_operator.plugin.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.crd.server import Manifest, Server

pytestmark = pytest.mark.api

Plugin = Callable[..., tuple[int, str, str]]


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
    eventually(lambda: server.request("GET", f"{core}/serviceaccounts/default"), "a ServiceAccount")
    server.request("POST", f"{core}/pods", pod)


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
