"""Whatever comes in, a position that is open stays as it is, and its stop rests at the exchange.

Each test holds a position, lets something bad come in, sees what is answered, and then that nothing was sent, that the
very same stop rests, and that it still protects: the price falls, and the sale is booked. docs/bad-input.md has the
answers.
"""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import pytest
from tests.component.bot import jumping
from tests.component.bot.live.world import (
    CONFIG,
    FALL,
    MARKET,
    LiveWorld,
    agrees,
    audit,
    until,
)
from tests.exchange_server import Kind
from tests.support import waiting
from tests.support.files import replace_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess

KEY = "0123456789abcdef0123456789abcdef"
LOOKS = 3 * 1.0
"""So long the strategy, which decides every second, has time to do something that it should not."""


HELD = ("HALTED", 1, 1)
"""State, positions and open orders of a bot that opens nothing and keeps what it has."""


class Held:
    """A live bot with one position, whose stop rests."""

    def __init__(self, world: LiveWorld, bot: BotProcess, database: str) -> None:
        self.world, self.bot, self.database = world, bot, database
        self.orders = self._orders()
        self.owned = world.truth.balances()

    def _orders(self) -> list[tuple[Any, ...]]:
        return [(o.client_id, o.status, o.executed, o.asked.stop_price, o.quantity) for o in self.world.truth.orders]

    def untouched(self) -> None:
        """Nothing was sent, nothing was executed, and the stop rests as it did."""
        assert self._orders() == self.orders
        assert self.world.truth.balances() == self.owned
        (stop,) = self.world.resting()
        assert stop.asked.type == "STOP_LOSS"

    async def quiet(self) -> None:
        """Give it time to do something, and see that it did nothing."""
        await asyncio.sleep(LOOKS)
        self.untouched()

    async def restart(self, **config: Any) -> None:
        """Let a process with another configuration take its place."""
        assert await asyncio.to_thread(self.bot.end) == 0
        self.bot.config |= config
        self.bot.start()

    async def refusal(self) -> dict[str, str]:
        """How a process ends that cannot work."""
        assert await asyncio.to_thread(self.bot.wait) == 78, self.bot.tail()
        found: dict[str, str] = json.loads(self.bot.termination.read_text())
        return found

    async def health(self, name: str) -> dict[str, str]:
        found = (await self.bot.get("/api/v1/status/health/detailed"))[1]["dependencies"]
        return next(one for one in found if one["name"] == name)

    async def protects(self) -> None:
        """See that the stop works, and that what it sold is booked."""
        self.world.price = FALL
        await until(lambda: self.world.filled("SELL"), "the stop is executed", self.bot)
        await self.bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)


@asynccontextmanager
async def holding(
    bots: Callable[..., BotProcess], database: str, program: list[str] | None = None, **settings: Any
) -> AsyncIterator[Held]:
    """Hold a position; at the end, see that it is untouched, and protected."""
    async with LiveWorld() as world:
        bot = bots("holder", database, **world.settings(**{"environment": {"API_KEY": KEY}, **settings}))
        bot.program = program or bot.program
        bot.start()
        await bot.trading()
        world.rise()
        await until(world.resting, "the stop rests", bot)
        await bot.until(lambda status: (status["positions"], status["open_orders"]) == (1, 1))
        held = Held(world, bot, database)
        yield held
        held.untouched()
        await held.protects()
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, database)


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"risk": {"max_drawdown": "much"}}, "risk.max_drawdown"),
        ({"risk": [1, 2]}, "risk"),
        ({"strategy": {"name": "breakout", "symbols": "BTC/USDT"}}, "strategy.symbols"),
        ({"risk": {"max_open_positions": 0}}, "risk.max_open_positions"),
    ],
    ids=["text for a number", "list for a section", "text for a list", "out of range"],
)
async def test_a_configuration_of_a_wrong_type_is_refused_while_the_bot_runs(
    database: str, bots: Callable[..., BotProcess], changes: dict[str, Any], words: str
) -> None:
    async with holding(bots, database) as held:
        held.bot.configure(**changes)

        async def file() -> Any:
            return await held.health("configuration file")

        found: dict[str, str] = await waiting.until(file, "it is shown", holds=lambda seen: seen["status"] == "down")
        assert words in found["detail"]
        assert "the configuration from before counts" in found["detail"]
        await held.quiet()
        assert (await held.bot.get("/api/v1/status"))[1]["state"] == "ACTIVE"


