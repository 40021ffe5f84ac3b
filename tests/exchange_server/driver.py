"""A market that moves by itself, for a server that runs alone: a seeded random walk."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import TYPE_CHECKING

from .market import MINUTE_MS, Candle

if TYPE_CHECKING:
    from .control import ExchangeServer

STEP_SHARE = Decimal("0.0005")
"""A step is up to this share of the price."""


class Walk:
    """One symbol's price, step by step; the same seed walks the same way."""

    def __init__(self, server: ExchangeServer, symbol: str, price: Decimal, seed: int) -> None:
        self._server, self._symbol, self.price = server, symbol, price
        self._random = random.Random(f"{seed}:{symbol}")
        self._tick = server.exchange.engine.market(symbol).instrument.tick

    def history(self, minutes: int) -> None:
        """Candles of the past, so that a strategy has something to look back at."""
        now = self._server.clock.now_ms()
        market = self._server.exchange.engine.market(self._symbol)
        for number in range(minutes, 0, -1):
            first = self.price
            prices = [first] + [self._next() for _ in range(4)]
            open_ts = now - now % MINUTE_MS - number * MINUTE_MS
            volume = Decimal(self._random.randint(1, 500)) / 100
            market.add_candle(
                Candle(open_ts, first, max(prices), min(prices), self.price, volume, volume * self.price, 4)
            )

    def step(self) -> None:
        """Move the market once."""
        self._server.market.move(self._symbol, self._next())

    def _next(self) -> Decimal:
        share = STEP_SHARE * Decimal(self._random.randint(-1000, 1000)) / 1000
        moved = (self.price * (1 + share) / self._tick).to_integral_value() * self._tick
        self.price = max(moved, 10 * self._tick)
        return self.price


async def drive(walks: list[Walk], every_seconds: float) -> None:
    """Move for ever."""
    while True:
        for walk in walks:
            walk.step()
        await asyncio.sleep(every_seconds)
