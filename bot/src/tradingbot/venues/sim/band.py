"""Which prices leave a symbol's orders alone? Two comparisons tell whether a tick has to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradingbot.domain.money import ZERO, ratio
from tradingbot.domain.orders import OrderType, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.instrument import Instrument
    from tradingbot.venues.sim.state import SimState

NEVER = 1 << 62


class Band(NamedTuple):
    """Before `due` (microseconds), a price between `low` and `high` (ticks, both excluded) executes nothing."""

    due: int
    low: int
    high: int


def band(state: SimState, symbol: str, instrument: Instrument | None) -> Band:
    """Return the band of a symbol. Wider than it has to be is wrong, narrower is only slow."""
    due, low, high = min((late.due for late in state.late), default=NEVER), -1, NEVER
    held = state.positions.get(symbol, ZERO)
    for order in state.orders.values():
        intent = order.intent
        if intent.symbol != symbol or instrument is None:
            continue
        if order.leaves is not None:
            due = min(due, order.leaves)
        nothing_left = intent.reduce_only and held * intent.side.sign >= 0
        if intent.type is OrderType.MARKET or order.triggered or nothing_left:
            due = min(due, order.arrives)
        elif intent.type is OrderType.STOP:
            price = _ticks(intent.stop_price, instrument)
            low, high = (max(low, price), high) if intent.side is Side.SELL else (low, min(high, price))
        else:
            price = _ticks(intent.limit_price, instrument)
            low, high = (low, min(high, price)) if intent.side is Side.SELL else (max(low, price), high)
    return Band(due, low, high)


def _ticks(price: Decimal | None, instrument: Instrument) -> int:
    if price is None:
        raise ValueError("a stop or limit order has a price")
    return int(ratio(price, instrument.tick))
