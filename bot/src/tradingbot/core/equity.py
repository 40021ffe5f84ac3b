"""What the account is worth, and whether that reaches a limit. Exact on every tick, and cheap where nothing happens.

Value is one whole number of the smallest unit that occurs. A tick of price in an open position adds a whole number to
it, so nothing is rounded and no Decimal is touched. While the value stays between `floor` and `ceiling`, no limit is
reached and no peak is made; both are set, from Decimals, whenever something else happened.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tradingbot.core.snapshot import Mark
from tradingbot.domain.effects import Latch, Marked
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.market import DAY, day_of
from tradingbot.domain.money import EXACT, ONE, ZERO, add, mul, sub
from tradingbot.domain.states import State
from tradingbot.risk.equity_guard import loss_of

if TYPE_CHECKING:
    from tradingbot.core.desk import Desk
    from tradingbot.core.snapshot import EngineState
    from tradingbot.risk.limits import Limits


class Equity:
    """The value of one account. `desk.fresh` says that cash or positions changed since it was last computed."""

    def __init__(self, desk: Desk, state: EngineState, quote: str) -> None:
        self.desk, self.state, self.quote = desk, state, quote
        self.due = 0
        """Market time of the next point of the curve or of the next day, whichever comes first."""
        self._value = 0
        self._digits = 0
        """Digits after the point that a unit of `_value` stands for."""
        self._weights: dict[str, int] = {}
        """By symbol with an open position, what a tick of its price adds."""
        self._prices: dict[str, int] = {}
        """By symbol, the price that is in `_value`, in ticks."""
        self._floor = self._ceiling = 0

    def take(self, symbol: str, ts: int, price: int, gap: int) -> bool:
        """Take a price in ticks; return whether the value left the range in which nothing has to be looked at.

        An older price never takes the place of a newer one: a candle may come after the trades of the next one.
        """
        mark = self.state.marks.get(symbol)
        if mark is None:
            self.state.marks[symbol] = Mark(price, ts, gap)
        elif ts >= mark.ts:
            mark.price, mark.ts, mark.gap = price, ts, gap
        else:
            mark.gap = gap
            return False
        weight = self._weights.get(symbol)
        if weight is None:
            return False
        self._value = value = self._value + weight * (price - self._prices[symbol])
        self._prices[symbol] = price
        return not self._floor < value <= self._ceiling

    @property
    def value(self) -> Decimal:
        """Return the value in quote currency: cash and open positions at their last price."""
        if self.desk.fresh:
            self.revalue()
        return Decimal(self._value).scaleb(-self._digits, EXACT)

    @property
    def unrealized(self) -> Decimal:
        """Return the profit or loss of all open positions, in quote currency."""
        result = ZERO
        for position in self.state.book.open_positions():
            price = self.price(position.symbol)
            if price is not None:
                result = add(result, self.state.book.unrealized(position.symbol, price))
        return result

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol in quote currency, None before the first one."""
        mark = self.state.marks.get(symbol)
        return self.state.instruments[symbol].price(mark.price) if mark is not None else None

    def revalue(self) -> None:
        """Compute the value anew, from the book and the last prices."""
        state = self.state
        self.desk.fresh = False
        cash = state.book.cash(self.quote)
        held = [position for position in state.book.open_positions() if position.symbol in state.marks]
        steps = {p.symbol: mul(p.quantity, state.instruments[p.symbol].tick) for p in held}
        self._digits = max(0, *(-_exponent(amount) for amount in (cash, *steps.values())))
        self._weights = {symbol: self._whole(step) for symbol, step in steps.items()}
        self._prices = {symbol: state.marks[symbol].price for symbol in steps}
        self._value = self._whole(cash) + sum(w * self._prices[symbol] for symbol, w in self._weights.items())
        self.due = 0

    def _whole(self, amount: Decimal) -> int:
        return int(amount.scaleb(self._digits, EXACT))

    def watch(self, limits: Limits, interval: int) -> list[str]:
        """Hold the value against its limits; return the reasons of those that are newly reached.

        A new day and a new peak are kept, a new restriction is latched, and a point of the curve is recorded when
        `interval` (microseconds) has passed since the last one.
        """
        state, guard, desk = self.state, self.state.guard, self.desk
        if guard is None:
            raise BrokenInvariantError("a price came before the account was opened")
        equity = self.value
        if day_of(state.now) > guard.day or equity > guard.peak:
            guard.update(state.now, equity)
        reached = []
        for breach in guard.breaches(equity, limits):
            if desk.board.hold(breach.source, State.HALTED, breach.reason, latched=True):
                desk.out.append(Latch(breach.source, State.HALTED, breach.reason, state.now))
                desk.alarm("LIMIT_BREACHED", breach.reason)
                reached.append(breach.reason)
        if state.now - state.equity_ts >= interval:
            state.equity_ts = state.now
            state.tally.max_drawdown = max(state.tally.max_drawdown, loss_of(guard.peak, equity))
            cash = state.book.cash(self.quote)
            point = EquityPoint(state.now, equity, cash, self.unrealized, guard.peak, guard.day_start)
            desk.out.append(Marked(point))
        self.due = min((guard.day + 1) * DAY, state.equity_ts + interval)
        # One unit above what reaches a limit: in doubt, the Decimals decide.
        lowest = max(
            mul(guard.peak, sub(ONE, limits.max_drawdown)), mul(guard.day_start, sub(ONE, limits.daily_loss_limit))
        )
        self._floor = self._whole(lowest) + 1
        self._ceiling = self._whole(guard.peak)
        return reached


def _exponent(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int):
        raise BrokenInvariantError(f"{amount} is not an amount")
    return exponent
