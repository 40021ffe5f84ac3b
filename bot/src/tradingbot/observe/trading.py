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
        **_of(decision),
        action=decision.action,
        confidence=facts.pop("confidence", None),
        code=decision.code,
        facts=facts,
        reason=decision.reason,
    )


def _ordered(intent: Intent) -> None:
    _log.info(
        "order",
        **_of(intent),
        role=intent.role.value,
        type=intent.type.value,
        quantity=plain(intent.quantity),
        limit_price=_maybe(intent.limit_price),
        stop_price=_maybe(intent.stop_price),
    )


def _executed(trade: Trade) -> None:
    _log.info(
        "executed",
        **_of(trade),
        role=trade.role.value,
        quantity=plain(trade.quantity),
        price=plain(trade.price),
        fee=plain(trade.fee),
        realized=plain(trade.realized),
    )


def _of(what: Decision | Intent | Trade) -> dict[str, object]:
    """Return what every line says of whose it is."""
    return {
        "symbol": what.symbol,
        "side": what.side.value,
        "strategy": what.strategy,
        "client_id": what.client_id,
        "market_ts": what.ts,
    }


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
