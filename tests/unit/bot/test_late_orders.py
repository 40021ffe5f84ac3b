"""Between the judgement of an order and its sending lies a commit. An entry that waited too long for it is not sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bot.harness import BTC, CAPITAL, RULES, Scripted, buy, config, flat, leave

from tradingbot.core.engine import Engine
from tradingbot.domain.market import MINUTE
from tradingbot.domain.orders import OrderState
from tradingbot.domain.states import State
from tradingbot.observe import health
from tradingbot.observe.metrics import Metrics
from tradingbot.risk.latch import Board
from tradingbot.runtime.runner import JUDGED_SECONDS, Runner
from tradingbot.venues.sim.exchange import SimExchange

if TYPE_CHECKING:
    from tradingbot.domain.orders import Approved, Intent
    from tradingbot.ports.store import Batch


class Clock:
    """A clock that stands still unless somebody moves it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(60, UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


class SlowStore:
    """Takes its time for every commit."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    async def commit(self, batch: Batch, epoch: int) -> int:
        assert epoch == 1
        self.clock.passed += self.seconds
        return batch.seq


class Real:
    """A venue that is no simulated one: it cannot be shown the market."""

    def __init__(self) -> None:
        self.inner = SimExchange(RULES, {"BTC/USD": BTC}, {"USD": CAPITAL})
        self.sent: list[str] = []
        self.cancel, self.look_up, self.report = self.inner.cancel, self.inner.look_up, self.inner.report

    async def submit(self, approved: Approved[Intent]) -> Any:
        self.sent.append(approved.item.role.value)
        return await self.inner.submit(approved)


class Lease:
    epoch, valid = 1, True


async def run(seconds: float, venue: Any) -> tuple[Engine, list[str]]:
    clock = Clock()
    store: Any = SlowStore(clock, 0.0)
    lease: Any = Lease()
    engine = Engine(config(), Board(), {"BTC/USD": BTC}, lambda: Scripted({1: buy(990, 1040), 3: leave()}))
    metrics = Metrics("scripted", "Spot", "none")
    runner = Runner(engine, venue, store, lease, clock, health.new(clock), metrics, lambda _: None, 0, {})
    runner.collect(engine.open_account(0))
    await runner.flush(force=True)
    store.seconds = seconds
    await runner.on_market(flat(0, 1000.0))
    return engine, [order.note for order in engine.state.orders.values()]


@pytest.mark.parametrize(("seconds", "sent"), [(JUDGED_SECONDS, ["entry"]), (JUDGED_SECONDS + 0.1, [])])
async def test_an_entry_that_was_judged_too_long_ago_is_not_sent(seconds: float, sent: list[str]) -> None:
    venue = Real()
    engine, notes = await run(seconds, venue)
    assert venue.sent == sent
    if not sent:
        (order,) = engine.state.orders.values()
        assert order.state is OrderState.EXPIRED
        assert notes == ["not sent: judged 5 s ago"]
        assert engine.state.book.balance("held", "USD") == 0
        assert engine.state.book.balance("available", "USD") == CAPITAL


async def test_in_a_simulation_only_the_markets_time_counts() -> None:
    venue = SimExchange(RULES, {"BTC/USD": BTC}, {"USD": CAPITAL})
    engine, _ = await run(60.0, venue)
    assert len(venue.state.orders) == 1
    assert engine.state.now == MINUTE
    assert engine.state.book.balance("held", "USD") > Decimal(0)


def test_that_the_database_is_away_is_announced_though_nothing_can_be_committed() -> None:
    """What shows the state is woken by commits, and there are none: it would say ACTIVE until the database is back."""
    told: list[State] = []
    board, clock = Board(), Clock()
    store: Any = SlowStore(clock, 0.0)
    venue: Any = Real()
    lease: Any = Lease()
    engine = Engine(config(), board, {"BTC/USD": BTC}, lambda: Scripted({}))
    metrics, well = Metrics("scripted", "Spot", "none"), health.new(clock)
    runner = Runner(
        engine, venue, store, lease, clock, well, metrics, lambda _: None, 0, {}, lambda: told.append(board.state)
    )
    runner.database_lost("connection refused")
    runner.database_lost("connection refused")
    assert told == [State.HALTED]
