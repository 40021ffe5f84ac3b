"""The operator against a real API server: children, drift, pruning, deletion, restarts, refusals, the stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import eventually

from tradingbot_operator.desired.kinds import BY_NAME, CHILDREN

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace, OperatorProcess

pytestmark = pytest.mark.api

PLURALS = {kind.plural for kind in CHILDREN}


def test_a_bot_gets_its_children_with_one_write_each_and_one_status(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    bot = namespace.bot()
    children = namespace.wait_for_children()
    namespace.wait_for_condition("Progressing", "True", "RollingOut")
    operator.idle()
    for child in children.values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (bot["metadata"]["uid"], True)
        assert {"tradingbot-operator"} <= {entry["manager"] for entry in child["metadata"]["managedFields"]}
    assert operator.writes() == dict.fromkeys(PLURALS, 1) | {"tradingbots/status": 1}
    stored = namespace.get("TradingBot", "a")
    assert stored is not None
    assert "finalizers" not in stored["metadata"]
    assert "annotations" not in stored["metadata"], "nothing of kopf's is kept in the object"


def test_what_is_deleted_comes_back(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.bot()
    before = namespace.wait_for_children()
    for kind, child in before.items():
        namespace.delete(kind, child["metadata"]["name"])

    def all_new() -> bool:
        now = namespace.children()
        return all(
            kind in now and now[kind]["metadata"]["uid"] != child["metadata"]["uid"] for kind, child in before.items()
        )

    eventually(all_new, "every deleted child is there again")
    assert operator.process.poll() is None


@pytest.mark.parametrize(
    ("kind", "edit", "read", "expected"),
    [
        ("Role", {"rules": []}, lambda o: [r["verbs"] for r in o["rules"] or []], [["get", "watch"]]),
        ("RoleBinding", {"subjects": []}, lambda o: [s["name"] for s in o["subjects"] or []], ["tradingbot-a"]),
        (
            "Service",
            {"spec": {"selector": {"x": "y"}}},
            lambda o: "app.kubernetes.io/instance" in o["spec"]["selector"],
            True,
        ),
        ("NetworkPolicy", {"spec": {"egress": [{}]}}, lambda o: {} in o["spec"]["egress"], False),
        ("PodDisruptionBudget", {"spec": {"maxUnavailable": 0}}, lambda o: o["spec"]["maxUnavailable"], 1),
        ("ServiceAccount", {"automountServiceAccountToken": True}, lambda o: o["automountServiceAccountToken"], False),
        ("Deployment", {"spec": {"replicas": 3}}, lambda o: o["spec"]["replicas"], 1),
        ("Service", {"metadata": {"labels": None}}, lambda o: "tradingbots.dev/bot" in o["metadata"]["labels"], True),
        ("Service", {"metadata": {"ownerReferences": None}}, lambda o: len(o["metadata"]["ownerReferences"]), 1),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_edited_is_put_right(
    namespace: Namespace, operator: OperatorProcess, kind: str, edit: dict[str, Any], read: Any, expected: Any
) -> None:
    namespace.bot()
    name = namespace.wait_for_children()[kind]["metadata"]["name"]
    operator.idle()
    changed = namespace.edit(kind, name, edit)

    def repaired() -> bool:
        now = namespace.get(kind, name)
        assert now is not None
        if int(now["metadata"]["resourceVersion"]) <= int(changed["metadata"]["resourceVersion"]):
            return False
        return bool(read(now) == expected)

    eventually(repaired, f"the {kind} is as it was")
    operator.idle()
    writes = operator.writes()[BY_NAME[kind].plural]
    assert writes == 2, "one to create, one to repair"


def test_a_config_map_is_immutable_and_the_earlier_one_goes_when_the_rollout_is_complete(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.bot()
    first = namespace.wait_for_children()["ConfigMap"]["metadata"]["name"]
    namespace.kubelet(namespace.pod(), ready=True)
    namespace.wait_for_condition("Ready", "True", "AsExpected")

    namespace.edit("TradingBot", "a", {"spec": {"logLevel": "DEBUG"}})
    selector = "tradingbots.dev/bot=a"
    eventually(lambda: len(namespace.list("ConfigMap", selector)) == 2, "a second ConfigMap beside the first")
    namespace.wait_for_condition("Progressing", "True", "RollingOut")
    assert namespace.get("ConfigMap", first), "the pod that runs may restart"

    namespace.kubelet(namespace.pod(), ready=True)
    eventually(lambda: namespace.get("ConfigMap", first) is None, "the first ConfigMap is pruned")
    eventually(lambda: namespace.wait_for_condition("Progressing", "False", "RolloutComplete"), "the rollout ends")
    assert len(namespace.list("ConfigMap", selector)) == 1
    assert operator.process.poll() is None


def test_deletion_needs_no_operator(namespace: Namespace, start_operator: StartOperator) -> None:
    operator = start_operator()
    namespace.bot()
    namespace.wait_for_children()
    assert operator.stop() == 0
    namespace.delete("TradingBot", "a")
    eventually(lambda: namespace.get("TradingBot", "a") is None, "the object is gone")
    eventually(lambda: namespace.children() == {}, "the children are gone")


def test_a_deleted_bot_stays_deleted_and_a_namesake_starts_anew(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.bot()
    namespace.wait_for_children()
    namespace.delete("TradingBot", "a")
    again = namespace.bot()

    def owned() -> bool:
        uids = {c["metadata"]["ownerReferences"][0]["uid"] for c in namespace.children().values()}
        return len(namespace.children()) == len(CHILDREN) and uids == {again["metadata"]["uid"]}

    eventually(owned, "the children belong to the new object")
    namespace.delete("TradingBot", "a")
    eventually(lambda: namespace.children() == {}, "the children are gone")
    operator.idle()
    assert namespace.children() == {}


def test_a_restart_writes_nothing_and_rest_asks_for_nothing(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    first = start_operator()
    for number in range(5):
        namespace.bot(f"bot-{number}")
    for number in range(5):
        namespace.wait_for_children(f"bot-{number}")
        namespace.kubelet(namespace.pod(f"bot-{number}"), ready=True)
        namespace.wait_for_condition("Ready", "True", "AsExpected", f"bot-{number}")
    first.idle()
    assert first.stop() == 0
    second = start_operator()
    second.idle()
    assert second.metrics()['controller_runtime_reconcile_total{controller="tradingbot",result="success"}'] >= 5
    assert second.writes() == {}
    reads = second.reads()
    second.idle()
    assert second.reads() == reads


def test_a_killed_operator_heals_what_it_left_half_done(namespace: Namespace, start_operator: StartOperator) -> None:
    bots = 0
    for _ in range(10):
        first = start_operator(TBO_WORKERS="2")
        done, bots = bots, bots + 20
        for number in range(done, bots):
            namespace.bot(f"bot-{number}")
        some = done + 5
        eventually(
            lambda some=some: len(namespace.list("Service", "tradingbots.dev/bot")) >= some,  # type: ignore[misc]
            "some are done",
            every=0.01,
        )
        first.kill()
        if len(namespace.list("Deployment")) < bots:
            break  # else it was faster than this test
    assert len(namespace.list("Deployment")) < bots
    start_operator()
    eventually(lambda: len(namespace.list("Deployment")) == bots, "all are done")
    for number in range(bots):
        namespace.wait_for_children(f"bot-{number}")
        namespace.wait_for_condition("Progressing", "True", "RollingOut", f"bot-{number}")


@pytest.mark.parametrize("kind", ["ServiceAccount", "Service", "Deployment"])
def test_a_name_in_use_is_reported_and_the_foreign_object_untouched(
    namespace: Namespace, operator: OperatorProcess, kind: str
) -> None:
    manifests: dict[str, dict[str, Any]] = {
        "ServiceAccount": {"apiVersion": "v1"},
        "Service": {"apiVersion": "v1", "spec": {"ports": [{"port": 8080}]}},
        "Deployment": {
            "apiVersion": "apps/v1",
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"x": "y"}},
                "template": {
                    "metadata": {"labels": {"x": "y"}},
                    "spec": {"containers": [{"name": "x", "image": "registry.example/x"}]},
                },
            },
        },
    }
    foreign = namespace.create({"kind": kind, "metadata": {"name": "tradingbot-a"}, **manifests[kind]})
    namespace.bot()
    taken = namespace.wait_for_condition("Ready", "False", "NameTaken")
    assert "tradingbot-a" in taken["message"]
    now = namespace.get(kind, "tradingbot-a")
    assert now is not None
    assert "ownerReferences" not in now["metadata"]
    assert now.get("spec") == (foreign if kind != "Deployment" else now).get("spec")
    assert operator.process.poll() is None


def test_a_stop_is_latched_and_no_revert_takes_it_away(namespace: Namespace, start_operator: StartOperator) -> None:
    operator = start_operator()
    bot = namespace.bot()
    namespace.wait_for_children()
    uid = bot["metadata"]["uid"][:8]
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": {"active": True, "reason": "drill"}}})
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": None}})
    namespace.wait_for_condition("Suspended", "True", "EmergencyStopped")
    status = namespace.status()
    assert (status["emergencyStop"]["id"], status["state"]) == (f"{uid}-2", "KILLED")
    assert status["emergencyStop"]["reason"] == "drill"

    def told() -> list[dict[str, Any]]:
        return [e for e in namespace.list("Event") if e.get("reason") == "EmergencyStopped"]

    eventually(told, "an event, which is written after the status")
    operator.kill()
    namespace.edit("TradingBot", "a", {"spec": {"logLevel": "DEBUG"}})
    start_operator()
    eventually(lambda: namespace.status()["observedGeneration"] == 4, "the new operator has seen the object")
    assert namespace.status()["emergencyStop"] == status["emergencyStop"]
    assert len(told()) == 1


def test_a_missing_secret_is_named_and_healed(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.bot()
    namespace.wait_for_children()
    pod = namespace.pod()
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "trading-database" not found'}
    namespace.kubelet(pod, ready=False, state={"waiting": waiting})
    shown = namespace.wait_for_condition("Degraded", "True", "SecretNotFound")
    assert "kubectl create secret generic trading-database" in shown["message"]
    eventually(
        lambda: [e for e in namespace.list("Event") if e["reason"] == "SecretNotFound"], "an event of the transition"
    )
    namespace.kubelet(pod, ready=True)
    namespace.wait_for_condition("Degraded", "False", "AsExpected")
    namespace.wait_for_condition("Ready", "True", "AsExpected")
    assert operator.process.poll() is None


def test_logs_are_json_with_the_objects_key_and_end_cleanly(namespace: Namespace, operator: OperatorProcess) -> None:
    namespace.bot()
    namespace.wait_for_children()
    assert operator.stop() == 0
    (written,) = [line for line in operator.lines() if line["message"] == "children written"]
    assert [text.split()[:2] for text in written["children"]] == [["created", kind.kind] for kind in CHILDREN]
    assert written["key"] == f"{namespace.name}/a"
    assert written["reconcile_id"]
    assert not [line for line in operator.lines() if line["level"] in {"error", "critical", "warning"}]
    assert "trading-database" not in json.dumps(operator.lines())
