"""Rows as JSON: one parameter per table, so that a commit is one statement whatever it holds.

Decimals travel as text and become `numeric` in the database: no digit is lost on the way.
"""

from __future__ import annotations

import datetime as dt
import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from isal import isal_zlib

from tradingbot.domain.money import plain, ratio
from tradingbot.domain.states import State
from tradingbot.ports.store import LatchRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tradingbot.domain.effects import Decision, Post
    from tradingbot.domain.fills import EquityPoint, Position, Trade
    from tradingbot.domain.notes import Note
    from tradingbot.domain.orders import Intent, Order
    from tradingbot.ports.store import AuditRow, Batch

_PACKED = b"x"
"""First byte of what zlib writes; JSON never begins with it."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(ts: int) -> dt.datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + dt.timedelta(microseconds=ts)


def microseconds(moment: dt.datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def iso(moment: dt.datetime) -> str:
    """Return a time in UTC as text that sorts like the time."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _text(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def intents(items: Iterable[Intent]) -> str:
    """Encode intents."""
    return _text(
        [
            {
                "client_id": i.client_id,
                "epoch": i.epoch,
                "seq": i.seq,
                "symbol": i.symbol,
                "side": i.side,
                "type": i.type,
                "role": i.role,
                "quantity": plain(i.quantity),
                "limit_price": _number(i.limit_price),
                "stop_price": _number(i.stop_price),
                "reduce_only": i.reduce_only,
                "hold": plain(i.hold),
                "strategy": i.strategy,
                "reason": i.reason,
                "market_ts": i.ts,
                "decided_at": moment(i.ts),
            }
            for i in items
        ]
    )


def orders(items: Iterable[Order]) -> str:
    """Encode the rows of orders."""
    rows = []
    for order in items:
        intent = order.intent
        average = ratio(order.value, order.filled).quantize(Decimal("0.00000001")) if order.filled else None
        rows.append(
            {
                "client_id": intent.client_id,
                "symbol": intent.symbol,
                "side": intent.side,
                "type": intent.type,
                "role": intent.role,
                "strategy": intent.strategy,
                "state": order.state,
                "ask": order.ask,
                "venue_id": order.venue_id,
                "quantity": plain(intent.quantity),
                "filled": plain(order.filled),
                "average_price": _number(average),
                "fees": plain(order.fees),
                "note": order.note,
                "market_ts": intent.ts,
                "created_at": moment(intent.ts),
            }
        )
    return _text(rows)


def trades(items: Iterable[Trade]) -> str:
    """Encode trades."""
    return _text(
        [
            {
                "trade_id": t.trade_id,
                "client_id": t.client_id,
                "symbol": t.symbol,
                "strategy": t.strategy,
                "side": t.side,
                "role": t.role,
                "direction": t.direction,
                "quantity": plain(t.quantity),
                "price": plain(t.price),
                "fee": plain(t.fee),
                "realized": plain(t.realized),
                "liquidity": t.liquidity,
                "market_ts": t.ts,
                "executed_at": moment(t.ts),
            }
            for t in items
        ]
    )


def positions(items: Iterable[Position]) -> str:
    """Encode the rows of positions."""
    return _text(
        [
            {
                "symbol": p.symbol,
                "strategy": p.strategy,
                "quantity": plain(p.quantity),
                "cost": plain(p.cost),
                "realized": plain(p.realized),
                "fees": plain(p.fees),
                "stop_loss": _number(p.stop_loss),
                "take_profit": _number(p.take_profit),
                "opened_at": moment(p.opened) if p.open else None,
            }
            for p in items
        ]
    )


def postings(items: Iterable[Post]) -> str:
    """Encode ledger transactions, one row per leg."""
    return _text(
        [
            {
                "tx": post.tx,
                "leg": number,
                "account": leg.account,
                "asset": leg.asset,
                "amount": plain(leg.amount),
                "cause": post.cause,
                "market_ts": post.ts,
            }
            for post in items
            for number, leg in enumerate(post.postings)
        ]
    )


