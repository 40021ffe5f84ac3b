"""The writer lease: renewed while we trade, and mistrusted well before another one may take it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot.observe import logs
from tradingbot.ports.store import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Lease, Store

RENEW_SECONDS = 4.0
MARGIN_SECONDS = 3.0
"""Nothing is sent in the last seconds of a lease that was not renewed."""

_log = logs.get(__name__)


class LeaseKeeper:
    """Keeps one lease, and tells when the database does not answer."""

    def __init__(self, store: Store, holder: str, lease: Lease, asked: float, clock: Clock) -> None:
        self.store, self.holder, self.epoch, self.clock = store, holder, lease.epoch, clock
        self._seconds = lease.seconds
        self._until = asked + lease.seconds

    @property
    def valid(self) -> bool:
        """Tell whether nobody else can hold the lease yet."""
        return self.clock.monotonic() < self._until - MARGIN_SECONDS

    async def renew(self) -> None:
        """Prolong the lease once; raise `FencedError` when it is lost, `UnavailableError` when nobody answers."""
        asked = self.clock.monotonic()
        await self.store.renew(self.holder, self.epoch)
        self._until = asked + self._seconds

    async def keep(self, lost: Callable[[str], None], back: Callable[[], Awaitable[None]]) -> None:
        """Renew for ever; ends with `FencedError` alone. `back` looks for what others latched meanwhile."""
        while True:
            try:
                await self.renew()
                await back()
            except UnavailableError as error:
                lost(str(error))
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(RENEW_SECONDS)

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait."""
        try:
            await asyncio.wait_for(self.store.release(self.holder, self.epoch), 2.0)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("the lease could not be given back, it expires by itself", error=str(error))
