"""RBAC granted equals RBAC used: the operator does all that it does, and the audit log says what that was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.api.operator.harness import SPEC, Namespace, documented_rules
from tests.api.operator.live_bots import BotAnswers, LiveBot
from tests.support.files import whole_lines
from tests.support.waiting import eventually

from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.kinds import BY_NAME, CHILDREN
from tradingbot_operator.desired.tradingbot import build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.operator.conftest import StartOperator

pytestmark = pytest.mark.api

Right = tuple[str, str, str]

BOT = {"apiVersion": "tradingbots.dev/v1alpha1", "kind": "TradingBot", "spec": SPEC}

NOT_REQUESTED: dict[Right, str] = {
    ("tradingbots.dev", "tradingbots", "patch"): "the finalizer of a live bot: test_deletion.py asks with these rights",
    (
        "tradingbots.dev",
        "tradingbots/finalizers",
        "update",
    ): "asked by OwnerReferencesPermissionEnforcement (OpenShift)",
}
BY_CHANCE: dict[Right, str] = {
    (
        "tradingbots.dev",
        "tradingbots",
        "get",
    ): "handed on in the bots' Roles, which only who has it may do; asked as well "
    "when somebody writes between the operator's look and its status",
}
"""What a run may or may not use, by how its moments fall."""
BODIES = {
    "Deployment": {
        "replicas": 0,
        "selector": {"matchLabels": {"x": "y"}},
        "template": {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "x", "image": "example/x"}]}},
    },
    "Service": {"ports": [{"port": 8080}]},
    "NetworkPolicy": {"podSelector": {}},
    "PodDisruptionBudget": {"maxUnavailable": 1, "selector": {"matchLabels": {"x": "y"}}},
}


def granted() -> set[Right]:
    rules, cluster_rules = documented_rules()
    return {
        (group, resource, verb)
        for rule in [*rules, *cluster_rules]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(audit_log: Path, user: str) -> set[Right]:
    """What was asked for, as RBAC names it; an apply that made its object needed `create` beside `patch`."""
    rights: set[Right] = set()
    for line in whole_lines(audit_log):
        event = json.loads(line)
        target = event.get("objectRef", {})
        if event["user"]["username"] != user or "resource" not in target:
            continue
        assert event["responseStatus"].get("code") != 403, f"refused: {event['verb']} {target}"
        resource = "/".join(part for part in (target["resource"], target.get("subresource")) if part)
        rights.add((target.get("apiGroup", ""), resource, event["verb"]))
        if event["verb"] == "patch" and event["responseStatus"].get("code") == 201:
            rights.add((target.get("apiGroup", ""), resource, "create"))
    return rights


def foreign(kind: str, name: str) -> dict[str, object]:
    """An object of somebody else's under a name that the operator wants."""
    manifest: dict[str, object] = {
        "apiVersion": BY_NAME[kind].api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "somebody"}},
    }
    if kind in BODIES:
        manifest["spec"] = BODIES[kind]
    if kind == "RoleBinding":
        manifest["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "view"}
    return manifest


def child_names(namespace: Namespace, bot: str) -> dict[str, str]:
    """The names of the children that a bot would get."""
    manifest = {**BOT, "metadata": {"name": bot, "namespace": namespace.name, "uid": "any"}}
    wanted = build(parse(TradingBot, manifest), Mode.SIMULATION, BuildConfig(bot_image="any"))
    return {child["kind"]: child["metadata"]["name"] for child in wanted.manifests}


def test_what_is_granted_is_what_is_used(kubeconfig: Path, namespace: Namespace, start_operator: StartOperator) -> None:
    operator = start_operator()
    namespace.bot()
    names = {kind: child["metadata"]["name"] for kind, child in namespace.wait_for_children().items()}
    namespace.kubelet(namespace.pod(), ready=True)
    namespace.wait_for_condition("Ready", "True", "AsExpected")
    namespace.edit("TradingBot", "a", {"spec": {"logLevel": "DEBUG"}})
    eventually(lambda: len(namespace.list("ConfigMap", "tradingbots.dev/bot=a")) == 2, "a second ConfigMap")
    namespace.kubelet(namespace.pod(), ready=True)
    eventually(lambda: namespace.get("ConfigMap", names["ConfigMap"]) is None, "the first ConfigMap is pruned")
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": {"active": True}}})
    namespace.wait_for_condition("Suspended", "True", "EmergencyStopped")

    # Nobody answers at the pod's address: the kill Job takes the bot's place.
    operator.stop()
    operator = start_operator(TBO_BOT_POLL_SECONDS="1")
    eventually(lambda: namespace.list("Job", "tradingbots.dev/bot=a"), "a kill Job")

    # On the way to live trading the account is looked at, and back in a simulation that look is removed.
    answers = BotAnswers()
    asking = LiveBot(namespace, answers, "d")
    asking.simulate()
    asking.ask()
    eventually(lambda: asking.closed() == {"Approval"}, "the BackupSchedules were read")
    asking.edit(mode="simulation")
    eventually(lambda: not namespace.list("Job", "tradingbots.dev/bot=d"), "the preflight is removed")
    answers.close()

    # A Deployment is not written while something that it needs is blocked, so it gets a bot of its own.
    for bot, taken in (("b", {kind.kind for kind in CHILDREN} - {"Deployment"}), ("c", {"Deployment"})):
        for kind, name in child_names(namespace, bot).items():
            if kind in taken:
                namespace.create(foreign(kind, name))
        namespace.bot(bot)
        namespace.wait_for_condition("Ready", "False", "NameTaken", bot)
    operator.idle()

    log = kubeconfig.parent / "logs" / "audit.log"
    requested = used(log, f"system:serviceaccount:{namespace.name}:the-operator")
    assert requested - granted() == set(), "asked for, and not granted"
    assert granted() - requested - set(BY_CHANCE) == set(NOT_REQUESTED), "granted, and not used"
