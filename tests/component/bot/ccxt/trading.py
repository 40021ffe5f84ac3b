"""A whole bot in this process, from the engine to the unmodified ccxt class, on the faulty exchange's manual clock.

What `runtime.session` does with tasks and real time is done here second by second, so that a minute takes a moment and
every run is the same. The database is in memory.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

from tests.component.bot.ccxt.world import MARKET, SYMBOL, World, intent
from tests.component.bot.crash.world import METRICS, Database, Points, Store
from tests.unit.bot.harness import Scripted, buy, config

from tradingbot.core import stops
from tradingbot.core.engine import Engine
from tradingbot.domain.market import MINUTE, SECOND, Candle
from tradingbot.domain.states import State
from tradingbot.observe import health
from tradingbot.risk.limits import Limits
from tradingbot.runtime.control import Control
from tradingbot.runtime.runner import Runner
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.live import LiveVenue

if TYPE_CHECKING:
    from tradingbot.domain.orders import Order
    from tradingbot.strategy.base import Proposal

PRICE = Decimal(50_000)


async def _renewed() -> None:
    """Prolong a lease that does not end."""


class Trading(World):
    """`async with Trading() as bot`: it has agreed with its exchange, and buys with its first candle if told to."""

    def __init__(self, wish: Proposal | None = None, **config: Any) -> None:
        super().__init__(**config)
        self.wishes: dict[int, Proposal | Exception] = {1: wish} if wish is not None else {}
        self.price = PRICE
        self.moving = True
        """Others quote around `price` anew in each second; otherwise the book is left to the test."""

    def make_venue(self) -> LiveVenue:
        credentials = Credentials(self.key.key, self.key.secret)
        return LiveVenue(self.config, credentials, self.clock, options={"session": self._session})

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        database = Database()
        database.epoch = 1
        store = Store(database, Points())
        self.control = Control(cast("Any", store), self.clock, health.new(self.clock), METRICS)
        settings = config(
            Limits(max_drawdown=Decimal(1), daily_loss_limit=Decimal(1)),
            symbols=(SYMBOL,),
            quote="USDT",
            targets_rest=False,
            remote=True,
            remembered=60 * MINUTE,
            strategy_interval=0,
        )
        self.engine = Engine(settings, self.control.board, self.venue.instruments, lambda: Scripted(self.wishes))
        keeper = SimpleNamespace(epoch=1, valid=True, renew=_renewed)
        self.runner = Runner(
            self.engine, self.venue, cast("Any", store), cast("Any", keeper), self.clock, self.control.health,
            METRICS, self.control.publish, 0, {},
        )  # fmt: skip
        self.control.runner = self.runner
        self.runner.hold("reconcile", State.HALTED, "not reconciled yet")
        await self.runner.agreement.reconcile()
        self.runner.collect(self.engine.resume())
        await self.runner.flush(force=True)
        return self

    async def seconds(self, count: int = 1) -> None:
        """Let time pass."""
        for _ in range(count):
            self.manual.advance(seconds=1)
            if self.moving:
                self.server.market.move(MARKET, self.price)
            await self.runner.agreement.round()
            price = int(self.server.market.last(MARKET) / self.engine.state.instruments[SYMBOL].tick)
            ts = self.manual.now_ms() * 1000
            await self.runner.on_market(Candle(ts, SYMBOL, ts - SECOND, price, price, price, price, 0))
            await self.runner.beat()
            await self.runner.flush(force=True)

    async def stop(self, *, close: bool = False) -> None:
        """Stop it as a person does, and wait until what was begun at once is done."""
        self.control.emergency_stop("s-1", "api", "a person", close_positions=close)
        while self.control._tasks:
            await asyncio.gather(*self.control._tasks)
        await self.runner.flush(force=True)

    async def rest(self, count: int) -> list[str]:
        """Let so many entries of the bot rest; return their ids."""
        names = []
        for number in range(count):
            draft = self.engine.desk.draft()
            price = Decimal(45_000 - number)
            self.engine.desk.submit(intent(draft.client_id, bot="test/bot", seq=draft.seq, limit_price=price))
            names.append(draft.client_id)
        self.runner.collect(self.engine.tend(self.runner.now()))
        await self.runner.flush()
        assert {order.client_id for order in self.server.truth.open_orders} >= set(names)
        return names

    def open(self) -> set[str]:
        """The orders that are really open."""
        return {order.client_id for order in self.server.truth.open_orders}

    @property
    def outcome(self) -> dict[str, Any]:
        """What the status says of the stop."""
        found = stops.outcome(self.engine)
        assert found is not None
        return found

    @property
    def held(self) -> Decimal:
        """What the bot holds, by its ledger."""
        position = self.engine.state.book.position(SYMBOL)
        return position.quantity if position is not None else Decimal(0)

    def live(self) -> list[Order]:
        return self.engine.desk.live()

    def sales(self) -> list[Any]:
        """What the exchange got to sell at once or not at all."""
        return [order for order in self.server.truth.orders if order.side == "SELL" and order.asked.type == "LIMIT"]


def bought(stop: float = 48_000.0, target: float = 65_000.0) -> Proposal:
    """A purchase whose stop is far enough away not to be reached."""
    return buy(stop, target)
