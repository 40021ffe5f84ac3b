"""Protection where the venue locks what a resting order would sell, as spot markets do.

Stop and target cannot both rest there. The stop rests, because it must work when the bot does not; the target is
watched by the bot. To close a position, its stop is cancelled first, the sale follows when the venue has confirmed
that, and when the sale fails the stop is placed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.core import stops
from tradingbot.core.order_table import PASSING
from tradingbot.core.snapshot import Closing
from tradingbot.domain.market import SECOND
from tradingbot.domain.money import mul, plain, total
from tradingbot.domain.orders import Ask, OrderState, Role
from tradingbot.risk import gate

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.core.desk import Desk
    from tradingbot.domain.orders import Order

PAUSE = 2 * SECOND
"""Between two attempts to place a stop-loss."""
PATIENCE = 3
"""A stop-loss that was refused so often in a row is not tried again: the position is closed."""
TRIGGERED = "WOULD_TRIGGER"
"""The venue's word for a stop whose price is reached already."""
LONGEST_PAUSE = 60 * SECOND


class Cover:
    """Keeps the positions of one desk covered."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._tried: dict[str, int] = {}
        self._pauses: dict[str, int] = {}

    def protect(self, symbol: str) -> None:
        """Let a stop-loss rest for what no stop covers yet."""
        desk = self.desk
        position = desk.state.book.position(symbol)
        if position is None or desk.closing(symbol) or position.stop_loss is None:
            return
        covered = total(order.remaining for order in self._protective(symbol))
        instrument = desk.instrument(symbol)
        left = instrument.quantity_down(abs(position.quantity) - covered)
        if left <= 0 or mul(left, position.stop_loss) < instrument.min_notional:
            return
        self._tried[symbol] = desk.state.now
        approved = gate.closing(position, instrument, Role.STOP, "protects the position", desk.draft(), covered)
        if approved is not None:
            desk.submit(approved)

    def make_room(self, symbol: str, role: Role, reason: str) -> bool:
        """Take protective orders back before a close; return whether the close has to wait for it."""
        protective = self._protective(symbol)
        if not protective:
            return False
        self.desk.state.closings[symbol] = Closing(role, reason)
        for order in protective:
            self.desk.cancel(order, f"makes room: {reason}")
        return symbol in self.desk.state.closings

    def go_on(self, symbol: str) -> None:
        """Close what waited for its protective orders to be gone, or protect it again."""
        desk, state = self.desk, self.desk.state
        closing = state.closings.get(symbol)
        if self._protective(symbol):
            return
        if closing is not None:
            del state.closings[symbol]
            if closing.role is Role.FLATTEN or desk.board.state.exits_allowed:
                desk.close_position(symbol, closing.role, closing.reason)
        self.protect(symbol)

    def refused(self, order: Order) -> None:
        """Decide what follows from a stop-loss that the venue would not take."""
        symbol, desk = order.intent.symbol, self.desk
        # A venue that has no time is not asked more often for it.
        self._pauses[symbol] = min(2 * self._pauses.get(symbol, PAUSE), LONGEST_PAUSE)
        if order.note.startswith(PASSING):
            return
        count = desk.state.refusals[symbol] = desk.state.refusals.get(symbol, 0) + 1
        hopeless = order.note.startswith(TRIGGERED) or count >= PATIENCE
        if hopeless and desk.board.state.exits_allowed:
            desk.state.refusals.pop(symbol, None)
            desk.close_position(symbol, Role.EXIT, "the stop-loss was refused")

    def taken(self, symbol: str) -> None:
        """Note that the venue took a stop-loss."""
        self.desk.state.refusals.pop(symbol, None)
        self._pauses.pop(symbol, None)

    def tend(self) -> None:
        """Press on with what is not done yet. Cheap when nothing is to do; called every second."""
        desk, state = self.desk, self.desk.state
        for symbol in list(state.closings):
            for order in self._protective(symbol):
                if order.ask is Ask.NONE and order.state is not OrderState.UNKNOWN:
                    desk.cancel(order, f"makes room: {state.closings[symbol].reason}")
            self.go_on(symbol)
        for position in state.book.open_positions():
            symbol, pause = position.symbol, self._pauses.get(position.symbol, PAUSE)
            if state.now - self._tried.get(symbol, -pause) >= pause:
                self.protect(symbol)

    def watch(self, symbol: str, price: Decimal) -> None:
        """Take the profit when the price is there."""
        desk = self.desk
        position = desk.state.book.position(symbol)
        if position is None or position.take_profit is None or desk.closing(symbol):
            return
        beyond = price - position.take_profit if position.quantity > 0 else position.take_profit - price
        if beyond >= 0 and desk.board.state.exits_allowed:
            desk.close_position(symbol, Role.EXIT, f"take-profit at {plain(position.take_profit)}")

    def sweep(self, symbol: str) -> None:
        """Write off what is left of a position when it is too small to be sold, and no order will change it."""
        desk = self.desk
        position = desk.state.book.position(symbol)
        if position is None or desk.live(symbol):
            return
        instrument, mark = desk.instrument(symbol), desk.state.marks.get(symbol)
        sellable = instrument.quantity_down(abs(position.quantity))
        if sellable > 0 and (mark is None or mul(sellable, instrument.price(mark.price)) >= instrument.min_notional):
            return
        left = desk.state.book.write_off(symbol)
        stops.dust(desk.state, symbol, left)
        desk.fresh = True
        desk.state.closings.pop(symbol, None)
        desk.alarm("DUST", f"{plain(left)} {instrument.base} are too little to be sold; they stay in the account")
        desk.moved(symbol)

    def _protective(self, symbol: str) -> list[Order]:
        return [order for order in self.desk.live(symbol) if order.intent.role.protective]
