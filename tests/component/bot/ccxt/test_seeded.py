"""Hundreds of orders on a very bad day: in the end the venue has told exactly what is true at the exchange."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.ccxt.world import MARKET, SYMBOL, World, intent
from tests.exchange_server import FaultPlan, Kind, Rule
from tests.support.waiting import ANSWER_SECONDS

from tradingbot.domain.orders import OrderType, Role, Side
from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from tradingbot.domain.events import Fill

pytestmark = pytest.mark.component
ORDERS = 250
ORDER = "/api/v3/order"
RARE, OFTEN = 0.01, 0.15


def bad_day(seed: int) -> FaultPlan:
    """Every kind of fault, drawn by the seed, on every request that it can strike."""
    rules: list[Rule] = []

    def add(kind: Kind, method: str = "*", path: str = "/api/v3/*", probability: float = RARE, **more: Any) -> None:
        rules.append(Rule(kind=kind, method=method, path=path, **{"times": None, "probability": probability, **more}))

    for processed in (False, True):
        add(Kind.TIMEOUT, "POST", ORDER, processed=processed, times=5)
        for kind in (Kind.DROP, Kind.CUT_BODY, Kind.HTTP_ERROR, Kind.STATUS_UNKNOWN, Kind.UNAVAILABLE):
            add(kind, processed=processed)
        for kind in (Kind.HTML, Kind.HALF_JSON, Kind.EMPTY):
            add(kind, processed=processed)
    for kind in (Kind.OVERLOADED, Kind.MAINTENANCE):
        add(kind)
    add(Kind.RATE_LIMIT, retry_after=2)
    add(Kind.CLOCK_SKEW, ms=70_000)
    add(Kind.BAN, "GET", ORDER, retry_after=20, times=3)
    add(Kind.ORDER_INVISIBLE, "POST", ORDER, OFTEN, count=1)
    add(Kind.CANCEL_RACES_FILL, "DELETE", ORDER, OFTEN)
    add(Kind.FILL_AFTER_CANCEL, "DELETE", ORDER, OFTEN, count=3)
    for kind in (Kind.FILLS_DUPLICATE, Kind.FILLS_REORDERED, Kind.FILLS_LATE, Kind.STALE_OPEN_ORDERS, Kind.BALANCE_LAG):
        add(kind, "GET", probability=OFTEN, count=2)
    return FaultPlan(seed, rules)


class Bot:
    """What a bot believes, from nothing but the venue's answers."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.exists: set[str] = set()
        self.never: set[str] = set()
        self.unsure: set[str] = set()
        self.ended: set[str] = set()
        self.fills: dict[str, Fill] = {}
        self.cursor = 0
        self.seen = {"Accepted": 0, "Refused": 0, "Unknown": 0}
        self.codes: Counter[str] = Counter()

    async def order(self, number: int) -> None:
        name = f"n{number}"
        price = Decimal(self.random.choice([48_000, 49_500, 49_990, 50_400]))
        kind = self.random.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET])
        more: dict[str, Any] = (
            {"side": Side.SELL, "limit_price": Decimal(100_000) - price} if self.random.random() < 0.4 else {}
        )
        approved = intent(name, **{"type": kind, "role": Role.ENTRY, "limit_price": price, **more})
        outcome = await self.world.venue.submit(approved)
        self.seen[type(outcome).__name__] += 1
        self.codes[getattr(outcome, "code", "")] += 1
        match outcome:
            case Accepted():
                self.exists.add(name)
            case Refused():
                self.never.add(name)
            case Unknown():
                self.unsure.add(name)

    async def cancel(self) -> None:
        name = self.random.choice(sorted((self.exists | self.unsure) - self.ended) or [""])
        if name and isinstance(await self.world.venue.cancel(name, SYMBOL), Accepted):
            self.unsure.discard(name)
            self.exists.add(name)
            self.ended.add(name)

    async def ask(self) -> None:
        for name in sorted(self.unsure):
            found = await self.world.venue.look_up(name, SYMBOL)
            if isinstance(found, Unavailable):
                continue
            self.unsure.discard(name)
            (self.exists if isinstance(found, Found) else self.never).add(name)
            assert isinstance(found, Found | Absent)

    async def report(self) -> str:
        told = await self.world.venue.report(self.cursor)
        if isinstance(told, Unavailable):
            return told.cause
        for fill in told.fills:
            assert self.fills.setdefault(fill.trade_id, fill) == fill
        self.cursor = told.ts
        return ""

    async def restart(self) -> None:
        await self.world.venue.close()
        self.world.venue = self.world.make_venue()
        await self.world.venue.connect()


async def ready(world: World) -> None:
    """What the runtime does between orders: look at the clocks again, connect where that failed."""
    for _ in range(4):
        report = await (world.venue.check() if world.venue.rules else world.venue.connect())
        if report.verdict == "ok":
            return


async def live(bot: Bot) -> None:
    world = bot.world
    for number in range(ORDERS):
        await bot.order(number)
        if bot.random.random() < 0.4:
            await bot.cancel()
        if bot.random.random() < 0.3:
            world.server.market.move(MARKET, str(bot.random.choice([49_400, 49_900, 50_000, 50_100, 50_700])))
        if number % 8 == 0:
            await bot.ask()
            await bot.report()
        if number % 40 == 39:
            await bot.restart()
        world.manual.advance(ms=bot.random.choice([1, 700, 2500]))
        await ready(world)


async def clear_up(bot: Bot) -> None:
    """The day is over: ask until nothing is open to doubt."""
    world = bot.world
    world.server.faults.clear()
    world.server.exchange.publish_fills()
    for order in world.server.truth.orders:
        order.invisible_lookups = 0
    world.server.exchange.views.remember()
    world.wait(60)
    # What is asked now is to be answered, however busy the machine is: the short patience was for the faults.
    gateway = world.venue.gateway
    gateway.timeout, gateway.client.timeout = ANSWER_SECONDS, ANSWER_SECONDS * 1000
    await world.venue.connect()
    for _ in range(3):
        await bot.ask()
        world.wait()
    assert await bot.report() == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_in_the_end_the_venue_has_told_the_truth(seed: int) -> None:
    async with World(connect=False, faults=bad_day(seed), timeout=0.25) as world:
        bot = Bot(world, seed)
        await live(bot)
        struck = len(world.server.journal.faulty())
        await clear_up(bot)
        truth, names = world.server.truth, [order.client_id for order in world.server.truth.orders]
        counts = f"{struck} faults, {len(names)} orders, {len(truth.fills)} fills"
        print(f"seed {seed}: {bot.seen}, {dict(bot.codes)}, {counts}")
        assert struck > ORDERS
        assert min(bot.seen.values()) > 5
        assert bot.unsure == set()
        assert len(names) == len(set(names)), "an order was doubled"
        assert set(names) == bot.exists
        assert bot.never.isdisjoint(names)
        assert bot.ended.isdisjoint(order.client_id for order in truth.open_orders)
        whose = {order.order_id: order.client_id for order in truth.orders}
        assert {(fill.trade_id, fill.client_id, fill.quantity, fill.price) for fill in bot.fills.values()} == {
            (f"{MARKET}.{fill.trade_id}", whose[fill.order_id], fill.quantity, fill.price) for fill in truth.fills
        }
        told = await world.report()
        assert {order.client_id for order in told.orders} == {order.client_id for order in truth.open_orders}
        assert told.balances == truth.balances()
        for order in truth.orders:
            found = await world.venue.look_up(order.client_id, SYMBOL, urgent=True)
            assert found == Found(str(order.order_id), live=order.is_open, filled=order.executed)
            world.manual.advance(ms=100)
