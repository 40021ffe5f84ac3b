"""From the start of a process to orders that agree with the exchange: a bot that crashed with 1,000 open orders."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.support import postgresql

from bench.figures import Figure
from tradingbot import wiring
from tradingbot.config.load import load
from tradingbot.domain import events
from tradingbot.domain.orders import OrderState
from tradingbot.domain.states import State
from tradingbot.observe import health, logs
from tradingbot.observe.metrics import Metrics
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.control import Control
from tradingbot.runtime.session import Session
from tradingbot.store.postgres import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot.config.model import Settings
    from tradingbot.runtime.runner import Runner

ORDERS, REPEATS = 1_000, 3
PREPARE_SECONDS = 120.0
_running: list[asyncio.Task[None]] = []


def _settings(name: str) -> Settings:
    """Return the settings of a bot with a symbol for each order, more than a configuration file may name."""
    values = {
        "bot": {"name": name, "namespace": "bench"},
        "strategy": {"name": "breakout"},
        "risk": {"max_open_positions": 1000, "max_orders_per_minute": 10_000, "max_position_size": "0.0009"},
        # The next process of the same pod: it need not wait for the lease of the one that is gone.
        "kubernetes": {"pod": "bench"},
        "simulation": {
            "initial_capital": 100_000_000,
            "tick_interval_seconds": 60,
            "latency_milliseconds": 0,
            "feed": {"type": "Synthetic", "speed": "0.001"},
        },
    }
    settings = load({}, defaults=values)
    symbols = [f"S{number:04}/USD" for number in range(ORDERS)]
    return settings.model_copy(update={"strategy": settings.strategy.model_copy(update={"symbols": symbols})})


async def _trading(name: str, url: str) -> Runner:
    """Run a bot's session as its process does; return its runner once it has agreed with the exchange."""
    settings, clock = _settings(name), WallClock()
    store = PostgresStore(url, settings.bot.full_name, "simulation", pool_size=2, max_overflow=0)
    state = health.new(clock)
    control = Control(store, clock, state, Metrics("breakout", "Spot", "none"))
    session = Session(wiring.parts(settings, {}, None), control)
    _running.append(asyncio.create_task(session.run()))
    while not state.settled or control.runner is None:
        if _running[0].done():
            _running[0].result()
        await asyncio.sleep(0.001)
    return control.runner


async def _leave_orders(url: str) -> int:
    """Buy a little of everything, and crash before anything is filled; return how many orders are open."""
    runner = await _trading("busy", url)
    await _until(lambda: len(runner.engine.state.marks), "prices")
    for number in range(ORDERS):
        symbol = f"S{number:04}/USD"
        price = runner.engine.price(symbol)
        if price is None:
            raise RuntimeError(f"{symbol} has no price")
        stop, target = price * Decimal("0.9"), price * Decimal("1.5")
        order = events.ManualTrade(runner.engine.state.now, symbol, "buy", stop, target, Decimal(1), None, "bench")
        runner.ask(order)
    await _until(lambda: sum(order.state is OrderState.OPEN for order in runner.engine.desk.live()), "open orders")
    _, done = runner.ask(events.Hold(runner.engine.state.now, "bench", State.ACTIVE, ""))
    await done
    return len(runner.engine.desk.live())


async def _until(count: Callable[[], int], what: str) -> None:
    deadline = time.monotonic() + PREPARE_SECONDS
    while (there := count()) < ORDERS:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{there} {what} instead of {ORDERS} after {PREPARE_SECONDS:.0f} s")
        await asyncio.sleep(0.1)


def _process(name: str, url: str, *options: str) -> tuple[float, int]:
    """Start a process; return the seconds until it says how many orders are open, and what it says."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "bench.restart", name, url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("no output")
        line = process.stdout.readline()
        spent = time.perf_counter() - begun
    return spent, int(line)


def run() -> list[Figure]:
    """Measure."""
    with postgresql.running(durable=True) as server:
        _process("busy", server.url(), "--leave-orders")
        spent, empty = [], []
        for _ in range(REPEATS):
            seconds, orders = _process("busy", server.url())
            if orders < ORDERS:
                raise RuntimeError(f"{orders} open orders after the restart, not {ORDERS}")
            spent.append(seconds)
            empty.append(_process("idle", server.url())[0])
    baseline = (
        f"the same process with the same 1,000 symbols and no order: {statistics.median(empty):.2f} s; from the start "
        f"of Python to orders that agree with the exchange, medians of {REPEATS}"
    )
    return [Figure.at_most("restart_1000_orders_s", statistics.median(spent), "s", 5, baseline)]


async def _main(name: str, url: str, *, leave: bool) -> None:
    number = await _leave_orders(url) if leave else len((await _trading(name, url)).engine.desk.live())
    print(number, flush=True)
    # As a crash: nothing is cancelled, nothing given back.
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("url")
    parser.add_argument("--leave-orders", action="store_true")
    arguments = parser.parse_args()
    logs.configure("ERROR", "simulation", "bench")
    asyncio.run(_main(arguments.name, arguments.url, leave=arguments.leave_orders))
