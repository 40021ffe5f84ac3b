"""What an emergency stop found, and what became of each order and position of it. Never a bare success."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core import flattening
from tradingbot.domain.events import Stray
from tradingbot.domain.money import ZERO, mul, plain
from tradingbot.domain.orders import OrderState

if TYPE_CHECKING:
    from tradingbot.core.engine import Engine
    from tradingbot.core.snapshot import EngineState
    from tradingbot.domain.events import Listed
    from tradingbot.domain.fills import Position
    from tradingbot.domain.orders import Order

MOST_ROWS = 20
"""Rows of each list of an outcome; what went wrong comes first, and the counts are of all."""

_WORDS = {
    OrderState.FILLED: "FILLED",
    OrderState.CANCELED: "CANCELLED",
    OrderState.EXPIRED: "CANCELLED",
    OrderState.REFUSED: "GONE",
    OrderState.NEVER_ARRIVED: "GONE",
    OrderState.UNKNOWN: "UNKNOWN",
}
_TROUBLE = ("UNKNOWN", "RESIDUAL", "OPEN", "PENDING", "FLAT_WITH_DUST", "FILLED")


class Listing(msgspec.Struct):
    """What the exchange said last when it was asked for every open order of this bot's name."""

    confirmed: bool = False
    """It listed no entry, and none was sent since."""
    problem: str = ""
    """Why it has not said so."""
    sent: int = 0
    """Entries that left in this epoch."""
    strays: dict[str, Stray] = {}
    """By client id, entries that the ledger lacked when the exchange was asked for the sake of this stop."""


class Stopped(msgspec.Struct):
    """A position that a stop found."""

    quantity: Decimal
    """In base currency, when the stop came."""
    dust: Decimal = ZERO
    """What was written off of it as too little to be sold."""


def begin(engine: Engine, reason: str) -> None:
    """Take entry orders back, and remember what was there."""
    engine.state.stop_orders.extend(engine.desk.cancel_entries(reason))
    ask_anew(engine.state)
    remember(engine)


def ask_anew(state: EngineState) -> None:
    """Forget what the exchange has confirmed: a stop, and a process that begins, hear it anew."""
    state.listing.confirmed, state.listing.problem = False, ""


def entry_leaves(state: EngineState) -> None:
    """Note that the exchange may have one more entry than it has listed."""
    state.listing.sent += 1
    state.listing.confirmed = False


def listed(engine: Engine, event: Listed) -> None:
    """Take what the exchange said of the open orders in this bot's name."""
    found = engine.state.listing
    found.problem = event.problem
    found.confirmed = event.none and event.entries_sent == found.sent
    for stray in event.strays:
        said = f"{stray.client_id} in {stray.symbol}, an entry of this bot that its ledger lacks: {stray.state}"
        engine.desk.alarm("STRAY_ORDER", f"{said}; {stray.reason}" if stray.reason else said)
        if engine.board.stop is not None and stray.client_id not in engine.state.stop_orders:
            found.strays[stray.client_id] = stray


def confirmed(engine: Engine) -> bool:
    """Tell whether no entry of this bot is open, by the ledger and, where it is apart from it, by the exchange."""
    return not engine.desk.entries() and (not engine.config.remote or engine.state.listing.confirmed)


def remember(engine: Engine) -> None:
    """Remember the positions that a stop found, also one that was found at the start."""
    if engine.board.stop is None:
        engine.state.stop_orders, engine.state.stop_positions = [], {}
        engine.state.listing.strays = {}
        return
    for position in engine.state.book.open_positions():
        engine.state.stop_positions.setdefault(position.symbol, Stopped(abs(position.quantity)))


def dust(state: EngineState, symbol: str, left: Decimal) -> None:
    """Note what is left of a position for good."""
    if symbol in state.stop_positions:
        state.stop_positions[symbol].dust = abs(left)


def outcome(engine: Engine) -> dict[str, Any] | None:
    """Say what has become of an emergency stop: the one word, the counts, and each order and position."""
    stop = engine.board.stop
    if stop is None:
        return None
    entries = engine.desk.entries()
    positions = engine.state.book.open_positions()
    rows = [_order_row(engine, client_id) for client_id in engine.state.stop_orders]
    rows += [_row_of(order) for order in entries if order.intent.client_id not in engine.state.stop_orders]
    rows += [msgspec.to_builtins(stray) for stray in engine.state.listing.strays.values()]
    held = _position_rows(engine, close=stop.close_positions)
    state, message = _verdict(entries, positions, held, engine, close=stop.close_positions)
    return {
        "state": state,
        "message": message,
        "confirmed": confirmed(engine),
        "orders_cancelled": sum(1 for row in rows if row["state"] == "CANCELLED"),
        "orders_left": len(entries),
        "positions_left": len(positions),
        "orders": _worst_first(rows),
        "positions": _worst_first(held),
    }


