"""A price far from the one before it is believed when a second one says the same.

A wrong trade of the exchange or a spoiled message is alone: what follows is where the market was before. So the first
price that lies further away than `Limits.max_price_jump` is held back. No strategy sees it, it moves no equity and no
target, and nothing is measured by it. The next one decides: near it, both count; where the market was before, it is
forgotten; somewhere else again, that one is held back in its place. A trade that comes with buyers and sellers on both
sides of it needs no second one. What is resting at the exchange does not ask here.

Everything is a function of the events and the saved state, so a backtest, a simulation and a live bot hold back alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tradingbot.core.snapshot import Held
from tradingbot.domain.market import SECOND, Candle, Tick
from tradingbot.domain.money import plain

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.core.desk import Desk
    from tradingbot.core.snapshot import EngineState
    from tradingbot.domain.market import MarketEvent

TOLD_AGAIN = 600 * SECOND
"""Of a market whose prices jump all the time, people are told every ten minutes."""


class Jumps:
    """Judges the prices of one engine."""

    def __init__(self, desk: Desk, state: EngineState) -> None:
        self.desk, self.state = desk, state
        self.calm: dict[str, tuple[int, int]] = {}
        """By symbol, prices in ticks between which (both included) none is far from another: nothing is to be judged.

        There is no entry while something is held back."""
        self.released: list[MarketEvent] = []
        """What was held back before the event that confirmed it, for the strategy to have seen."""

    def holds(self, event: MarketEvent, price: int) -> bool:
        """Judge a price outside the calm; return whether it is held back."""
        symbol, limit = event.symbol, self.desk.config.limits.max_price_jump
        mark, held = self.state.marks.get(symbol), self.state.held.get(symbol)
        if mark is not None and event.ts < mark.ts:
            # A candle that comes after the trades of the next one: its price counts no more.
            return False
        if mark is None or near(price, mark.price, limit):
            self._believe(symbol, price, limit)
            return False
        if held is not None and near(price, held.price, limit):
            if _the_same(event, price, held):
                held.events.append(event)
                return True
            self.released = held.events
        elif not _in_a_book(event, price, limit):
            self._hold(event, price, mark.price)
            return True
        self._believe(symbol, price, limit)
        return False

    def _believe(self, symbol: str, price: int, limit: Decimal) -> None:
        self.state.held.pop(symbol, None)
        part, whole = limit.as_integer_ratio()
        # From a quarter below to half above: even these two are not further apart than the limit.
        self.calm[symbol] = -(-price * (4 * whole - part) // (4 * whole)), price * (2 * whole + part) // (2 * whole)

    def _hold(self, event: MarketEvent, price: int, before: int) -> None:
        symbol, instrument = event.symbol, self.desk.instrument(event.symbol)
        self.calm.pop(symbol, None)
        self.state.held[symbol] = Held(price, event.ts, [event])
        if event.ts - self.state.held_told.get(symbol, event.ts - TOLD_AGAIN) < TOLD_AGAIN:
            return
        self.state.held_told[symbol] = event.ts
        found, last = plain(instrument.price(price)), plain(instrument.price(before))
        text = f"{symbol} at {found}, right after {last}: held back until a second price confirms it"
        self.desk.alarm("PRICE_JUMP", text)

    def trimmed(self, candle: Candle, before: int | None) -> Candle:
        """Cut the wicks that are further away than a price may be: nothing confirms them.

        They are measured from the prices that do count: the one before the candle, and its close.
        """
        calm = self.calm.get(candle.symbol)
        if before is None or calm is None or (candle.low >= calm[0] and candle.high <= calm[1]):
            return candle
        part, whole = self.desk.config.limits.max_price_jump.as_integer_ratio()
        lowest = -(-min(before, candle.close) * (whole - part) // whole)
        highest = max(before, candle.close) * (whole + part) // whole
        low, high = max(candle.low, lowest), min(candle.high, highest)
        return msgspec.structs.replace(candle, open=min(max(candle.open, low), high), low=low, high=high)


def near(price: int, other: int, limit: Decimal) -> bool:
    """Tell whether a price is no further from another one than is believed at once, as a fraction of the other."""
    part, whole = limit.as_integer_ratio()
    return abs(price - other) * whole <= other * part


def _in_a_book(event: MarketEvent, price: int, limit: Decimal) -> bool:
    """Tell whether buyers and sellers stand around a trade."""
    if not isinstance(event, Tick) or not event.bid or not event.ask:
        return False
    return near(event.bid, price, limit) and near(event.ask, price, limit)


def _the_same(event: MarketEvent, price: int, held: Held) -> bool:
    """Tell whether a candle's close may be the very trade that is held back."""
    return isinstance(event, Candle) and event.opened < held.ts and price == held.price
