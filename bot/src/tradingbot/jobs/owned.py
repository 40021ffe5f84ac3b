"""How much of an asset is this bot's, at an account that may hold others' too. What is not the bot's is never sold.

With the ledger: what it says was held at its last commit, and the fills of this bot's orders since then that it does
not know. Without: all fills of this bot's orders that the exchange tells of, from the first on. Fees that were taken in
the asset itself are not held. In both cases an order is this bot's by its client id alone, so what a person bought by
hand, what another bot holds and what was paid in stays.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.money import ZERO, add, sub
from tradingbot.domain.orders import Side
from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt.history import NotToldError
from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot.ports.clock import Clock
    from tradingbot.store.fence import Books
    from tradingbot.venues.ccxt.mapping import ToldFill
    from tradingbot.venues.ccxt.venue import CcxtVenue


class Owned(msgspec.Struct, frozen=True):
    """What is this bot's of one symbol's base asset."""

    quantity: Decimal
    told: dict[str, Decimal]
    """By client id, how much of each of its orders the exchange has told as filled, in the time that was looked at."""


async def owned(
    venue: CcxtVenue, clock: Clock, symbol: str, mine: Callable[[str], bool], books: Books | None
) -> Owned | Unavailable:
    """Add it up; `Unavailable` where a fill or its order is not told."""
    rules, names = venue.rules.get(symbol), venue.reader.names
    if rules is None:
        return Unavailable(f"the market {symbol} cannot be read")
    since_ms = books.since // 1000 if books is not None else 0
    now_ms = round(clock.now().timestamp() * 1000) + venue.gateway.offset_ms
    try:
        fills = await venue.reader.history.since(rules, since_ms, now_ms, Lane.STOP)
        await venue.reader.history.name(rules, fills, Lane.STOP)
    except NotToldError as error:
        return Unavailable(f"fills of {symbol}: {error}")
    held = books.positions.get(symbol) if books is not None else None
    quantity = held.quantity if held is not None else ZERO
    known = books.known if books is not None else frozenset()
    told: dict[str, Decimal] = {}
    for fill in fills:
        client_id = names.get(symbol, fill.venue_id) or ""
        if not mine(client_id):
            continue
        told[client_id] = add(told.get(client_id, ZERO), fill.quantity)
        if fill.trade_id in known or (books is not None and fill.ts < books.since):
            continue
        if fill.side is None:
            return Unavailable(f"fill {fill.trade_id} does not say whether it bought or sold")
        quantity = add(quantity, _moved(fill, rules.instrument.base))
    return Owned(quantity, told)


def _moved(fill: ToldFill, base: str) -> Decimal:
    """Return what a fill added to the holding, in base currency."""
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    return sub(signed, fill.fee.amount) if fill.fee.asset == base else signed
