"""At which price does a candle execute an order? Pure; prices in quote currency.

A candle does not say in which order its prices came. What hurts is assumed: a stop is hit before a target, a limit
order fills only when the price goes through it, and a stop behind a gap fills at the open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tradingbot.domain.events import Liquidity
from tradingbot.domain.orders import OrderType, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle
    from tradingbot.domain.orders import Intent


class Execution(NamedTuple):
    """Where an order executes: the mid price for a taker, the order's own price for a maker."""

    price: Decimal
    liquidity: Liquidity


def execution(intent: Intent, instrument: Instrument, candle: Candle, *, triggered: bool) -> Execution | None:
    """Return where the candle executes the order, or None."""
    opened = instrument.price(candle.open)
    if intent.type is OrderType.MARKET or triggered:
        return Execution(opened, Liquidity.TAKER)
    if intent.type is OrderType.STOP:
        return _stop(intent, opened, instrument.price(candle.high), instrument.price(candle.low))
    return _limit(intent, opened, instrument.price(candle.high), instrument.price(candle.low))


def _stop(intent: Intent, opened: Decimal, high: Decimal, low: Decimal) -> Execution | None:
    if intent.stop_price is None:
        raise ValueError(f"{intent.client_id} is a stop order without a stop price")
    if intent.side is Side.SELL:
        return Execution(min(opened, intent.stop_price), Liquidity.TAKER) if low <= intent.stop_price else None
    return Execution(max(opened, intent.stop_price), Liquidity.TAKER) if high >= intent.stop_price else None


def _limit(intent: Intent, opened: Decimal, high: Decimal, low: Decimal) -> Execution | None:
    if intent.limit_price is None:
        raise ValueError(f"{intent.client_id} is a limit order without a limit price")
    if intent.side is Side.SELL:
        return Execution(max(opened, intent.limit_price), Liquidity.MAKER) if high > intent.limit_price else None
    return Execution(min(opened, intent.limit_price), Liquidity.MAKER) if low < intent.limit_price else None
