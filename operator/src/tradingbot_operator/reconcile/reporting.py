"""Writing a status on the very object that it is of, and telling of what it says.

The API server does not compare uids when a status is written: that of a bot that was deleted would land on the next
bot of the same name, with what was approved for the first one. A version belongs to one object, so each status is
written over the version that is known, or over a newer one whose uid was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from tradingbot_operator.api.names import API_VERSION
from tradingbot_operator.desired.hashing import digest
from tradingbot_operator.desired.kinds import EVENT, TRADING_BOT
from tradingbot_operator.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from tradingbot_operator.status.transitions import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.runtime.keys import Key
    from tradingbot_operator.status.transitions import Transition

log = structlog.get_logger(__name__)

ATTEMPTS = 5
AGAIN_SECONDS = 600.0


class Echoes:
    """Statuses that came back other than they were written, so that they are not written again and again.

    What another field manager owns in a status an apply does not take away, and a webhook may change any. The same is
    written over the same after ten minutes again. `clock` is monotonic.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[str, str, float]] = {}

    def is_known(self, key: Key, status: Manifest, present: Manifest | None) -> bool:
        """Return whether the object has what became of this very status."""
        wanted, found, at = self._known.get(key, ("", "", 0.0))
        if not wanted or self._clock() - at >= AGAIN_SECONDS:
            return False
        return (wanted, found) == (digest(status), digest(present))

    def came_back(self, key: Key, status: Manifest, found: Manifest | None) -> None:
        """Take note of what became of a status."""
        if found == status:
            self._known.pop(key, None)
            return
        if key not in self._known:
            parts = sorted(name for name in {*status, *(found or {})} if status.get(name) != (found or {}).get(name))
            log.warning("somebody else owns a part of the status, or changes it", bot=str(key), parts=parts)
        self._known[key] = (digest(status), digest(found), self._clock())

    def forget(self, key: Key) -> None:
        """Forget a bot that is gone."""
        self._known.pop(key, None)


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
