"""Which effects a person is told of, and in what words. Pure: the runner writes the notes with the effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain import effects as fx
from tradingbot.domain.money import plain, total
from tradingbot.domain.notes import Kind, Note
from tradingbot.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.core.snapshot import EngineState
    from tradingbot.domain.fills import Trade
    from tradingbot.ports.store import LatchRow
    from tradingbot.risk.latch import Board


CONFIRMATION = "CONFIRMATION_REQUIRED"
OWN_NOTE = frozenset({"shutdown"})
"""Sources that are told of in another way."""


def compose(effects: Iterable[fx.Effect], state: EngineState, quote: str) -> list[Note]:
    """Return the notes of one commit."""
    notes: list[Note] = []
    closing: dict[str, list[Trade]] = {}
    for effect in effects:
        match effect:
            case fx.Latch(source=source, state=held, reason=reason, ts=ts):
                title = f"{held.name}: {source.replace('_', ' ')}"
                notes.append(Note(key=f"latch:{source}:{ts}", kind=Kind.LIMIT, title=title, text=reason))
            case fx.Alarm(code=code, text=text, ts=ts):
                kind = Kind.CONFIRMATION if code == CONFIRMATION else Kind.ALARM
                notes.append(Note(key=f"alarm:{code}:{ts}:{text[:200]}", kind=kind, title=code, text=text))
            case fx.Query(client_id=client_id, symbol=symbol):
                text = f"the exchange did not say what became of order {client_id} for {symbol}; it is being asked"
                notes.append(Note(key=f"unknown:{client_id}", kind=Kind.UNKNOWN, title="order unknown", text=text))
            case fx.Traded(trade=trade):
                closing.setdefault(trade.symbol, []).append(trade)
            case _:
                pass
    notes += [_closed(trades, quote) for symbol, trades in closing.items() if _is_flat(state, symbol)]
    return notes


def of_state(before: State, board: Board, key: str) -> Note | None:
    """Return what to tell when entries become blocked, or allowed again, for a reason that has no note of its own."""
    now = board.state
    if before < State.HALTED <= now and board.stop is None:
        held = [entry for entry in board.restrictions() if entry.state >= State.HALTED]
        if any(entry.latched or entry.source in OWN_NOTE for entry in held):
            return None
        reasons = "; ".join(f"{entry.source}: {entry.reason}" for entry in held)
        return Note(key=key, kind=Kind.HALT, title="HALTED: no new positions", text=reasons)
    if now < State.HALTED <= before:
        return Note(key=key, kind=Kind.HALT, title=f"{now.name} again", text="what blocked new positions is gone")
    return None


def of_stop(row: LatchRow) -> Note | None:
    """Return what to tell of an emergency stop as it stands."""
    how = f"by {row.origin or 'an unknown source'}: {row.reason or 'no reason given'}"
    outcome = row.outcome or {}
    state = str(outcome.get("state", ""))
    if state == "PENDING":
        return None
    if not state:
        close = ", positions are being closed" if row.close_positions else ", positions are kept"
        text = f"{how}; entry orders are taken back{close}. To resume, name the stop {row.stop_id}"
        return Note(key=f"stop:{row.stop_id}", kind=Kind.STOP, title="EMERGENCY STOP", text=text)
    text = f"stop {row.stop_id} {how}: {outcome.get('message', '')}"
    return Note(key=f"stop:{row.stop_id}:{state}", kind=Kind.STOP, title=f"emergency stop: {state}", text=text)


def _is_flat(state: EngineState, symbol: str) -> bool:
    position = state.book.positions.get(symbol)
    return position is not None and not position.open


def _closed(trades: list[Trade], quote: str) -> Note:
    last = trades[-1]
    realized = total(trade.realized for trade in trades)
    word = "profit" if realized >= 0 else "loss"
    title = f"{last.symbol} closed, {word} {plain(abs(realized))} {quote}"
    text = f"{last.role} order {last.side} {plain(last.quantity)} at {plain(last.price)}; profit and loss before fees"
    return Note(key=f"closed:{last.trade_id}", kind=Kind.TRADE, title=title, text=text)
