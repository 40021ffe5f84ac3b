"""The row "database or price feed lost" of the table of states, with the real thing lost: PostgreSQL, or the candles.

A live process, a database server of its own that is killed, and the faulty exchange. Each test is a cell of the row;
together they are all of them, and how it is left. `tests/component/bot/test_database_lost.py` is the simulation's.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.live.world import FALL, PRICE, RISE, TARGET, LiveWorld, ledger, until
from tests.exchange_server import Kind

from tradingbot_contract.states import BY_EVENT, Entries, EntryOrders, Event, Exits, Positions, State, Stops

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql

ROW = BY_EVENT[Event.LOST]
LOSSES = ("the database", "the prices")
QUIET_SECONDS = 3.0
"""How long nothing must happen: three looks of the strategy, at one a second."""


class Outage:
    """A live bot from which something can be taken."""

    def __init__(self, world: LiveWorld, server: postgresql.Server, bot: BotProcess, what: str) -> None:
        self.world, self.server, self.bot, self.what = world, server, bot, what

    async def begin(self) -> None:
        if self.what == "the database":
            await asyncio.to_thread(self.server.stop, hard=True)
        else:
            self.world.server.faults.add(Kind.HTTP_ERROR, "GET", "/api/v3/klines", status=503, times=None)
        status = await self.bot.until(lambda status: status["state"] == "HALTED", 60)
        assert [reason["state"] for reason in status["reasons"]] == ["HALTED"]

    async def hold(self) -> Any:
        """Let the bot buy; return the stop that rests for the position."""
        self.world.price = RISE
        (stop,) = await until(self.world.resting, "the stop rests", self.bot)
        await self.bot.until(lambda status: status["positions"] == 1)
        return stop

    async def end(self) -> dict[str, Any]:
        if self.what == "the database":
            await asyncio.to_thread(self.server.start)
        else:
            self.world.server.faults.clear()
        return await self.bot.until(lambda status: status["state"] == "ACTIVE" and status["ready"], 60)


@asynccontextmanager
async def trading(what: str, server: postgresql.Server, bots: Callable[..., BotProcess]) -> AsyncIterator[Outage]:
    async with LiveWorld() as world:
        bot = bots("lost", server.url(), **world.settings()).start()
        await bot.trading()
        yield Outage(world, server, bot, what)
        assert await asyncio.to_thread(bot.end) == 0
        assert await ledger(server.url()) == world.truth.balances()


def test_the_row_is_the_one_that_is_tried_here() -> None:
    cells = (ROW.entries, ROW.entry_orders, ROW.stops, ROW.exits, ROW.positions, ROW.state, ROW.latched)
    assert cells == (
        Entries.BLOCKED,
        EntryOrders.CANCELLED,
        Stops.KEPT,
        Exits.FROM_MEMORY,
        Positions.KEPT,
        State.HALTED,
        False,
    )
    assert ROW.left_by == "it is back, and everything is reconciled"


@pytest.mark.parametrize("what", LOSSES)
async def test_no_entry_while_it_is_lost_and_entries_when_it_is_back(
    what: str, own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading(what, own, bots) as outage:
        await outage.begin()
        outage.world.price = RISE
        await asyncio.sleep(QUIET_SECONDS)
        assert outage.world.truth.orders == []
        outage.world.price = PRICE
        await outage.end()
        await asyncio.sleep(QUIET_SECONDS)
        outage.world.price = RISE + 100
        await until(lambda: outage.world.filled("BUY"), "it trades again", outage.bot, 60)
        await until(outage.world.resting, "the stop rests", outage.bot, 60)


@pytest.mark.parametrize("what", LOSSES)
async def test_the_stop_stays_at_the_exchange_the_position_is_kept_and_nothing_of_an_entry_rests(
    what: str, own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading(what, own, bots) as outage:
        stop = await outage.hold()
        held = outage.world.truth.balances()["BTC"]
        await outage.begin()
        await asyncio.sleep(QUIET_SECONDS)
        assert [order.client_id for order in outage.world.resting()] == [stop.client_id]
        assert outage.world.truth.balances()["BTC"] == held
        status = await outage.end()
        assert (status["positions"], status["open_orders"], status["entry_orders"]) == (1, 1, 0)
        assert [order.client_id for order in outage.world.resting()] == [stop.client_id]


async def test_without_the_database_an_exit_waits_until_it_can_be_recorded(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading("the database", own, bots) as outage:
        await outage.hold()
        await outage.begin()
        outage.world.price = TARGET
        await asyncio.sleep(QUIET_SECONDS)
        assert outage.world.filled("SELL") == []
        assert outage.world.resting(), "protected as before"
        await outage.end()
        await until(lambda: outage.world.filled("SELL"), "the target is taken", outage.bot, 60)
        await outage.bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert len(outage.world.filled("SELL")) == 1


async def test_a_stop_that_is_executed_without_the_database_is_booked_when_it_is_back(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading("the database", own, bots) as outage:
        await outage.hold()
        await outage.begin()
        outage.world.price = FALL
        await until(lambda: outage.world.filled("SELL"), "the stop is executed", outage.bot)
        await outage.end()
        await outage.bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
