"""`tradingbot kill` is itself killed, at each kind of request that it makes, and run again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from tests.component.bot.job import CONFIG, KEY, SECRET
from tests.component.bot.kill_world import STOP, Ledger, legacy
from tests.exchange_server import Kind
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

ORDER = "/api/v3/order"
POINTS: list[tuple[str, str, str, int]] = [
    ("listing the orders", "GET", "/api/v3/openOrders", 1),
    ("cancelling the entry", "DELETE", ORDER, 1),
    ("cancelling the stop", "DELETE", ORDER, 2),
    ("reading the fills", "GET", "/api/v3/myTrades", 1),
    ("reading the book", "GET", "/api/v3/depth", 1),
    ("selling", "POST", ORDER, 1),
]


@pytest.mark.parametrize(("method", "path", "number"), [point[1:] for point in POINTS], ids=[p[0] for p in POINTS])
async def test_killed_while_it_is(tmp_path: Path, database: str, method: str, path: str, number: int) -> None:
    """However far the first one came: after the second nothing is open, and what was the bot's is sold once."""
    ledger = Ledger(database)
    async with legacy(tmp_path) as left:
        await left.position("0.01")
        await left.stop("0.00999")
        await left.entry()
        await ledger.make()
        server = left.server
        server.faults.add(Kind.SLOW, method, path, ms=60_000, skip=number - 1)
        before = len(server.journal.of(method, path))
        config = tmp_path / "first.yaml"
        exchange = {"test_mode": False, "api_url": server.url, "rate_limit_per_minute": 6000}
        config.write_text(json.dumps({**CONFIG, "exchange": exchange}))
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        keys = {"EXCHANGE_API_KEY": KEY, "EXCHANGE_API_SECRET": SECRET, "DB_URL": database}
        command = ("-m", "tradingbot.cli.main", "kill", "--stop-id", STOP, "--close-positions")
        first = await asyncio.create_subprocess_exec(
            *(sys.executable, *command),
            env={**keep, **keys, "CONFIG_PATH": str(config), "TERMINATION_LOG": str(tmp_path / "first")},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await until(
            lambda: len(server.journal.of(method, path)) >= before + number,
            "the request",
            ended=lambda: None if first.returncode is None else f"the kill ended with {first.returncode}",
            every=0.01,
        )
        first.kill()
        await first.wait()
        second = await left.kill(close=True, url=database)
        assert left.open() == set()
        assert left.coins == 1
        assert len(left.sales()) == 1
    assert (second.code, second.report["state"]) == (0, "FLAT")
    assert (await ledger.latch())["stop_id"] == STOP
    assert (await ledger.lease())["held"] is False
