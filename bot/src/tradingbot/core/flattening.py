"""Flattening in the running bot, where orders meet a real book: the collar of `core.flatten`, one step per attempt.

Each attempt is an order that executes at once, at its floor or better, so it takes what the book shows within the
collar and no more. Between attempts the stop rests again. When nothing was sold in many of them, the stop's outcome
says RESIDUAL, and the rest is offered once a minute, protected in between: a book may fill again. The floor stays where
it was; a restart begins anew, at the price of then.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.core.flatten import SHARES, floor_price
from tradingbot.core.order_table import PASSING
from tradingbot.domain.effects import OrderMoved, Submit
from tradingbot.domain.market import SECOND
from tradingbot.domain.money import plain
from tradingbot.domain.orders import Order, OrderState, Role
from tradingbot.risk import gate

if TYPE_CHECKING:
    from tradingbot.core.desk import Desk
    from tradingbot.core.engine import Engine
    from tradingbot.domain.events import Adopted

SALES = (Role.FLATTEN, Role.EXIT)
PAUSE = 2 * SECOND
"""Between two attempts."""
ATTEMPTS = 12
"""In a row, without anything sold; then it is RESIDUAL."""
LONG_PAUSE = 60 * SECOND
"""Between two attempts from then on."""


class Flattening(msgspec.Struct):
    """A position that is being sold."""

    reference: Decimal
    """The market's price when it began, in quote currency; one that is pushed down while we sell is not followed."""
    left: Decimal
    """What was left at the last attempt, in base currency."""
    reason: str
    step: int = 0
    attempts: int = 0
    """Since something was sold last."""
    tried: int = 0
    """When, in microseconds of market time."""

    def hopeful(self, quantity: Decimal, attempts: int = ATTEMPTS - 1) -> bool:
        """Tell whether the last attempt sold something, or there were not more than so many in vain."""
        return self.attempts <= attempts or quantity != self.left


def floor(desk: Desk, symbol: str, reason: str) -> Decimal | None:
    """Return the lowest price of the next attempt to sell a position, and count it. None: at any price.

    Only a position that was bought has one; without a price of the market there is nothing to measure it by.
    """
    position, mark = desk.state.book.position(symbol), desk.state.marks.get(symbol)
    if position is None or position.quantity <= 0 or mark is None:
        return None
    instrument = desk.instrument(symbol)
    found = desk.state.flattening.get(symbol)
    if found is None:
        found = Flattening(instrument.price(mark.price), position.quantity, reason)
        desk.state.flattening[symbol] = found
    elif found.left != position.quantity:
        found.attempts = 0
    elif not _refused(desk, symbol).startswith(PASSING):
        # Only who was asked and did not buy is asked for less.
        found.step = min(found.step + 1, len(SHARES) - 1)
    found.left = position.quantity
    found.attempts += 1
    found.tried = desk.state.now
    return _lowest(desk, symbol, found)


def _lowest(desk: Desk, symbol: str, found: Flattening) -> Decimal:
    return floor_price(found.reference, desk.config.limits.price_collar, found.step, desk.instrument(symbol))


def tend(desk: Desk) -> None:
    """Try again what is not sold yet, and sell what was bought while a stop that closes was on its way."""
    stop = desk.board.stop
    for symbol in [name for name in desk.state.flattening if desk.state.book.position(name) is None]:
        del desk.state.flattening[symbol]
    for position in desk.state.book.open_positions():
        found = desk.state.flattening.get(position.symbol)
        if found is None:
            if stop is not None and stop.close_positions:
                desk.close_position(position.symbol, Role.FLATTEN, f"emergency stop: {stop.reason}")
        elif desk.state.now - found.tried >= (PAUSE if found.hopeful(position.quantity) else LONG_PAUSE):
            desk.close_position(position.symbol, Role.FLATTEN, found.reason)


def adopt(engine: Engine, event: Adopted) -> None:
    """Enter an order that the ledger lacks into the books. It is at the venue already: recorded, and never sent."""
    desk = engine.desk
    instrument = desk.state.instruments.get(event.symbol)
    if instrument is None or event.client_id in desk.state.orders:
        return
    position = desk.state.book.position(event.symbol)
    if event.rests and (position is None or event.quantity > position.quantity):
        return
    draft = desk.draft()
    draft.client_id = event.client_id
    if event.rests:
        approved = gate.reducing(instrument, event.quantity, draft, "found at the exchange", stop=event.price)
    else:
        approved = gate.reducing(instrument, event.quantity, draft, "sold by tradingbot kill", limit=event.price)
    if approved is None:
        return
    desk.state.orders[event.client_id] = Order(approved.item, state=OrderState.SENT, updated=desk.state.now)
    desk.out.append(Submit(approved))
    desk.out.append(OrderMoved(event.client_id))
    size = f"{plain(event.quantity)} {instrument.base}"
    told = f"the stop of {size} at {plain(event.price)} protects its position" if event.rests else f"sold {size}"
    desk.alarm("ADOPTED", f"{event.client_id}, an order of this bot that its ledger lacked: {told}")


def going_on(desk: Desk, symbol: str) -> bool:
    """Tell whether it is being sold, and not yet given up for now."""
    found, position = desk.state.flattening.get(symbol), desk.state.book.position(symbol)
    if found is None or position is None:
        return desk.closing(symbol)
    return found.hopeful(position.quantity, ATTEMPTS if desk.closing(symbol) else ATTEMPTS - 1)


def _refused(desk: Desk, symbol: str) -> str:
    """Return why the venue would not take the last sale, empty where it took it."""
    sales = [o for o in desk.state.orders.values() if o.intent.symbol == symbol and o.intent.role in SALES]
    return sales[-1].note if sales and sales[-1].state is OrderState.REFUSED else ""


def residual(desk: Desk, symbol: str) -> str:
    """Say why a position is left, what becomes of it, and what a person can do."""
    found, refused = desk.state.flattening.get(symbol), _refused(desk, symbol)
    if found is None:
        return refused or "it could not be closed"
    why = refused[:80] or f"nobody buys at {plain(_lowest(desk, symbol, found))} or above"
    stops = any(order.intent.role.protective for order in desk.live(symbol))
    covered = "its stop-loss rests" if stops else "no stop-loss rests"
    return f"{why}; offered again every minute, {covered}; a restart of the bot begins anew, at the price of then"


def forget(desk: Desk) -> None:
    """Begin anew: at a start, and where a person has lifted what it was sold for."""
    desk.state.flattening = {}
