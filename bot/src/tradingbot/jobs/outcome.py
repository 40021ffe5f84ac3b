"""What came of a kill, per order and per position, and the one word for all of it. Never a bare success."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BYTES = 3900
"""Kubernetes keeps the last 4096 bytes of a termination log."""
LONGEST_REASON = 300

CANCELLED, FILLED, GONE = "CANCELLED", "FILLED", "GONE"
KEPT, OPEN, UNKNOWN = "KEPT", "OPEN", "UNKNOWN"
FLAT, FLAT_WITH_DUST, RESIDUAL = "FLAT", "FLAT_WITH_DUST", "RESIDUAL"

_WORST = (UNKNOWN, RESIDUAL, FLAT_WITH_DUST, FLAT)
_TROUBLE = {UNKNOWN: 0, OPEN: 1, RESIDUAL: 2, FLAT_WITH_DUST: 3, FILLED: 4, KEPT: 5}


class OrderEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order."""

    client_id: str
    symbol: str
    state: str
    """CANCELLED; FILLED (it was faster); GONE (the ledger had it, the exchange never did); KEPT (it protects a
    position); OPEN; UNKNOWN (the exchange did not say)."""
    reason: str = ""


class PositionEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a position; quantities in base currency, as text."""

    symbol: str
    requested: str
    """How much was to be sold."""
    residual: str
    """How much is left."""
    state: str
    """FLAT, FLAT_WITH_DUST, RESIDUAL, UNKNOWN; KEPT where it was not to be closed."""
    reason: str = ""


def verdict(orders: Iterable[OrderEnd], positions: Iterable[PositionEnd], *, verified: bool, close: bool) -> str:
    """Return the one word: the worst of all parts."""
    if not verified or any(order.state in (UNKNOWN, OPEN) for order in orders):
        return UNKNOWN
    if not close:
        return CANCELLED
    states = {position.state for position in positions}
    return next((state for state in _WORST if state in states), FLAT)


def report(
    stop_id: str,
    state: str,
    orders: Iterable[OrderEnd],
    positions: Iterable[PositionEnd],
    message: str,
    *,
    confirmed: bool,
) -> dict[str, Any]:
    """Write the report; what went wrong comes first. `confirmed`: the exchange has listed no entry order any more."""
    ends = sorted(orders, key=lambda order: (_TROUBLE.get(order.state, 9), order.client_id))
    held = sorted(positions, key=lambda position: (_TROUBLE.get(position.state, 9), position.symbol))
    return {
        "kind": "kill",
        "stop_id": stop_id,
        "state": state,
        "confirmed": confirmed,
        "orders_cancelled": sum(1 for order in ends if order.state == CANCELLED),
        "orders": [_row(order) for order in ends],
        "positions": [_row(position) for position in held],
        "message": message[:1000],
    }


def _row(end: OrderEnd | PositionEnd) -> dict[str, str]:
    row: dict[str, str] = msgspec.to_builtins(end)
    row["reason"] = row["reason"][:LONGEST_REASON]
    return row


def bounded(whole: dict[str, Any], most: int = MOST_BYTES) -> dict[str, Any]:
    """Leave out what went well, last things first, until it fits; `left_out` says how many rows that are."""
    short = {**whole, "orders": list(whole["orders"]), "positions": list(whole["positions"])}
    left_out = 0
    while len(json.dumps(short, ensure_ascii=False).encode()) > most and (short["orders"] or short["positions"]):
        longer = "orders" if len(short["orders"]) >= len(short["positions"]) else "positions"
        short[longer].pop()
        left_out += 1
        short["left_out"] = left_out
    return short
