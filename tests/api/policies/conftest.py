"""The chart's policies as helm renders them, in force for the namespaces of these tests only."""

from __future__ import annotations

import copy
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.crd.server import ROOT, Manifest, Refused, Server, install_crd
from tests.api.policies.world import EDITORS, IMAGES, NEVER_APPROVE, World, approval, refused
from tests.support.chart_policies import install, kubeconfig_by_token, place, render
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTS = ("gitops", "ci", "wildcard", "approving")


def bind(namespace: str, role: str, *users: str, accounts: tuple[str, ...] = (), kind: str = "ClusterRole") -> Manifest:
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"test-{role.replace(':', '-')}", "namespace": namespace},
        "roleRef": {"apiGroup": api, "kind": kind, "name": role},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user} for user in users]
        + [{"kind": "ServiceAccount", "name": account, "namespace": namespace} for account in accounts],
    }


def role(namespace: str, name: str, verbs: list[str], resources: list[str], only: list[str] | None = None) -> Manifest:
    rule: Manifest = {"apiGroups": ["tradingbots.dev"], "resources": resources, "verbs": verbs}
    if only:
        rule["resourceNames"] = only
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": [rule],
    }


def connect_by_token(server: Server, kubeconfig: Path, folder: Path, namespace: str, account: str) -> Server:
    """Return a connection as a ServiceAccount, with a token from the API server and no certificate."""
    return Server(kubeconfig_by_token(server, kubeconfig, folder, namespace, account))


def create_people(server: Server, rendered: list[Manifest], namespace: str, other: str, namesake: str) -> None:
    edit = next(m["metadata"]["name"] for m in rendered if m["metadata"]["name"].endswith(":edit"))
    view = next(m["metadata"]["name"] for m in rendered if m["metadata"]["name"].endswith(":view"))
    for account in (*ACCOUNTS, namesake):
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}
        install(server, body)
    anything = ["*"]
    for manifest in (
        bind(namespace, edit, *EDITORS, "dave", accounts=("gitops", "ci", "approving")),
        bind(namespace, view, *EDITORS, "dave", "victor"),
        bind(namespace, "tradingbot-approver", "bob", "erin", "dave", "gary", accounts=("approving",)),
        bind(namespace, "tradingbot-resumer", "carol", "dave", "gary"),
        role(namespace, "anything", anything, anything),
        bind(namespace, "anything", "robot", "owner", accounts=("wildcard", namesake), kind="Role"),
        role(namespace, "one-bot", ["get", "update", "patch", "approve", "resume"], ["tradingbots"], ["another-bot"]),
        bind(namespace, "one-bot", "frank", kind="Role"),
        role(namespace, "touch", ["get", "update", "patch"], ["tradingbots"]),
        bind(namespace, "touch", "frank", kind="Role"),
        bind(namespace, "admin", "admin"),
        bind(other, edit, "oscar"),
        bind(other, "tradingbot-approver", "oscar"),
        bind(other, "tradingbot-resumer", "oscar"),
    ):
        install(server, manifest)


def let_write_the_status(server: Server, namespace: str, account: str, system: str) -> None:
    """Give the operator its hand on the status, in a namespace that it does not watch."""
    bound = bind(namespace, "status", kind="Role")
    bound["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": system}]
    install(server, role(namespace, "status", ["patch"], ["tradingbots/status"]))
    install(server, bound)


def binding_for(policies: list[Manifest], policy: str, namespace: str) -> Manifest:
    found = next(
        m for m in policies if m["kind"].endswith("Binding") and m["spec"]["policyName"].endswith(f".{policy}")
    )
    binding = copy.deepcopy(found)
    binding["metadata"]["name"] += ".alone"
    binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"] = [namespace]
    return binding


def store_what_no_policy_would_let_in(world: World) -> None:
    """Bots from before: live, unsigned, approved by nobody who may, resumed with any id, their status empty."""
    for number in range(8):
        name = f"legacy-{number}"
        world.server.request(
            "POST",
            world.path(),
            world.manifest(
                name,
                mode="live",
                approval=approval("system:serviceaccount:nobody:nobody", expires="2020-01-01T00:00:00Z"),
                resume={"stopId": "any", "reason": "none"},
            ),
        )
        world.legacy.append(name)
    strange = world.manifest(world.strange, image="registry.example/old:1")
    world.server.request("POST", world.path(), strange)


@pytest.fixture(scope="session")
def rendered_policies() -> list[Manifest]:
    """The policies with the chart's defaults, for all namespaces."""
    return [m for m in render("anywhere") if m["kind"].startswith("ValidatingAdmissionPolicy")]


