"""What people decide about a live bot: approval, confirmation of large orders, the emergency stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.component.bot.api_server import ApiServer
from tests.component.bot.live.world import FALL, LiveWorld, ledger, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess

DIGEST = "sha256:" + "a" * 64
APPROVAL = {"digest": DIGEST, "expiresAt": "2100-01-01T00:00:00Z", "approvedBy": "alice"}
KEY = "x" * 32


def watched(world: LiveWorld, server: ApiServer, **changes: Any) -> dict[str, Any]:
    approval = {"digest": DIGEST, "approved_by": "alice", "expires_at": "2100-01-01T00:00:00Z"}
    return world.settings(environment={**server.environment, "API_KEY": KEY}, approval=approval, **changes)


async def test_an_approval_that_is_taken_back_reduces_and_one_that_is_given_again_lets_go(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    server = await ApiServer().start()
    server.spec |= {"mode": "live", "approval": APPROVAL}
    async with LiveWorld() as world:
        bot = bots("approved", database, **watched(world, server)).start()
        status = await bot.trading()
        assert status["approval"] == {"digest": DIGEST, "expires_at": "2100-01-01T00:00:00Z", "valid": True}
        assert len(status["account"]) == 16
        assert world.key.key not in str(status)
        world.rise()
        await until(world.resting, "the stop rests", bot)
        await server.edit(approval=None)
        status = await bot.until(lambda status: status["state"] == "REDUCING")
        assert status["approval"]["valid"] is False
        assert [reason["source"] for reason in status["reasons"]] == ["approval"]
        assert len(world.resting()) == 1, "protection stays"
        world.price = FALL
        await until(lambda: world.filled("SELL"), "the stop is executed", bot)
        await bot.until(lambda status: status["positions"] == 0)
        world.price = FALL + 500
        await asyncio.sleep(3.0)
        assert len(world.filled("BUY")) == 1, "no entry without an approval"
        await server.edit(approval={**APPROVAL, "digest": "sha256:" + "b" * 64})
        status = await bot.until(lambda status: "sha256:bbb" in str(status["reasons"]))
        assert status["state"] == "REDUCING"
        await server.edit(approval=APPROVAL)
        await bot.until(lambda status: status["state"] == "ACTIVE")
        assert await asyncio.to_thread(bot.end) == 0
    await server.stop()


async def test_a_large_order_waits_for_a_yes_that_is_given_over_the_api(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        settings = world.settings(exchange={"order_confirmation_threshold": 100}, environment={"API_KEY": KEY})
        bot = bots("asking", database, **settings).start()
        await bot.trading()
        world.rise()
        await bot.until(lambda status: status["confirmations"] == 1)
        world.level_off()
        assert world.truth.orders == []
        _, shown = await bot.get("/api/v1/bot/orders/waiting")
        client_id = shown["orders"][0]["client_id"]
        path = f"/api/v1/bot/orders/{client_id}/confirm"
        assert (await bot.ask("POST", path))[0] == 401
        assert (await bot.ask("POST", path.replace(client_id, "tb-x"), **{"X-API-Key": KEY}))[0] == 404
        status, answer = await bot.ask("POST", path, **{"X-API-Key": KEY})
        assert status == 202, answer
        await until(world.resting, "it was sent, and its stop rests", bot)
        assert [order.client_id for order in world.filled("BUY")] == [client_id]
        assert await asyncio.to_thread(bot.end) == 0
        codes = [row["code"] for row in await rows(database, "SELECT code FROM live.decisions ORDER BY seq")]
        assert codes[0] == "CONFIRMATION_REQUIRED"
        assert "" in codes


async def test_an_emergency_stop_ends_what_waits_and_keeps_the_protection(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("stopped", database, **world.settings(environment={"API_KEY": KEY})).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        code, answer = await bot.ask("POST", "/api/v1/bot/emergency-stop", **{"X-API-Key": KEY})
        assert code == 202
        if not answer["stop"]["durable"]:  # The database took its time.
            await bot.until(lambda status: status["stop"]["durable"])
        bot.kill()
        assert len(world.resting()) == 1
        bot.start()
        await bot.until(lambda status: "CANCELLED" in str(status["stop"]) and status["stop"]["durable"])
        # The stop is read before the lease is asked for; what the bot holds is known once it trades.
        status = await bot.trading()
        assert (status["state"], status["positions"]) == ("KILLED", 1)
        assert len(world.resting()) == 1
        assert len(world.truth.orders) == 2, "nothing was sent after the stop"
        assert await asyncio.to_thread(bot.end) == 0


async def test_an_emergency_stop_that_closes_takes_the_stop_back_and_sells(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("flat", database, **world.settings(environment={"API_KEY": KEY})).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        await bot.ask("POST", "/api/v1/bot/emergency-stop?close_positions=true", **{"X-API-Key": KEY})
        status = await bot.until(lambda status: "FLAT" in str((status["stop"] or {}).get("outcome")))
        assert status["positions"] == 0
        assert world.resting() == []
        assert await asyncio.to_thread(bot.end) == 0
        assert await ledger(database) == world.truth.balances()
