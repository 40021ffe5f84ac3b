"""Two live processes of one bot at one account, and a live bot in a database that it may not read all of."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from tests.component.bot.live.world import LiveWorld, rows, until

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess

KEY = {"X-API-Key": "key"}
TRADE = {"asset_pair": "BTC/USDT", "action": "buy", "stop_loss": 48_000, "take_profit": 65_000}


def sent(world: LiveWorld) -> list[str]:
    """Client ids of the orders that the exchange was asked for, whatever became of them."""
    return [entry.params["newClientOrderId"] for entry in world.server.journal.of("POST", "/api/v3/order")]


def epochs(client_ids: list[str]) -> set[str]:
    return {client_id.split("-")[1] for client_id in client_ids}


async def pair(world: LiveWorld, database: str, bots: Callable[..., BotProcess]) -> tuple[BotProcess, BotProcess]:
    """Two processes with the same environment, as two pods of one Deployment or of two: the first one trades."""
    settings: dict[str, Any] = world.settings(environment={"API_KEY": "key", "ORDER_CONFIRMATION_REQUIRED": "false"})
    one, two = bots("one", database, **settings).start(), bots("two", database, **settings)
    await one.trading()
    two.start()
    waiting = await two.until(lambda status: status["ready"])
    assert (waiting["mode"], waiting["role"], waiting["epoch"]) == ("live", "standby", 0)
    return one, two


async def test_of_two_with_the_same_environment_one_sends_orders_and_records_them_first(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        one, two = await pair(world, database, bots)
        world.rise()
        await until(world.resting, "the stop rests", one)
        code, answer = await two.ask("POST", "/api/v1/bot/manual-trade", TRADE, **KEY)
        assert (code, answer["title"]) == (409, "NotTrading")
        assert (await two.get("/api/v1/status"))[1]["role"] == "standby"
        recorded = {row["client_id"] for row in await rows(database, "SELECT client_id FROM live.intents")}
        assert set(sent(world)) <= recorded
        assert epochs(sent(world)) == {ids.base36((await one.trading())["epoch"])}
        assert len(world.filled("BUY")) == 1


async def test_one_that_wakes_up_after_the_other_took_over_sends_nothing(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        one, two = await pair(world, database, bots)
        one.send(signal.SIGSTOP)
        try:
            waiting = asyncio.create_task(one.ask("POST", "/api/v1/bot/manual-trade", TRADE, **KEY))
            epoch = (await two.trading())["epoch"]
            world.rise()
            await until(world.resting, "the stop of the second one rests", two)
        finally:
            one.send(signal.SIGCONT)
        code, answer = await waiting
        assert code >= 400, answer
        await one.until(lambda status: status["role"] == "standby")
        assert epochs(sent(world)) == {ids.base36(epoch)}
        assert len(world.filled("BUY")) == 1


async def test_it_trades_without_any_right_on_the_history_of_the_simulation(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    """As docs/database.md has it: the schemas are made by a role that may, then the live bot gets one that may not."""
    role, url = f"live_{urlsplit(database).path.lstrip('/')}", urlsplit(database)
    async with LiveWorld() as world:
        first = bots("first", database, **world.settings()).start()
        await first.trading()
        assert await asyncio.to_thread(first.end) == 0
        owner = await asyncpg.connect(database)
        await owner.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'narrow'; REVOKE ALL ON SCHEMA public FROM {role};"
            f"GRANT USAGE ON SCHEMA live, tradingbot TO {role}; GRANT SELECT ON tradingbot.migrations TO {role};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA live TO {role}"
        )
        try:
            assert not await owner.fetchval(f"SELECT has_schema_privilege('{role}', 'simulation', 'USAGE')")
            narrow = urlunsplit(url._replace(netloc=f"{role}:narrow@{url.hostname}:{url.port}"))
            bot = bots("narrow", narrow, **world.settings()).start()
            await bot.trading()
            world.rise()
            await until(world.resting, "the stop rests", bot)
            assert len(await rows(narrow, "SELECT client_id FROM live.intents")) == 2
            assert await asyncio.to_thread(bot.end) == 0
        finally:
            await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
            await owner.close()
