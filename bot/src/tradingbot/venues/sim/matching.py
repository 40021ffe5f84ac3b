"""At which price does the market execute an order? Pure; prices in quote currency.

A candle does not say in which order its prices came. What hurts is assumed: a stop is hit before a target, a limit
order fills only when the price goes through it, and a stop behind a gap fills at the open. A tick says more: a stop
fills at the trade that hit it, behind a gap too; a limit order still waits for a trade beyond its price, because others
wait in front of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradingbot.domain.events import Liquidity
from tradingbot.domain.market import Tick
from tradingbot.domain.orders import OrderType, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import MarketEvent
    from tradingbot.domain.orders import Intent


class Execution(NamedTuple):
    """Where an order executes: the mid price for a taker, the order's own price for a maker."""

    price: Decimal
    liquidity: Liquidity
    crossed: bool = False
    """The price is that of the other side already: no half spread comes on top."""


def execution(intent: Intent, instrument: Instrument, event: MarketEvent, *, triggered: bool) -> Execution | None:
    """Return where a candle or tick executes the order, or None."""
    if isinstance(event, Tick):
        opened = high = low = instrument.price(event.price)
        around = (event.bid, event.ask)
    else:
        opened, high, low = instrument.price(event.open), instrument.price(event.high), instrument.price(event.low)
        around = (0, 0)
    if intent.type is OrderType.MARKET or triggered:
        return _taken(intent, instrument, opened, around)
    if intent.type is OrderType.STOP:
        hit = _stop(intent, opened, high, low)
        return _taken(intent, instrument, hit, around) if hit is not None else None
    price = _limit(intent, opened, high, low)
    if price is None:
        return None
    return Execution(_own(intent) if isinstance(event, Tick) else price, Liquidity.MAKER)


def _taken(intent: Intent, instrument: Instrument, price: Decimal, around: tuple[int, int]) -> Execution:
    """Take liquidity: at the best price of the other side where it is known, around the last price otherwise."""
    best = around[1] if intent.side is Side.BUY else around[0]
    if not best:
        return Execution(price, Liquidity.TAKER)
    return Execution(instrument.price(best), Liquidity.TAKER, crossed=True)


def _stop(intent: Intent, opened: Decimal, high: Decimal, low: Decimal) -> Decimal | None:
    stop = intent.stop_price
    if stop is None:
        raise ValueError(f"{intent.client_id} is a stop order without a stop price")
    if intent.side is Side.SELL:
        return min(opened, stop) if low <= stop else None
    return max(opened, stop) if high >= stop else None


def _limit(intent: Intent, opened: Decimal, high: Decimal, low: Decimal) -> Decimal | None:
    limit = _own(intent)
    if intent.side is Side.SELL:
        return max(opened, limit) if high > limit else None
    return min(opened, limit) if low < limit else None


def _own(intent: Intent) -> Decimal:
    if intent.limit_price is None:
        raise ValueError(f"{intent.client_id} is a limit order without a limit price")
    return intent.limit_price
