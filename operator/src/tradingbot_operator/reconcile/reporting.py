"""Writing a status on the very object that it is of, and telling of what it says.

The API server does not compare uids when a status is written: that of a bot that was deleted would land on the next
bot of the same name, with what was approved for the first one. A version belongs to one object, so each status is
written over the version that is known, or over a newer one whose uid was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.names import API_VERSION
from tradingbot_operator.desired.kinds import EVENT, TRADING_BOT
from tradingbot_operator.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from tradingbot_operator.status.transitions import event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.status.transitions import Transition

log = structlog.get_logger(__name__)

ATTEMPTS = 5


async def write_status(kube: KubeApi, obj: Manifest, status: dict[str, Any]) -> Manifest | None:
    """Write the status of this object; return what was written, or None when the object is gone. Raises KubeError."""
    meta = obj["metadata"]
    version = meta.get("resourceVersion")
    for _ in range(ATTEMPTS):
        bound = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": version}
        manifest = {"apiVersion": API_VERSION, "kind": TRADING_BOT.kind, "metadata": bound, "status": status}
        try:
            return await kube.apply_status(TRADING_BOT, manifest)
        except NotFoundError:
            return None
        except ConflictError:
            try:
                live = await kube.get(TRADING_BOT, meta["namespace"], meta["name"])
            except NotFoundError:
                return None
            if live["metadata"]["uid"] != meta["uid"]:
                return None
            version = live["metadata"]["resourceVersion"]
    raise UnavailableError(f"TradingBot {meta['name']} changes while its status is written")


async def tell(kube: KubeApi, obj: Manifest, found: Iterable[Transition], now: datetime) -> None:
    """Write an Event for each of these. One that cannot be written is no reason to do anything else later."""
    meta = obj["metadata"]
    for transition in found:
        log.info("transition", reason=transition.reason, note=transition.note)
        manifest = event(transition, name=meta["name"], namespace=meta["namespace"], uid=meta["uid"], now=now)
        try:
            await kube.create(EVENT, manifest)
        except KubeError as error:
            log.warning("an event was not written", reason=transition.reason, error=str(error))
