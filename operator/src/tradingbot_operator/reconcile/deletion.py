"""Sets the finalizer before a bot trades live, and lets go of it when nothing is left at the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from tradingbot_operator.api.names import API_VERSION
from tradingbot_operator.desired.kinds import TRADING_BOT
from tradingbot_operator.kube.errors import ConflictError, InvalidError, NotFoundError
from tradingbot_operator.policy.deletion import FINALIZER, has_finalizer, is_forced, policy_of, wants_finalizer

if TYPE_CHECKING:
    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.runtime.store import Store

log = structlog.get_logger(__name__)


class Finalizers:
    """The one finalizer of TradingBots, as a field of the operator's own by server-side apply."""

    def __init__(self, kube: KubeApi, store: Store) -> None:
        self._kube = kube
        self._store = store

    async def keep(self, obj: Manifest, *, live: bool) -> Manifest:
        """Set or take away the finalizer as the object needs it now; return the object. Raises KubeError."""
        if wants_finalizer(policy_of(obj), live=live) == has_finalizer(obj):
            return obj
        return await self._apply(obj, held=not has_finalizer(obj))

    async def release(self, obj: Manifest) -> None:
        """Let the object go. Raises KubeError."""
        try:
            await self._apply(obj, held=False)
        except (NotFoundError, ConflictError, InvalidError) as error:
            log.debug("the object is gone already", error=str(error))
            return
        log.warning("the TradingBot may go", forced=is_forced(obj), policy=policy_of(obj).value)

    async def _apply(self, obj: Manifest, *, held: bool) -> Manifest:
        meta = obj["metadata"]
        manifest: Manifest = {
            "apiVersion": API_VERSION,
            "kind": TRADING_BOT.kind,
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "finalizers": [FINALIZER] if held else [],
            },
        }
        written = await self._kube.apply(TRADING_BOT, manifest, force=True)
        if held:
            self._store.put(TRADING_BOT.kind, written)
        return written
