"""The desk: everything about orders, fills and protection. Collects effects; sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.core import flattening, stops
from tradingbot.core.cover import Cover
from tradingbot.core.order_table import Heard, move
from tradingbot.domain import ids
from tradingbot.domain.effects import Alarm, Cancel, OrderMoved, PositionMoved, Post, Query, Submit, Traded
from tradingbot.domain.events import Accepted, CancelFailed, CapitalMoved, Closed, End, Fill, Refused, Sent, Unknown
from tradingbot.domain.fills import Direction, Trade
from tradingbot.domain.market import SECOND
from tradingbot.domain.money import ZERO, add, mul, share, sub
from tradingbot.domain.orders import Approved, Ask, Intent, Order, OrderState, Role
from tradingbot.ledger import posting
from tradingbot.risk import gate

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.core.snapshot import EngineConfig, EngineState
    from tradingbot.domain.effects import Effect, Posting
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Event
    from tradingbot.risk.latch import Board

KEPT = 16
"""Finished orders that are remembered, so that a late or repeated fill still finds its order."""

CANCEL_PAUSE = 2 * SECOND
"""Between two attempts to take an order back."""

_ENDS = {End.CANCELED: Heard.CANCELED, End.EXPIRED: Heard.EXPIRED, End.ABSENT: Heard.ABSENT}


class Desk:
    """Orders of one bot. `out` collects the effects of the step that is under way."""

    def __init__(self, config: EngineConfig, state: EngineState, board: Board, out: list[Effect]) -> None:
        self.config, self.state, self.board, self.out = config, state, board, out
        self.cover = None if config.targets_rest else Cover(self)
        self.fresh = False
        """Set when a fill or posting changed the account's value."""
        self._cancelled: dict[str, int] = {}
        """By client id, when an order was asked to be taken back last."""

    # -- making orders ---------------------------------------------------------------------------------------------

    def draft(self, strategy: str = "") -> gate.Draft:
        """Give the next intent its number and id; without a name it is the configured strategy's."""
        self.state.intents += 1
        seq = self.state.intents
        client_id = ids.client_id(self.config.bot, self.config.epoch, seq)
        strategy = strategy or self.config.strategy
        return gate.Draft(self.config.bot, self.config.epoch, seq, client_id, strategy, self.state.now)

    def submit(self, approved: Approved[Intent]) -> None:
        """Enter an approved order into the books and ask for it to be sent."""
        intent = approved.item
        order = Order(intent, held=intent.hold, updated=self.state.now)
        self.state.orders[intent.client_id] = order
        self.state.budget.count(self.state.now)
        if intent.hold:
            instrument = self.instrument(intent.symbol)
            self.post(posting.hold(instrument.quote, intent.hold), f"hold {intent.client_id}")
        self.out.append(Submit(approved))
        self.out.append(OrderMoved(intent.client_id))

    def close_position(self, symbol: str, role: Role, reason: str) -> str:
        """Close a position at market; return the order's id, empty when there is nothing to close."""
        position = self.state.book.position(symbol)
        if position is None or self.closing(symbol):
            return ""
        if self.cover is not None and self.cover.make_room(symbol, role, reason):
            return ""
        position = self.state.book.position(symbol)
        if position is None or self.closing(symbol):
            return ""
        bounded = self.cover is not None and role is Role.FLATTEN
        floor = flattening.floor(self, symbol, reason) if bounded else None
        approved = gate.closing(position, self.instrument(symbol), role, reason, self.draft(), limit=floor)
        if approved is None:
            return ""
        self.submit(approved)
        return approved.item.client_id

    def protect(self, symbol: str) -> None:
        """Make sure that stop and target of an open position rest at the venue."""
        if self.cover is not None:
            self.cover.protect(symbol)
            return
        position = self.state.book.position(symbol)
        if position is None or self.closing(symbol):
            return
        there = {order.intent.role for order in self.live(symbol)}
        for role, price in ((Role.STOP, position.stop_loss), (Role.TARGET, position.take_profit)):
            if price is None or role in there:
                continue
            approved = gate.closing(position, self.instrument(symbol), role, "protects the position", self.draft())
            if approved is not None:
                self.submit(self._whole(approved, symbol))

    def _whole(self, approved: Approved[Intent], symbol: str) -> Approved[Intent]:
        """Let a protective order cover an entry that is not filled to its end yet (it reduces only, so never more)."""
        entries = [order for order in self.live(symbol) if order.intent.role is Role.ENTRY]
        rest = max((order.remaining for order in entries), default=ZERO)
        return gate.enlarged(approved, rest) if rest else approved

    # -- looking up ------------------------------------------------------------------------------------------------

    def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's instrument; it was checked when the order was made."""
        return self.state.instruments[symbol]

    def live(self, symbol: str | None = None) -> list[Order]:
        """Return the orders that may still execute, oldest first."""
        return [o for o in self.state.orders.values() if o.live and symbol in (None, o.intent.symbol)]

    def entries(self, symbol: str | None = None) -> list[Order]:
        """Return the entry orders that may still execute."""
        return [order for order in self.live(symbol) if order.intent.role is Role.ENTRY]

    def closing(self, symbol: str) -> bool:
        """Tell whether an order that closes the position is under way."""
        return symbol in self.state.closings or any(
            order.intent.role in (Role.EXIT, Role.FLATTEN) for order in self.live(symbol)
        )

    # -- taking orders back ----------------------------------------------------------------------------------------

    def cancel(self, order: Order, note: str) -> None:
        """Take an order back. One that was never sent ends here; the venue need not be asked."""
        if order.state is OrderState.INTENT:
            self._end(order, Heard.EXPIRED, f"not sent: {note}")
        elif order.live and order.ask is Ask.NONE:
            order.ask = Ask.CANCEL
            order.note = note
            self._cancelled[order.intent.client_id] = self.state.now
            self.out.append(Cancel(order.intent.client_id, order.intent.symbol))
            self.out.append(OrderMoved(order.intent.client_id))

    def cancel_again(self) -> None:
        """Send cancels anew whose answer is not known: the process may have died before they left."""
        for order in self.live():
            if order.ask is Ask.CANCEL:
                self.out.append(Cancel(order.intent.client_id, order.intent.symbol))

    def cancel_entries(self, note: str) -> list[str]:
        """Take all entry orders back, protective ones stay; return their ids."""
        entries = self.entries()
        for order in entries:
            self.cancel(order, note)
        return [order.intent.client_id for order in entries]

    # -- hearing from the venue ------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take an answer of the venue."""
        client_id: str = getattr(event, "client_id", "")
        order = self.state.orders.get(client_id)
        if order is None:
            self.alarm("UNKNOWN_ORDER", f"{type(event).__name__} for {client_id}, which this bot does not know")
            return
        match event:
            case Sent():
                self._go(order, Heard.SENT)
                if order.intent.role is Role.ENTRY:
                    stops.entry_leaves(self.state)
            case Accepted(venue_id=venue_id):
                order.venue_id = venue_id
                self._go(order, Heard.ACCEPTED)
                if order.intent.role is Role.STOP and self.cover is not None:
                    self.cover.taken(order.intent.symbol)
                if order.intent.role is Role.ENTRY and not self.board.state.entries_allowed:
                    self.cancel(order, "entries are blocked")
            case Refused(code=code, text=text):
                self._end(order, Heard.REFUSED, f"{code}: {text}")
                self._unprotected(order)
            case Unknown(cause=cause):
                order.note = cause
                self._go(order, Heard.UNKNOWN)
                self.out.append(Query(client_id, order.intent.symbol))
            case Closed(how=how, note=note):
                self._end(order, _ENDS[how], note)
                self._unprotected(order)
            case CancelFailed(note=note):
                order.ask, order.note = Ask.NONE, note
                self.out.append(OrderMoved(client_id))
            case Fill():
                self._fill(order, event)
            case _:
                self.alarm("UNKNOWN_EVENT", type(event).__name__)

    def _go(self, order: Order, heard: Heard) -> bool:
        found = move(order.state, heard)
        client_id = order.intent.client_id
        if found is None:
            self.alarm("IMPOSSIBLE_REPORT", f"{client_id} is {order.state}, and the venue says {heard}")
            return False
        if found.alarm:
            self.alarm("LATE_REPORT", f"{client_id} was {order.state}, and the venue says {heard}")
        order.state = found.state
        order.updated = self.state.now
        if order.state.final:
            order.ask = Ask.NONE
        self.out.append(OrderMoved(client_id))
        return True

    def _end(self, order: Order, heard: Heard, note: str) -> None:
        if not self._go(order, heard):
            return
        order.note = note
        if order.state.final:
            self._release(order, order.held)
            self._forget()
        if heard is not Heard.REFUSED or order.intent.role is not Role.STOP:
            self._settled(order)

    def _settled(self, order: Order) -> None:
        """Look after a position whose order has ended without changing it any more."""
        if not order.state.final or order.intent.role is Role.ENTRY:
            return
        if self.cover is None:
            if not order.intent.role.protective:
                self.protect(order.intent.symbol)
            return
        self.cover.sweep(order.intent.symbol)
        self.cover.go_on(order.intent.symbol)

    def _release(self, order: Order, amount: Decimal) -> None:
        if amount:
            order.held = sub(order.held, amount)
            instrument = self.instrument(order.intent.symbol)
            self.post(posting.release(instrument.quote, amount), f"release {order.intent.client_id}")

    def _unprotected(self, order: Order) -> None:
        """React to a stop-loss that the venue would not take: a position without a stop is closed at once."""
        if order.intent.role is not Role.STOP or order.live:
            return
        symbol = order.intent.symbol
        if self.state.book.position(symbol) is None or any(o.intent.role is Role.STOP for o in self.live(symbol)):
            return
        if self.cover is not None and self.closing(symbol):
            # It made room for a sale that is on its way; when that fails, the stop is placed again.
            return
        self.alarm("UNPROTECTED", f"{symbol} has a position and no stop-loss: {order.note}")
        if self.cover is not None:
            if order.state is OrderState.REFUSED:
                self.cover.refused(order)
            return
        if self.board.state.exits_allowed and order.state is OrderState.REFUSED:
            self.close_position(symbol, Role.EXIT, "the stop-loss was refused")

    def _fill(self, order: Order, event: Fill) -> None:
        intent = order.intent
        if event.trade_id in order.trades:
            return
        order.trades.append(event.trade_id)
        order.filled = add(order.filled, event.quantity)
        order.value = add(order.value, mul(event.quantity, event.price))
        order.fees = add(order.fees, event.fee)
        complete = order.filled >= intent.quantity
        self._go(order, Heard.ALL if complete else Heard.PART)
        used = share(intent.hold, event.quantity, intent.quantity) if intent.hold else ZERO
        released = order.held if order.state.final else min(used, order.held)
        order.held = sub(order.held, released)
        before = self.state.book.position(intent.symbol)
        direction = before.direction if before else (Direction.LONG if intent.side.sign > 0 else Direction.SHORT)
        legs = posting.fill(event, intent.side, self.instrument(intent.symbol), released)
        self.post(legs, f"fill {event.trade_id}")
        realized = self.state.book.apply(event, intent)
        closed = self.state.book.position(intent.symbol) is None
        self.state.tally.fill(intent.symbol, realized, event.fee, closed=closed)
        self.out.append(
            Traded(
                Trade(
                    trade_id=event.trade_id,
                    client_id=intent.client_id,
                    symbol=intent.symbol,
                    strategy=intent.strategy,
                    side=intent.side,
                    role=intent.role,
                    direction=direction,
                    quantity=event.quantity,
                    price=event.price,
                    fee=event.fee,
                    realized=realized,
                    liquidity=event.liquidity,
                    ts=event.ts,
                )
            )
        )
        self._after_fill(order)
        self.moved(intent.symbol)

    def _after_fill(self, order: Order) -> None:
        intent, symbol = order.intent, order.intent.symbol
        if self.cover is not None:
            self.cover.sweep(symbol)
        position = self.state.book.position(symbol)
        if position is None:
            self.state.closings.pop(symbol, None)
            for other in self.live(symbol):
                self.cancel(other, "the position is closed")
        elif intent.role is Role.ENTRY:
            position.stop_loss, position.take_profit = intent.stop_loss, intent.take_profit
            self.protect(symbol)
        elif self.cover is not None and order.state.final:
            self.cover.go_on(symbol)
        elif order.state.final:
            # An entry that was executed after all, while this one sold: what is left of both has no stop yet.
            self.protect(symbol)
        self._forget()

    def _forget(self) -> None:
        orders = self.state.orders
        since = self.state.now - self.config.remembered
        stopped = self.state.stop_orders
        done = [n for n, order in orders.items() if not order.live and order.updated <= since and n not in stopped]
        for client_id in done[: max(0, len(done) - KEPT)]:
            del orders[client_id]
            self._cancelled.pop(client_id, None)

    # -- where the venue locks what a resting order would sell --------------------------------------------------------

    def tend(self) -> None:
        """Press on with what the venue has not done yet."""
        for order in self.live():
            if order.ask is Ask.NONE and order.state in (OrderState.OPEN, OrderState.PARTIAL):
                self._cancel_failed(order)
        if self.cover is not None:
            self.cover.tend()
            flattening.tend(self)

    def _cancel_failed(self, order: Order) -> None:
        """Ask again for what should be gone already: the exchange had no time for it, or its answer was lost."""
        role, now = order.intent.role, self.state.now
        if role is Role.ENTRY and not self.board.state.entries_allowed:
            note = "entries are blocked"
        elif role.protective and self.state.book.position(order.intent.symbol) is None:
            note = "the position is closed"
        else:
            return
        if now - self._cancelled.get(order.intent.client_id, now - CANCEL_PAUSE) >= CANCEL_PAUSE:
            self.cancel(order, note)

    def watch(self, symbol: str) -> None:
        """See whether the last price is that of a target which does not rest."""
        if self.cover is not None and symbol in self.state.marks:
            self.cover.watch(symbol, self.instrument(symbol).price(self.state.marks[symbol].price))

    # -- writing ---------------------------------------------------------------------------------------------------

    def capital_moved(self, event: CapitalMoved) -> None:
        """Book money that came or went. It is no profit and no loss, so peak and start of the day move with it."""
        make = posting.deposit if event.amount > 0 else posting.withdrawal
        self.post(make(event.asset, abs(event.amount)), event.note)
        guard = self.state.guard
        if guard is not None and event.asset == self.config.quote:
            guard.peak, guard.day_start = add(guard.peak, event.amount), add(guard.day_start, event.amount)
        self.alarm("CAPITAL_MOVED", event.note)

    def post(self, legs: tuple[Posting, ...], cause: str) -> None:
        """Write a transaction into the ledger."""
        tx = self.state.book.post(legs, cause)
        self.fresh = True
        self.out.append(Post(tx, self.state.now, cause, legs))

    def moved(self, symbol: str) -> None:
        """Note that the row of a position changed."""
        self.out.append(PositionMoved(symbol))

    def alarm(self, code: str, text: str) -> None:
        """Tell a person."""
        self.out.append(Alarm(code, text, self.state.now))
