"""Compare orders, fills, balances and positions with the venue's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.events import Accepted, Fill
from tradingbot.domain.money import ZERO, plain
from tradingbot.domain.orders import OrderState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tradingbot.domain.orders import Order
    from tradingbot.ledger.book import Book
    from tradingbot.ports.venue import VenueReport


class Findings(msgspec.Struct, frozen=True):
    """What to book, whom to ask for, and what nobody can explain."""

    events: tuple[Accepted | Fill, ...]
    ask: tuple[str, ...]
    """Orders of ours that the venue did not list as open, by client id."""
    foreign: tuple[str, ...]
    """Open orders at the venue that this bot does not know."""


_UNSURE = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN, OrderState.NEVER_ARRIVED})


def orders(mine: Mapping[str, Order], report: VenueReport) -> Findings:
    """Compare orders and fills. The venue is right about what exists and what was executed."""
    listed = {order.client_id: order for order in report.orders}
    events: list[Accepted | Fill] = []
    for fill in report.fills:
        order = mine.get(fill.client_id)
        if order is not None and fill.trade_id not in order.trades:
            events.append(fill)
    missed = {event.client_id for event in events}
    for client_id, order in mine.items():
        if client_id in listed and order.state in _UNSURE and client_id not in missed:
            events.append(Accepted(report.ts, client_id, client_id))
    ask = tuple(client_id for client_id, order in mine.items() if order.live and client_id not in listed)
    foreign = tuple(client_id for client_id in listed if client_id not in mine)
    return Findings(tuple(events), ask, foreign)


def balances(book: Book, report: VenueReport) -> dict[str, Decimal]:
    """Return by asset what the venue has more than the ledger (below zero: less), where they differ."""
    assets = {asset for account in ("available", "held") for asset in book.balances.get(account, {})}
    found = {asset: report.balances.get(asset, ZERO) - book.cash(asset) for asset in assets | set(report.balances)}
    return {asset: amount for asset, amount in sorted(found.items()) if amount}


def holdings(book: Book, report: VenueReport) -> list[str]:
    """Return a sentence for each balance and position that differs."""
    differences = []
    assets = {asset for account in ("available", "held") for asset in book.balances.get(account, {})}
    for asset in sorted(assets | set(report.balances)):
        ours, theirs = book.cash(asset), report.balances.get(asset, ZERO)
        if ours != theirs:
            differences.append(f"{asset}: the ledger says {plain(ours)}, the venue {plain(theirs)}")
    for symbol in sorted(set(book.positions) | set(report.positions)):
        ours, theirs = _held(book, symbol), report.positions.get(symbol, ZERO)
        if ours != theirs:
            differences.append(f"{symbol}: the ledger holds {plain(ours)}, the venue {plain(theirs)}")
    return differences


def _held(book: Book, symbol: str) -> Decimal:
    position = book.positions.get(symbol)
    return position.quantity if position is not None else ZERO
