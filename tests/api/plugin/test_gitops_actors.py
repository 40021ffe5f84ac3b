"""What happens to spec.emergencyStop under each tool: the facts of docs/gitops.md, which is compared with them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.crd.server import ROOT, Refused
from tests.api.plugin.world import minimal, program
from tests.support.gitops_actors import ACTORS, MERGE, Actor, Client, Manifest, helm_3_that_changes, live, path_of
from tests.support.gitops_facts import CONFLICT, DECLARES, EXPECTED, KEPT, OMITS, REVERTED, version
from tests.unit.gitops import argo

from tradingbot_operator.plugin.api import FIELD_MANAGER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.crd.server import Server

pytestmark = pytest.mark.api

SCRIPTS = ROOT / "gitops" / "argocd" / "resource_customizations" / "tradingbots.dev" / "TradingBot" / "actions"
DOCS = ROOT / "docs" / "gitops.md"
BEGIN, END = "<!-- facts: begin, written by tests/api/plugin/test_gitops_actors.py -->", "<!-- facts: end -->"
WRITERS = {"kubectl patch": "kubectl-patch", "kubectl tradingbot stop": FIELD_MANAGER}


def stop(client: Client, file: Manifest, manager: str) -> Manifest:
    change = {"spec": {"emergencyStop": {"active": True}}}
    stopped: Manifest = client.request("PATCH", f"{path_of(file)}?fieldManager={manager}", change, MERGE)
    return stopped


def is_stopped(client: Client, file: Manifest) -> bool:
    return (live(client, file)["spec"].get("emergencyStop") or {}).get("active") is True


def outcome(client: Client, actor: Actor, file: Manifest, manager: str) -> str:
    """Stop a bot that the tool made, let the tool have another pass, and look."""
    actor.create(client, file)
    stop(client, file, manager)
    assert is_stopped(client, file)
    conflict = conflicts(client, actor, file)
    stopped = is_stopped(client, file)
    assert stopped or not conflict
    if conflict:
        return CONFLICT
    return KEPT if stopped else REVERTED


def conflicts(client: Client, actor: Actor, file: Manifest) -> bool:
    """One pass of the tool; tell whether it gave up because somebody else owns a field."""
    try:
        actor.revert(client, file, after=0.0)
    except Refused as refusal:
        if refusal.code != 409:
            raise
        return True
    return False


@pytest.fixture(scope="module")
def facts(server: Server, namespace: str) -> dict[str, tuple[str, ...]]:
    found = {}
    # A worker that goes to another module and comes back collects the facts again.
    mine = secrets.token_hex(3)
    for number, (name, actor) in enumerate(ACTORS.items()):
        seen = []
        for git, spec in (("omits", OMITS), ("declares", DECLARES)):
            for writer in WRITERS.values():
                file = minimal(namespace, f"actor-{mine}-{number}-{git}-{writer}", **spec)
                seen.append(outcome(server, actor, file, writer))
        assert seen[2] == seen[3], "who wrote the stop makes no difference where Git declares the field"
        found[name] = tuple(seen[:3])
    return found


@pytest.mark.parametrize("name", ACTORS)
def test_what_becomes_of_a_stop(facts: dict[str, tuple[str, ...]], name: str) -> None:
    assert facts[name] == EXPECTED[name]


def test_a_stop_by_the_plugin_stays_wherever_git_omits_the_field(facts: dict[str, tuple[str, ...]]) -> None:
    lost = {name for name, (_, by_plugin, _) in facts.items() if by_plugin == REVERTED}
    assert lost == {"kubectl replace, or Argo CD with Replace=true"}


def test_flux_takes_a_manager_whose_name_begins_with_kubectl_for_kubectl(server: Server, namespace: str) -> None:
    actor = ACTORS["Flux kustomize-controller"]
    assert outcome(server, actor, minimal(namespace, "flux-prefix"), "kubectl-tradingbot") == REVERTED
    assert not FIELD_MANAGER.startswith("kubectl")


def test_helm_3_reverts_only_when_the_chart_changes_the_field(server: Server, namespace: str) -> None:
    before = minimal(namespace, "helm-changes")
    after = minimal(namespace, "helm-changes", **DECLARES)
    ACTORS["Helm 3: helm upgrade"].create(server, before)
    stop(server, before, FIELD_MANAGER)
    helm_3_that_changes(before).reconcile(server, after)
    assert not is_stopped(server, after)


@pytest.mark.parametrize("name", ACTORS)
def test_a_stop_that_is_reverted_at_once_is_seen_by_who_watches(server: Server, namespace: str, name: str) -> None:
    """The bot resumes its watch from the last version that it saw, so nothing that lies between is lost."""
    actor, file = ACTORS[name], minimal(namespace, f"seen-{list(ACTORS).index(name)}", **DECLARES)
    version = actor.create(server, file)["metadata"]["resourceVersion"]
    stop(server, file, "kubectl-patch")
    conflicts(server, actor, file)
    states = server.changes(path_of(file, name=False), file["metadata"]["name"], version)
    seen = [obj["spec"]["emergencyStop"]["active"] for obj in states]
    assert True in seen


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ("stop", "emergencyStop", {"active": True, "closePositions": False, "reason": "Stopped from Argo CD."}),
        ("pause", "trading", "Paused"),
        ("resume", "resume", {"stopId": "1f0c2a9b-2", "reason": "the cause is gone"}),
    ],
)
def test_the_api_server_takes_what_an_action_of_argo_cd_writes(
    server: Server, namespace: str, action: str, field: str, value: Any
) -> None:
    file = minimal(namespace, f"action-{action}")
    ACTORS["Argo CD, self-heal"].create(server, file)
    if action == "resume":
        stop(server, file, "argocd-server")
        status = {"emergencyStop": {"id": "1f0c2a9b-2", "since": "2026-11-21T09:00:00Z"}}
        server.request("PATCH", f"{path_of(file)}/status", {"status": status}, MERGE)
    lua = (SCRIPTS / action / "action.lua").read_text(encoding="utf-8")
    before = live(server, file)
    parameters = {"stopId": "1f0c2a9b-2", "reason": "the cause is gone"}
    patch = argo.merge_patch(before, argo.act(lua, before, parameters))
    server.request("PATCH", f"{path_of(file)}?fieldManager=argocd-server", patch, MERGE)
    ACTORS["Argo CD, self-heal"].reconcile(server, file)
    spec = live(server, file)["spec"]
    assert spec[field] == value
    assert is_stopped(server, file) == (action == "stop")


# --- the actors and the real programs ----------------------------------------------------------------------------


def run(kubeconfig: Path, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HELM_DRIVER": "secret"}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment, check=False, timeout=60
    )


@pytest.mark.parametrize("git", ["omits", "declares"])
@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_kubectl_does_what_its_actor_does(
    server: Server, namespace: str, kubeconfig: Path, git: str, flags: tuple[str, ...]
) -> None:
    kubectl = program("kubectl")
    actor = ACTORS[" ".join(["kubectl apply", *flags])]
    spec = DECLARES if git == "declares" else OMITS
    kind = "server" if flags else "client"
    real, played = (minimal(namespace, f"{who}-{kind}-{git}", **spec) for who in ("real", "played"))
    assert run(kubeconfig, kubectl, "apply", *flags, "-f", "-", stdin=json.dumps(real)).returncode == 0
    patch = '{"spec":{"emergencyStop":{"active":true}}}'
    where = ("-n", namespace, "tbot", real["metadata"]["name"])
    assert run(kubeconfig, kubectl, "patch", *where, "--type", "merge", "-p", patch).returncode == 0
    again = run(kubeconfig, kubectl, "apply", *flags, "-f", "-", stdin=json.dumps(real))
    expected = outcome(server, actor, played, "kubectl-patch")
    assert ("conflict" in again.stderr) == (expected == CONFLICT), again.stderr
    assert is_stopped(server, real) == (expected != REVERTED)


@pytest.mark.parametrize("git", ["omits", "declares"])
def test_helm_does_what_its_actor_does(
    server: Server, namespace: str, kubeconfig: Path, tmp_path: Path, git: str
) -> None:
    helm = program("helm")
    assert run(kubeconfig, helm, "version", "--short").stdout.startswith("v3."), "this is a test of Helm 3"
    real = minimal(namespace, f"real-helm-{git}", **(DECLARES if git == "declares" else OMITS))
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: bots\nversion: 1.0.0\n", encoding="utf-8")
    (chart / "templates" / "bot.yaml").write_text(yaml.safe_dump(real), encoding="utf-8")
    upgrade = (helm, "upgrade", "--install", f"bots-{git}", str(chart), "-n", namespace)
    first = run(kubeconfig, *upgrade)
    assert first.returncode == 0, first.stderr
    stop(server, real, "kubectl-patch")
    second = run(kubeconfig, *upgrade)
    assert second.returncode == 0, second.stderr
    assert is_stopped(server, real)
    # And when the chart's own value changes, whatever it says now is written.
    changed = {**real, "spec": {**real["spec"], "emergencyStop": {"active": False, "reason": "changed in the chart"}}}
    (chart / "templates" / "bot.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    third = run(kubeconfig, *upgrade)
    assert third.returncode == 0, third.stderr
    # Of a map that was declared before, Helm 3 writes only what differs: active was and is false, so it stays true.
    assert is_stopped(server, real) == (git == "declares")


# --- the table in the documentation ------------------------------------------------------------------------------


def render(facts: dict[str, tuple[str, ...]]) -> str:
    columns = ("omits it, stopped by `kubectl patch`", "omits it, stopped by the plugin", "declares it")
    head = f"| tool | {' | '.join(f'Git {column}' for column in columns)} | measured with |"
    rows = [f"| {name} | {' | '.join(seen)} | {version(name)} |" for name, seen in facts.items()]
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


def test_the_documentation_says_what_happens(facts: dict[str, tuple[str, ...]]) -> None:
    """With UPDATE_DOCS=1 in the environment the table is written; without, it is compared."""
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    if os.environ.get("UPDATE_DOCS"):
        DOCS.write_text(f"{before}{BEGIN}\n{render(facts)}\n{END}{after}", encoding="utf-8")
    else:
        assert table.strip() == render(facts)
