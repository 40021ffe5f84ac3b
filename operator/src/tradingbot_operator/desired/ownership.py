"""Whose an object is: read from its owner references and labels."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api import names
from tradingbot_operator.desired.naming import BOT_LABEL, MANAGED_BY_LABEL, MANAGER, child_name

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_STEM: Final = 30
"""Characters that the names of a bot's Jobs and its other children share however long the bot's name is."""


class Ownership(Enum):
    """How an object of a wanted name relates to the custom resource."""

    OURS = "ours"
    ORPHAN = "orphan"
    """Labelled as a child of this bot, owned by nobody: left by `kubectl delete --cascade=orphan`."""
    PREDECESSOR = "predecessor"
    """Owned by a deleted object of the same name; the garbage collector is about to remove it."""
    FOREIGN = "foreign"


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference with `controller: true`, or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Mapping[str, Any] = reference
            return found
    return None


def ownership(obj: Mapping[str, Any], bot: str, uid: str) -> Ownership:
    """Tell whose an object is that has the name of a child of `bot`."""
    owner = controller_of(obj)
    if owner is None:
        labels = obj["metadata"].get("labels") or {}
        marked = labels.get(MANAGED_BY_LABEL) == MANAGER and labels.get(BOT_LABEL) == bot
        return Ownership.ORPHAN if marked else Ownership.FOREIGN
    if owner.get("uid") == uid:
        return Ownership.OURS
    if _is_bot(owner) and owner.get("name") == bot:
        return Ownership.PREDECESSOR
    return Ownership.FOREIGN


def bot_of(kind: str, obj: Mapping[str, Any]) -> str | None:
    """Return the name of the TradingBot that is to look at a child or a pod, or None.

    Of pods and what makes them it goes by names, which are anybody's claim: `reconcile.lineage` follows the uids.
    """
    if kind == names.TRADING_BOT.kind:
        return None
    labels = obj["metadata"].get("labels") or {}
    marked = labels.get(BOT_LABEL) if labels.get(MANAGED_BY_LABEL) == MANAGER else None
    owner = controller_of(obj)
    if owner is None:
        return marked
    if _is_bot(owner):
        return str(owner["name"])
    if kind == "ReplicaSet":
        return marked if owner.get("kind") == "Deployment" and owner.get("name") == child_name(marked or "") else None
    start = {"ReplicaSet": f"{child_name(marked or '')}-", "Job": child_name(marked or "")[:JOB_STEM]}
    made = str(owner.get("name")).startswith(start.get(str(owner.get("kind")), "?"))
    return marked if kind == "Pod" and made else None


def _is_bot(reference: Mapping[str, Any]) -> bool:
    return reference.get("kind") == names.TRADING_BOT.kind and reference.get("apiVersion") == names.API_VERSION
