"""The columns that a bot writes, the same in every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.ports.store import FILTERS, TIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INTENTS = """client_id, epoch, seq, symbol, side, type, role, quantity, limit_price, stop_price, reduce_only, hold,
    strategy, reason, market_ts, decided_at"""
ORDERS = """client_id, symbol, side, type, role, strategy, state, ask, venue_id, quantity, filled, average_price, fees,
    note, market_ts, created_at"""
TRADES = """trade_id, client_id, symbol, strategy, side, role, direction, quantity, price, fee, realized, liquidity,
    market_ts, executed_at"""
POSITIONS = "symbol, strategy, quantity, cost, realized, fees, stop_loss, take_profit, opened_at"
POSTINGS = "tx, leg, account, asset, amount, cause, market_ts"
EQUITY = "market_ts, at, equity, cash, unrealized, peak, day_start"
DECISIONS = "seq, symbol, strategy, action, side, approved, code, facts, reason, client_id, market_ts, decided_at"
LATCHES = "source, state, reason, since, stop_id, origin, close_positions, outcome"
AUDIT = """event, from_mode, to_mode, digest, approved_by, expires_at, account, config_hash, subject, holder, reason,
    reached_ts, market_ts"""
LATCH_ROW = f"{LATCHES}, number, cleared_at, cleared_by, cleared_reason, cleared_object"
"""What a kill Job knows of a latch as well: its image may be newer than the database."""
LATCH_READ = f"{LATCH_ROW}, void_resumes"

LEASE_SECONDS = 15.0
"""How long a lease holds without being renewed."""
_FOREVER = 2**62
_NUMBERED = ("decisions", "equity", "audit")
"""Tables whose ties are numbers."""

LIVE_STATES = "('INTENT', 'SENT', 'OPEN', 'PARTIAL', 'UNKNOWN')"
"""States in which an order may still execute."""


def names(columns: str) -> list[str]:
    """Split a list of columns."""
    return [name.strip() for name in columns.split(",")]


def assignments(columns: str) -> str:
    """Return the part of an upsert that takes over every column."""
    return ", ".join(f"{name} = excluded.{name}" for name in names(columns))


def page_tail(table: str, mark: str, *, tie: bool, where: Iterable[str]) -> str:
    """Return the conditions of a page of rows: 1 bot, 2 market time, 3 limit, then the tie, then the filters."""
    column, parameters = TIES[table], iter(range(4, 20))
    conditions = [f"bot = {mark}1"]
    if tie:
        value = f"{mark}{next(parameters)}"
        known = f"CAST({value} AS bigint)" if table in _NUMBERED else value
        conditions.append(f"(market_ts, {column}) < ({mark}2, {known})")
    else:
        conditions.append(f"market_ts < {mark}2")
    for name in where:
        if name not in FILTERS[table]:
            raise ValueError(f"{table} cannot be chosen by {name}")
        text = "CASE WHEN approved THEN 'true' ELSE 'false' END" if name == "approved" else name
        conditions.append(f"{text} = {mark}{next(parameters)}")
    return f" WHERE {' AND '.join(conditions)} ORDER BY market_ts DESC, {column} DESC LIMIT {mark}3"


def page(
    bot: str, table: str, limit: int, before: int | None, tie: str, where: Mapping[str, str]
) -> tuple[str | int, ...]:
    """Return the parameters of a page of rows."""
    known: list[str | int] = [int(tie) if table in _NUMBERED else tie] if tie else []
    return (bot, _FOREVER if before is None else before, limit, *known, *where.values())
