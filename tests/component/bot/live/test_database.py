"""The database goes away while a live bot trades: nothing is sent that cannot be written down, and nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.component.bot.live.world import FALL, PRICE, RISE, TARGET, LiveWorld, agrees, audit, until
from tests.exchange_server import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql

CANDLES_SECONDS = 3.0
"""So long the market is watched in which a bot with a database would have acted: it decides every second."""


@asynccontextmanager
async def away(own: postgresql.Server, bot: BotProcess) -> AsyncIterator[None]:
    """Let the database crash, and bring it back."""
    await asyncio.to_thread(own.stop, hard=True)
    status = await bot.until(lambda status: status["state"] == "HALTED" and not status["ready"])
    assert "database" in [reason["source"] for reason in status["reasons"]]
    yield
    await asyncio.to_thread(own.start)


async def test_the_stop_stays_and_the_target_is_taken_when_the_sale_can_be_written(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("kept", own.url(), **world.settings()).start()
        await bot.trading()
        world.price = RISE
        (stop,) = await until(world.resting, "the stop rests", bot)
        async with away(own, bot):
            orders = len(world.truth.orders)
            world.price = TARGET
            await asyncio.sleep(CANDLES_SECONDS)
            assert world.resting() == [stop], "a position never waits without its stop"
            assert len(world.truth.orders) == orders
        await until(lambda: world.filled("SELL"), "the target is taken", bot, 120.0)
        status = await agrees(bot)
        assert status["role"] == "trading"
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, own.url())


async def test_a_stop_that_executes_meanwhile_is_booked_and_the_bot_enters_again_only_afterwards(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("meanwhile", own.url(), **world.settings()).start()
        await bot.trading()
        world.price = RISE
        await until(world.resting, "the stop rests", bot)
        async with away(own, bot):
            world.price = FALL
            await until(lambda: world.filled("SELL"), "the exchange executes the stop", bot)
            world.price = PRICE
            await asyncio.sleep(CANDLES_SECONDS)
            assert len(world.filled("BUY")) == 1, "what cannot be written down is not entered"
        await bot.until(lambda status: status["ready"] and status["positions"] == 0 and status["reasons"] == [], 120.0)
        world.price = TARGET
        await until(lambda: len(world.filled("BUY")) == 2, "it trades on", bot, 120.0)
        await until(world.resting, "and protects what it bought", bot)
        await agrees(bot)
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, own.url())


async def test_an_entry_whose_answer_was_lost_with_the_database_is_found_and_protected(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    """The worst moment: the order is executed, neither the bot nor its ledger knows, and the stop is not placed yet."""
    async with LiveWorld() as world:
        bot = bots("unknown", own.url(), **world.settings()).start()
        await bot.trading()
        world.server.faults.add(Kind.TIMEOUT, "POST", "/api/v3/order", processed=True)
        world.price = RISE
        await until(lambda: world.filled("BUY"), "the exchange executes the entry", bot)
        async with away(own, bot):
            pass
        await until(world.resting, "its stop rests", bot, 120.0)
        await agrees(bot)
        assert len(world.filled("BUY")) == 1
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, own.url())
