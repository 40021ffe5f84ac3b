"""A live bot without its ledger: nothing is sent that cannot be written down, and nothing that happens is lost.

What is the same for any loss, entries and what rests, is in `test_outage.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.component.bot.live.outage import DATABASE, trading
from tests.component.bot.live.world import FALL, TARGET, until
from tests.exchange_server import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql


async def test_an_exit_waits_under_the_protection_of_its_stop_until_it_can_be_written_down(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading(DATABASE, own, bots) as outage:
        stop = await outage.hold()
        await outage.begin()
        outage.world.price = TARGET
        await outage.quiet()
        assert outage.world.resting() == [stop], "a position never waits without its stop"
        assert outage.world.filled("SELL") == []
        await outage.end()
        await until(lambda: outage.world.filled("SELL"), "the target is taken", outage.bot)
        await outage.bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert len(outage.world.filled("SELL")) == 1


async def test_a_stop_that_executes_meanwhile_is_booked_when_there_is_a_ledger_again(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    async with trading(DATABASE, own, bots) as outage:
        stop = await outage.hold()
        await outage.begin()
        outage.world.price = FALL
        await until(lambda: outage.world.filled("SELL"), "the exchange executes the stop", outage.bot)
        await outage.end()
        await outage.bot.until(lambda status: status["positions"] == 0 and status["open_orders"] == 0)
        assert outage.world.filled("SELL") == [stop], "sold once"


async def test_an_entry_whose_answer_was_lost_as_well_is_found_and_protected(
    own: postgresql.Server, bots: Callable[..., BotProcess]
) -> None:
    """The worst moment: the order is executed, neither the bot nor its ledger knows, and the stop is not placed yet."""
    async with trading(DATABASE, own, bots) as outage:
        outage.world.server.faults.add(Kind.TIMEOUT, "POST", "/api/v3/order", processed=True)
        outage.world.rise()
        await until(lambda: outage.world.filled("BUY"), "the exchange executes the entry", outage.bot)
        await outage.begin()
        await outage.end()
        await until(outage.world.resting, "its stop rests", outage.bot)
        await outage.bot.until(lambda status: (status["positions"], status["open_orders"]) == (1, 1))
        assert len(outage.world.filled("BUY")) == 1