async def test_a_configuration_of_a_wrong_type_ends_a_start_and_its_correction_takes_up_the_position(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        await held.restart(risk={"max_drawdown": "much"})
        said = await held.refusal()
        assert said["reason"] == "InvalidConfiguration"
        assert "risk.max_drawdown" in said["message"]
        held.untouched()
        held.bot.config["risk"] = {}
        held.bot.start()
        assert (await agrees(held.bot))["positions"] == 1


# -- symbols and markets -----------------------------------------------------------------------------------------------


async def test_a_trade_in_an_unknown_symbol_is_refused_by_its_name(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        body = {"asset_pair": "DOGE/USDT", "action": "buy", "stop_loss": 1, "take_profit": 3}
        code, answer = await held.bot.ask("POST", "/api/v1/bot/manual-trade", body, **{"X-API-Key": KEY})
        assert (code, answer["title"]) == (409, "UNKNOWN_SYMBOL"), answer
        await held.quiet()


async def test_a_symbol_that_the_exchange_does_not_have_ends_a_start_and_names_it(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        await held.restart(strategy={**CONFIG["strategy"], "symbols": ["BTC/USDT", "DOGE/USDT"]})
        said = await held.refusal()
        assert said["reason"] == "PreflightRefused"
        assert "UNKNOWN_SYMBOL: DOGE/USDT" in said["message"]
        held.untouched()
        held.bot.config["strategy"] = CONFIG["strategy"]
        held.bot.start()
        assert (await agrees(held.bot))["positions"] == 1


async def test_a_symbol_that_is_taken_out_of_the_configuration_is_watched_until_its_position_is_closed(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        await held.restart(strategy={**CONFIG["strategy"], "symbols": ["ETH/USDT"]})
        held.world.server.market.move("ETHUSDT", "2000")
        status = await held.bot.until(lambda status: status["ready"] and status["role"] == "trading")
        assert (status["positions"], status["open_orders"]) == (1, 1)
        await held.quiet()


async def test_a_market_that_closes_halts_and_goes_on_when_it_opens(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        market = held.world.server.exchange.engine.market(MARKET)
        open_one = market.instrument
        market.instrument, held.world.moving = replace(open_one, status="BREAK"), False
        status = await held.bot.until(lambda status: status["state"] == "HALTED")
        assert "no candle of BTC/USDT has come" in status["reasons"][0]["reason"]
        held.untouched()
        await held.restart()
        await held.bot.until(lambda status: status["state"] == "HALTED" and status["positions"] == 1)
        await held.quiet()
        market.instrument, held.world.moving = open_one, True
        assert (await agrees(held.bot))["positions"] == 1


async def test_a_market_that_is_delisted_is_named_and_everything_else_is_managed(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        markets = held.world.server.exchange.engine.markets
        held.world.moving = False
        gone = markets.pop(MARKET)
        await held.bot.until(lambda status: status["state"] == "HALTED")
        await held.restart()
        said = await held.refusal()
        assert "UNKNOWN_SYMBOL: BTC/USDT is not traded" in said["message"]
        assert "take it out of strategy.symbols; a position that is open in it is kept" in said["message"]
        held.bot.config["strategy"] = {**CONFIG["strategy"], "symbols": ["ETH/USDT"]}
        held.bot.start()
        await held.bot.until(lambda status: (status["state"], status["positions"], status["open_orders"]) == HELD)
        await held.bot.until(lambda status: "does not list it any more" in str(status["reasons"]))
        await held.quiet()
        markets[MARKET] = gone
        held.world.moving = True
        await held.restart(strategy=CONFIG["strategy"])
        assert (await agrees(held.bot))["positions"] == 1


# -- prices ------------------------------------------------------------------------------------------------------------

ROWS = {
    "not a number": '[[%d,"NaN","NaN","NaN","NaN","1",%d,"0",0,"0","0","0"]]',
    "zero": '[[%d,"0","0","0","0","1",%d,"0",0,"0","0","0"]]',
    "low above high": '[[%d,"50000","1","90000","50000","1",%d,"0",0,"0","0","0"]]',
    "of the future": '[[99999999999999,"1","1","1","1","1",99999999999999,"0",0,"0","0","0"],'
    '[%d,"50200","50200","50200","50200","1",%d,"0",0,"0","0","0"]]',
    "no list": '{"%d": %d}',
    "no JSON": "<html>%d %d</html>",
}


@pytest.mark.long
async def test_candles_that_cannot_be_are_left_out_and_their_silence_halts(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        for name, row in ROWS.items():
            now = held.world.server.clock.now_ms() // 1000 * 1000
            held.world.server.faults.add(Kind.EMPTY, "GET", "/api/v3/klines", msg=row % (now, now + 999), times=None)
            status = await held.bot.until(lambda status: status["state"] == "HALTED")
            assert [reason["source"] for reason in status["reasons"]] == ["feed"], name
            held.untouched()
            held.world.server.faults.clear()
            await agrees(held.bot)


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jump", "refused"),
    [("3600 0", True), ("-3600 0", True), ("0 3600", False)],
    ids=["wall ahead", "wall back", "monotonic ahead"],
)
async def test_a_clock_that_jumps_stops_entries_at_most_and_its_way_back_mends_it(
    jump: str, refused: bool, database: str, bots: Callable[..., BotProcess], tmp_path: Any
) -> None:
    file, program = jumping.program(tmp_path)
    async with holding(bots, database, program) as held:
        replace_text(file, jump)
        await held.bot.until(lambda status: status["state"] == "HALTED")
        await held.quiet()
        if refused:
            replace_text(file, "0 0")
        status = await agrees(held.bot)
        assert status["role"] == "trading"


# -- disks -------------------------------------------------------------------------------------------------------------

FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON live.heads EXECUTE FUNCTION no_room()
"""


async def test_a_database_without_room_halts_until_there_is_some(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        connection = await asyncpg.connect(database)
        await connection.execute(FULL)
        status = await held.bot.until(lambda status: status["state"] == "HALTED")
        assert [(one["source"], "No space left" in one["reason"]) for one in status["reasons"]] == [("database", True)]
        await held.quiet()
        await connection.execute("DROP TRIGGER full_disk ON live.heads")
        await connection.close()
        await agrees(held.bot)


# -- HTTP --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["x", KEY[:-1], KEY + "0", KEY * 1000, "é" * 32], ids=["one", "one less", "one more", "long", "not ASCII"]
)
async def test_a_key_of_the_wrong_length_opens_nothing(
    key: str, database: str, bots: Callable[..., BotProcess]
) -> None:
    async with holding(bots, database) as held:
        path = "/api/v1/bot/emergency-stop?close_positions=true"
        code, answer = await held.bot.ask("POST", path, **{"X-API-Key": key})
        assert code in (400, 401), answer
        await held.quiet()
        assert (await held.bot.get("/api/v1/status"))[1]["stop"] is None


async def test_a_bot_whose_key_is_too_short_says_so(database: str, bots: Callable[..., BotProcess]) -> None:
    async with holding(bots, database, environment={"API_KEY": "short"}) as held:
        told = await held.health("API key")
        assert told["status"] == "down"
        assert "API_KEY has 5 characters" in told["detail"]
        assert told["detail"] in [line["message"] for line in held.bot.lines()]
        await held.quiet()


async def test_a_body_of_ten_megabytes_is_refused(database: str, bots: Callable[..., BotProcess]) -> None:
    async with holding(bots, database) as held:
        url = f"http://127.0.0.1:{held.bot.port}/api/v1/bot/emergency-stop"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(b"x" * 10_000_000), headers={"X-API-Key": KEY}) as response,
        ):
            body = await response.json(content_type=None)
            assert (response.status, body["title"]) == (413, "BodyTooLarge")
        await held.quiet()


async def test_a_thousand_connections_that_send_nothing(database: str, bots: Callable[..., BotProcess]) -> None:
    async with holding(bots, database) as held:
        opened = [await asyncio.open_connection("127.0.0.1", held.bot.port) for _ in range(1000)]
        await held.quiet()
        await agrees(held.bot)
        for _, writer in opened:
            writer.close()
