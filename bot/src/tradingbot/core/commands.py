"""What people ask of a running engine: their own trades, closes and limits, a new account. The same gate as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core import confirm, flattening, stops, switches
from tradingbot.core.decisions import MANUAL, decision, entry_facts, with_confidence
from tradingbot.core.tally import Tally
from tradingbot.domain import events
from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.effects import Marked, PositionMoved, Posting
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.market import Candle, day_of
from tradingbot.domain.money import ONE, ZERO
from tradingbot.domain.orders import Role, Side
from tradingbot.ledger import posting
from tradingbot.risk import gate
from tradingbot.risk.equity_guard import EquityGuard
from tradingbot.risk.limits import Limits, changed, tightest
from tradingbot.strategy.base import Context, Enter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from tradingbot.core.engine import Engine
    from tradingbot.core.snapshot import EngineConfig, EngineState
    from tradingbot.domain.effects import Decision
    from tradingbot.domain.instrument import Instrument


def restrict(config: EngineConfig, state: EngineState) -> EngineConfig:
    """Return the configuration with the limits that people changed: of file and change, whichever permits less.

    A new approval is a decision about every limit, and by two people: changes from before it are done with.
    """
    if state.limits_under != config.approval:
        state.limits, state.limits_under = {}, config.approval
    if not state.limits:
        return config
    wanted = changed(config.limits, state.limits, config.limits)
    return msgspec.structs.replace(config, limits=tightest(config.limits, wanted))


def manual_trade(engine: Engine, event: events.ManualTrade) -> None:
    """Judge a person's position as the gate judges a strategy's, record the decision, order it if approved."""
    side = Side(event.side)
    if event.symbol not in engine.config.symbols or event.symbol not in engine.state.marks:
        code = DenialCode.UNKNOWN_SYMBOL if event.symbol not in engine.config.symbols else DenialCode.DATA_STALE
        engine.decide(_decision(engine, event.symbol, "enter", side, event.reason, Denied(code)))
        return
    before = engine.state.intents
    proposal = _on_the_tick(event, side, engine.state.instruments[event.symbol])
    view = engine.view(event.symbol, duplicate=False)
    verdict = gate.entry(proposal, view, engine.config.limits, engine.desk.draft(MANUAL))
    if isinstance(verdict, Denied):
        engine.state.intents = before
        engine.decide(_decision(engine, event.symbol, "enter", side, event.reason, verdict))
        return
    if confirm.waits(engine, verdict.item, proposal, own=True):
        return
    facts = (
        ("quantity", f"{verdict.item.quantity:f}"),
        ("stop_loss", f"{verdict.item.stop_loss:f}"),
        ("take_profit", f"{verdict.item.take_profit:f}"),
    )
    client_id = verdict.item.client_id
    engine.decide(_decision(engine, event.symbol, "enter", side, event.reason, None, client_id, facts))
    engine.desk.submit(verdict)


def _on_the_tick(event: events.ManualTrade, side: Side, instrument: Instrument) -> Enter:
    """Move a person's prices to the tick: the stop towards the price, the target away from it."""
    move = instrument.price_up if side is Side.BUY else instrument.price_down
    back = instrument.price_down if side is Side.BUY else instrument.price_up
    worst = back(event.price) if event.price is not None else None
    return Enter(side, move(event.stop_loss), move(event.take_profit), event.reason, event.quantity, worst, ONE)


def close_position(engine: Engine, event: events.ClosePosition) -> None:
    """Close a position at market. A person may do that in every state: it takes risk away."""
    position = engine.state.book.position(event.symbol)
    side = Side.BUY if position is not None and position.quantity < 0 else Side.SELL
    closing = engine.desk.closing(event.symbol)
    if position is None or closing:
        denied = Denied(DenialCode.NO_POSITION, (("exit_pending", str(closing)),))
        engine.decide(_decision(engine, event.symbol, "exit", side, event.reason, denied))
        return
    facts = (("quantity", f"{abs(position.quantity):f}"),)
    role = Role.EXIT if engine.board.state.exits_allowed else Role.FLATTEN
    client_id = engine.desk.close_position(event.symbol, role, event.reason)
    engine.decide(_decision(engine, event.symbol, "exit", side, event.reason, None, client_id, facts))


def change_limits(engine: Engine, event: events.ChangeLimits) -> None:
    """Replace limits; they are saved with the state and hold after a restart, as far as they permit less."""
    wanted = dict(event.changes)
    limits = changed(engine.config.limits, wanted, engine.base_limits)
    for name, text in wanted.items():
        if text is None:
            engine.state.limits.pop(name, None)
        else:
            engine.state.limits[name] = text
    set_limits(engine, limits)
    named = ", ".join(f"{name} = {getattr(limits, name)}" for name in wanted)
    engine.desk.alarm("LIMITS_CHANGED", f"{named}: {event.reason}")


