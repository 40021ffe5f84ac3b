"""A stop that is not latched, or not confirmed, never waits as other work does, and needs nothing else to go well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from tradingbot_operator.desired.kinds import TRADING_BOT
from tradingbot_operator.kube.errors import KubeError
from tradingbot_operator.reconcile.children import retryable
from tradingbot_operator.reconcile.recorded import recorded_status
from tradingbot_operator.reconcile.reporting import write_status
from tradingbot_operator.runtime.controller import Result, RetryError
from tradingbot_operator.runtime.keys import Key, ObjectId

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tradingbot_operator.kube.api import KubeApi
    from tradingbot_operator.reconcile.latching import Latching
    from tradingbot_operator.runtime.store import Store

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 2.0
"""How soon it is tried again. The waits of other work grow, up to five minutes."""


class Urgency:
    """Looks after the passes over bots that are being stopped."""

    def __init__(self, kube: KubeApi, store: Store, latching: Latching) -> None:
        self._kube = kube
        self._store = store
        self._latching = latching

    async def of(self, key: Key, work: Awaitable[Result]) -> Result:
        """Do the work of a pass. Whatever it fails of, a stop that was seen is written down, by itself if need be."""
        try:
            return await work
        except RetryError:
            raise
        except KubeError as error:
            raise RetryError(str(error), after=self.patience(key, error)) from error
        except Exception as error:
            if not self._latching.waits(key):
                raise
            log.exception("a bot that is stopped cannot be reconciled")
            await self._latch_alone(key)
            raise RetryError(str(error), after=RETRY_SECONDS) from error

    def patience(self, key: Key, error: KubeError) -> float | None:
        """Return in how many seconds it is tried again; None for longer and longer."""
        wish, obj = retryable(error), self._store.get(ObjectId(TRADING_BOT.kind, *key))
        stop = recorded_status(obj).emergency_stop if obj is not None else None
        if self._latching.waits(key) or (stop is not None and not stop.verified):
            return min(wish or RETRY_SECONDS, RETRY_SECONDS)
        return wish

    async def _latch_alone(self, key: Key) -> None:
        obj = self._store.get(ObjectId(TRADING_BOT.kind, *key))
        if obj is None:
            return
        stop = self._latching.current(key, obj, recorded_status(obj).emergency_stop, None, None)
        if stop is None:
            return
        status = (obj.get("status") or {}) | {"emergencyStop": stop.to_manifest()}
        try:
            written = await write_status(self._kube, obj, status)
        except KubeError as error:
            log.error("the stop is not latched yet", error=str(error))  # noqa: TRY400 - the server says enough
            return
        if written is not None:
            self._store.put(TRADING_BOT.kind, written)
            self._latching.recorded(key, str(obj["metadata"]["uid"]), stop)
