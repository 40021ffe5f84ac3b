"""What people may ask of a live bot over its API, and what only an approval can give."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.component.bot.live.world import LiveWorld, until
from tests.support import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess

KEY = {"X-API-Key": "key"}


async def test_a_live_bot_is_tightened_at_once_and_never_loosened(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("pod", database, **world.settings(environment={"API_KEY": "key"})).start()
        await bot.trading()
        code, body = await bot.ask("PATCH", "/api/v1/bot/config", {"risk_per_trade": 0.005}, **KEY)
        assert (code, body["effective"]["risk_per_trade"], body["committed"]) == (200, "0.005", True)
        start = {"stop_loss": 0.02, "take_profit": 0.2, "confidence_threshold": 0.1, "autonomous": False}
        code, body = await bot.ask("POST", "/api/v1/bot/start", start, **KEY)
        assert code == 200, body
        code, body = await bot.ask("POST", "/api/v1/bot/start", {"stop_loss": 0.03, "autonomous": True}, **KEY)
        assert (code, body["title"]) == (409, "WouldLoosen")
        assert "max_stop_distance, autonomous" in body["detail"]
        for patch in (
            {"risk_per_trade": 0.006},
            {"risk_per_trade": None},
            {"max_drawdown": 0.01, "min_risk_reward_ratio": 0.1},
            {"confidence_threshold": None},
            {"autonomous": True},
        ):
            code, body = await bot.ask("PATCH", "/api/v1/bot/config", patch, **KEY)
            assert (code, body["title"]) == (409, "WouldLoosen"), patch
            assert "spec.risk" in body["detail"]
            assert "approve" in body["detail"]
        now = (await bot.get("/api/v1/bot/config"))[1]
        assert now["effective"]["risk_per_trade"] == "0.005"
        assert (now["effective"]["autonomous"], now["effective"]["min_confidence"]) == (False, "0.1")
        assert now["effective"]["max_drawdown"] == now["configured"]["max_drawdown"]
        code, body = await bot.ask("POST", "/api/v1/simulation/reset", **KEY)
        assert (code, body["title"]) == (409, "NotASimulation")
        assert (await bot.get("/api/v1/simulation/performance"))[1]["title"] == "NotASimulation"
        assert (await bot.ask("POST", "/api/v1/bot/start", {"dry_run": True}, **KEY))[1]["title"] == "NotConfigured"
        assert await asyncio.to_thread(bot.end) == 0


async def test_a_persons_trade_reaches_the_exchange_with_its_stop_and_is_closed_there(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        settings = world.settings(environment={"API_KEY": "key", "ORDER_CONFIRMATION_REQUIRED": "false"})
        bot = bots("pod", database, **settings).start()
        await bot.trading()

        async def prices() -> Any:
            return (await bot.get("/api/v1/bot/status"))[1]["account"]["prices"]

        await waiting.until(prices, "a price")
        price = float(world.price)
        body = {
            "asset_pair": "BTC/USDT",
            "action": "buy",
            "stop_loss": round(price * 0.97),
            "take_profit": round(price * 1.2),
        }
        code, answer = await bot.ask("POST", "/api/v1/bot/manual-trade", body, **KEY)
        assert code == 202, answer
        client_id = answer["decision"]["client_id"]
        await until(lambda: world.filled("BUY"), "the entry is executed", bot)
        assert [order.client_id for order in world.filled("BUY")] == [client_id]
        await until(world.resting, "the stop rests", bot)
        code, answer = await bot.ask("POST", "/api/v1/bot/positions/BTC-USDT/close", **KEY)
        assert code == 202, answer
        await until(lambda: world.filled("SELL"), "the position is sold", bot)
        await bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert await asyncio.to_thread(bot.end) == 0
