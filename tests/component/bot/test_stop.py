"""The bot obeys its own TradingBot: stops that are taken back, API servers that go away, objects that disappear."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

STOP = {"active": True, "reason": "test"}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


def watching(api: ApiServer) -> dict[str, Any]:
    return {"environment": api.environment}


async def latches(url: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT source, state, stop_id, cleared_at FROM simulation.latches")
    await connection.close()
    return [dict(row) for row in rows]


async def test_a_stop_that_is_taken_back_at_once_still_counts_and_outlives_everything(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 2)
    await api.edit(emergencyStop=STOP)
    generation = api.generation
    await api.edit(emergencyStop={"active": False})
    status = await bot.until(lambda s: s["state"] == "KILLED" and s["stop"]["outcome"] and s["stop"]["durable"])
    assert status["stop"]["id"] == f"1f0c2a9b-{generation}"
    assert (status["stop"]["source"], status["stop"]["reason"]) == ("spec", "test")
    assert status["stop"]["outcome"]["state"] == "CANCELLED"
    assert status["reasons"][0] == {
        "source": "emergency_stop",
        "state": "KILLED",
        "reason": "test",
        "id": f"1f0c2a9b-{generation}",
    }
    (row,) = await latches(database)
    assert (row["source"], row["state"], row["stop_id"]) == ("emergency_stop", "KILLED", f"1f0c2a9b-{generation}")
    intents = "SELECT count(*) FROM simulation.intents WHERE role = 'entry'"
    before = await until_rows(database, intents, 0)
    for how in ("kill", "end"):
        getattr(bot, how)()
        bot.start()
        again = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
        assert again["state"] == "KILLED"
        assert again["stop"]["id"] == status["stop"]["id"]
        assert again["stop"]["since"] == status["stop"]["since"]
        await asyncio.sleep(1.0)
    assert await until_rows(database, intents, 0) == before
    assert bot.end() == 0
    await audit(database)


async def test_a_stop_that_closes_positions_ends_flat(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await until_rows(database, "SELECT count(*) FROM simulation.trades", 2)
    await api.edit(emergencyStop={**STOP, "closePositions": True})
    status = await bot.until(lambda s: ((s["stop"] or {}).get("outcome") or {}).get("state") == "FLAT")
    assert (status["state"], status["positions"], status["entry_orders"]) == ("KILLED", 0, 0)
    assert bot.end() == 0
    await audit(database)


async def test_pausing_and_reducing_take_effect_without_a_restart_and_can_be_taken_back(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    for wanted, state in (("Paused", "PAUSED"), ("Reducing", "REDUCING"), ("Nonsense", "HALTED"), ("Active", "ACTIVE")):
        await api.edit(trading=wanted)
        await bot.until(lambda s, state=state: s["state"] == state)  # type: ignore[misc]
    assert await latches(database) == []
    assert bot.end() == 0


async def test_nothing_is_entered_before_the_object_was_read(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    api.status = 503
    bot = bots("pod", database, **watching(api)).start()
    status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
    assert status["state"] == "HALTED"
    assert status["reasons"][0]["source"] == "watch"
    await asyncio.sleep(1.5)
    assert await until_rows(database, "SELECT count(*) FROM simulation.intents", 0) == 0
    api.status = 200
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await until_rows(database, "SELECT count(*) FROM simulation.intents", 1)
    assert bot.end() == 0


async def test_an_api_server_that_goes_away_changes_nothing_and_its_stops_are_seen_when_it_is_back(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await api.stop()
    await asyncio.sleep(1.0)
    assert (await bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"
    # While nobody could see it: on, and off again.
    await api.edit(emergencyStop=STOP)
    generation = api.generation
    await api.edit(emergencyStop={"active": False})
    await api.start()
    status = await bot.until(lambda s: s["state"] == "KILLED")
    assert status["stop"]["id"] == f"1f0c2a9b-{generation}"
    assert bot.end() == 0


async def test_a_watch_that_breaks_off_goes_on_from_where_it_was(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await api.edit(trading="Paused")
    await bot.until(lambda s: s["state"] == "PAUSED")
    reads = api.reads
    api.drop()
    await api.edit(trading="Active")
    await bot.until(lambda s: s["state"] == "ACTIVE")
    assert api.reads == reads
    assert api.watches[-1] == "101"
    assert bot.end() == 0


async def test_a_version_that_is_too_old_is_read_anew(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await bot.until(lambda s: s["state"] == "ACTIVE")
    reads = api.reads
    api.version += 50
    api.oldest = api.version
    api.spec["trading"] = "Paused"
    api.drop()
    await bot.until(lambda s: s["state"] == "PAUSED")
    assert api.reads == reads + 1
    assert bot.end() == 0


async def test_a_deleted_object_blocks_entries(database: str, bots: Callable[..., BotProcess], api: ApiServer) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.trading()
    await bot.until(lambda s: s["state"] == "ACTIVE")
    await api.edit(kind="DELETED")
    status = await bot.until(lambda s: s["state"] == "KILLED")
    assert (status["reasons"][0]["source"], status["stop"]) == ("object", None)
    assert bot.end() == 0
    assert await latches(database) == []


async def test_a_stop_reaches_the_one_that_trades_also_through_the_database(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    """The trading process cannot see the API server; the one in standby can, and records the stop."""
    blind = bots("blind", database).start()
    await blind.trading()
    seeing = bots("seeing", database, **watching(api)).start()
    await seeing.until(lambda s: s["ready"] and s["role"] == "standby")
    await api.edit(emergencyStop=STOP)
    status = await blind.until(lambda s: s["state"] == "KILLED")
    assert status["stop"]["id"] == f"1f0c2a9b-{api.generation}"
    assert blind.end() == 0
    assert seeing.end() == 0
