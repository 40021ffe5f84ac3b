"""A stop that closes positions ends flat where the exchange limits the rate and hardly anybody buys, too."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.component.bot.live.world import MARKET, RISE, LiveWorld, audit, until
from tests.exchange_server.faults import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess

KEY = {"X-API-Key": "key"}
ASK = [(RISE + 100, Decimal(1))]
SOMEBODYS = Decimal(1)
"""A coin in the account that is not the bot's."""


def outcome(status: dict[str, Any]) -> str:
    return str((status["stop"]["outcome"] or {}).get("state"))


async def test_a_stop_ends_flat_through_refusals_a_thin_book_and_an_empty_one(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("pod", database, **world.settings(environment={"API_KEY": "key"})).start()
        await bot.trading()
        world.rise()
        await bot.until(lambda status: status["positions"] == 1 and status["open_orders"] == 1)
        held = world.truth.balances()["BTC"]
        world.moving = False
        for verb in ("DELETE", "POST"):
            world.server.faults.add(Kind.RATE_LIMIT, verb, "/api/v3/order", ms=1000, times=2)
        world.server.market.book(MARKET, [(RISE, Decimal("0.001"))], ASK)
        assert (await bot.ask("POST", "/api/v1/bot/emergency-stop?close_positions=true", **KEY))[0] == 202

        await until(lambda: world.truth.balances()["BTC"] == held - Decimal("0.001"), "what somebody buys is sold", bot)
        await until(world.resting, "what is left has its stop again", bot)
        world.server.market.book(MARKET, [], ASK)
        tried = len(world.truth.orders)
        await until(lambda: len(world.truth.orders) > tried, "it is tried again, where nobody buys", bot)
        status = (await bot.get("/api/v1/status"))[1]
        assert (status["state"], status["positions"]) == ("KILLED", 1)
        assert "FLAT" not in outcome(status)

        world.moving = True
        await bot.until(lambda status: "FLAT" in outcome(status))
        assert await asyncio.to_thread(bot.end) == 0
        assert SOMEBODYS <= world.truth.balances()["BTC"] < SOMEBODYS + Decimal("0.00001")
        assert len(world.filled("BUY")) == 1
        await audit(world, database)
