"""An exchange in memory that outlives the bot: it executes on its own time, tells late, and answers badly when told to.

Orders arrive some ticks after they left, also when the process that sent them is dead. Market orders are executed in
two parts, the ticks after. Fills are told later still. Selling locks what is sold, as on a spot market.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import SECOND
from tradingbot.domain.orders import Approved, Intent, OrderType, Side
from tradingbot.ports import venue as answers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

BTC = Instrument("BTC/USD", "BTC", "USD", Decimal("0.5"), Decimal("0.0001"), Decimal(5))
TICK_SECONDS = 3
WAY_TICKS = 2
"""How long an order is on its way whose sender died, or got no answer."""
VISIBLE_TICKS = 3
"""An order that is not found so long after it was first asked for never arrived."""
FEE = Decimal("0.001")


@dataclass
class Placed:
    intent: Intent
    quantity: Decimal
    arrived: int
    executed: Decimal = Decimal(0)
    open: bool = True

    @property
    def left(self) -> Decimal:
        return self.quantity - self.executed


@dataclass
class Exchange:
    """The truth."""

    seed: int = 0
    faults: float = 0.0
    """Share of calls that go wrong."""
    now: int = 0
    price: Decimal = Decimal(100)
    total: dict[str, Decimal] = field(default_factory=lambda: {"USD": Decimal(10_000), "BTC": Decimal(1)})
    orders: dict[str, Placed] = field(default_factory=dict)
    sends: Counter[str] = field(default_factory=Counter)
    flying: list[tuple[int, Intent]] = field(default_factory=list)
    fills: list[tuple[int, Fill]] = field(default_factory=list)
    """When each is told, and what."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def ts(self) -> int:
        return self.now * TICK_SECONDS * SECOND

    def tick(self, price: Decimal) -> None:
        self.now += 1
        self.price = price
        for due, intent in [each for each in self.flying if each[0] <= self.now]:
            self.flying.remove((due, intent))
            self.arrive(intent)
        for placed in list(self.orders.values()):
            if placed.open:
                self._work(placed)

    def arrive(self, intent: Intent) -> bool:
        quantity = min(intent.quantity, self._free_base()) if intent.side is Side.SELL else intent.quantity
        quantity = BTC.quantity_down(quantity)
        if quantity <= 0 or intent.client_id in self.orders:
            return False
        self.orders[intent.client_id] = Placed(intent, quantity, self.now)
        return True

    def _free_base(self) -> Decimal:
        locked = sum((p.left for p in self.orders.values() if p.open and p.intent.side is Side.SELL), Decimal(0))
        return self.total["BTC"] - locked - Decimal(1)  # the one that was there before is not for sale

    def _work(self, placed: Placed) -> None:
        intent = placed.intent
        if intent.type is OrderType.STOP:
            if intent.stop_price is not None and self.price <= intent.stop_price:
                self._execute(placed, placed.left)
        elif self.now > placed.arrived:
            first = BTC.quantity_down(placed.quantity / 2)
            self._execute(placed, first if placed.executed == 0 and first > 0 else placed.left)

    def _execute(self, placed: Placed, quantity: Decimal) -> None:
        intent = placed.intent
        value = quantity * self.price
        placed.executed += quantity
        if intent.side is Side.BUY:
            fee = (quantity * FEE).quantize(Decimal("0.00000001"))
            self.total["BTC"] += quantity - fee
            self.total["USD"] -= value
            native, worth = ("BTC", fee), (fee * self.price).quantize(Decimal("0.00000001"))
        else:
            worth = (value * FEE).quantize(Decimal("0.00000001"))
            self.total["BTC"] -= quantity
            self.total["USD"] += value - worth
            native = ("", Decimal(0))
        number = f"T.{len(self.fills) + 1}"
        fill = Fill(self.ts, intent.client_id, number, quantity, self.price, worth, Liquidity.TAKER, *native)
        self.fills.append((self.now + self.random.randint(0, 2), fill))
        placed.open = placed.left > 0

    def told(self) -> list[Fill]:
        """The fills that are told by now, some twice, in no order."""
        found = [fill for due, fill in self.fills if due <= self.now]
        found += found[-1:]
        self.random.shuffle(found)
        return found

    def told_open(self) -> list[answers.OpenOrder]:
        """What lives here, whoever sent it."""
        return [
            answers.OpenOrder(name, p.intent.symbol, p.intent.side, p.quantity, p.executed, p.intent.stop_price)
            for name, p in self.orders.items()
            if p.open
        ]

    def goes_wrong(self) -> bool:
        return self.random.random() < self.faults


