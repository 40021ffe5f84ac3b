"""Two processes of one bot: only one trades, and the other takes over."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from tests.component.bot.process import BotProcess, audit, until_rows

if TYPE_CHECKING:
    from collections.abc import Callable

TRADES = "SELECT count(*) FROM simulation.trades"


async def test_the_second_waits_is_ready_and_takes_over_at_once(database: str, bots: Callable[..., BotProcess]) -> None:
    old, new = bots("old", database).start(), bots("new", database)
    await old.trading()
    new.start()
    waiting = await new.until(lambda status: status["ready"])
    assert (waiting["role"], waiting["state"], waiting["epoch"]) == ("standby", "ACTIVE", 0)
    counts = [waiting[name] for name in ("positions", "open_orders", "entry_orders")]
    assert counts == [None] * 3, "it does not know, and what is not known is not none"
    figures = (await new.get("/api/v1/status/metrics"))[1]
    assert [figures[name] for name in ("positions", "open_orders", "orders_placed", "trades")] == [None] * 4
    assert (await new.get("/ready"))[0] == 200
    await until_rows(database, TRADES, 3)
    assert (await new.get("/api/v1/status"))[1]["role"] == "standby"
    assert await asyncio.to_thread(old.end) == 0
    # Given back, or taken already: a lease that was kept would last up to 15 s more.
    assert await until_rows(database, "SELECT count(*) FROM simulation.lease WHERE epoch = 2 OR expires_at <= now()", 0)
    status = await new.trading()
    assert status["epoch"] == 2
    await until_rows(database, TRADES, 6)
    assert new.end() == 0
    await audit(database)


async def test_a_process_that_hangs_is_fenced_and_sends_nothing_when_it_wakes(
    database: str, bots: Callable[..., BotProcess]
) -> None:
    old, new = bots("old", database).start(), bots("new", database)
    await old.trading()
    await until_rows(database, TRADES, 2)
    new.start()
    await new.until(lambda status: status["ready"])
    old.send(signal.SIGSTOP)
    status = await new.trading()
    assert status["epoch"] == 2
    old.send(signal.SIGCONT)
    await old.until(lambda status: status["role"] == "standby")
    late = (
        "SELECT count(*) FROM simulation.intents WHERE epoch = 1 "
        "AND committed_at > (SELECT acquired_at FROM simulation.lease)"
    )
    assert await until_rows(database, late, 0) == 0
    await until_rows(database, "SELECT count(*) FROM simulation.intents WHERE epoch = 2", 2)
    assert old.end() == 0
    assert new.end() == 0
    await audit(database)


async def test_two_that_start_at_once(database: str, bots: Callable[..., BotProcess]) -> None:
    pair = [bots(name, database).start() for name in ("one", "two")]
    await asyncio.gather(*(bot.until(lambda status: status["ready"]) for bot in pair))
    roles = sorted([(await bot.get("/api/v1/status"))[1]["role"] for bot in pair])
    assert roles == ["standby", "trading"]
    await until_rows(database, TRADES, 2)
    for bot in pair:
        bot.kill()
    await audit(database)
