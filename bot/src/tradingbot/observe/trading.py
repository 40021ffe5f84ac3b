"""What is traded, as lines of the log: decisions, orders and executions, each with its symbol and its side.

They are told when they are committed and carried out, so that no order waits for a line. The ledger is the record;
these lines are for whoever reads the log of an incident, and for searches in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.effects import Cancel, Decide, Submit, Traded
from tradingbot.domain.money import plain
from tradingbot.observe import logs

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.effects import Decision, Effect
    from tradingbot.domain.fills import Trade
    from tradingbot.domain.orders import Intent

_log = logs.get(__name__)


def tell(effect: Effect) -> None:
    """Write the line of an effect, if it has one."""
    match effect:
        case Decide(decision=decision):
            _decided(decision)
        case Submit(approved=approved):
            _ordered(approved.item)
        case Cancel(client_id=client_id, symbol=symbol):
            _log.info("cancel", symbol=symbol, client_id=client_id)
        case Traded(trade=trade):
            _executed(trade)
        case _:
            pass


def _decided(decision: Decision) -> None:
    facts = dict(decision.facts)
    _log.info(
        "approved" if decision.approved else "denied",
        symbol=decision.symbol,
        side=decision.side.value,
        action=decision.action,
        confidence=facts.pop("confidence", None),
        code=decision.code,
        facts=facts,
        reason=decision.reason,
        strategy=decision.strategy,
        client_id=decision.client_id,
        market_ts=decision.ts,
    )


def _ordered(intent: Intent) -> None:
    _log.info(
        "order",
        symbol=intent.symbol,
        side=intent.side.value,
        role=intent.role.value,
        type=intent.type.value,
        quantity=plain(intent.quantity),
        limit_price=_maybe(intent.limit_price),
        stop_price=_maybe(intent.stop_price),
        strategy=intent.strategy,
        client_id=intent.client_id,
        market_ts=intent.ts,
    )


def _executed(trade: Trade) -> None:
    _log.info(
        "executed",
        symbol=trade.symbol,
        side=trade.side.value,
        role=trade.role.value,
        quantity=plain(trade.quantity),
        price=plain(trade.price),
        fee=plain(trade.fee),
        realized=plain(trade.realized),
        strategy=trade.strategy,
        client_id=trade.client_id,
        market_ts=trade.ts,
    )


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
