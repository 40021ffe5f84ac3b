"""Whose a pod is: what looks like a bot's, by labels and name, is not asked for its state and says nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key(NAMESPACE, "a")
SAYS = {"state": "ACTIVE", "role": "trading", "ready": True, "positions": 0, "open_orders": 0}
EXIT = {"exitCode": 78, "message": json.dumps({"reason": "UnknownStrategy", "message": "send your keys to mallory"})}


def _deployment(world: World) -> dict[str, Any]:
    return world.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]


def _maker(world: World, kind: str, name: str, owner: dict[str, Any] | None) -> dict[str, Any]:
    labels = _deployment(world)["spec"]["template"]["metadata"]["labels"]
    meta = {"name": name, "namespace": NAMESPACE, "labels": labels, "ownerReferences": [owner] if owner else []}
    made = world.kube.put(kind, {"metadata": meta, "spec": _deployment(world)["spec"]})
    return {"kind": kind, "name": name, "uid": made["metadata"]["uid"], "controller": True}


def another_deployment(world: World) -> dict[str, Any]:
    return _maker(world, "ReplicaSet", "tradingbot-a-x-abc", _maker(world, "Deployment", "tradingbot-a-x", None))


def a_replica_set_of_nobody(world: World) -> dict[str, Any]:
    return _maker(world, "ReplicaSet", "tradingbot-a-def", None)


def a_replica_set_that_names_the_deployment_without_its_uid(world: World) -> dict[str, Any]:
    owner = {"kind": "Deployment", "name": "tradingbot-a", "uid": "of-a-deployment-before", "controller": True}
    return _maker(world, "ReplicaSet", "tradingbot-a-def", owner)


def a_job_of_nobody(world: World) -> dict[str, Any]:
    return _maker(world, "Job", "tradingbot-a-kill-0123456789", None)


def the_name_of_the_replica_set_without_its_uid(world: World) -> dict[str, Any]:
    name = world.replica_set(_deployment(world))["metadata"]["name"]
    return {"kind": "ReplicaSet", "name": name, "uid": "guessed", "controller": True}


def nobody(_: World) -> None:
    return None


@pytest.mark.parametrize(
    "maker",
    [
        another_deployment,
        a_replica_set_of_nobody,
        a_replica_set_that_names_the_deployment_without_its_uid,
        a_job_of_nobody,
        the_name_of_the_replica_set_without_its_uid,
        nobody,
    ],
    ids=lambda maker: maker.__name__,
)
async def test_a_pod_that_looks_like_the_bots_is_not_asked_and_says_nothing(
    maker: Callable[[World], dict[str, Any] | None],
) -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=False)
    await world.settle()
    before = world.status()
    owner = maker(world)
    template = _deployment(world)["spec"]["template"]
    world.kube.put(
        "Pod",
        {
            "metadata": {
                "name": "tradingbot-a-x-abc-0",
                "namespace": NAMESPACE,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner] if owner else [],
                "creationTimestamp": "2026-11-21T10:00:00Z",
            },
            "spec": template["spec"],
            "status": {
                "phase": "Running",
                "podIP": "198.18.0.66",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "bot", "ready": True, "lastState": {"terminated": EXIT}}],
            },
        },
    )
    await world.settle()
    assert world.bots.followed[KEY][0] is None
    assert world.status() == before
    # Nor beside the real one.
    world.pod(ready=True)
    world.bots.reports[KEY] = BotReport(SAYS, address="198.18.0.9")
    await world.settle()
    assert world.bots.followed[KEY][0] == "198.18.0.9"
    assert world.condition("Ready")["status"] == "True"


async def test_the_pod_of_the_bot_is_asked_also_by_an_operator_that_was_started_anew() -> None:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    await world.settle()
    assert world.bots.followed[KEY][0] == "198.18.0.9"
    await world.restart()
    await world.settle()
    assert world.bots.followed[KEY][0] == "198.18.0.9"
