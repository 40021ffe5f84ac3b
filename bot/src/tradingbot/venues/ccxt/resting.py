"""What rests at the exchange and what the market is like, for whoever has no ledger.

Orders with their side and stop price, the depth of the book, the last price. What cannot be believed is `Unavailable`,
never empty.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.orders import Side
from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.mapping import MalformedError
from tradingbot.venues.ccxt.reader import WEIGHT_OPEN_ORDERS, WEIGHT_TICKER

if TYPE_CHECKING:
    from tradingbot.venues.ccxt.gateway import Gateway
    from tradingbot.venues.ccxt.limits import Lane

WEIGHT_ALL_OPEN_ORDERS = 80
WEIGHT_DEPTH = 5
LEVELS = 100


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """An order that lives at the exchange, as it is told there."""

    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    stop_price: Decimal | None
    """In quote currency; None for an order that is no stop."""


async def open_orders(gateway: Gateway, symbol: str | None, lane: Lane) -> list[Resting] | Unavailable:
    """Ask for the account's open orders in a symbol, or (which costs more) in all of them."""
    weight = WEIGHT_ALL_OPEN_ORDERS if symbol is None else WEIGHT_OPEN_ORDERS
    reply = await gateway.call("fetch_open_orders", symbol, lane=lane, weight=weight)
    problem = reply.unreadable("list")
    if problem:
        return Unavailable(problem)
    try:
        return [_resting(answer) for answer in reply.answer]
    except (MalformedError, ValueError) as error:
        return Unavailable(str(error))


def _resting(answer: Any) -> Resting:
    told = mapping.order(answer)
    if told is None or told.client_id is None or told.symbol is None or told.filled is None:
        raise MalformedError("an open order without id, symbol or quantity")
    stop = answer.get("stopPrice") or answer.get("triggerPrice")
    return Resting(
        client_id=told.client_id,
        symbol=told.symbol,
        side=Side(answer.get("side")),
        quantity=mapping.number(answer.get("amount"), "quantity of an open order"),
        filled=told.filled,
        stop_price=mapping.optional(stop, "stop price of an open order"),
    )


async def bids(gateway: Gateway, symbol: str, lane: Lane) -> list[tuple[Decimal, Decimal]] | Unavailable:
    """Ask who would buy: (price, quantity), best first. Only to size an order: ccxt gives floats here."""
    reply = await gateway.call("fetch_order_book", symbol, LEVELS, lane=lane, weight=WEIGHT_DEPTH)
    problem = reply.unreadable("dict")
    if problem:
        return Unavailable(problem)
    told = reply.answer.get("bids") if isinstance(reply.answer, dict) else None
    if not isinstance(told, list):
        return Unavailable("an order book without bids")
    try:
        return [(_shortest(row[0]), _shortest(row[1])) for row in told]
    except (MalformedError, IndexError, TypeError) as error:
        return Unavailable(str(error))


def _shortest(value: Any) -> Decimal:
    """Read a float as the number that it was written as."""
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise MalformedError(f"{value!r} in the order book is no number") from error
    if not found.is_finite() or found < 0:
        raise MalformedError(f"{value!r} in the order book is no amount")
    return found


async def last_price(gateway: Gateway, symbol: str, lane: Lane) -> Decimal | Unavailable:
    """Ask at what price was traded last, in quote currency."""
    reply = await gateway.call("fetch_ticker", symbol, lane=lane, weight=WEIGHT_TICKER)
    problem = reply.unreadable("dict")
    if problem:
        return Unavailable(problem)
    try:
        price = mapping.number(reply.answer.get("last"), f"last price of {symbol}")
    except MalformedError as error:
        return Unavailable(str(error))
    return price if price > 0 else Unavailable(f"the last price of {symbol} is {price}")
