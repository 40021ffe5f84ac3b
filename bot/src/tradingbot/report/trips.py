"""Round trips: from the fill that opens a position to the one that leaves nothing of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.money import ZERO, add, mul, ratio, sub
from tradingbot.domain.orders import Role
from tradingbot.report import stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradingbot.domain.effects import Decision
    from tradingbot.domain.fills import Trade


class RoundTrip(msgspec.Struct, kw_only=True):
    """One position's life; money in quote currency, times in microseconds."""

    symbol: str
    direction: str
    opened: int
    closed: int | None = None
    """None while the position is open."""
    quantity: Decimal = ZERO
    """What was bought (sold, for a short one) in all, in base currency."""
    entry_value: Decimal = ZERO
    exit_value: Decimal = ZERO
    entry_price: Decimal | None = None
    """Average, rounded for display."""
    exit_price: Decimal | None = None
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    """See `stats.slippage`."""
    profit: Decimal = ZERO
    """After fees; of an open one, what is realized so far."""
    entry_reason: str = ""
    exit_reason: str = ""
    fills: int = 0


class Totals(msgspec.Struct):
    """Sums over all fills, those of open positions too."""

    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    turnover: Decimal = ZERO


_WORDS = {Role.STOP: "stop-loss", Role.TARGET: "take-profit", Role.FLATTEN: "flattened"}


def round_trips(
    trades: Iterable[Trade], references: Mapping[str, Decimal], decided: Mapping[str, Decision]
) -> tuple[list[RoundTrip], Totals]:
    """Join fills, in the order in which they happened, to round trips; the engine never turns a position around."""
    trips: list[RoundTrip] = []
    open_by_symbol: dict[str, tuple[RoundTrip, Decimal]] = {}
    totals = Totals()
    for trade in trades:
        value = mul(trade.quantity, trade.price)
        reference = references.get(trade.client_id, trade.price)
        lost = stats.slippage(trade.price, reference, trade.quantity, trade.side.sign)
        totals.fees, totals.slippage = add(totals.fees, trade.fee), add(totals.slippage, lost)
        totals.turnover = add(totals.turnover, value)
        trip, held = open_by_symbol.get(trade.symbol, (None, ZERO))
        if trip is None:
            trip = RoundTrip(symbol=trade.symbol, direction=trade.direction.value, opened=trade.ts)
            trip.entry_reason = _reason(trade, decided)
            trips.append(trip)
        trip.fills += 1
        trip.fees, trip.slippage = add(trip.fees, trade.fee), add(trip.slippage, lost)
        trip.profit = sub(add(trip.profit, trade.realized), trade.fee)
        signed = mul(trade.quantity, Decimal(trade.side.sign))
        if held == 0 or (held > 0) == (signed > 0):
            trip.quantity, trip.entry_value = add(trip.quantity, trade.quantity), add(trip.entry_value, value)
        else:
            trip.exit_value = add(trip.exit_value, value)
            trip.exit_reason = _reason(trade, decided)
        held = add(held, signed)
        open_by_symbol[trade.symbol] = (trip, held)
        if held == 0:
            trip.closed = trade.ts
            trip.exit_price = stats.rounded(ratio(trip.exit_value, trip.quantity), 4)
            del open_by_symbol[trade.symbol]
        trip.entry_price = stats.rounded(ratio(trip.entry_value, trip.quantity), 4)
    return trips, totals


def _reason(trade: Trade, decided: Mapping[str, Decision]) -> str:
    found = decided.get(trade.client_id)
    return found.reason if found is not None else _WORDS.get(trade.role, trade.role.value)
