"""No restore and no downgrade resumes: an old status, an old database, an object without the fields of a stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.process import BotProcess, until_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HELD = "SELECT count(*) FROM simulation.latches WHERE state = 'KILLED' AND cleared_at IS NULL"
ENTRIES = "SELECT count(*) FROM simulation.intents WHERE role = 'entry'"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


def start(bots: Callable[..., BotProcess], url: str, api: ApiServer) -> BotProcess:
    return bots("pod", url, environment=api.environment).start()


async def stopped(bot: BotProcess, api: ApiServer, url: str) -> dict[str, Any]:
    """Stop the bot by its spec, let the operator latch it, take the spec back; return the latch of the status."""
    await bot.trading()
    await api.edit(emergencyStop={"active": True, "reason": "test"})
    latched = {"id": f"1f0c2a9b-{api.generation}", "source": "spec", "since": "2026-11-21T09:00:00Z", "reason": "test"}
    await bot.until(lambda s: s["state"] == "KILLED")
    await until_rows(url, HELD)
    await api.tell(emergencyStop=latched)
    await api.edit(emergencyStop={"active": False})
    return latched


async def before_the_stop(url: str) -> None:
    """Bring the latches of the database back to what they were before."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DELETE FROM simulation.latches")
    finally:
        await connection.close()


async def is_stopped(bot: BotProcess, url: str) -> None:
    before = await until_rows(url, ENTRIES, 0)
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert status["state"] == "KILLED"
    await asyncio.sleep(1)
    assert await until_rows(url, ENTRIES, 0) == before


@pytest.mark.parametrize("alive", [True, False], ids=["it runs", "it is started afterwards"])
@pytest.mark.parametrize("lost", ["the status", "the database"])
async def test_an_old_status_or_an_old_database_resumes_nothing(
    lost: str, alive: bool, database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = start(bots, database, api)
    await stopped(bot, api, database)
    if not alive:
        bot.kill()
    if lost == "the status":
        # An object that was restored from before, or a CRD without the field, which the API server drops then.
        await api.tell(emergencyStop=None)
    else:
        await before_the_stop(database)
    if not alive:
        bot.start()
    await is_stopped(bot, database)
    await until_rows(database, HELD)


async def test_both_at_once_while_the_bot_runs(database: str, bots: Callable[..., BotProcess], api: ApiServer) -> None:
    """The process remembers, and writes it down again. With the process lost as well, nobody would be left to know."""
    bot = start(bots, database, api)
    await stopped(bot, api, database)
    await before_the_stop(database)
    await api.tell(emergencyStop=None)
    await is_stopped(bot, database)
    await until_rows(database, HELD)
    bot.kill()
    bot.start()
    await is_stopped(bot, database)


async def test_a_restored_object_with_the_resume_of_an_earlier_stop_resumes_nothing(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = start(bots, database, api)
    first = await stopped(bot, api, database)
    resume = {"stopId": first["id"], "reason": "checked"}
    await api.edit(resume=resume)
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await api.tell(emergencyStop=None)
    await stopped(bot, api, database)
    await api.edit(resume=None)
    bot.kill()
    # The backup of the object is from after the first resume: with it, and with no latch in its status.
    await api.tell(emergencyStop=None)
    await api.edit(resume=resume)
    bot.start()
    await is_stopped(bot, database)


async def test_a_status_that_was_restored_with_an_older_stop_in_it_stops_and_never_loosens(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = start(bots, database, api)
    latched = await stopped(bot, api, database)
    await api.tell(emergencyStop=latched | {"id": "1f0c2a9b-1"})
    bot.kill()
    bot.start()
    await is_stopped(bot, database)
    await api.edit(resume={"stopId": "1f0c2a9b-1", "reason": "of the older one"})
    await is_stopped(bot, database)
