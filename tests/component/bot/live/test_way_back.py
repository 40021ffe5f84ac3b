"""A live bot and its own TradingBot: what people and the operator write there, and what the bot makes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.api_server import ApiServer
from tests.component.bot.live.world import LiveWorld, rows, until
from tests.component.bot.process import until_rows

from tradingbot.venues.ccxt.gateway import Credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess

DIGEST = "sha256:" + 64 * "a"
TRAIL = "SELECT event, from_mode, to_mode, digest, approved_by, account FROM live.audit ORDER BY number"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    server = await ApiServer().start()
    yield server
    await server.stop()


def stamp(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def approved(api: ApiServer, world: LiveWorld, seconds: float = 3600) -> dict[str, Any]:
    """The object and the configuration of a bot that may trade live, as the operator makes them."""
    ends = stamp(seconds)
    given = {"digest": DIGEST, "approvedBy": "bob", "expiresAt": ends}
    await api.edit(mode="live", requestedBy="alice", approval=given)
    await api.tell(live={"state": "Trading"})
    approval = {"digest": DIGEST, "approved_by": "bob", "expires_at": ends}
    return world.settings(environment=api.environment, approval=approval)


async def test_asked_for_a_simulation_it_takes_its_entries_back_and_keeps_the_protective_stop(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    async with LiveWorld() as world:
        bot = bots("leaves", database, **await approved(api, world)).start()
        status = await bot.trading()
        assert status["approval"] == {"digest": DIGEST, "expires_at": status["approval"]["expires_at"], "valid": True}
        assert status["account"] == Credentials(world.key.key, world.key.secret).fingerprint
        assert status["promotion"] is None
        world.rise()
        await until(world.resting, "the protective stop rests", bot)
        await api.edit(mode="simulation", approval=None)
        status = await bot.until(lambda s: s["state"] == "REDUCING" and s["entry_orders"] == 0)
        assert {reason["source"] for reason in status["reasons"]} == {"live", "approval"}
        assert [order.asked.type for order in world.resting()] == ["STOP_LOSS"], "the position stays protected"
        await until_rows(database, "SELECT count(*) FROM live.audit", 2)
        account = status["account"]
        assert [tuple(row.values()) for row in await rows(database, TRAIL)] == [
            ("started", "simulation", "live", DIGEST, "bob", account),
            ("leaving", "live", "simulation", DIGEST, "bob", account),
        ]
        assert await asyncio.to_thread(bot.end) == 0


async def test_what_the_operator_says_of_the_approval_is_obeyed_and_taken_back(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    async with LiveWorld() as world:
        bot = bots("told", database, **await approved(api, world)).start()
        await bot.trading()
        await api.tell(live={"state": "Reducing"})
        await bot.until(lambda s: s["state"] == "REDUCING")
        world.rise()
        bot.kill()
        bot.start()
        status = await bot.until(lambda s: s["role"] == "trading" and s["ready"])
        assert status["state"] == "REDUCING", "after a restart too, from the first moment"
        await asyncio.sleep(2.0)
        assert world.filled("BUY") == []
        await api.tell(live={"state": "Trading"})
        await bot.until(lambda s: s["state"] == "ACTIVE")
        assert await asyncio.to_thread(bot.end) == 0


async def test_an_approval_ends_with_nobody_there_to_say_so(
    database: str, bots: Callable[..., BotProcess], api: ApiServer
) -> None:
    async with LiveWorld() as world:
        seconds = 8
        bot = bots("alone", database, **await approved(api, world, seconds)).start()
        while (await bot.trading())["state"] != "ACTIVE" and seconds < 100:
            # A machine that is busy needed longer than that to start the bot: then it is approved for longer.
            assert await asyncio.to_thread(bot.end) == 0
            seconds *= 2
            bot = bots(f"alone-{seconds}", database, **await approved(api, world, seconds)).start()
        await api.stop()
        status = await bot.until(lambda s: s["state"] == "REDUCING")
        assert status["approval"]["valid"] is False
        await until_rows(database, "SELECT count(*) FROM live.audit WHERE event = 'reducing'", 1)
        assert await asyncio.to_thread(bot.end) == 0
