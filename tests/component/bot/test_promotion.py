"""What a simulation has shown: from the ledger's rows, the same after every restart, on both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.sqlite_world import SqliteWorld, TestClock
from tests.component.bot.store_contract import NOW, batch
from tests.unit.bot.harness import Bot, Scripted, buy, candle, leave

from tradingbot.domain import effects as fx
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.market import DAY
from tradingbot.ports.store import AuditRow, Store
from tradingbot.report import stats
from tradingbot.report.promotion import Promotion
from tradingbot.report.trips import round_trips
from tradingbot.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=["postgresql", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        world = SqliteWorld(tmp_path)
        yield world()
        await world.close()
        return
    made = PostgresStore(database, "test/bot", "simulation", pool_size=1, max_overflow=1)
    yield made
    await made.close()


SWINGS = (1000, 1010, 1020, 1015, 1000, 990, 995, 1005, 1030, 1020, 1010, 1000, 1010, 1040, 1030, 1020)


def robot(cut: int = len(SWINGS)) -> Bot:
    """Buys and leaves three times while the price swings."""
    script: dict[int, Any] = {
        1: buy(900, 2000),
        3: leave(),
        5: buy(900, 2000),
        7: leave(),
        9: buy(900, 2000),
        12: leave(),
    }
    bars = [candle(minute, (price, price + 2, price - 2, price)) for minute, price in enumerate(SWINGS[:cut])]
    return Bot(lambda: Scripted(dict(script))).show(*bars)


async def start(store: Store, subject: str = "s1", reached: int = -1, minutes: int = 0) -> None:
    at = NOW + timedelta(minutes=minutes)
    row = AuditRow(
        at=at, event="started", from_mode="simulation", to_mode="simulation", subject=subject, reached_ts=reached
    )
    await store.audit(row)


def points(*values: tuple[int, int, int]) -> list[EquityPoint]:
    """Points of the equity curve: day, equity, peak."""
    zero = Decimal(0)
    return [
        EquityPoint(day * DAY + 1, Decimal(equity), zero, zero, Decimal(peak), zero) for day, equity, peak in values
    ]


async def commit(store: Store, seq: int, bot: Bot | None = None, **changes: Any) -> None:
    lease = await store.acquire("test")
    assert lease is not None
    await store.commit(batch(seq, bot, **changes), lease.epoch)


def promotion(store: Store, subject: str = "s1") -> Promotion:
    return Promotion(store, TestClock(), subject, lambda _shown: None)


async def test_the_figures_are_those_of_the_report(store: Store) -> None:
    bot = robot()
    await start(store)
    await commit(store, 1, bot, equity=points((0, 10000, 10000), (3, 9500, 10000), (14, 10200, 10300)))
    trips = [trip for trip in round_trips(bot.trades, {}, {})[0] if trip.closed is not None]
    assert len(trips) == 3
    shown = await promotion(store).look()
    assert shown is not None
    assert shown["trades"] == 3
    factor = stats.profit_factor([trip.profit for trip in trips])
    assert factor is not None
    assert Decimal(str(shown["profit_factor"])) == round(factor, 4)
    assert (shown["days"], shown["max_drawdown"]) == ("14", "0.05")


async def test_what_comes_later_is_taken_in_once(store: Store) -> None:
    whole, half = robot(), robot(8)
    await start(store)
    await commit(store, 1, half, equity=points((0, 10000, 10000)))
    watching = promotion(store)
    first = await watching.look()
    assert first is not None
    assert first["trades"] < 3
    known = {trade.trade_id for trade in half.trades}
    rest = robot()
    later = batch(2, rest, equity=points((20, 8000, 10000)))
    done = {effect.approved.item.client_id for effect in half.of(fx.Submit)}
    later.intents = [intent for intent in later.intents if intent.client_id not in done]
    later.trades = [trade for trade in whole.trades if trade.trade_id not in known]
    later.posts, later.decisions = [], []
    lease = await store.acquire("test")
    assert lease is not None
    await store.commit(later, lease.epoch)
    for _ in range(2):
        assert await watching.look() == await promotion(store).look(), "the same as after a restart"
    shown = await watching.look()
    assert shown is not None
    assert (shown["trades"], shown["days"], shown["max_drawdown"]) == (3, "20", "0.2")


async def test_nothing_that_was_traded_with_another_strategy_or_limits_counts(store: Store) -> None:
    await start(store, "s0")
    await commit(store, 1, robot(), equity=points((0, 10000, 10000), (30, 5000, 10000)))
    await start(store, "s1", reached=30 * DAY + 1, minutes=1)
    assert await promotion(store).look() is None, "nothing was traded with it yet"
    await commit(store, 2, equity=points((31, 10000, 10000), (32, 9900, 10000)))
    await start(store, "s1", reached=32 * DAY + 1, minutes=2)
    shown = await promotion(store).look()
    assert shown == {"days": "1", "trades": 0, "max_drawdown": "0.01", "profit_factor": None}


async def test_a_strategy_that_comes_back_begins_anew(store: Store) -> None:
    await start(store, "s1")
    await commit(store, 1, robot(), equity=points((0, 10000, 10000), (30, 10000, 10000)))
    await start(store, "s0", reached=30 * DAY + 1, minutes=1)
    await start(store, "s1", reached=30 * DAY + 1, minutes=2)
    assert await promotion(store).look() is None


async def test_before_the_trail_begins_nothing_is_shown(store: Store) -> None:
    await commit(store, 1, robot(), equity=points((0, 10000, 10000), (30, 10000, 10000)))
    assert await promotion(store).look() is None
