"""Redis is lost at any moment of a stop. It holds no latch, so nothing of a stop that was seen is lost with it.

Each test ends with a new process and whatever Redis has become: one that is away, or one that remembers nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.component.bot.api_server import ApiServer
from tests.component.bot.process import BotProcess, until_rows
from tests.support import postgresql, redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

STOP = "tradingbot:stop:test/btc"
HELD = "SELECT count(*) FROM simulation.latches WHERE state = 'KILLED' AND cleared_at IS NULL"
ENTRIES = "SELECT count(*) FROM simulation.intents WHERE role = 'entry'"
AFTERWARDS = ("away", "empty")


@pytest.fixture
def cache() -> Iterator[redis.Server]:
    with redis.running() as running:
        yield running


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


def settings(cache: redis.Server, api: ApiServer) -> dict[str, Any]:
    return {"environment": {**api.environment, "REDIS_URL": cache.url}}


async def ask(cache: redis.Server) -> None:
    """Ask for the stop in Redis, as a person does."""
    client = Redis.from_url(cache.url)
    await client.set(STOP, "1")
    await client.aclose()


async def lose(cache: redis.Server, afterwards: str) -> None:
    await asyncio.to_thread(cache.kill, forget=True)
    if afterwards == "empty":
        await asyncio.to_thread(cache.start)


async def stays_stopped(bot: BotProcess, url: str) -> dict[str, Any]:
    """Kill the process; the next one must be stopped too, and send nothing."""
    bot.kill()
    before = await until_rows(url, ENTRIES, 0)
    bot.start()
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert status["state"] == "KILLED"
    await asyncio.sleep(1)
    assert await until_rows(url, ENTRIES, 0) == before
    return status


@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_lost_as_soon_as_the_stop_was_seen(
    afterwards: str, database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await ask(cache)
    await bot.until(lambda s: s["state"] == "KILLED")
    await lose(cache, afterwards)
    await until_rows(database, HELD)
    await stays_stopped(bot, database)


@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_lost_while_the_database_is_away_so_that_the_stop_is_nowhere_but_in_the_process(
    afterwards: str, own: postgresql.Server, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    bot = bots("pod", own.url(), **settings(cache, api)).start()
    await bot.trading()
    await asyncio.to_thread(own.stop, hard=True)
    await bot.until(lambda s: s["state"] == "HALTED")
    await ask(cache)
    await bot.until(lambda s: s["state"] == "KILLED")
    await lose(cache, afterwards)
    await asyncio.to_thread(own.start)
    await until_rows(own.url(), HELD)
    await stays_stopped(bot, own.url())


@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_lost_with_the_process_after_the_stop_is_in_the_database(
    afterwards: str, database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await ask(cache)
    await until_rows(database, HELD)
    bot.kill()
    await lose(cache, afterwards)
    bot.start()
    await stays_stopped(bot, database)


async def test_a_stop_that_was_asked_for_a_moment_before_redis_died_is_seen_when_it_is_back(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    """It writes each command to its disk before it answers (`appendfsync always`); who asks in one that does not, asks
    a Redis that may forget."""
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await ask(cache)
    await asyncio.to_thread(cache.kill, forget=False)
    await asyncio.to_thread(cache.start)
    await bot.until(lambda s: s["state"] == "KILLED")
    await until_rows(database, HELD)
    await stays_stopped(bot, database)


@pytest.mark.parametrize("afterwards", AFTERWARDS)
async def test_lost_redis_neither_resumes_nor_stands_in_the_way_of_a_resume(
    afterwards: str, database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await ask(cache)
    await until_rows(database, HELD)
    await lose(cache, afterwards)
    stop = (await stays_stopped(bot, database))["stop"]
    await api.edit(resume={"stopId": stop["id"], "reason": "checked"})
    status = await bot.until(lambda s: s["state"] == "ACTIVE" and s["stop"] is None)
    assert status["last_stop"]["id"] == stop["id"]


async def test_a_stop_by_the_spec_needs_no_redis_at_any_moment(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await lose(cache, "away")
    await api.edit(emergencyStop={"active": True})
    await bot.until(lambda s: s["state"] == "KILLED")
    await until_rows(database, HELD)
    await api.edit(emergencyStop={"active": False})
    await stays_stopped(bot, database)


async def test_a_redis_that_was_restored_with_an_old_stop_in_it_stops_anew(
    database: str, bots: Callable[..., BotProcess], cache: redis.Server, api: ApiServer
) -> None:
    """It never loosens, and an old backup of it asks for what it asked for then."""
    bot = bots("pod", database, **settings(cache, api)).start()
    await bot.trading()
    await ask(cache)
    await until_rows(database, HELD)
    first = (await bot.until(lambda s: s["stop"] is not None))["stop"]["id"]
    await lose(cache, "empty")
    await api.edit(resume={"stopId": first, "reason": "checked"})
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await ask(cache)
    status = await bot.until(lambda s: s["state"] == "KILLED")
    assert status["stop"]["id"] != first
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM simulation.latches WHERE stop_id = $1", first) == 1
    finally:
        await connection.close()
