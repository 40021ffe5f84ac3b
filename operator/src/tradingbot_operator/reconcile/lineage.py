"""Whose a pod is, by uids: pod, ReplicaSet, Deployment, TradingBot; or pod, Job, TradingBot.

Whoever may make pods chooses their names and labels. Uids are given by the API server; what names one that is not there
is taken away by the garbage collector, and what names a real one by the controller that never asked for it. So what is
asked for its state, and believed, is found by those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot_operator.desired.kinds import DEPLOYMENT, JOB, POD, REPLICA_SET, TRADING_BOT
from tradingbot_operator.desired.naming import child_name
from tradingbot_operator.desired.ownership import controller_of
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.status.pods import is_of

if TYPE_CHECKING:
    from tradingbot_operator.kube.api import Manifest
    from tradingbot_operator.runtime.store import Store


def pods_of(store: Store, key: Key, component: str) -> list[dict[str, Any]]:
    """Return the (projected) pods of a bot, or of its Jobs."""
    pods = store.children(key, POD.kind)
    return [pod for pod in pods if is_of(pod, component) and _is_descendant(store, key, pod)]


def _is_descendant(store: Store, key: Key, pod: Manifest) -> bool:
    owner = controller_of(pod)
    if owner is None or not owner.get("uid"):
        return False
    maker = ObjectId(str(owner.get("kind")), key.namespace, str(owner.get("name")))
    if maker.kind not in {REPLICA_SET.kind, JOB.kind} or store.uid(maker) != owner["uid"]:
        return False
    if maker.kind == REPLICA_SET.kind:
        deployment = ObjectId(DEPLOYMENT.kind, key.namespace, child_name(key.name))
        if not store.uid(deployment) or store.controller(maker) != store.uid(deployment):
            return False
        maker = deployment
    bot = store.uid(ObjectId(TRADING_BOT.kind, *key))
    return bool(bot) and store.controller(maker) == bot
