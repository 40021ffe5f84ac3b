"""A trade through its whole life, for real: real process, real PostgreSQL, and an exchange that speaks HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.live.world import FALL, KEY, TARGET, LiveWorld, ledger, rows, until
from tests.exchange_server import ApiKey
from tests.exchange_server.clock import WallClock

from tradingbot.observe import build
from tradingbot.venues.ccxt.gateway import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess


async def test_it_buys_protects_and_sells_at_the_target(database: str, bots: Callable[..., BotProcess]) -> None:
    async with LiveWorld() as world:
        bot = bots("alive", database, **world.settings()).start()
        status = await bot.until(lambda status: status["ready"] and status["reasons"] == [])
        assert status["mode"] == "live"
        world.rise()
        await until(lambda: world.filled("BUY"), "the entry is executed", bot)
        stop = (await until(world.resting, "the stop rests", bot))[0]
        assert stop.asked.type == "STOP_LOSS"
        world.price = TARGET
        await until(lambda: world.filled("SELL"), "the target is taken", bot)
        assert stop.status == "CANCELED"
        assert stop.executed == 0
        await bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert await asyncio.to_thread(bot.end) == 0
        truth = world.truth.balances()
        assert truth["USDT"] > 10_000
        assert await ledger(database) == truth
        intents = await rows(database, "SELECT client_id, role FROM live.intents ORDER BY seq")
        assert {order.client_id for order in world.truth.orders} == {row["client_id"] for row in intents}
        assert await rows(database, "SELECT 1 FROM simulation.intents") == []


async def test_the_stop_works_while_the_bot_does_not_and_is_booked_afterwards(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("away", database, **world.settings()).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        bot.kill()
        world.price = FALL
        await until(lambda: world.filled("SELL"), "the stop is executed", bots("nobody", database))
        bot.start()
        await bot.trading()
        await bot.until(lambda status: status["positions"] == 0 and status["reasons"] == [])
        assert await asyncio.to_thread(bot.end) == 0
        assert await ledger(database) == world.truth.balances()
        assert len(world.filled("BUY")) == 1


async def refusal(bot: BotProcess) -> dict[str, str]:
    """How a process ends that must not trade."""
    # The exchange lives in this event loop: it must go on answering.
    assert await asyncio.to_thread(bot.wait) == 78, bot.tail()
    found: dict[str, str] = json.loads(bot.termination.read_text())
    return found


async def test_without_approval_it_says_who_gives_it_and_does_not_trade(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("unapproved", database, **world.settings(environment={"TRADING_APPROVED": "false"})).start()
        said = await refusal(bot)
        assert said["reason"] == "NotApproved"
        assert "second person" in said["message"]
        assert world.server.journal.entries == []


async def test_without_keys_it_says_where_to_put_them(database: str, bots: Callable[..., BotProcess]) -> None:
    async with LiveWorld() as world:
        settings = world.settings(environment={"EXCHANGE_API_KEY": "", "EXCHANGE_API_SECRET": ""})
        said = await refusal(bots("keyless", database, **settings).start())
        assert "EXCHANGE_API_KEY" in said["message"]


def approval(**changes: Any) -> dict[str, Any]:
    """What the operator writes into the configuration of a live bot."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    approved = {"account": Credentials(KEY.key, KEY.secret).fingerprint, "build": build.fingerprint()}
    return {"digest": "sha256:aa", "approved_by": "bob", "expires_at": expires} | approved | changes


async def test_with_the_account_and_the_code_that_were_approved_it_trades(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("approved", database, **world.settings(approval=approval())).start()
        status = await bot.until(lambda status: status["ready"] and status["reasons"] == [])
        assert status["approval"]["valid"] is True


async def test_with_the_key_of_another_account_it_does_not_start_and_asks_the_exchange_nothing(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    other = Credentials("key-of-somebody-else", "secret")
    async with LiveWorld() as world:
        bot = bots("foreign", database, **world.settings(approval=approval(account=other.fingerprint))).start()
        said = await refusal(bot)
        assert said["reason"] == "AnotherAccount"
        assert other.fingerprint in said["message"]
        assert KEY.key not in said["message"]
        assert world.server.journal.entries == []


async def test_code_that_nobody_approved_opens_nothing_whatever_the_market_does(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("unknown", database, **world.settings(approval=approval(build="0" * 32))).start()
        status = await bot.trading()
        assert status["state"] == "REDUCING"
        assert status["approval"]["valid"] is False
        (reason,) = status["reasons"]
        assert reason["reason"].startswith("ANOTHER_BUILD: ")
        world.rise()
        await asyncio.sleep(3)
        assert world.truth.orders == []
        assert (await bot.get("/api/v1/status"))[1]["state"] == "REDUCING"


async def test_what_was_bought_before_the_code_changed_is_still_managed(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = bots("moved", database, **world.settings(approval=approval())).start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        assert await asyncio.to_thread(bot.end) == 0
        bot.config["approval"] = approval(build="0" * 32)
        bot.start()
        await bot.until(lambda status: status["state"] == "REDUCING" and status["positions"] == 1)
        world.price = TARGET
        await until(lambda: world.filled("SELL"), "the target is taken", bot)
        await bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert len(world.filled("BUY")) == 1


@pytest.mark.parametrize(
    ("code", "key", "skew_ms"),
    [
        ("KEY_MAY_WITHDRAW", ApiKey("k" * 64, "s" * 64, may_withdraw=True), 0),
        ("CLOCK_SKEW", ApiKey("k" * 64, "s" * 64), 5000),
    ],
)
async def test_what_the_preflight_refuses_does_not_trade(
    code: str, key: ApiKey, skew_ms: int, database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld(key, clock=WallClock(skew_ms)) as world:
        said = await refusal(bots("refused", database, **world.settings()).start())
        assert said["reason"] == "PreflightRefused"
        assert code in said["message"]
        assert key.secret not in said["message"]
        assert world.truth.orders == []
