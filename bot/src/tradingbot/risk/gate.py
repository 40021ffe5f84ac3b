"""The gate: the only maker of `Approved`. Every order passes here, protective orders and exits included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.money import UNIT, ZERO, add, ceil_to, mul
from tradingbot.domain.orders import Approved, Intent, OrderType, Role, Side
from tradingbot.risk.checks.confidence import confident
from tradingbot.risk.checks.duplicate import duplicate
from tradingbot.risk.checks.loss import daily_loss, drawdown
from tradingbot.risk.checks.position import free_slot, free_symbol
from tradingbot.risk.checks.price import collar, data_fresh, data_valid, near_target, risk_reward, short_possible, sides
from tradingbot.risk.checks.rate import order_rate
from tradingbot.risk.checks.size import order_value, quantity, unit_hold, worst_price

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.domain.fills import Position
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.states import State
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter

_ENTRY_CHECKS = (
    data_valid,
    data_fresh,
    short_possible,
    sides,
    drawdown,
    daily_loss,
    free_symbol,
    free_slot,
    confident,
    collar,
    risk_reward,
    order_rate,
    duplicate,
)


class Draft:
    """Who an order is from: what is the same in every intent of a step."""

    __slots__ = ("bot", "client_id", "epoch", "seq", "strategy", "ts")

    def __init__(self, bot: str, epoch: int, seq: int, client_id: str, strategy: str, ts: int) -> None:
        self.bot, self.epoch, self.seq = bot, epoch, seq
        self.client_id, self.strategy, self.ts = client_id, strategy, ts


def entry(proposal: Enter, view: RiskView, limits: Limits, draft: Draft) -> Approved[Intent] | Denied:
    """Judge a new position. The order is a market order that may not execute beyond the price collar."""
    if not view.state.entries_allowed:
        return Denied(DenialCode.STATE_BLOCKS_ENTRIES, (("state", view.state.name),))
    if view.instrument is None:
        return Denied(DenialCode.UNKNOWN_SYMBOL)
    proposal = near_target(proposal, view, limits)
    for check in _ENTRY_CHECKS:
        denied = check(proposal, view, limits)
        if denied is not None:
            return denied
    size = quantity(proposal, view, limits)
    if isinstance(size, Denied):
        return size
    denied = order_value(size, view, limits)
    if denied is not None:
        return denied
    price = view.price
    if price is None:
        return Denied(DenialCode.DATA_INVALID, (("price", "None"),))
    worst = worst_price(proposal, price, limits)
    limit = view.instrument.price_down(worst) if proposal.side is Side.BUY else view.instrument.price_up(worst)
    return Approved(
        Intent(
            client_id=draft.client_id,
            bot=draft.bot,
            epoch=draft.epoch,
            seq=draft.seq,
            symbol=view.instrument.symbol,
            side=proposal.side,
            type=OrderType.MARKET,
            role=Role.ENTRY,
            quantity=size,
            strategy=draft.strategy,
            reason=proposal.reason,
            ts=draft.ts,
            limit_price=limit if limit > 0 else None,
            hold=ceil_to(mul(size, unit_hold(proposal, price, limits)), UNIT),
            stop_loss=proposal.stop_loss,
            take_profit=proposal.take_profit,
        )
    )


def leave(position: Decimal, state: State, *, pending: bool, repeated: bool) -> Denied | None:
    """Judge a strategy's wish to close a position: less is checked, because less risk is wanted."""
    if not state.exits_allowed:
        return Denied(DenialCode.STATE_BLOCKS_EXITS, (("state", state.name),))
    if position == 0 or pending:
        return Denied(DenialCode.NO_POSITION, (("exit_pending", str(pending)),))
    if repeated:
        return Denied(DenialCode.DUPLICATE_INTENT)
    return None


def closing(
    position: Position,
    instrument: Instrument,
    role: Role,
    reason: str,
    draft: Draft,
    covered: Decimal = ZERO,
    *,
    limit: Decimal | None = None,
) -> Approved[Intent] | None:
    """Make the order that closes a position (EXIT or FLATTEN, at market), or that protects it (STOP, TARGET).

    It reduces only: the venue executes at most what is held, at `limit` or better where there is one. None where the
    position says no price for it, or where nothing is left of it beyond what is covered already.
    """
    quantity = instrument.quantity_down(abs(position.quantity) - covered)
    if not position.open or quantity <= 0:
        return None
    stop = position.stop_loss if role is Role.STOP else None
    target = position.take_profit if role is Role.TARGET else None
    if role.protective and stop is None and target is None:
        return None
    kind = {Role.STOP: OrderType.STOP, Role.TARGET: OrderType.LIMIT}.get(role, OrderType.MARKET)
    side = Side.SELL if position.quantity > 0 else Side.BUY
    best = target if role is Role.TARGET else limit
    return _reduce_only(instrument, side, kind, role, quantity, draft, reason, limit=best, stop=stop)


def reducing(
    instrument: Instrument,
    quantity: Decimal,
    draft: Draft,
    reason: str,
    *,
    limit: Decimal | None = None,
    stop: Decimal | None = None,
) -> Approved[Intent] | None:
    """Make a sale of what a spot account holds when no engine runs: at `limit` or better at once, or from `stop` on.

    It reduces only. None where there is nothing to sell, or no price for it.
    """
    size = instrument.quantity_down(quantity)
    price = limit if stop is None else stop
    if size <= 0 or price is None or price <= 0 or instrument.market_type is not MarketType.SPOT:
        return None
    kind, role = (OrderType.MARKET, Role.FLATTEN) if stop is None else (OrderType.STOP, Role.STOP)
    return _reduce_only(instrument, Side.SELL, kind, role, size, draft, reason, limit=limit, stop=stop)


def _reduce_only(
    instrument: Instrument,
    side: Side,
    kind: OrderType,
    role: Role,
    quantity: Decimal,
    draft: Draft,
    reason: str,
    *,
    limit: Decimal | None,
    stop: Decimal | None,
) -> Approved[Intent]:
    return Approved(
        Intent(
            client_id=draft.client_id,
            bot=draft.bot,
            epoch=draft.epoch,
            seq=draft.seq,
            symbol=instrument.symbol,
            side=side,
            type=kind,
            role=role,
            quantity=quantity,
            strategy=draft.strategy,
            reason=reason,
            ts=draft.ts,
            limit_price=limit,
            stop_price=stop,
            reduce_only=True,
            hold=ZERO,
        )
    )


def enlarged(approved: Approved[Intent], by: Decimal) -> Approved[Intent]:
    """Enlarge a protective order. It reduces only, so it can never open anything, whatever its quantity."""
    intent = approved.item
    if not intent.reduce_only:
        raise ValueError(f"{intent.client_id} does not only reduce, so it cannot be enlarged")
    return Approved(msgspec.structs.replace(intent, quantity=add(intent.quantity, by)))
