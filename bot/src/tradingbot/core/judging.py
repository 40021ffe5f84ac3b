"""What a strategy proposes, held against the gate: decided, recorded, and ordered if approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.core import confirm
from tradingbot.core.decisions import decision, entry_facts, with_confidence
from tradingbot.domain.denial import Denied
from tradingbot.domain.money import ZERO
from tradingbot.domain.orders import Role, Side
from tradingbot.risk import gate
from tradingbot.strategy.base import Enter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot.core.engine import Engine
    from tradingbot.domain.market import MarketEvent
    from tradingbot.strategy.base import Exit, Proposal


def hear(engine: Engine, event: MarketEvent, proposals: Sequence[Proposal]) -> None:
    """Judge what was proposed on an event, one after the other."""
    for proposal in proposals:
        if isinstance(proposal, Enter):
            _enter(engine, event, proposal)
        else:
            _leave(engine, event, proposal)


def _seen(engine: Engine, event: MarketEvent, side: Side) -> bool:
    return engine.state.last_intents.get(f"{event.symbol} {side}") == str(event.ts)


def _enter(engine: Engine, event: MarketEvent, proposal: Enter) -> None:
    state, side = engine.state, proposal.side
    before = state.intents
    view = engine.view(event.symbol, duplicate=_seen(engine, event, side))
    verdict = gate.entry(proposal, view, engine.config.limits, engine.desk.draft())
    if isinstance(verdict, Denied):
        state.intents = before
        _decide(engine, event, "enter", side, proposal.reason, with_confidence(verdict, proposal.confidence))
        return
    intent = verdict.item
    state.last_intents[f"{event.symbol} {side}"] = str(event.ts)
    if confirm.waits(engine, intent, proposal):
        return
    facts = entry_facts(intent, engine.context(event).price, proposal.confidence)
    _decide(engine, event, "enter", side, proposal.reason, None, intent.client_id, facts)
    engine.desk.submit(verdict)


def _leave(engine: Engine, event: MarketEvent, proposal: Exit) -> None:
    position = engine.state.book.position(event.symbol)
    quantity = position.quantity if position else ZERO
    side = Side.SELL if quantity > 0 else Side.BUY
    denied = gate.leave(
        quantity,
        engine.board.state,
        pending=engine.desk.closing(event.symbol),
        repeated=_seen(engine, event, side),
    )
    if denied is not None:
        _decide(engine, event, "exit", side, proposal.reason, denied)
        return
    engine.state.last_intents[f"{event.symbol} {side}"] = str(event.ts)
    client_id = engine.desk.close_position(event.symbol, Role.EXIT, proposal.reason)
    _decide(engine, event, "exit", side, proposal.reason, None, client_id, (("quantity", f"{abs(quantity):f}"),))


def _decide(
    engine: Engine,
    event: MarketEvent,
    action: str,
    side: Side,
    reason: str,
    denied: Denied | None,
    client_id: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> None:
    strategy = engine.config.strategy
    engine.decide(decision(event.symbol, event.ts, strategy, action, side, reason, denied, client_id, facts))
