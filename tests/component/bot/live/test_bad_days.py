"""Days on which things go wrong: kills at any moment, answers that do not come, prices that stand, an exchange away."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.component.bot.live.world import CONFIG, PRICE, TARGET, LiveWorld, agrees, audit, until
from tests.exchange_server import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess

KILLS = 8
RISK = {"daily_loss_limit": 1, "max_drawdown": 1, "min_risk_reward_ratio": 1}
BUSY = {**CONFIG["strategy"]["parameters"], "entry_lookback": 3, "exit_lookback": 4, "min_stop": 0.002}


@pytest.mark.long
async def test_killed_at_random_moments_nothing_is_doubled_and_nothing_forgotten(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    """SIGKILL, as a lost node would; the exchange executes on, and loses some answers besides."""
    chance = random.Random(7)
    async with LiveWorld() as world:
        world.server.faults.add(Kind.TIMEOUT, "POST", "/api/v3/order", processed=True, probability=0.1, times=None)
        world.server.faults.add(Kind.FILLS_DUPLICATE, "GET", "/api/v3/myTrades", count=2, times=None)
        world.server.faults.add(Kind.FILLS_REORDERED, "GET", "/api/v3/myTrades", times=None)
        strategy = {**CONFIG["strategy"], "parameters": BUSY}
        settings = world.settings(strategy=strategy, risk=RISK)
        bot = bots("mortal", database, **settings)
        swing = asyncio.create_task(_swing(world, chance))
        for _ in range(KILLS):
            before = len(world.truth.orders)
            bot.start()
            await bot.trading()
            # Near an order is where it hurts.
            await until(partial(_more_orders, world, before), "an order", bot)
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            bot.kill()
        swing.cancel()
        world.server.faults.clear()
        world.price = PRICE
        bot.start()
        await agrees(bot)
        await asyncio.sleep(3.0)
        await agrees(bot)
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, database)


def _more_orders(world: LiveWorld, before: int) -> bool:
    return len(world.truth.orders) > before


async def _swing(world: LiveWorld, chance: random.Random) -> None:
    while True:
        world.price = (PRICE * (1 + Decimal(chance.randint(-40, 40)) / 10_000)).quantize(Decimal(1))
        await asyncio.sleep(0.7)


async def test_an_order_that_was_accepted_without_an_answer_is_found_and_never_sent_again(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("unanswered", database, **world.settings()).start()
        await bot.trading()
        world.server.faults.add(Kind.TIMEOUT, "POST", "/api/v3/order", processed=True)
        world.rise()
        await until(world.resting, "the position is found, and its stop rests", bot)
        assert len(world.filled("BUY")) == 1
        world.price = TARGET
        await until(lambda: world.filled("SELL"), "the target is taken", bot)
        await agrees(bot)
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, database)


async def test_prices_that_stand_still_halt_until_they_move(database: str, bots: Callable[..., BotProcess]) -> None:
    async with LiveWorld() as world:
        bot = bots("still", database, **world.settings()).start()
        await bot.trading()
        world.moving = False
        status = await bot.until(lambda status: status["state"] == "HALTED")
        assert status["reasons"][0]["source"] == "feed"
        assert "no candle of BTC/USDT has come" in status["reasons"][0]["reason"]
        world.moving = True
        await agrees(bot)
        assert await asyncio.to_thread(bot.end) == 0


async def test_an_exchange_that_is_away_blocks_entries_and_is_taken_up_again(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("away", database, **world.settings()).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        await world.server.stop()
        await bot.until(lambda status: status["state"] == "HALTED")
        await world.server.start()
        status = await agrees(bot)
        assert status["positions"] == 1
        assert len(world.resting()) == 1, "the stop was kept"
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, database)


async def test_a_simulation_can_trade_on_real_prices_without_a_key(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        simulation = {
            "strategy_interval_seconds": 1,
            "feed": {"type": "Live"},
            "latency_milliseconds": 0,
            "volume_share": 1,
        }
        environment = {"TRADING_MODE": "simulation", "EXCHANGE_API_KEY": "", "EXCHANGE_API_SECRET": ""}
        settings = world.settings(mode="simulation", simulation=simulation, environment=environment)
        bot = bots("paper", database, **settings).start()
        status = await bot.trading()
        assert status["account"] is None
        world.rise()
        await bot.until(lambda status: status["positions"] == 1)
        assert world.truth.orders == [], "nothing reaches the exchange"
        assert all(entry.method == "GET" for entry in world.server.journal.entries)
        assert await asyncio.to_thread(bot.end) == 0
