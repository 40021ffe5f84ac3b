"""A picture of the engine for everything that only looks: page, API, metrics. Made after a commit, never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.core import stops
from tradingbot.core.snapshot import Waiting
from tradingbot.core.tally import Tally
from tradingbot.domain.money import ZERO, mul, total
from tradingbot.domain.states import State
from tradingbot.ledger.book import average
from tradingbot.risk.equity_guard import loss_of
from tradingbot.risk.latch import Restriction, StopRecord
from tradingbot.risk.limits import Limits

if TYPE_CHECKING:
    from tradingbot.core.engine import Engine
    from tradingbot.domain.fills import Position
    from tradingbot.domain.orders import Order


class PositionPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One open position; money in quote currency, time in microseconds of market time."""

    symbol: str
    direction: str
    quantity: Decimal
    average_price: Decimal | None
    price: Decimal | None
    value: Decimal
    unrealized: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    strategy: str
    opened: int


class OrderPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One order that may still execute."""

    client_id: str
    symbol: str
    side: str
    type: str
    role: str
    state: str
    quantity: Decimal
    filled: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    ts: int


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The account at a moment."""

    ts: int
    state: State
    restrictions: tuple[Restriction, ...]
    stop: StopRecord | None
    stop_outcome: dict[str, object] | None
    quote: str
    equity: Decimal
    cash: Decimal
    unrealized: Decimal
    realized: Decimal
    fees: Decimal
    capital: Decimal
    peak: Decimal
    day_start: Decimal
    drawdown: Decimal
    day_change: Decimal
    positions: tuple[PositionPicture, ...]
    orders: tuple[OrderPicture, ...]
    entries_gone: bool
    """No entry is open, by the ledger and by what the exchange has listed."""
    prices: dict[str, Decimal]
    waiting: tuple[Waiting, ...] = ()
    """What a person has to confirm."""
    limits: Limits
    base_limits: Limits
    """The limits of the configuration, without what people changed since."""
    changed_limits: dict[str, str]
    flags_off: tuple[str, ...] = ()
    """Feature flags that steer and are off."""
    tally: Tally
    orders_placed: int
    """Orders of this fencing epoch."""


def take(engine: Engine) -> Picture:
    """Take the picture."""
    state, book = engine.state, engine.state.book
    equity = engine.equity
    guard = state.guard
    peak, day_start = (guard.peak, guard.day_start) if guard else (equity, equity)
    positions = tuple(_position(engine, position) for position in book.open_positions())
    prices = {symbol: price for symbol in sorted(state.marks) if (price := engine.price(symbol)) is not None}
    everything = book.positions.values()
    quote = engine.config.quote
    return Picture(
        ts=state.now,
        state=engine.board.state,
        restrictions=tuple(engine.board.restrictions()),
        stop=engine.board.stop,
        stop_outcome=stops.outcome(engine),
        quote=quote,
        equity=equity,
        cash=book.cash(quote),
        unrealized=engine.unrealized(),
        realized=total(position.realized for position in everything),
        fees=book.fees(quote),
        capital=-book.balance("capital", quote),
        peak=peak,
        day_start=day_start,
        drawdown=loss_of(peak, equity),
        day_change=equity - day_start,
        positions=positions,
        orders=tuple(_order(order) for order in engine.desk.live()),
        entries_gone=stops.confirmed(engine),
        prices=prices,
        waiting=tuple(state.waiting.values()),
        limits=engine.config.limits,
        base_limits=engine.base_limits,
        changed_limits=dict(state.limits),
        flags_off=tuple(state.flags_off),
        tally=msgspec.structs.replace(state.tally, open={}),
        orders_placed=state.intents,
    )


def _position(engine: Engine, position: Position) -> PositionPicture:
    price = engine.price(position.symbol)
    return PositionPicture(
        symbol=position.symbol,
        direction=position.direction.value,
        quantity=abs(position.quantity),
        average_price=average(position, engine.state.instruments[position.symbol]),
        price=price,
        value=mul(abs(position.quantity), price) if price is not None else ZERO,
        unrealized=engine.state.book.unrealized(position.symbol, price) if price is not None else ZERO,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        strategy=position.strategy,
        opened=position.opened,
    )


def _order(order: Order) -> OrderPicture:
    intent = order.intent
    return OrderPicture(
        client_id=intent.client_id,
        symbol=intent.symbol,
        side=intent.side.value,
        type=intent.type.value,
        role=intent.role.value,
        state=order.state.value,
        quantity=intent.quantity,
        filled=order.filled,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        ts=intent.ts,
    )
