"""Live orders above a value wait for a person: held back before they are orders, judged again when somebody says yes.

What waits is a proposal with the size that the gate gave it, not an order: nothing of it is at the exchange, and
nothing is set aside. A yes is judged by the gate as if it were proposed now, and never becomes larger than what was
shown; its stop is the one that was shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core.decisions import MANUAL, decision
from tradingbot.core.snapshot import Waiting
from tradingbot.domain import events
from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.flags import AUTONOMOUS
from tradingbot.domain.money import ZERO, mul, plain, ratio
from tradingbot.domain.states import State
from tradingbot.risk import gate
from tradingbot.risk.checks.price import worthwhile_target
from tradingbot.strategy.base import Enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot.core.engine import Engine
    from tradingbot.domain.orders import Intent
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView


def waits(engine: Engine, intent: Intent, proposal: Enter, *, own: bool = False) -> bool:
    """Hold an approved order back when it may not be sent unseen; return whether it waits now.

    That is when it is worth more than `confirm_above`, and whatever it is worth when the bot is not autonomous; a
    person's own trade (`own`) needs no second word for the latter.
    """
    threshold, price = engine.config.confirm_above, engine.price(intent.symbol)
    if not own and not (engine.config.limits.autonomous and AUTONOMOUS not in engine.state.flags_off):
        threshold = ZERO
    if threshold is None or price is None or intent.stop_loss is None or intent.take_profit is None:
        return False
    value = mul(intent.quantity, price)
    if value <= threshold:
        return False
    now = engine.state.now
    waiting = Waiting(
        client_id=intent.client_id,
        epoch=intent.epoch,
        seq=intent.seq,
        symbol=intent.symbol,
        side=intent.side,
        quantity=intent.quantity,
        value=value,
        stop_loss=intent.stop_loss,
        take_profit=intent.take_profit,
        worst_price=proposal.worst_price,
        strategy=intent.strategy,
        reason=intent.reason,
        confidence=proposal.confidence,
        since=now,
        expires=now + engine.config.confirm_within,
    )
    engine.state.waiting[intent.client_id] = waiting
    facts = (
        ("quantity", plain(intent.quantity)),
        ("value", plain(value)),
        ("threshold", plain(threshold)),
        ("seconds", str(engine.config.confirm_within // 1_000_000)),
    )
    _record(engine, waiting, Denied(DenialCode.CONFIRMATION_REQUIRED, facts))
    engine.desk.alarm("CONFIRMATION_REQUIRED", f"{intent.symbol}: {plain(value)} waits for a person to confirm it")
    return True


def symbols(engine: Engine) -> set[str]:
    """Return the symbols in which an order waits: a second one must not be added to it."""
    return {waiting.symbol for waiting in engine.state.waiting.values()}


def answer(engine: Engine, event: events.Confirmation) -> None:
    """Take a person's yes or no."""
    waiting = engine.state.waiting.pop(event.client_id, None)
    if waiting is None:
        return
    if not event.confirmed:
        _record(engine, waiting, Denied(DenialCode.CONFIRMATION_REFUSED, (("by", event.by),)))
    elif _over(engine, waiting):
        _record(engine, waiting, Denied(DenialCode.CONFIRMATION_EXPIRED))
    else:
        _order(engine, waiting, event.by)


def _order(engine: Engine, waiting: Waiting, by: str) -> None:
    """Judge it again, as of now. The size is what the limits allow now, and at most what was confirmed.

    The stop is the one that was shown. If the price has moved away from it, the strategy's target moves as far as the
    required reward demands: strategies ask for hardly more than that, so most orders could not be confirmed otherwise.
    """
    draft = gate.Draft(
        engine.config.bot, waiting.epoch, waiting.seq, waiting.client_id, waiting.strategy, engine.state.now
    )
    view, limits = engine.view(waiting.symbol, duplicate=False), engine.config.limits
    proposal = Enter(
        waiting.side,
        waiting.stop_loss,
        waiting.take_profit,
        waiting.reason,
        worst_price=waiting.worst_price,
        confidence=waiting.confidence,
    )
    if waiting.strategy != MANUAL:
        proposal = worthwhile_target(proposal, view, limits)
    verdict = gate.entry(proposal, view, limits, draft)
    if not isinstance(verdict, Denied) and verdict.item.quantity > waiting.quantity:
        verdict = gate.entry(msgspec.structs.replace(proposal, quantity=waiting.quantity), view, limits, draft)
    if not isinstance(verdict, Denied):
        verdict = _moved(waiting, view, limits) or verdict
    if isinstance(verdict, Denied):
        _record(engine, waiting, verdict)
        return
    order = verdict.item
    facts: tuple[tuple[str, str], ...] = (("quantity", plain(order.quantity)), ("confirmed_by", by))
    if order.take_profit is not None and order.take_profit != waiting.take_profit:
        facts = (*facts, ("take_profit", plain(order.take_profit)))
    _record(engine, waiting, None, facts)
    engine.desk.submit(verdict)


def _moved(waiting: Waiting, view: RiskView, limits: Limits) -> Denied | None:
    """PRICE_COLLAR when the price lies further from the one that was shown than an execution may from the last."""
    shown, price = ratio(waiting.value, waiting.quantity), view.price
    if price is None or ratio(abs(price - shown), shown) <= limits.price_collar:
        return None  # Without a price the gate has denied it.
    facts = (("shown", plain(shown)), ("last", plain(price)), ("collar", plain(limits.price_collar)))
    return Denied(DenialCode.PRICE_COLLAR, facts)


def tend(engine: Engine) -> None:
    """Give up what nobody confirmed in time."""
    for waiting in [each for each in engine.state.waiting.values() if _over(engine, each)]:
        del engine.state.waiting[waiting.client_id]
        _record(engine, waiting, Denied(DenialCode.CONFIRMATION_EXPIRED))


def end(engine: Engine) -> None:
    """End everything that waits: an emergency stop leaves nothing that could be sent later."""
    for waiting in engine.state.waiting.values():
        facts = (("state", State.KILLED.name),)
        _record(engine, waiting, Denied(DenialCode.STATE_BLOCKS_ENTRIES, facts))
    engine.state.waiting.clear()


def _over(engine: Engine, waiting: Waiting) -> bool:
    """Tell whether it may not be confirmed any more: too late, or of a process that ended."""
    return engine.state.now >= waiting.expires or waiting.epoch != engine.config.epoch


def _record(engine: Engine, waiting: Waiting, denied: Denied | None, facts: tuple[tuple[str, str], ...] = ()) -> None:
    made = decision(
        waiting.symbol,
        engine.state.now,
        waiting.strategy,
        "enter",
        waiting.side,
        waiting.reason,
        denied,
        waiting.client_id,
        facts,
    )
    engine.decide(made)


HANDLERS: dict[type, Callable[[Engine, Any], None]] = {events.Confirmation: answer}
