"""Ledgers in SQLite files, and a clock that a test moves."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.component.bot.store_contract import NOW

from tradingbot.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


class TestClock:
    """Stands still unless it is moved."""

    __test__ = False

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        await asyncio.sleep(0)


class SqliteWorld:
    """Several processes that share a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, TestClock()
        self.made: list[SqliteStore] = []

    def __call__(self, bot: str = "test/bot", mode: str = "simulation") -> SqliteStore:
        self.made.append(SqliteStore(self.folder / f"{mode}.db", bot, mode, self.clock))
        return self.made[-1]

    async def expire(self) -> None:
        self.clock.passed += 60.0

    async def close(self) -> None:
        for one in self.made:
            await one.close()
