"""A stop never says CANCELLED untruly: orders in the bot's name that its ledger lacks, and the exchange's word on them.

In production they come of a database that was restored from a backup: what was sent since then is at the exchange and
nowhere else. What must never happen: a stop that says CANCELLED while an entry of this bot is open; an order of another
name that is touched; a position that loses its protective stop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
from tests.component.bot import jumping
from tests.component.bot.live.world import FALL, LiveWorld, agrees, audit, rows, until
from tests.exchange_server import Kind
from tests.support import waiting

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql

BOT, API_KEY = "test/btc", "a-key-of-the-api"
STRAY, ELSEWHERE = ids.client_id(BOT, 9, 1), ids.client_id(BOT, 9, 2)
"""Entries of an epoch that the ledger does not know; one is in a market that the bot does not trade any more."""
SOMEBODY, OTHER_BOT = "a-person", ids.client_id("test/another", 1, 1)
OPEN_ORDERS = "/api/v3/openOrders"


async def trading(
    bots: Callable[..., BotProcess], world: LiveWorld, url: str, program: list[str] | None = None
) -> BotProcess:
    bot = bots("bot", url, **world.settings(environment={"API_KEY": API_KEY}))
    bot.program = program or bot.program
    bot.start()
    await bot.trading()
    return bot


async def behind_its_back(world: LiveWorld) -> None:
    """Let four orders rest: two in the bot's name, and two of others."""
    world.server.market.move("ETHUSDT", "3000")
    await world.place(STRAY)
    await world.place(ELSEWHERE, symbol="ETH/USDT", quantity="0.1", at=2_000)
    await world.place(SOMEBODY)
    await world.place(OTHER_BOT)


async def stop(bot: BotProcess) -> None:
    code, answer = await bot.ask("POST", "/api/v1/bot/emergency-stop", **{"X-API-Key": API_KEY})
    assert code == 202, answer


