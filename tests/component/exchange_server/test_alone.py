"""The exchange as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import ccxt.async_support as ccxt
import pytest
from tests.exchange_server import ApiKey, ExchangeServer
from tests.support.waiting import ANSWER_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.component


async def test_it_serves_ccxt_and_its_control_from_another_process(tmp_path: Path) -> None:
    secret, plan = tmp_path / "secret", tmp_path / "plan.json"
    secret.write_text("quiet\n", encoding="utf-8")
    plan.write_text('{"rules": [{"kind": "reject", "path": "*/time", "code": -1000, "msg": "no"}]}', encoding="utf-8")
    command = [sys.executable, "-m", "tests.exchange_server", "--port", "0", "--seed", "1", "--api-key", "mine"]
    command += ["--secret-file", str(secret), "--fault-plan", str(plan), "--history", "5", "--control"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        started: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), ANSWER_SECONDS))
        stand_in = ExchangeServer(keys=[ApiKey("mine", "quiet")])
        stand_in.url = started["url"]
        options = stand_in.ccxt_options()
        del options["nonce"]
        binance = ccxt.binance(options)
        with pytest.raises(ccxt.OperationFailed):
            await binance.fetch_time()
        assert len(await binance.fetch_ohlcv("BTC/USDT")) == 6
        await binance.create_order("BTC/USDT", "limit", "buy", "0.01", "40000", {"clientOrderId": "far"})
        await binance.close()
        async with aiohttp.ClientSession(started["url"]) as session:
            moved = {"symbol": "BTCUSDT", "price": "39000"}
            async with session.post("/control/move", json=moved) as answer:
                assert answer.status == 200
            async with session.post("/control/move", json={"symbol": "BTCUSDT", "price": "a"}) as answer:
                assert answer.status == 400
            async with session.get("/control/truth") as answer:
                truth = await answer.json()
            async with session.get("/control/journal") as answer:
                journal = await answer.json()
        assert [(order["clientOrderId"], order["status"]) for order in truth["orders"]] == [("far", "FILLED")]
        assert truth["balances"]["main"]["USDT"] == "9600.00000000"
        assert [entry["faults"] for entry in journal["entries"] if entry["faults"]] == [["reject"]]
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), ANSWER_SECONDS)
    assert code == 0