def reload_limits(engine: Engine, event: events.ReloadLimits) -> None:
    """Go by the file's limits, and by the changes of people as far as they permit less."""
    engine.base_limits = changed(engine.base_limits, dict(event.changes), Limits())
    base = msgspec.structs.replace(engine.config, limits=engine.base_limits)
    set_limits(engine, restrict(base, engine.state).limits)
    engine.desk.alarm("LIMITS_CHANGED", f"by the configuration file: {dict(event.changes)}")


def set_limits(engine: Engine, limits: Limits) -> None:
    """Let the gate go by these limits from now on."""
    engine.config = engine.desk.config = msgspec.structs.replace(engine.config, limits=limits)


def reset_account(engine: Engine, event: events.ResetAccount) -> None:
    """Start the account anew: every balance is booked out, the capital in. Rows of what happened before stay."""
    state, desk = engine.state, engine.desk
    if state.book.open_positions() or desk.live():
        raise BrokenInvariantError("an account is started anew while something is open")
    legs = [
        Posting(account, asset, -amount)
        for account, assets in sorted(state.book.balances.items())
        for asset, amount in sorted(assets.items())
        if amount
    ]
    if legs:
        desk.post(tuple(legs), f"account closed: {event.reason}")
    for symbol, position in state.book.positions.items():
        position.realized = position.fees = position.cost = ZERO
        engine.emit(PositionMoved(symbol))
    desk.post(posting.deposit(engine.config.quote, event.capital), "initial capital")
    state.guard = EquityGuard(event.capital, event.capital, day_of(state.now))
    state.tally = Tally(since=state.now)
    state.equity_ts = state.now
    engine.emit(Marked(EquityPoint(state.now, engine.equity, engine.equity, ZERO, event.capital, event.capital)))
    desk.alarm("ACCOUNT_RESET", f"the simulated account starts anew with {event.capital:f}: {event.reason}")


def preview(engine: Engine, symbol: str) -> list[Decision]:
    """Say what would be decided if a candle closed now at the last price. Changes nothing.

    The strategy is asked in a copy: the one that trades never sees the candle.
    """
    mark = engine.state.marks[symbol]
    trading = engine.strategies[symbol]
    copy = engine.make_strategy()
    copy.state = msgspec.json.decode(msgspec.json.encode(trading.state), type=type(trading.state))
    candle = Candle(mark.ts + 1, symbol, mark.ts, mark.price, mark.price, mark.price, mark.price, 0, 0)
    context: Context = engine.context(candle)
    before, found = engine.state.intents, []
    for proposal in copy.on_candle(context, candle):
        if isinstance(proposal, Enter):
            view = engine.view(symbol, duplicate=False)
            verdict = gate.entry(proposal, view, engine.config.limits, engine.desk.draft())
            denied = with_confidence(verdict, proposal.confidence) if isinstance(verdict, Denied) else None
            facts: tuple[tuple[str, str], ...] = ()
            if not isinstance(verdict, Denied):
                facts = entry_facts(verdict.item, engine.context(candle).price, proposal.confidence)
            found.append(_decision(engine, symbol, "enter", proposal.side, proposal.reason, denied, "", facts))
        else:
            found.append(_preview_exit(engine, symbol, proposal.reason))
    engine.state.intents = before
    return [msgspec.structs.replace(each, strategy=engine.config.strategy) for each in found]


def _preview_exit(engine: Engine, symbol: str, reason: str) -> Decision:
    position = engine.state.book.position(symbol)
    quantity: Decimal = position.quantity if position else ZERO
    pending = engine.desk.closing(symbol)
    denied = gate.leave(quantity, engine.board.state, pending=pending, repeated=False)
    side = Side.BUY if quantity < 0 else Side.SELL
    return _decision(engine, symbol, "exit", side, reason, denied, "", (("quantity", f"{abs(quantity):f}"),))


def _decision(
    engine: Engine,
    symbol: str,
    action: str,
    side: Side,
    reason: str,
    denied: Denied | None,
    client_id: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> Decision:
    return decision(symbol, engine.state.now, MANUAL, action, side, reason, denied, client_id, facts)


HANDLERS: dict[type, Callable[[Engine, Any], None]] = {
    events.ManualTrade: manual_trade,
    events.ClosePosition: close_position,
    events.ChangeLimits: change_limits,
    events.ReloadLimits: reload_limits,
    events.ResetAccount: reset_account,
    events.Adopted: flattening.adopt,
    events.Listed: stops.listed,
    **confirm.HANDLERS,
    **switches.HANDLERS,
}