def outcome(status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (status["stop"] or {}).get("outcome") or {}
    return found


async def confirmed(bot: BotProcess, world: LiveWorld, *never: str) -> dict[str, Any]:
    """Wait until the stop says CANCELLED; it must not, as long as one of these orders is open."""

    def check(status: dict[str, Any]) -> bool:
        said = outcome(status)
        if said.get("state") == "CANCELLED" or said.get("confirmed"):
            assert not [name for name in never if world.open(name)], said
        return said.get("state") == "CANCELLED"

    said = outcome(await bot.until(check))
    assert said["confirmed"] is True
    return said


def ends(said: dict[str, Any]) -> dict[str, str]:
    return {order["client_id"]: order["state"] for order in said["orders"]}


async def test_a_stop_takes_back_what_is_open_in_the_bots_name_and_not_in_its_ledger(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = await trading(bots, world, database)
        world.rise()
        (protection,) = await until(world.resting, "the stop rests", bot)
        await bot.until(lambda status: status["positions"] == 1)
        await behind_its_back(world)
        await stop(bot)
        said = await confirmed(bot, world, STRAY, ELSEWHERE)
        assert ends(said) == {STRAY: "CANCELLED", ELSEWHERE: "CANCELLED"}
        assert said["orders_cancelled"] == 2
        assert {order.client_id for order in world.resting()} == {protection.client_id, SOMEBODY, OTHER_BOT}
        assert await asyncio.to_thread(bot.end) == 0


async def test_while_the_exchange_does_not_list_them_the_stop_does_not_say_that_they_are_gone(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = await trading(bots, world, database)
        world.server.faults.add(Kind.HTTP_ERROR, "GET", OPEN_ORDERS, status=503, times=None)
        await behind_its_back(world)
        await stop(bot)
        status = await bot.until(lambda status: outcome(status).get("state") not in (None, "PENDING"))
        said = outcome(status)
        assert (said["state"], said["confirmed"], status["entries_gone"]) == ("UNKNOWN", False, False)
        assert "has not confirmed that no entry order is open" in said["message"]
        assert world.open(STRAY)
        world.server.faults.clear()
        said = await confirmed(bot, world, STRAY, ELSEWHERE)
        assert ends(said) == {STRAY: "CANCELLED", ELSEWHERE: "CANCELLED"}
        assert {order.client_id for order in world.resting()} == {SOMEBODY, OTHER_BOT}
        assert await asyncio.to_thread(bot.end) == 0


async def test_an_empty_list_is_not_believed_while_money_is_set_aside_for_an_order(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    """As a gateway answers whose servers are away: HTTP 200, and nothing in it."""
    async with LiveWorld() as world:
        bot = await trading(bots, world, database)
        world.server.faults.add(Kind.EMPTY, "GET", OPEN_ORDERS, msg="[]", times=None)
        await world.place(STRAY)
        await stop(bot)
        status = await bot.until(lambda status: outcome(status).get("state") == "UNKNOWN")
        assert "money is set aside" in outcome(status)["message"]
        assert world.open(STRAY)
        world.server.faults.clear()
        await confirmed(bot, world, STRAY)
        assert await asyncio.to_thread(bot.end) == 0


async def test_a_cancel_that_is_answered_but_not_done_leaves_the_stop_unconfirmed(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        bot = await trading(bots, world, database)
        world.server.faults.add(Kind.HTTP_ERROR, "DELETE", "/api/v3/order", status=503, times=None)
        await world.place(STRAY)
        await stop(bot)
        status = await bot.until(lambda status: outcome(status).get("state") == "UNKNOWN")
        assert STRAY in outcome(status)["message"]
        assert ends(outcome(status)) == {STRAY: "UNKNOWN"}
        world.server.faults.clear()
        assert ends(await confirmed(bot, world, STRAY)) == {STRAY: "CANCELLED"}
        assert await asyncio.to_thread(bot.end) == 0


async def test_what_appears_while_the_stop_holds_is_found_and_taken_back(
    database: str, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    """An answer that was late by minutes, or another process of the same name: the stop looks again and again."""
    async with LiveWorld() as world:
        bot = await trading(bots, world, database, jumping.program(tmp_path)[1])
        await stop(bot)
        await confirmed(bot, world)
        await world.place(STRAY)
        await until(lambda: not world.open(STRAY), "it is taken back", bot)
        said = outcome(await bot.until(lambda status: STRAY in ends(outcome(status))))
        assert ends(said) == {STRAY: "CANCELLED"}
        bot.kill()
        await world.place(ELSEWHERE)
        bot.start()
        await bot.until(lambda status: status["role"] == "trading" and outcome(status).get("state") == "CANCELLED")
        assert not world.open(ELSEWHERE), "a process that begins asks before it says what the one before it said"
        assert await asyncio.to_thread(bot.end) == 0


# -- the database is restored ------------------------------------------------------------------------------------------


class Backup:
    """An older state of a database, on the same server."""

    def __init__(self, server: postgresql.Server, url: str) -> None:
        self.server, self.url = server, url
        self.name = url.rpartition("/")[2].partition("?")[0]

    async def take(self) -> None:
        await self._copy(self.name, f"{self.name}_backup")

    async def restore(self) -> None:
        await self._copy(f"{self.name}_backup", self.name)

    async def _copy(self, source: str, target: str) -> None:
        connection = await asyncpg.connect(self.server.url())
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
            # The server lets go of a process that was killed a moment later.
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
            await waiting.until(
                lambda: connection.fetchval(query, source), f"nobody is in {source}", holds=lambda count: count == 0
            )
            await connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        finally:
            await connection.close()


async def test_after_a_restored_database_the_stop_finds_what_was_sent_since_the_backup(
    server: postgresql.Server, database: str, bots: Callable[..., BotProcess]
) -> None:
    """The ledger knows neither the position nor its stop nor the entry; the stop comes before the exchange is asked."""
    async with LiveWorld() as world:
        backup = Backup(server, database)
        bot = await trading(bots, world, database)
        bot.kill()
        await backup.take()
        bot.start()
        epoch = (await bot.trading())["epoch"]
        world.rise()
        (protection,) = await until(world.resting, "the stop rests", bot)
        await behind_its_back(world)
        bot.kill()
        await backup.restore()
        assert await rows(database, "SELECT 1 FROM live.orders") == []
        world.server.faults.add(Kind.HTTP_ERROR, "GET", OPEN_ORDERS, status=503, times=None)
        bot.start()
        status = await bot.until(lambda status: status["role"] == "trading")
        assert status["epoch"] > epoch, "no id of an order that the exchange has is given again"
        await stop(bot)
        status = await bot.until(lambda status: outcome(status).get("state") == "UNKNOWN")
        assert status["positions"] == 0, "the ledger knows nothing of it"
        world.server.faults.clear()
        said = await confirmed(bot, world, STRAY, ELSEWHERE)
        assert ends(said) == {STRAY: "CANCELLED", ELSEWHERE: "CANCELLED"}
        resting = {order.client_id for order in world.resting()}
        assert resting == {protection.client_id, SOMEBODY, OTHER_BOT}, "what was bought stays protected"
        assert len(world.filled("BUY")) == 1
        assert await asyncio.to_thread(bot.end) == 0


async def test_a_start_on_a_restored_database_takes_entries_back_and_opens_nothing(
    server: postgresql.Server, database: str, bots: Callable[..., BotProcess]
) -> None:
    async with LiveWorld() as world:
        backup = Backup(server, database)
        bot = await trading(bots, world, database)
        bot.kill()
        await backup.take()
        await backup.restore()
        await behind_its_back(world)
        bot.start()
        await until(lambda: not world.open(STRAY) and not world.open(ELSEWHERE), "they are taken back", bot)
        status = await bot.until(lambda status: status["role"] == "trading" and status["ready"])
        assert "is not ours" in str(status["reasons"]), "the others' orders are named, and wait for a person"
        assert {order.client_id for order in world.resting()} == {SOMEBODY, OTHER_BOT}
        assert await asyncio.to_thread(bot.end) == 0


async def test_a_stop_in_the_bots_name_that_its_ledger_lacks_becomes_the_stop_of_its_position(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    """The ledger's own is gone. Nothing could rest beside the one that does, as it locks what it would sell."""
    async with LiveWorld() as world:
        bot = await trading(bots, world, database)
        world.rise()
        (before,) = await until(world.resting, "the stop rests", bot)
        await bot.until(lambda status: status["positions"] == 1 and status["open_orders"] == 1)
        bot.kill()
        await world.take_back(before.client_id)
        after = ids.client_id(BOT, 9, 7)
        await world.place(after, "sell", f"{before.quantity:f}", at=int(before.asked.stop_price), stop=True)
        bot.start()
        await agrees(bot)
        await bot.until(lambda status: status["positions"] == 1 and status["open_orders"] == 1)
        assert [order.client_id for order in world.resting()] == [after]
        world.price = FALL
        await until(lambda: world.filled("SELL"), "it is executed", bot)
        await bot.until(lambda status: status["positions"] == 0 and status["reasons"] == [])
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, database)