@pytest.fixture(scope="session")
def world(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tokens")
    with ExitStack() as opened:
        server = opened.enter_context(Server(Path(kubeconfig)))
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            install_crd(server, yaml.safe_load(path.read_text(encoding="utf-8")))

        def namespace(start: str, **annotations: str) -> str:
            meta = {"generateName": start, "annotations": annotations}
            body: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
            name: str = server.request("POST", "/api/v1/namespaces", body)["metadata"]["name"]
            return name

        trading, other, system = namespace("policies-"), namespace("policies-other-"), namespace("policies-system-")
        alone, halted = (
            namespace("policies-alone-"),
            namespace("policies-halted-", **{"tradingbots.dev/emergency-stop": " Yes"}),
        )
        settings = (
            f"watchNamespaces={json.dumps([trading, other])}",
            f"policies.neverApprove={json.dumps(NEVER_APPROVE)}",
            f"policies.images={json.dumps(IMAGES)}",
            f"policies.requesterServiceAccounts={json.dumps([f'system:serviceaccount:{trading}:gitops'])}",
        )
        rendered = render(system, *settings)
        account = next(m["metadata"]["name"] for m in rendered if m["kind"] == "ServiceAccount")
        policies = [m for m in rendered if m["kind"].startswith("ValidatingAdmissionPolicy")]
        policies.append(binding_for(policies, "approval", alone))
        policies.append(binding_for(policies, "resume", halted))
        try:
            for manifest in rendered:
                if manifest not in policies:
                    install(server, manifest)
            for where in (trading, alone, halted):
                create_people(server, rendered, where, other, account)
            let_write_the_status(server, alone, account, system)
            let_write_the_status(server, halted, account, system)

            def connect(name: str, where: str = trading) -> Server:
                return opened.enter_context(connect_by_token(server, Path(kubeconfig), folder, where, name))

            world = World(
                server=server,
                namespace=trading,
                other=other,
                system=system,
                alone=alone,
                halted=halted,
                operator=connect(account, system),
                accounts={"namesake": connect(account)} | {name: connect(name) for name in ACCOUNTS},
            )
            eventually(lambda: not refused(lambda: server.request("GET", world.path())), "the CRD is served")
            store_what_no_policy_would_let_in(world)
            for manifest in policies:
                install(server, manifest)
            wait_until_in_force(world)
            yield world
        finally:
            for manifest in (*reversed(policies), *(m for m in rendered if m not in policies)):
                try:
                    server.request("DELETE", place(manifest))
                except Refused as gone:
                    if gone.code != 404:
                        raise
            for name in (trading, other, system, alone, halted):
                server.request("DELETE", f"/api/v1/namespaces/{name}")


def wait_until_in_force(world: World) -> None:
    """Each policy refuses something that only it refuses; RBAC lets the people write."""
    probe = world.path(world.legacy[-1])
    once = f"{probe}?dryRun=All"
    wrong = {
        "approval": {"approval": {"comment": "probe"}},
        "requester": {"image": "registry.example/bot:probe"},
        "resume": {"resume": {"reason": "probe"}},
    }
    for policy, spec in wrong.items():

        def answer(policy: str = policy, spec: Any = spec) -> bool:
            patch = "application/merge-patch+json"
            return refused(lambda: world.server.request("PATCH", once, {"spec": spec}, patch), f".{policy}'")

        eventually(answer, f"the policy {policy} is in force")
    strange = world.manifest("strange", image="registry.example/probe:1")
    eventually(
        lambda: refused(lambda: world.server.request("POST", f"{world.path()}?dryRun=All", strange), ".image'"),
        "the policy image is in force",
    )
    status = f"{probe}/status?dryRun=All"
    change: Manifest = {"status": {"state": "ACTIVE"}}
    eventually(
        lambda: refused(
            lambda: world.server.request("PATCH", status, change, "application/merge-patch+json"), "status'"
        ),
        "the policy status is in force",
    )
    stopping = {"spec": {"emergencyStop": {"active": True}}}
    world.server.request("PATCH", probe, stopping, "application/merge-patch+json")
    calm: Manifest = {"spec": {"emergencyStop": {"active": False}}}
    eventually(
        lambda: refused(
            lambda: world.user("mallory").request("PATCH", once, calm, "application/merge-patch+json"), ".stop'"
        ),
        "the policy stop is in force",
    )
    everyone = ("alice", "bob", "carol", "dave", "erin", "frank", "gary", "owner", "robot", "gitops", "ci", "wildcard")
    for who in everyone:
        label = {"metadata": {"labels": {"probe": who}}}
        eventually(
            lambda who=who, label=label: (
                not refused(  # type: ignore[misc]
                    lambda: world.user(who).request("PATCH", once, label, "application/merge-patch+json")
                )
            ),
            f"{who} may write",
        )
    eventually(
        lambda: not refused(lambda: world.operator.request("PATCH", status, change, "application/merge-patch+json")),
        "the operator may write the status",
    )
    evil: Manifest = {"spec": {"logLevel": "DEBUG"}}
    eventually(
        lambda: refused(
            lambda: world.operator.request("PATCH", once, evil, "application/merge-patch+json"), "changes no spec"
        ),
        "the operator may write bots, and no spec",
    )
