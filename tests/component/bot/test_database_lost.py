"""The database goes away while the bot trades, and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import postgresql

KEY = "x" * 32
TRADES = "SELECT count(*) FROM simulation.trades"


async def replaced(own: postgresql.Server) -> None:
    """Put an empty database in the place of the bot's."""
    connection = await asyncpg.connect(own.url())
    await connection.execute("DROP SCHEMA simulation, live, tradingbot CASCADE")
    await connection.close()


@pytest.mark.parametrize("hard", [False, True], ids=["shutdown", "crash"])
async def test_entries_are_blocked_nothing_is_lost_and_it_goes_on_by_itself(
    own: postgresql.Server, bots: Callable[..., BotProcess], hard: bool
) -> None:
    bot = bots("pod", own.url()).start()
    await bot.trading()
    await until_rows(own.url(), TRADES, 3)
    await asyncio.to_thread(own.stop, hard=hard)
    status = await bot.until(lambda s: s["state"] == "HALTED" and not s["ready"])
    assert status["reasons"][0]["source"] == "database"
    code, ready = await bot.get("/ready")
    assert code == 503
    assert "database" in ready["problem"]
    assert (await bot.get("/live"))[0] == 200
    assert (await bot.get("/api/v1/trades"))[0] == 503
    await asyncio.sleep(2)
    await asyncio.to_thread(own.start)
    status = await bot.until(lambda s: s["state"] == "ACTIVE" and s["ready"])
    assert status["role"] == "trading"
    before = await until_rows(own.url(), TRADES, 0)
    await until_rows(own.url(), TRADES, before + 3)
    assert bot.end() == 0
    await audit(own.url())


async def test_a_database_that_is_not_there_yet_is_waited_for(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    await asyncio.to_thread(own.stop)
    bot = bots("pod", own.url()).start()
    await asyncio.sleep(3)
    status = await bot.until(lambda s: not s["ready"])
    assert status["role"] == "standby"
    assert (await bot.get("/live"))[0] == 200
    await asyncio.to_thread(own.start)
    await bot.trading()
    assert bot.end() == 0


async def test_a_stop_without_a_database_holds_and_is_written_when_it_is_back(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    api = await ApiServer().start()
    bot = bots("pod", own.url(), environment=api.environment).start()
    await bot.trading()
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await asyncio.to_thread(own.stop, hard=True)
    await bot.until(lambda s: s["state"] == "HALTED")
    await api.edit(emergencyStop={"active": True})
    await bot.until(lambda s: s["state"] == "KILLED")
    await asyncio.to_thread(own.start)
    await until_rows(own.url(), "SELECT count(*) FROM simulation.latches WHERE state = 'KILLED'", 1)
    bot.kill()
    await api.edit(emergencyStop={"active": False})
    bot.start()
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert status["state"] == "KILLED"
    assert bot.end() == 0
    await audit(own.url())
    await api.stop()


async def test_a_stop_over_the_api_says_whether_it_outlives_the_process(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", own.url(), environment={"API_KEY": KEY}).start()
    await bot.trading()
    await asyncio.to_thread(own.stop, hard=True)
    await bot.until(lambda s: s["state"] == "HALTED")
    code, answer = await bot.ask("POST", "/api/v1/bot/emergency-stop", **{"X-API-Key": KEY})
    assert (code, answer["state"], answer["stop"]["durable"]) == (202, "KILLED", False)
    await asyncio.to_thread(own.start)
    await bot.until(lambda s: s["stop"]["durable"])
    bot.kill()
    bot.start()
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert (status["state"], status["stop"]["id"]) == ("KILLED", answer["stop"]["id"])
    assert bot.end() == 0
    await audit(own.url())


async def test_sigterm_without_a_database_ends_in_bounded_time(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", own.url()).start()
    await bot.trading()
    await until_rows(own.url(), TRADES, 1)
    await asyncio.to_thread(own.stop, hard=True)
    await bot.until(lambda s: s["state"] == "HALTED")
    assert await asyncio.to_thread(bot.end) == 0, "it ends, however long it would have to wait for its database"
    await asyncio.to_thread(own.start)
    bot.start()
    await bot.trading()
    assert bot.end() == 0
    await audit(own.url())


async def test_a_database_that_was_replaced_by_an_empty_one_is_noticed(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    bot = bots("pod", own.url()).start()
    await bot.trading()
    await replaced(own)
    status = await bot.until(lambda s: s["ready"] and s["epoch"] == 1 and s["role"] == "trading")
    assert status["state"] == "ACTIVE"
    await until_rows(own.url(), TRADES, 1)
    assert bot.end() == 0
    await audit(own.url())


async def test_a_stop_outlives_a_database_that_is_replaced_by_an_empty_one(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    """The process writes it down there as well, so that the next one finds it."""
    api = await ApiServer().start()
    bot = bots("pod", own.url(), environment=api.environment).start()
    await bot.trading()
    await api.edit(emergencyStop={"active": True})
    stop = f"1f0c2a9b-{api.generation}"
    await bot.until(lambda s: s["stop"] is not None and s["stop"]["durable"])
    await api.edit(emergencyStop={"active": False})
    await replaced(own)
    await until_rows(own.url(), f"SELECT count(*) FROM simulation.latches WHERE stop_id = '{stop}'", 1)
    bot.kill()
    bot.start()
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert (status["state"], status["stop"]["id"]) == ("KILLED", stop)
    assert bot.end() == 0
    assert await until_rows(own.url(), "SELECT count(*) FROM simulation.intents", 0) == 0, "it never traded there"
    await api.stop()
