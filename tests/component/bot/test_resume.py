"""Resume: only the id of this very stop, durable first, exactly once; whoever dies at whatever moment."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.process import BotProcess, audit, until_rows
from tests.support import postgresql

from tradingbot_contract.stops import resume_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

STOP = {"active": True, "reason": "test"}
OFF = {"active": False}
ENTRIES = "SELECT count(*) FROM simulation.intents WHERE role = 'entry'"
CLEARED = "SELECT count(*) FROM simulation.latches WHERE cleared_at IS NOT NULL"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


def watching(api: ApiServer) -> dict[str, Any]:
    return {"environment": api.environment}


def wish(stop_id: str, reason: str = "checked") -> dict[str, str]:
    return {"stopId": stop_id, "reason": reason}


async def latches(url: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT * FROM simulation.latches ORDER BY number")
    await connection.close()
    return [dict(row) for row in rows]


def killed(status: dict[str, Any]) -> bool:
    return bool(status["state"] == "KILLED")


def active(status: dict[str, Any]) -> bool:
    return bool(status["state"] == "ACTIVE" and status["role"] == "trading" and status["ready"])


async def stopped(bot: BotProcess, api: ApiServer, url: str) -> str:
    """Stop a bot, take the stop back in the spec, and return its id once the latch is durable."""
    await api.edit(emergencyStop=STOP)
    stop_id = f"1f0c2a9b-{api.generation}"
    await api.edit(emergencyStop=OFF)
    await bot.until(killed)
    held = f"SELECT count(*) FROM simulation.latches WHERE stop_id = '{stop_id}' AND cleared_at IS NULL"
    await until_rows(url, held)
    return stop_id


async def test_the_id_of_this_very_stop_resumes_once_and_no_other_does(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.until(active)
    first = await stopped(bot, api, database)
    await until_rows(database, "SELECT count(*) FROM simulation.latches WHERE outcome IS NOT NULL")
    for wrong in ("1f0c2a9b-99", first + "0", first[:-1] or "x", "emergency_stop-1"):
        await api.edit(resume=wish(wrong))
        status = await bot.until(lambda s, wrong=wrong: any(wrong in r["reason"] for r in s["reasons"]))  # type: ignore[misc]
        (told,) = [reason for reason in status["reasons"] if reason["source"] == "resume"]
        assert (status["state"], told["state"], told["id"]) == ("KILLED", "ACTIVE", None)
        assert told["reason"].endswith(f"set it to {first}")
    await api.edit(resume=wish(first), emergencyStop=STOP)
    await bot.until(lambda s: any("set spec.emergencyStop.active to false" in r["reason"] for r in s["reasons"]))
    assert await until_rows(database, CLEARED, 0) == 0
    await api.edit(emergencyStop=OFF)
    await bot.until(lambda s: any("it does not count: write it again" in r["reason"] for r in s["reasons"]))
    assert await until_rows(database, CLEARED, 0) == 0
    await api.edit(resume=wish(first, "checked again"))
    status = await bot.until(active)
    assert (status["stop"], status["reasons"]) == (None, [])
    assert set(status["last_stop"]) == {"id", "resumed_at", "reason"}
    assert (status["last_stop"]["id"], status["last_stop"]["reason"]) == (first, "checked again")
    (row,) = await latches(database)
    assert (row["cleared_by"], row["cleared_reason"]) == ("spec.resume", "checked again")
    assert row["cleared_object"] == f"1f0c2a9b-{api.generation}"
    assert (row["stop_id"], json.loads(row["outcome"])["state"]) == (first, "CANCELLED")
    await until_rows(database, ENTRIES, await until_rows(database, ENTRIES, 0) + 1)
    # The same resume is seen again by the next process: nothing happens.
    bot.kill()
    bot.start()
    assert (await bot.until(active))["last_stop"] == status["last_stop"]
    # The resume is still in the spec, and it is nothing to the next stop.
    second = await stopped(bot, api, database)
    assert second != first
    status = await bot.until(lambda s: any(r["source"] == "resume" for r in s["reasons"]))
    assert (status["state"], status["stop"]["id"], status["last_stop"]["id"]) == ("KILLED", second, first)
    await api.edit(resume=wish(second, "again"))
    assert (await bot.until(active))["last_stop"]["id"] == second
    assert [(row["stop_id"], row["cleared_reason"]) for row in await latches(database)] == [
        (first, "checked again"),
        (second, "again"),
    ]
    assert bot.end() == 0
    await audit(database)


async def test_a_resume_that_the_operator_saw_too_early_never_counts(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    """It was written while the namespace was stopped; the annotation is gone now, and the resume still there."""
    bot = bots("pod", database, **watching(api)).start()
    await bot.until(active)
    stop_id = await stopped(bot, api, database)
    latched = {"id": stop_id, "source": "spec", "standing": True}
    await api.tell(emergencyStop=latched)
    await api.edit(resume=wish(stop_id))
    await bot.until(lambda s: any("the annotation" in r["reason"] for r in s["reasons"]))
    # A bot that has not seen any of it goes by what the operator wrote down.
    bot.kill()
    void = resume_key(stop_id, "checked")
    await api.tell(emergencyStop=latched | {"standing": False, "voidResume": void})
    bot.start()
    status = await bot.until(lambda s: any("does not count" in r["reason"] for r in s["reasons"]))
    assert status["state"] == "KILLED"
    assert await until_rows(database, CLEARED, 0) == 0
    await api.edit(resume=wish(stop_id, "the exchange is back"))
    status = await bot.until(active)
    assert status["last_stop"]["reason"] == "the exchange is back"


async def test_an_older_operator_that_forgets_what_came_too_early_does_not_make_it_count(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    """A downgrade: its status has no `voidResume`. The bot has seen the stop stand, and so has its database."""
    bot = bots("pod", database, **watching(api)).start()
    await bot.until(active)
    stop_id = await stopped(bot, api, database)
    latched = {"id": stop_id, "source": "spec"}
    await api.tell(emergencyStop=latched | {"standing": False, "voidResume": resume_key(stop_id, "checked")})
    await api.edit(resume=wish(stop_id))
    await bot.until(lambda s: any("does not count" in r["reason"] for r in s["reasons"]))
    await api.tell(emergencyStop=latched)
    await api.edit(logLevel="DEBUG")
    # Whatever is written after that is answered for after it.
    await api.edit(resume=wish(stop_id), emergencyStop=STOP)
    await bot.until(lambda s: any("set spec.emergencyStop.active to false" in r["reason"] for r in s["reasons"]))
    await api.tell(emergencyStop=latched)
    await api.edit(emergencyStop=OFF)
    status = await bot.until(lambda s: any("it does not count: write it again" in r["reason"] for r in s["reasons"]))
    assert status["state"] == "KILLED"
    # One that is started anew has seen none of it: not the stop in the spec, and the status says nothing.
    await until_rows(database, "SELECT count(*) FROM simulation.latches WHERE cardinality(void_resumes) = 1")
    bot.kill()
    bot.start()
    status = await bot.until(lambda s: any("it does not count: write it again" in r["reason"] for r in s["reasons"]))
    assert status["state"] == "KILLED"
    # Neither does it count when it was gone meanwhile, nor for what an operator makes of it that says another id.
    await api.edit(resume={})
    await api.tell(emergencyStop={})
    await bot.until(lambda s: not any(r["source"] == "resume" for r in s["reasons"]))
    await api.edit(resume=wish(stop_id))
    await bot.until(lambda s: any("it does not count: write it again" in r["reason"] for r in s["reasons"]))
    assert await until_rows(database, CLEARED, 0) == 0
    await api.edit(resume=wish(stop_id, "the exchange is back"))
    assert (await bot.until(active))["last_stop"]["id"] == stop_id


async def test_a_standby_clears_nothing_and_follows_the_database(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    blind = bots("blind", database).start()
    await blind.until(active)
    seeing = bots("seeing", database, **watching(api)).start()
    await seeing.until(lambda s: s["ready"] and s["role"] == "standby" and s["state"] == "ACTIVE")
    stop_id = await stopped(seeing, api, database)
    await blind.until(killed)
    await api.edit(resume=wish(stop_id))
    await seeing.until(lambda s: any("trading process" in r["reason"] for r in s["reasons"]))
    assert await until_rows(database, CLEARED, 0) == 0
    # The one that trades ends; the one that sees the resume takes over, and clears.
    assert await asyncio.to_thread(blind.end) == 0
    status = await seeing.until(active)
    assert status["last_stop"]["id"] == stop_id
    blind.start()
    status = await blind.until(lambda s: s["role"] == "standby" and s["state"] == "ACTIVE" and s["ready"])
    assert (status["stop"], status["last_stop"]["id"]) == (None, stop_id)
    # Now the one in standby learns of stop and resume through the database alone.
    second = await stopped(seeing, api, database)
    assert (await blind.until(killed))["stop"]["id"] == second
    await api.edit(resume=wish(second))
    await seeing.until(active)
    assert (await blind.until(lambda s: s["state"] == "ACTIVE"))["last_stop"]["id"] == second
    assert await until_rows(database, CLEARED, 2) == 2
    for bot in (blind, seeing):
        assert bot.end() == 0
    await audit(database)


async def test_killed_at_every_step_it_resumes_exactly_once(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    bot = bots("pod", database, **watching(api)).start()
    await bot.until(active)
    for step in range(6):
        stop_id = await stopped(bot, api, database)
        if step % 2:
            bot.kill()
        await api.edit(resume=wish(stop_id))
        if step % 2 == 0:
            if step:
                # Between the clearing and the reconciling, or before or after: the row appears, and it dies at once.
                await until_rows(database, CLEARED, step + 1)
            bot.kill()
        bot.start()
        status = await bot.until(active)
        assert status["last_stop"]["id"] == stop_id
        assert await until_rows(database, CLEARED, 0) == step + 1
    rows = await latches(database)
    assert len(rows) == len({row["stop_id"] for row in rows}) == 6
    assert bot.end() == 0
    await audit(database)


async def test_a_resume_waits_for_the_database_and_a_stop_that_follows_it_counts(
    bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    with postgresql.running() as own:
        bot = bots("pod", own.url(), **watching(api)).start()
        await bot.until(active)
        first = await stopped(bot, api, own.url())
        await asyncio.to_thread(own.stop, hard=True)
        await bot.until(lambda s: any(r["source"] == "database" for r in s["reasons"]))
        await api.edit(resume=wish(first))
        await bot.until(lambda s: any("takes effect" in r["reason"] for r in s["reasons"]))
        await api.edit(emergencyStop=STOP)
        second = f"1f0c2a9b-{api.generation}"
        await api.edit(emergencyStop=OFF)
        await asyncio.to_thread(own.start)
        status = await bot.until(lambda s: s["ready"] and (s["stop"] or {}).get("id") == second)
        assert (status["state"], status["last_stop"]["id"]) == ("KILLED", first)
        rows = await latches(own.url())
        assert [(row["stop_id"], row["cleared_at"] is None) for row in rows] == [(first, False), (second, True)]
        await asyncio.to_thread(own.stop, hard=True)
        await bot.until(lambda s: any(r["source"] == "database" for r in s["reasons"]))
        await api.edit(resume=wish(second))
        await asyncio.to_thread(own.start)
        status = await bot.until(active)
        assert status["last_stop"]["id"] == second
        assert bot.end() == 0
        await audit(own.url())


async def test_a_limit_has_an_id_and_halts_again_while_it_is_breached(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    risk = {"daily_loss_limit": 1, "max_drawdown": 0.0005}
    bot = bots("pod", database, risk=risk, **watching(api)).start()
    status = await bot.until(lambda s: any(r["id"] for r in s["reasons"]))
    (reason,) = [r for r in status["reasons"] if r["source"] == "drawdown"]
    assert (status["state"], reason["state"], status["stop"]) == ("HALTED", "HALTED", None)
    assert reason["id"].startswith("drawdown-")
    assert "halts again at once" in reason["reason"]
    # An emergency stop on top: its resume leaves the limit where it is.
    stop_id = await stopped(bot, api, database)
    await api.edit(resume=wish(stop_id))
    status = await bot.until(lambda s: s["stop"] is None and s["state"] == "HALTED")
    assert reason["id"] in [r["id"] for r in status["reasons"]]
    await api.edit(resume=wish(reason["id"], "capital is fine"))
    again = await bot.until(
        lambda s: any(r["source"] == "drawdown" and r["id"] not in (None, reason["id"]) for r in s["reasons"])
    )
    assert again["state"] == "HALTED"
    rows = [row for row in await latches(database) if row["source"] == "drawdown"]
    assert (rows[0]["cleared_by"], rows[0]["cleared_reason"]) == ("spec.resume", "capital is fine")
    assert rows[-1]["cleared_at"] is None
    assert bot.end() == 0
    await audit(database)