def _worst_first(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    def rank(row: dict[str, str]) -> int:
        return _TROUBLE.index(row["state"]) if row["state"] in _TROUBLE else len(_TROUBLE)

    return sorted(rows, key=rank)[:MOST_ROWS]


def _order_row(engine: Engine, client_id: str) -> dict[str, str]:
    order = engine.state.orders.get(client_id)
    if order is None:
        # Only what has ended is forgotten.
        return {"client_id": client_id, "symbol": "", "state": "CANCELLED", "reason": ""}
    return _row_of(order)


def _row_of(order: Order) -> dict[str, str]:
    state = _WORDS.get(order.state, "OPEN")
    filled = f"{plain(order.filled)} of it were filled" if order.filled and state != "FILLED" else ""
    reason = order.note if state in ("OPEN", "UNKNOWN", "GONE") else filled
    return {
        "client_id": order.intent.client_id,
        "symbol": order.intent.symbol,
        "state": state,
        "reason": reason[:200],
    }


def _position_rows(engine: Engine, *, close: bool) -> list[dict[str, str]]:
    open_ones = {position.symbol: position for position in engine.state.book.open_positions()}
    rows = []
    for symbol in sorted({*engine.state.stop_positions, *open_ones}):
        position, found = open_ones.get(symbol), engine.state.stop_positions.get(symbol)
        left = abs(position.quantity) if position is not None else found.dust if found is not None else ZERO
        wanted = found.quantity if found is not None else left
        state, reason = _position_state(engine, symbol, position, left, close=close)
        requested = plain(wanted) if close else "0"
        row = {"symbol": symbol, "requested": requested, "residual": plain(left), "state": state, "reason": reason}
        rows.append(row)
    return rows


def _position_state(
    engine: Engine, symbol: str, position: Position | None, left: Decimal, *, close: bool
) -> tuple[str, str]:
    if position is None and not left:
        return "FLAT", "" if close else "it was closed by its protective order"
    if position is None or (close and _dust(engine, position)):
        return "FLAT_WITH_DUST", "too little for an order"
    if not close:
        return "KEPT", "positions were not to be closed"
    if flattening.going_on(engine.desk, symbol):
        return "PENDING", "it is being closed"
    return "RESIDUAL", flattening.residual(engine.desk, symbol)[:200]


def _verdict(
    entries: list[Order], positions: list[Position], held: list[dict[str, str]], engine: Engine, *, close: bool
) -> tuple[str, str]:
    unknown = [order for order in entries if order.state is OrderState.UNKNOWN]
    if unknown:
        return "UNKNOWN", f"entry orders that the venue has not confirmed: {len(unknown)}"
    if entries:
        return "PENDING", f"entry orders being cancelled: {len(entries)}"
    if not confirmed(engine):
        problem = engine.state.listing.problem
        if problem:
            return "UNKNOWN", f"the exchange has not confirmed that no entry order is open: {problem}"
        return "PENDING", "the exchange is asked whether an entry order of this bot is open that its ledger lacks"
    if not close:
        return "CANCELLED", f"no entry order is open; positions kept with their protective orders: {len(positions)}"
    if any(flattening.going_on(engine.desk, p.symbol) for p in positions if not _dust(engine, p)):
        return "PENDING", f"positions being closed at market: {len(positions)}"
    states = {row["state"] for row in held}
    if "RESIDUAL" in states:
        return "RESIDUAL", f"positions that could not be closed yet: {len(positions)}"
    if "FLAT_WITH_DUST" in states:
        count = sum(1 for row in held if row["state"] == "FLAT_WITH_DUST")
        return "FLAT_WITH_DUST", f"positions left, each worth less than the smallest order: {count}"
    return "FLAT", "no entry order and no position is open"


def _dust(engine: Engine, position: Position) -> bool:
    """Tell whether a position is too small to be closed."""
    price = engine.price(position.symbol)
    smallest = engine.state.instruments[position.symbol].min_notional
    return price is not None and mul(abs(position.quantity), price) < smallest
