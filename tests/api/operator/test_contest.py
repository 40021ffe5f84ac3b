"""Others who change children back, on a real API server: a controller, and a mutating webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import eventually
from tests.support.webhook import MutatingWebhook

from tradingbot_operator.desired.kinds import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.operator.harness import Namespace, OperatorProcess

    Enter = Callable[[str, Callable[[dict[str, Any]], None]], MutatingWebhook]

pytestmark = pytest.mark.api
NAME = "tradingbot-a"
TRIES = 1 + 5 + 3
"""Made, repaired until it is contested, and tried again after 10, 20 and 40 s on a machine that is busy."""
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@pytest.fixture
def webhook(namespace: Namespace) -> Iterator[Enter]:
    """Put a webhook before the writes of one kind in this namespace, and wait until it is asked."""
    made = MutatingWebhook()
    path = f"{WEBHOOKS}/{namespace.name}"

    def enter(kind: str, change: Callable[[dict[str, Any]], None]) -> MutatingWebhook:
        about = BY_NAME[kind]
        configuration = made.configuration(namespace.name, namespace.name, about.group, about.plural)
        namespace.request("POST", WEBHOOKS, configuration)
        asked: list[str] = []
        made.change = lambda obj: asked.append(obj["kind"])
        probe = {"apiVersion": about.api_version, "kind": kind, "metadata": {"name": "probe"}, "spec": SPECS[kind]}

        def is_asked() -> bool:
            namespace.request("POST", f"{about.path(namespace.name)}?dryRun=All", probe)
            return bool(asked)

        eventually(is_asked, "the API server asks the webhook")
        made.change = change
        return made

    yield enter
    namespace.request("DELETE", path)
    made.close()


SPECS: dict[str, Any] = {
    "Service": {"ports": [{"port": 80}]},
    "Deployment": {
        "selector": {"matchLabels": {"x": "y"}},
        "template": {
            "metadata": {"labels": {"x": "y"}},
            "spec": {"containers": [{"name": "x", "image": "registry.example/x"}]},
        },
    },
}


def scale(namespace: Namespace) -> None:
    """Do what an autoscaler does that nobody has told of the bot."""
    path = f"{BY_NAME['Deployment'].path(namespace.name, NAME)}?fieldManager=autoscaler"
    namespace.request("PATCH", path, {"spec": {"replicas": 3}}, "application/merge-patch+json")


def replicas(namespace: Namespace) -> int:
    found = namespace.get("Deployment", NAME)
    assert found is not None
    return int(found["spec"]["replicas"])


def test_a_controller_that_changes_it_back_is_named_and_the_operator_gives_way_until_the_spec_changes(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    namespace.bot()
    namespace.wait_for_children()
    for _ in range(5):
        scale(namespace)
        eventually(lambda: replicas(namespace) == 1, "it is put back")
    scale(namespace)
    contested = namespace.wait_for_condition("Degraded", "True", "Contested")
    assert (
        "Deployment tradingbot-a is changed back whenever it is repaired: spec.replicas, by autoscaler."
        in (contested["message"])
    )
    assert operator.writes()["deployments"] <= TRIES
    series = f'tradingbot_operator_contested_children{{bot="{namespace.name}/a",kind="Deployment"}}'
    eventually(lambda: operator.metrics().get(series) == 1, "the metric, which is set after the status")
    eventually(lambda: replicas(namespace) == 1, "it is tried again by itself")
    scale(namespace)
    namespace.edit("TradingBot", "a", {"spec": {"logLevel": "DEBUG"}})
    eventually(lambda: replicas(namespace) == 1, "other content is written at once")
    namespace.wait_for_condition("Degraded", "False", "AsExpected")
    told = [event for event in namespace.list("Event") if event["reason"] == "Contested"]
    assert [(event["type"], event["note"]) for event in told] == [("Warning", contested["message"])]
    eventually(lambda: series not in operator.metrics(), "the metric is gone")


@pytest.mark.long
def test_a_webhook_that_changes_what_the_operator_writes_is_found_out_and_left_to_it(
    namespace: Namespace, operator: OperatorProcess, webhook: Enter
) -> None:
    def mirror(obj: dict[str, Any]) -> None:
        for container in obj["spec"]["template"]["spec"]["containers"]:
            if "mirror.example" not in container["image"]:
                container["image"] = f"mirror.example/{container['image']}"

    entered = webhook("Deployment", mirror)
    namespace.bot()
    namespace.wait_for_children()
    contested = namespace.wait_for_condition("Degraded", "True", "Contested")
    assert "spec.template.spec.containers[bot].image" in contested["message"]
    assert "mutating webhook" in contested["message"]
    assert operator.writes()["deployments"] <= TRIES
    entered.change = None
    eventually(
        lambda: "mirror" not in str(namespace.get("Deployment", NAME)), "the operator's own image, when it tries again"
    )


def test_what_a_webhook_adds_is_left_alone(namespace: Namespace, operator: OperatorProcess, webhook: Enter) -> None:
    def inject(obj: dict[str, Any]) -> None:
        obj["metadata"].setdefault("labels", {})["team"] = "x"
        obj["metadata"].setdefault("annotations", {})["injector.example/seen"] = "yes"
        pod = obj["spec"]["template"]["spec"]
        obj["spec"]["template"]["metadata"].setdefault("annotations", {})["injector.example/status"] = "{}"
        if len(pod["containers"]) == 1:
            pod["containers"].append({"name": "proxy", "image": "registry.example/proxy:1"})
            pod["initContainers"] = [{"name": "init", "image": "registry.example/proxy:1"}]
            pod.setdefault("volumes", []).append({"name": "proxy", "emptyDir": {}})
            pod["tolerations"] = [{"key": "spot", "operator": "Exists"}]

    webhook("Deployment", inject)
    namespace.bot()
    children = namespace.wait_for_children()
    assert [c["name"] for c in children["Deployment"]["spec"]["template"]["spec"]["containers"]] == ["bot", "proxy"]
    namespace.kubelet(namespace.pod(), ready=True)
    namespace.wait_for_condition("Ready", "True", "AsExpected")
    namespace.edit("TradingBot", "a", {"spec": {"logLevel": "DEBUG"}})
    namespace.kubelet(namespace.pod(), ready=True)
    operator.idle()
    assert operator.writes()["deployments"] == 2, "one for each content"
    namespace.wait_for_condition("Degraded", "False", "AsExpected")
