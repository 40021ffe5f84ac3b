"""The store and the informer: versions go forward, and only what matters wakes a pass."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from tradingbot_operator.desired.ownership import bot_of
from tradingbot_operator.runtime.informer import Informer
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.runtime.store import Change, Store
from tradingbot_operator.runtime.workqueue import WorkQueue
from tradingbot_operator.status.projection import PROJECTIONS

KEY = Key("ns", "a")


def obj(
    kind: str, version: int, *, name: str = "tradingbot-a", owner: str | None = "a", **fields: Any
) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "ns", "uid": f"{kind}-uid", "resourceVersion": str(version)}
    if owner:
        meta["ownerReferences"] = [
            {
                "apiVersion": "tradingbots.dev/v1alpha1",
                "kind": "TradingBot",
                "name": owner,
                "uid": "u",
                "controller": True,
            }
        ]
    return {"kind": kind, "metadata": meta | {"managedFields": [{"manager": "x" * 100}]}, **fields}


def _owner(kind: str, thing: Any) -> Key | None:
    bot = bot_of(kind, thing)
    return Key("ns", bot) if bot else None


@pytest.fixture
def store() -> Store:
    made = Store(owner_of=_owner)
    for kind, project in PROJECTIONS.items():
        made.project(kind, project)
    return made


def test_an_older_version_is_refused(store: Store) -> None:
    assert store.put("Service", obj("Service", 10, spec={"x": 1})) is Change.ADDED
    assert store.put("Service", obj("Service", 12, spec={"x": 2})) is Change.UPDATED
    assert store.put("Service", obj("Service", 11, spec={"x": 1})) is Change.STALE
    assert store.put("Service", obj("Service", 12, spec={"x": 2})) is Change.STALE
    assert store.put("Service", obj("Service", 13, spec={"x": 2})) is Change.SAME
    found = store.get(ObjectId("Service", "ns", "tradingbot-a"))
    assert found is not None
    assert found["spec"] == {"x": 2}
    assert found["metadata"]["resourceVersion"] == "13"
    assert "managedFields" not in found["metadata"]


def test_a_response_that_arrives_after_the_deletion_is_no_resurrection(store: Store) -> None:
    store.put("Service", obj("Service", 10))
    assert store.remove("Service", obj("Service", 12))
    assert store.put("Service", obj("Service", 11)) is Change.STALE
    assert store.put("Service", obj("Service", 13)) is Change.ADDED


def test_a_late_deletion_does_not_remove_the_successor(store: Store) -> None:
    store.put("Service", obj("Service", 13))
    assert not store.remove("Service", obj("Service", 12))
    assert len(store) == 1


def test_children_are_found_by_their_owner(store: Store) -> None:
    store.put("Service", obj("Service", 1))
    store.put("Role", obj("Role", 2))
    store.put("Role", obj("Role", 3, name="other", owner="b"))
    assert [child["kind"] for child in store.children(KEY)] == ["Role", "Service"]
    assert [child["kind"] for child in store.children(KEY, "Role")] == ["Role"]
    store.put("Role", obj("Role", 4, owner="b"))
    assert [child["kind"] for child in store.children(KEY)] == ["Service"]
    store.remove("Service", obj("Service", 5))
    assert store.children(KEY) == []


def test_what_a_complete_list_lacks_is_dropped(store: Store) -> None:
    store.put("Role", obj("Role", 1))
    store.put("Service", obj("Service", 1))
    before = set(store.ids("Role"))
    assert store.replace("Role", [], before) == [ObjectId("Role", "ns", "tradingbot-a")]
    assert len(store) == 1


@pytest.fixture
def informer(store: Store) -> Informer:
    queue: WorkQueue[Key] = WorkQueue()
    return Informer(store, queue, root="TradingBot", note=lambda _obj: False, counted=lambda _kind, _change: None)


def waiting(informer: Informer) -> int:
    return len(informer._queue)


async def drain(informer: Informer) -> list[Key]:
    keys = []
    while waiting(informer):
        keys.append(await informer._queue.get())
        informer._queue.done(keys[-1])
    return keys


async def test_the_operators_own_status_write_wakes_nobody(informer: Informer) -> None:
    informer.seen("TradingBot", "ADDED", obj("TradingBot", 1, name="a", owner=None, spec={}))
    assert await drain(informer) == [KEY]
    informer.seen("TradingBot", "MODIFIED", obj("TradingBot", 2, name="a", owner=None, spec={}, status={"x": 1}))
    assert waiting(informer) == 0
    labelled = obj("TradingBot", 3, name="a", owner=None, spec={})
    labelled["metadata"]["labels"] = {"x": "y"}
    informer.seen("TradingBot", "MODIFIED", labelled)
    assert await drain(informer) == [KEY]


async def test_the_echo_of_a_write_of_our_own_wakes_nobody(informer: Informer, store: Store) -> None:
    store.put("Service", obj("Service", 10))
    informer.seen("Service", "MODIFIED", obj("Service", 10))
    assert waiting(informer) == 0


async def test_a_deleted_child_wakes_its_owner(informer: Informer, store: Store) -> None:
    store.put("Service", obj("Service", 10))
    informer.seen("Service", "DELETED", obj("Service", 11))
    assert await drain(informer) == [KEY]


async def test_a_status_that_nobody_reads_wakes_nobody(informer: Informer) -> None:
    informer.seen("PodDisruptionBudget", "ADDED", obj("PodDisruptionBudget", 1, status={"currentHealthy": 0}))
    await drain(informer)
    informer.seen("PodDisruptionBudget", "MODIFIED", obj("PodDisruptionBudget", 2, status={"currentHealthy": 1}))
    assert waiting(informer) == 0


def test_a_pod_counts_only_when_a_replica_set_of_the_bot_made_it() -> None:
    labels = {"tradingbots.dev/bot": "a", "app.kubernetes.io/managed-by": "tradingbot-operator"}
    pod: dict[str, Any] = {"metadata": {"labels": labels, "ownerReferences": []}}
    assert bot_of("Pod", pod) == "a"
    for owner, expected in (("tradingbot-a-7d9", "a"), ("evil-a-7d9", None)):
        pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "controller": True}]
        assert bot_of("Pod", pod) == expected


def test_an_object_takes_no_more_memory_than_its_text() -> None:
    store = Store(owner_of=lambda _kind, _obj: None)
    tracemalloc.start()
    try:
        for number in range(200):
            store.put("ConfigMap", {"metadata": {"name": f"{number}"}, "data": {"config.yaml": "x" * 1100}})
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / 200 < 2048, "bytes an object"
