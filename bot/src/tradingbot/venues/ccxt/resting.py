"""What the market is like, for whoever follows none: the depth of the book, the last price.

What cannot be believed is `Unavailable`, never empty.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.mapping import MalformedError
from tradingbot.venues.ccxt.reader import WEIGHT_TICKER

if TYPE_CHECKING:
    from tradingbot.venues.ccxt.gateway import Gateway
    from tradingbot.venues.ccxt.limits import Lane

WEIGHT_DEPTH = 5
LEVELS = 100


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