def equity(items: Iterable[EquityPoint]) -> str:
    """Encode points of the equity curve."""
    return _text(
        [
            {
                "market_ts": e.ts,
                "at": moment(e.ts),
                "equity": plain(e.equity),
                "cash": plain(e.cash),
                "unrealized": plain(e.unrealized),
                "peak": plain(e.peak),
                "day_start": plain(e.day_start),
            }
            for e in items
        ]
    )


def decisions(items: Iterable[Decision]) -> str:
    """Encode decisions."""
    return _text(
        [
            {
                "seq": d.seq,
                "symbol": d.symbol,
                "strategy": d.strategy,
                "action": d.action,
                "side": d.side,
                "approved": d.approved,
                "code": d.code,
                "facts": dict(d.facts),
                "reason": d.reason,
                "client_id": d.client_id,
                "market_ts": d.ts,
                "decided_at": moment(d.ts),
            }
            for d in items
        ]
    )


def latches(items: Iterable[LatchRow]) -> str:
    """Encode restrictions."""
    return _text(
        [
            {
                "source": row.source,
                "state": row.state.name,
                "reason": row.reason,
                "since": row.since,
                "stop_id": row.stop_id,
                "origin": row.origin,
                "close_positions": row.close_positions,
                "outcome": row.outcome,
            }
            for row in items
        ]
    )


def audit(row: AuditRow) -> str:
    """Encode a row of the audit trail."""
    values = msgspec.structs.asdict(row)
    at, expires = values.pop("at"), values["expires_at"]
    return _text([values | {"market_ts": microseconds(at), "expires_at": None if expires is None else iso(expires)}])


def notes(items: Iterable[Note]) -> str:
    """Encode notes."""
    return _text(
        [{"key": n.key, "kind": n.kind, "title": n.title, "body": n.text, "seconds": n.seconds} for n in items]
    )


def cursor(values: Mapping[str, int]) -> str:
    """Encode how far into the market the state has seen."""
    return msgspec.json.encode(dict(values)).decode()


def tables(batch: Batch) -> dict[str, str]:
    """Encode the rows of a batch by table, in the order in which they are written; without rows it is left out."""
    rows: dict[str, tuple[Callable[[Any], str], Any]] = {
        "intents": (intents, batch.intents),
        "orders": (orders, batch.orders.values()),
        "trades": (trades, batch.trades),
        "positions": (positions, batch.positions.values()),
        "postings": (postings, batch.posts),
        "equity": (equity, batch.equity),
        "decisions": (decisions, batch.decisions),
        "latches": (latches, batch.latches),
        "outbox": (notes, batch.notes),
    }
    return {table: encode(held) for table, (encode, held) in rows.items() if held}


def latch(row: Mapping[str, Any]) -> LatchRow:
    """Read a restriction."""
    return LatchRow(
        source=row["source"],
        state=State[row["state"]],
        reason=row["reason"],
        since=row["since"],
        stop_id=row["stop_id"],
        origin=row["origin"],
        close_positions=row["close_positions"],
        outcome=msgspec.json.decode(row["outcome"]) if row["outcome"] is not None else None,
        number=row["number"],
        cleared_at=row["cleared_at"],
        cleared_by=row["cleared_by"] or "",
        cleared_reason=row["cleared_reason"] or "",
        cleared_object=row["cleared_object"] or "",
        void_resumes=tuple(row.get("void_resumes") or ()),
    )


def outcome(row: LatchRow) -> str | None:
    """Encode what became of an emergency stop."""
    return None if row.outcome is None else msgspec.json.encode(row.outcome).decode()


def pack(state: bytes) -> bytes:
    """Compress a saved state, as zlib would in twice the time: it is written with every commit."""
    return isal_zlib.compress(state, 1)


def unpack(stored: bytes) -> bytes:
    """Read what `pack` wrote, or a state that was stored as it was."""
    return zlib.decompress(stored) if stored[:1] == _PACKED else stored
