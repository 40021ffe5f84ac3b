"""Something that a live bot needs is taken away, and brought back: its database, or the candles of the exchange."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.component.bot.live.world import LiveWorld, agrees, audit, until
from tests.exchange_server import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.component.bot.process import BotProcess
    from tests.support import postgresql

DATABASE, PRICES = LOSSES = ("database", "feed")
"""What can be lost, by the source of the halt."""
QUIET_SECONDS = 3.0
"""How long nothing must happen: three looks of the strategy, at one a second."""


class Outage:
    """A live bot from which something can be taken."""

    def __init__(self, world: LiveWorld, server: postgresql.Server, bot: BotProcess, what: str) -> None:
        self.world, self.server, self.bot, self.what = world, server, bot, what

    async def hold(self) -> Any:
        """Let the bot buy; return the stop that rests for the position."""
        self.world.rise()
        (stop,) = await until(self.world.resting, "the stop rests", self.bot)
        await self.bot.until(lambda status: (status["positions"], status["open_orders"]) == (1, 1))
        return stop

    async def begin(self) -> None:
        """Let a database crash, or candles not be answered any more, and wait until the bot halts for it."""
        if self.what == DATABASE:
            await asyncio.to_thread(self.server.stop, hard=True)
        else:
            self.world.server.faults.add(Kind.HTTP_ERROR, "GET", "/api/v3/klines", status=503, times=None)
        await self.bot.until(lambda s: [(r["source"], r["state"]) for r in s["reasons"]] == [(self.what, "HALTED")])

    async def quiet(self) -> None:
        """Give the bot the time in which it would have acted, had it nothing lost."""
        await asyncio.sleep(QUIET_SECONDS)

    async def end(self) -> dict[str, Any]:
        """Bring it back, and wait until the bot agrees with the exchange."""
        if self.what == DATABASE:
            await asyncio.to_thread(self.server.start)
        else:
            self.world.server.faults.clear()
        return await agrees(self.bot)


@asynccontextmanager
async def trading(what: str, server: postgresql.Server, bots: Callable[..., BotProcess]) -> AsyncIterator[Outage]:
    """Run a bot with a database of its own; at the end, rows and exchange say the same."""
    async with LiveWorld() as world:
        bot = bots("lost", server.url(), **world.settings()).start()
        await bot.trading()
        yield Outage(world, server, bot, what)
        assert await asyncio.to_thread(bot.end) == 0
        await audit(world, server.url())
