"""Taking orders back: fifty of them at an exchange that is 50 ms away, and a process that begins with nothing.

The exchange is a process of its own that answers every request after 50 ms. The baselines do the same without any of
our care: cancels that nobody verifies, over connections that are open already; and a script that imports ccxt as its
documentation says, lists and cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from tests.exchange_server import ApiKey, ExchangeServer, WallClock

from bench.figures import Figure
from tradingbot.domain import ids
from tradingbot.domain.orders import Approved, Intent, OrderType, Role, Side
from tradingbot.ports.venue import Accepted
from tradingbot.runtime import clock
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.terms import VenueConfig
from tradingbot.venues.ccxt.venue import CcxtVenue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ORDERS, RUNS, ROUND_TRIP_MS = 50, 12, 50
STARTS = 7
KEY, SECRET = "k" * 64, "s" * 64
SYMBOL, MARKET, BOT = "BTC/USDT", "BTCUSDT", "bench/bot"
ORDER_LIMIT_SECONDS = 10.0
"""The exchange takes a hundred orders in ten seconds; each run places fifty."""

BARE = """
import asyncio, json, sys
import ccxt.async_support as ccxt

async def main():
    settings = json.loads(sys.argv[1])
    client = ccxt.binance(settings)
    for order in await client.fetch_open_orders("BTC/USDT"):
        await client.cancel_order(order["id"], "BTC/USDT")
        break
    await client.close()

asyncio.run(main())
"""


def order(number: int) -> Approved[Intent]:
    """A purchase far below the market."""
    return Approved(
        Intent(
            client_id=ids.client_id(BOT, 1, number),
            bot=BOT,
            epoch=1,
            seq=number,
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            role=Role.ENTRY,
            quantity=Decimal("0.001"),
            strategy="bench",
            reason="bench",
            ts=0,
            limit_price=Decimal(40_000),
        )
    )


# -- fifty orders ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def distant() -> Iterator[str]:
    """Run the exchange in another process, with a round trip of `ROUND_TRIP_MS`; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        plan, secret = Path(folder, "plan.json"), Path(folder, "secret")
        secret.write_text(SECRET)
        plan.write_text(json.dumps({"rules": [{"kind": "slow", "ms": ROUND_TRIP_MS, "times": None}]}))
        command = [sys.executable, "-m", "tests.exchange_server", "--api-key", KEY, "--secret-file", str(secret)]
        command += ["--fault-plan", str(plan), "--balance", "USDT=1000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield str(json.loads(process.stdout.readline())["url"])
            finally:
                process.terminate()


async def place(venue: CcxtVenue, first: int) -> list[tuple[str, str]]:
    """Let fifty orders rest."""
    approved = [order(first + number) for number in range(ORDERS)]
    outcomes = await asyncio.gather(*(venue.submit(one) for one in approved))
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Accepted)]
    if refused:
        raise RuntimeError(f"the exchange did not take {len(refused)} orders: {refused[0]}")
    return [(one.item.client_id, SYMBOL) for one in approved]


async def ours(venue: CcxtVenue, orders: list[tuple[str, str]]) -> float:
    """Do what a stop does: cancel all at once, then let the exchange list what is open; return the seconds."""
    begun = time.perf_counter()
    outcomes = await asyncio.gather(*(venue.cancel(*one) for one in orders))
    left = await venue.listing()
    seconds = time.perf_counter() - begun
    if not all(isinstance(outcome, Accepted) for outcome in outcomes) or left != []:
        raise RuntimeError(f"not every cancel was confirmed: {left}")
    return seconds


async def bare(session: aiohttp.ClientSession, url: str, orders: list[tuple[str, str]]) -> float:
    """Cancel all at once and look at nothing but the status; return the seconds."""

    async def one(client_id: str) -> None:
        query = urlencode({"symbol": MARKET, "origClientOrderId": client_id, "timestamp": round(time.time() * 1000)})
        signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        async with session.delete(f"{url}/api/v3/order?{query}&signature={signature}") as response:
            await response.read()
            response.raise_for_status()

    begun = time.perf_counter()
    await asyncio.gather(*(one(client_id) for client_id, _ in orders))
    return time.perf_counter() - begun


