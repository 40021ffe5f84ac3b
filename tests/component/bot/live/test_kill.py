"""A bot that was killed in its place comes back: it knows what was sold, stays stopped, and sends nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.component.bot.job import Ended, run_job
from tests.component.bot.live.world import KEY, MARKET, RISE, TARGET, LiveWorld, ledger, rows, until

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.component.bot.process import BotProcess


async def kill(world: LiveWorld, database: str, folder: Path) -> Ended:
    """Run the job of a stop that closes positions, beside the bot's database and in its exchange's account."""
    return await run_job(
        folder,
        *("kill", "--stop-id", "1f0c2a9b-7", "--close-positions"),
        url=world.server.url,
        environment={"DB_URL": database, "EXCHANGE_API_KEY": KEY.key, "EXCHANGE_API_SECRET": KEY.secret},
    )


async def test_after_a_kill_the_bot_comes_back_stopped_with_books_that_are_right(
    database: str, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    """The account holds a coin of somebody else: a bot that did not know of the sale would sell that one."""
    async with LiveWorld() as world:
        bot = bots("back", database, **world.settings()).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        bot.kill()
        ended = await kill(world, database, tmp_path)
        assert (ended.code, ended.report["state"]) == (0, "FLAT_WITH_DUST"), ended.output
        assert world.resting() == []
        before = world.truth.balances()
        assert before["BTC"] - 1 == Decimal(ended.report["positions"][0]["residual"]) < Decimal("0.00001")
        orders = len(world.truth.orders)
        bot.start()
        status = await bot.until(lambda status: status["role"] == "trading" and status["ready"])
        stop = status["stop"]
        assert (status["state"], stop["id"], stop["close_positions"]) == ("KILLED", "1f0c2a9b-7", True)
        world.price = TARGET
        await bot.until(lambda status: status["positions"] == 0 and "FLAT" in status["stop"]["outcome"]["state"])
        assert [reason["source"] for reason in (await bot.get("/api/v1/status"))[1]["reasons"]] == ["emergency_stop"]
        await asyncio.sleep(3)
        assert len(world.truth.orders) == orders
        assert await asyncio.to_thread(bot.end) == 0
        assert world.truth.balances() == before == await ledger(database)
        assert await rows(database, "SELECT quantity FROM live.positions WHERE quantity <> 0") == []


async def test_the_stop_that_a_kill_placed_again_is_the_positions_stop_at_the_next_start(
    database: str, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    """Nobody buys all of it. Whoever comes back has a position with a stop, and sells the rest when somebody buys."""
    async with LiveWorld() as world:
        bot = bots("back", database, **world.settings()).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        await bot.until(lambda status: status["positions"] == 1 and status["open_orders"] == 1)
        bot.kill()
        world.moving = False
        bid = (RISE, Decimal("0.001"))
        world.server.market.book(MARKET, [bid], [(RISE + 100, Decimal(1))])
        ended = await kill(world, database, tmp_path)
        assert (ended.code, ended.report["state"], ended.report["confirmed"]) == (1, "RESIDUAL", True), ended.output
        (placed,) = world.resting()
        assert placed.client_id.startswith(ids.kill_id("test/btc", 0, 0)[:12])
        bot.start()
        status = await bot.until(lambda status: status["role"] == "trading" and status["ready"])
        assert [reason["source"] for reason in status["reasons"]] == ["emergency_stop"], "nothing is foreign"
        world.moving = True
        await bot.until(lambda status: "FLAT" in str((status["stop"]["outcome"] or {}).get("state")))
        assert world.resting() == []
        assert await asyncio.to_thread(bot.end) == 0
        assert await ledger(database) == world.truth.balances()
        assert 1 <= world.truth.balances()["BTC"] < Decimal("1.00001")
        query = f"SELECT role, state FROM live.orders WHERE client_id = '{placed.client_id}'"
        assert [tuple(row.values()) for row in await rows(database, query)] == [("stop", "CANCELED")]


async def test_a_bot_that_is_still_alive_is_shut_out_and_sends_nothing_more(
    database: str, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    async with LiveWorld() as world:
        bot = bots("alive", database, **world.settings()).start()
        await bot.trading()
        epoch = (await bot.get("/api/v1/status"))[1]["epoch"]
        ended = await run_job(
            tmp_path,
            *("kill", "--stop-id", "1f0c2a9b-7"),
            url=world.server.url,
            environment={"DB_URL": database, "EXCHANGE_API_KEY": KEY.key, "EXCHANGE_API_SECRET": KEY.secret},
        )
        assert ended.report["state"] == "CANCELLED", ended.output
        world.rise()
        status = await bot.until(lambda status: status["state"] == "KILLED")
        assert status["stop"]["id"] == "1f0c2a9b-7"
        await asyncio.sleep(3)
        assert world.truth.orders == []
        assert (await rows(database, "SELECT epoch FROM live.lease"))[0]["epoch"] > epoch
        # The exchange lives in this event loop: it must go on answering.
        await asyncio.to_thread(bot.end)
