"""Writing a status on the very object that it is of.

The API server does not compare uids when a status is written: that of a bot that was deleted would land on the next
bot of the same name, with what was approved for the first one. A version belongs to one object, so each status is
written over the version that is known, or over a newer one whose uid was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.names import API_VERSION
from tradingbot_operator.desired.kinds import TRADING_BOT
from tradingbot_operator.kube.errors import ConflictError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from tradingbot_operator.kube.api import KubeApi, Manifest

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