async def fifty() -> Figure:
    """Measure both in turn on the same exchange."""
    with distant() as url:
        config = VenueConfig(
            symbols=(SYMBOL,),
            test_mode=False,
            api_url=url,
            weight_per_minute=6000,
            orders_per_ten_seconds=200,
            max_skew_ms=2000,
        )
        venue = CcxtVenue(config, Credentials(KEY, SECRET), clock.WallClock())
        mine: list[float] = []
        floor: list[float] = []
        async with aiohttp.ClientSession(
            headers={"X-MBX-APIKEY": KEY}, connector=aiohttp.TCPConnector(limit=ORDERS)
        ) as session:
            report = await venue.connect()
            if report.verdict != "ok":
                raise RuntimeError(str(report.reasons))
            try:
                for number in range(2 * RUNS + 2):
                    begun = time.monotonic()
                    orders = await place(venue, number * ORDERS)
                    seconds = await (bare(session, url, orders) if number % 2 else ours(venue, orders))
                    if number >= 2:
                        (floor if number % 2 else mine).append(seconds)
                    await asyncio.sleep(max(0.0, ORDER_LIMIT_SECONDS / 2 + 0.5 - (time.monotonic() - begun)))
            finally:
                await venue.close()
    text = (
        f"bare parallel cancels, unverified: worst {max(floor):.2f} s, median {statistics.median(floor):.2f} s; "
        f"ours: median {statistics.median(mine):.2f} s; {RUNS} runs each"
    )
    return Figure.at_most("cancel_50_p99_s", max(mine), "s", 1.5, text)


# -- a process that begins with nothing --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def nearby() -> AsyncIterator[ExchangeServer]:
    """The exchange in this process, which does nothing else meanwhile."""
    async with ExchangeServer(clock=WallClock(), keys=[ApiKey(KEY, SECRET)], balances={"USDT": 1_000_000}) as server:
        server.market.move(MARKET, "50000")
        yield server


async def first_cancel(server: ExchangeServer, command: list[str], environment: dict[str, str]) -> float:
    """Start a process; return the seconds until its first cancel was carried out."""
    before = len(server.journal.of("DELETE", "/api/v3/order"))
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, env={**keep, **environment}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        while len(server.journal.of("DELETE", "/api/v3/order")) == before:
            if process.returncode is not None:
                _, error = await process.communicate()
                raise RuntimeError(f"it ended without a cancel: {error.decode()[-500:]}")
            await asyncio.sleep(0.002)
        return time.perf_counter() - begun
    finally:
        await process.communicate()


def settings(folder: Path, url: str) -> dict[str, str]:
    """Write the configuration of a kill."""
    path = folder / "config.yaml"
    exchange = {"test_mode": False, "api_url": url, "rate_limit_per_minute": 6000}
    strategy = {"name": "breakout", "symbols": [SYMBOL]}
    bot = {"namespace": "bench", "name": "bot"}
    path.write_text(json.dumps({"bot": bot, "mode": "live", "exchange": exchange, "strategy": strategy}))
    return {"CONFIG_PATH": str(path), "EXCHANGE_API_KEY": KEY, "EXCHANGE_API_SECRET": SECRET}


async def from_nothing(folder: Path) -> Figure:
    """Measure `tradingbot kill` and the bare script in turn."""
    mine: list[float] = []
    floor: list[float] = []
    async with nearby() as server:
        config = VenueConfig(
            symbols=(SYMBOL,), test_mode=False, api_url=server.url, max_skew_ms=2000, weight_per_minute=6000
        )
        venue = CcxtVenue(config, Credentials(KEY, SECRET), clock.WallClock())
        await venue.connect()
        kill = [sys.executable, "-m", "tradingbot.cli.main", "kill", "--stop-id", "bench-1"]
        options: dict[str, Any] = server.ccxt_options()
        options = {name: options[name] for name in ("apiKey", "secret", "urls", "enableRateLimit")}
        options["options"] = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
        script = [sys.executable, "-c", BARE, json.dumps(options)]
        for number in range(STARTS + 1):
            for into, command in ((mine, kill), (floor, script)):
                outcome = await venue.submit(order(10_000 + 2 * number + (into is mine)))
                if not isinstance(outcome, Accepted):
                    raise TypeError(str(outcome))
                seconds = await first_cancel(server, command, settings(folder, server.url))
                if number:
                    into.append(seconds)
        await venue.close()
    text = (
        f"a script with ccxt alone that lists and cancels: median {statistics.median(floor):.2f} s; "
        f"medians of {STARTS}, without the pod's start"
    )
    return Figure.at_most("kill_process_first_cancel_s", statistics.median(mine), "s", 5, text)


def run() -> list[Figure]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        return [asyncio.run(fifty()), asyncio.run(from_nothing(Path(folder)))]
