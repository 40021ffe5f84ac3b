"""Keeps the tables that grow for ever within bounds. Trades, orders, intents and postings are never deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.observe import logs
from tradingbot.ports.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.runtime.control import Control

FIRST_SECONDS = 60.0
EVERY_SECONDS = 3600.0
BATCH = 500
"""Rows deleted at once: a commit never waits for more than these."""
PAUSE_SECONDS = 0.5
OUTBOX_DAYS = 30

_log = logs.get(__name__)


class Janitor:
    """One task. Deletes only while this process holds the lease, in small batches with pauses."""

    def __init__(self, control: Control, days: Mapping[str, int]) -> None:
        self.control, self.clock = control, control.clock
        self.days = {**days, "outbox": OUTBOX_DAYS}

    async def run(self) -> None:
        """Clean up for ever."""
        await self.clock.sleep(FIRST_SECONDS)
        while True:
            await self.round()
            await self.clock.sleep(EVERY_SECONDS)

    async def round(self) -> dict[str, int]:
        """Delete what is too old; return how many rows of each table."""
        gone: dict[str, int] = {}
        for table, days in self.days.items():
            try:
                gone[table] = await self._clean(table, days)
            except StoreError as error:
                _log.warning("old rows could not be deleted; the next round tries again", table=table, error=str(error))
        if any(gone.values()):
            _log.info("old rows are deleted", **gone)
        return gone

    async def _clean(self, table: str, days: int) -> int:
        number = 0
        while self.control.runner is not None and not self.control.runner.lost:
            deleted = await self.control.store.prune(table, days, BATCH)
            number += deleted
            if deleted < BATCH:
                break
            await self.clock.sleep(PAUSE_SECONDS)
        return number