class Venue:
    """One process' connection to it. `hit` is called at every await of every call."""

    def __init__(self, exchange: Exchange, hit: Callable[[str], None]) -> None:
        self.exchange, self.hit = exchange, hit
        self._missed: dict[str, int] = {}

    @property
    def problem(self) -> str:
        return ""

    async def submit(self, approved: Approved[Intent]) -> answers.Outcome:
        intent, exchange = approved.item, self.exchange
        self.hit("before the order leaves")
        exchange.sends[intent.client_id] += 1
        exchange.flying.append((exchange.now + WAY_TICKS, intent))
        self.hit("while the order is on its way")
        wrong = exchange.goes_wrong()
        if wrong and exchange.random.random() < 0.5:
            exchange.flying.remove((exchange.now + WAY_TICKS, intent))  # lost on the way
        if wrong:
            raise TimeoutError("no answer")
        exchange.flying.remove((exchange.now + WAY_TICKS, intent))
        accepted = exchange.arrive(intent)
        self.hit("before the answer to the order is heard")
        if not accepted:
            return answers.Refused("INSUFFICIENT_BALANCE", "nothing to sell")
        return answers.Accepted(f"v-{intent.client_id}", exchange.ts)

    async def cancel(self, client_id: str, symbol: str) -> answers.Outcome:
        del symbol
        self.hit("before the cancel leaves")
        placed = self.exchange.orders.get(client_id)
        if placed is not None:
            placed.open = False
        self.hit("before the answer to the cancel is heard")
        if self.exchange.goes_wrong():
            raise TimeoutError("no answer")
        if placed is None:
            return answers.Refused("ORDER_NOT_FOUND", "unknown")
        return answers.Accepted(f"v-{client_id}", self.exchange.ts, placed.executed)

    async def look_up(self, client_id: str, symbol: str, *, urgent: bool = False) -> answers.LookUp:
        del symbol, urgent
        self.hit("before the question for an order")
        if self.exchange.goes_wrong():
            return answers.Unavailable("no answer")
        placed = self.exchange.orders.get(client_id)
        self.hit("before the answer about an order is heard")
        if placed is not None:
            return answers.Found(f"v-{client_id}", placed.open, placed.executed)
        first = self._missed.setdefault(client_id, self.exchange.now)
        if self.exchange.now - first < VISIBLE_TICKS:
            return answers.Unavailable("not found; it may not be visible yet")
        return answers.Absent()

    async def fills_of(
        self, client_id: str, symbol: str, *, urgent: bool = False
    ) -> tuple[Fill, ...] | answers.Unavailable:
        del symbol, urgent
        self.hit("before the question for fills")
        placed = self.exchange.orders.get(client_id)
        told = {fill.trade_id: fill for fill in self.exchange.told() if fill.client_id == client_id}
        self.hit("between the fills")
        if placed is None or sum((fill.quantity for fill in told.values()), Decimal(0)) < placed.executed:
            return answers.Unavailable("fewer fills are told than there are")
        return tuple(told.values())

    async def listing(self, symbols: Collection[str] | None = None) -> list[answers.OpenOrder] | answers.Unavailable:
        self.hit("before the question for all open orders")
        if self.exchange.goes_wrong():
            return answers.Unavailable("no answer")
        found = [order for order in self.exchange.told_open() if symbols is None or order.symbol in symbols]
        self.hit("before the list of open orders is heard")
        return found

    async def report(self, since: int) -> answers.VenueReport | answers.Unavailable:
        self.hit("before the report")
        if self.exchange.goes_wrong():
            return answers.Unavailable("no answer")
        early = since - 10 * 60 * SECOND
        found = answers.VenueReport(
            ts=self.exchange.ts,
            orders=tuple(self.exchange.told_open()),
            fills=tuple(fill for fill in self.exchange.told() if fill.ts >= early),
            balances=dict(self.exchange.total),
            positions={},
        )
        self.hit("before the report is heard")
        return found
