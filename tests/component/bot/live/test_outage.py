"""The row "database or price feed lost" of the table of states, with the real thing lost: PostgreSQL, or the candles.

A live process, a database server of its own that is killed, and the faulty exchange. Each test is a cell of the row,
for both losses, and how it is left. The cell of exits, which differ for a database, is in `test_database.py`, with all
else that only a lost ledger makes hard; `tests/component/bot/test_database_lost.py` is the simulation's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.component.bot.live.outage import LOSSES, trading
from tests.component.bot.live.world import PRICE, RISE, until

from tradingbot_contract.states import BY_EVENT, Entries, EntryOrders, Event, Exits, Positions, State, Stops

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql

ROW = BY_EVENT[Event.LOST]


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
        outage.world.rise()
        await outage.quiet()
        assert outage.world.truth.orders == []
        outage.world.price = PRICE
        await outage.end()
        await outage.quiet()
        outage.world.rise(RISE + 100)
        await until(lambda: outage.world.filled("BUY"), "it trades again", outage.bot)
        await until(outage.world.resting, "the stop rests", outage.bot)
        await outage.bot.until(lambda status: (status["positions"], status["open_orders"]) == (1, 1))


@pytest.mark.parametrize("what", LOSSES)
async def test_the_stop_stays_at_the_exchange_the_position_is_kept_and_nothing_of_an_entry_rests(
    what: str, own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading(what, own, bots) as outage:
        stop = await outage.hold()
        held = outage.world.truth.balances()["BTC"]
        await outage.begin()
        await outage.quiet()
        assert outage.world.resting() == [stop]
        assert outage.world.truth.balances()["BTC"] == held
        status = await outage.end()
        assert (status["positions"], status["open_orders"], status["entry_orders"]) == (1, 1, 0)
        assert outage.world.resting() == [stop]
