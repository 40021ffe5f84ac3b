"""`tradingbot run` on a person's own machine: nothing configured, nothing but one folder."""

from __future__ import annotations

import asyncio
import random
import resource
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.component.bot.alone import AloneProcess

FAST = ("--speed", "7200")


async def traded(bot: AloneProcess, count: int) -> None:
    await until(lambda: bot.query("SELECT count(*) FROM trades")[0][0] >= count, f"{count} trades; {bot.tail()}")


async def test_it_trades_shows_its_page_and_ends_in_order(alone: Callable[..., AloneProcess]) -> None:
    bot = alone("one", *FAST).start()
    await bot.trading()
    await traded(bot, 3)
    code, page = await bot.get("/dashboard")
    assert code == 200
    assert "<html" in page
    assert (await bot.get("/api/v1/trades"))[1]["trades"]
    assert bot.end() == 0
    text = bot.log.read_text()
    address = f"http://127.0.0.1:{bot.port}/dashboard"
    for part in ("no real money", address, str(bot.ledger), "Ctrl-C", "ended in order"):
        assert part in text
    assert "bought" in text
    assert "{" not in text, "JSON lines belong into the log file"
    assert '"message": "ended"' in (bot.data / "tradingbot.log").read_text()
    bot.audit()


async def test_it_goes_on_where_it_ended(alone: Callable[..., AloneProcess]) -> None:
    bot = alone("one", *FAST).start()
    await bot.trading()
    await traded(bot, 3)
    assert bot.end() == 0
    before = bot.audit()
    ended = bot.query("SELECT market_ts FROM heads")[0][0]
    bot.start()
    await bot.trading()
    await traded(bot, before["trades"] + 2)
    late = bot.query(f"SELECT count(*) FROM trades WHERE market_ts > {ended}")[0][0]
    assert late >= 2, "the market went on where it stood"
    assert bot.end() == 0
    bot.audit()


def listening_on(port: int) -> set[str]:
    """Return the local addresses, in hexadecimal, at which this machine listens on a port."""
    sockets = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {fields[1] for fields in sockets if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")}


async def test_nobody_else_on_the_network_can_reach_it(alone: Callable[..., AloneProcess]) -> None:
    bot = alone().start()
    await bot.trading()
    assert listening_on(bot.port) == {f"0100007F:{bot.port:04X}"}
    assert bot.end() == 0


async def test_a_port_in_use_is_named_with_its_option_and_who_holds_the_ledger(
    alone: Callable[..., AloneProcess],
) -> None:
    first = alone().start()
    await first.trading()
    second = alone("two")
    second.port = first.port
    second.start()
    assert await asyncio.to_thread(second.wait) == 70
    text = second.log.read_text()
    assert f"port {first.port} of 127.0.0.1 is in use: choose another with --port" in text
    assert first.process is not None
    assert f"-{first.process.pid} trades with the ledger in {first.data}" in text
    assert "Traceback" not in text
    assert first.end() == 0


async def test_a_second_one_waits_for_the_first_and_takes_over_at_once(alone: Callable[..., AloneProcess]) -> None:
    first = alone("one", *FAST).start()
    await first.trading()
    second = alone("two", *FAST).start()
    await second.until(lambda s: s["role"] == "standby" and s["ready"])
    assert first.process is not None
    pid = first.process.pid
    await until(lambda: f"-{pid} trades with this ledger" in second.log.read_text(), "it says who")
    first.kill()
    # That it waits for no lease of a process that is gone is shown on the ledger itself, in test_store_sqlite.
    status = await second.trading()
    assert status["epoch"] == 2
    assert second.end() == 0
    second.audit()


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_moments(alone: Callable[..., AloneProcess], seed: int) -> None:
    rng = random.Random(seed)
    bot = alone("one", "--speed", "36000")
    counts: dict[str, int] = {}
    for _ in range(6):
        bot.start()
        await bot.trading()
        await asyncio.sleep(rng.uniform(0.0, 1.0))
        bot.kill()
        counts = bot.audit()
    bot.start()
    status = await bot.trading()
    assert status["epoch"] == 7
    assert status["reasons"] == []
    await traded(bot, counts["trades"] + 2)
    assert bot.end() == 0
    bot.audit()


async def test_a_full_disk_halts_entries_loses_nothing_and_heals(alone: Callable[..., AloneProcess]) -> None:
    """No file of the process may grow any more: to SQLite, the same as no room on the device."""
    bot = alone("one", *FAST).start()
    await bot.trading()
    await traded(bot, 2)
    assert bot.process is not None
    unlimited = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    status = await bot.until(lambda s: s["state"] == "HALTED" and not s["ready"])
    assert status["reasons"][0]["source"] == "database"
    assert bot.process.poll() is None
    assert (await bot.get("/live"))[0] == 200
    before = bot.audit()
    await asyncio.sleep(1.0)
    assert bot.audit() == before
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await bot.until(lambda s: s["state"] == "ACTIVE" and s["ready"])
    await traded(bot, before["trades"] + 2)
    assert bot.end() == 0
    bot.audit()


async def test_a_ledger_of_the_other_mode_is_refused_before_anything_starts(
    alone: Callable[..., AloneProcess],
) -> None:
    bot = alone("one", *FAST).start()
    await bot.trading()
    assert bot.end() == 0
    connection = sqlite3.connect(bot.ledger)
    connection.execute("UPDATE migrations SET schema = 'live'")
    connection.commit()
    connection.close()
    bot.start()
    assert await asyncio.to_thread(bot.wait) == 78
    assert "the ledger of mode live, not of simulation" in bot.tail()


async def test_what_is_wrong_is_said_in_one_sentence(alone: Callable[..., AloneProcess]) -> None:
    for options, environment, expected in (
        (("--strategy", "brakeout"), {}, "Did you mean breakout?"),
        (("--symbol", "BTC"), {}, "BTC"),
        (("--speed", "-1"), {}, "from the option --speed"),
        ((), {"RISK_MAX_DRAWDOWN": "15"}, "from the environment variable RISK_MAX_DRAWDOWN"),
    ):
        bot = alone("wrong", *options, **environment)
        bot.log.write_text("")
        bot.start()
        assert await asyncio.to_thread(bot.wait) == 78
        assert expected in bot.log.read_text()
        assert "Traceback" not in bot.log.read_text()


async def test_a_folder_that_cannot_be_used_is_named(alone: Callable[..., AloneProcess]) -> None:
    bot = alone()
    bot.data.write_text("a file")
    bot.start()
    assert await asyncio.to_thread(bot.wait) == 78
    assert f"{bot.data} cannot be used" in bot.tail()
