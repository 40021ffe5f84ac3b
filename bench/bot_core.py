"""What the bot's core costs: the checks before an order, from a tick to an order that is durable, memory, `--help`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from tests.support import postgresql
from tests.support.ports import free_port

from bench.figures import Figure
from bench.peers import ours
from tradingbot.domain.denial import Denied
from tradingbot.domain.market import SECOND, Tick
from tradingbot.observe import health, logs
from tradingbot.observe.metrics import Metrics
from tradingbot.risk import gate
from tradingbot.runtime import process
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.runner import Runner
from tradingbot.store.postgres import PostgresStore
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tradingbot.domain.orders import Approved, Intent
    from tradingbot.ports.venue import Outcome
    from tradingbot.strategy.base import Context, Proposal

ENTRIES, REPEATS = 4_000, 5
ORDERS = 1_000
ROUNDS = 5
ORDER_BYTES = 5_000
"""What the commit of an order adds to the log of the database, about."""
IDLE_SECONDS = 20.0
LIBRARIES = "aiohttp, asyncpg, pydantic, prometheus_client, structlog, psutil, msgspec, yaml"
FREE = Decimal(0)


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value below which a part of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


# -- the checks before an order ----------------------------------------------------------------------------------------


def _least(work: Callable[[int], object]) -> list[float]:
    """Return, for each of many numbers, the least CPU microseconds of a few calls: the work, not the machine."""
    clock = time.thread_time_ns
    least = [float("inf")] * ENTRIES
    for _ in range(REPEATS):
        for number in range(ENTRIES):
            begun = clock()
            work(number)
            least[number] = min(least[number], (clock() - begun) / 1000)
    return least


def pretrade() -> Figure:
    """All checks of entries that pass all of them, with the picture of the account that they look at."""
    bot = ours.engine(ours.OnTicks)
    bot.open_account(0)
    bot.step(Tick(SECOND, ours.SYMBOL, 100_000, 10_000))
    draft, limits = bot.desk.draft(), bot.config.limits
    proposals = [
        msgspec.structs.replace(
            ours.BUY, stop_loss=Decimal(50_000 + 11 * n) / 100, quantity=Decimal(n % 900 + 1) / 1000
        )
        for n in range(ENTRIES)
    ]

    def check(number: int) -> object:
        return gate.entry(proposals[number], bot.view(ours.SYMBOL, duplicate=False), limits, draft)

    denied = [found for number in range(ENTRIES) if isinstance(found := check(number), Denied)]
    if denied:
        raise RuntimeError(f"what is measured is denied: {denied[0].text()}")
    nothing, spent = _least(lambda _: None), _least(check)
    baseline = (
        f"an empty call {percentile(nothing, 0.99):.2f} µs; ours: median {statistics.median(spent):.1f} µs; "
        f"{ENTRIES:,} different entries, of each the best of {REPEATS}, CPU time"
    )
    return Figure.at_most("pretrade_p99_us", percentile(spent, 0.99), "µs", 50, baseline)


# -- from a tick to an order -------------------------------------------------------------------------------------------


class Alternating(ours.OneUnit):
    """Enters and leaves in turn, every third tick."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        """Propose."""
        del ctx, tick
        self.number += 1
        if self.number % 3:
            return ()
        return (ours.BUY,) if self.number % 6 else (ours.SELL,)


class Watched(SimExchange):
    """Notes when an order of the strategy reaches it."""

    def __init__(self, *terms: Any) -> None:
        super().__init__(*terms)
        self.seen: list[float] = []

    async def submit(self, approved: Approved[Intent]) -> Outcome:
        """Note the time."""
        self.seen.append(time.perf_counter())
        return await super().submit(approved)


class _Lease:
    valid = True

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch


class _Bare:
    """An INSERT of one row, as the least that a durable order can cost; `data` is what else is written with it."""

    def __init__(self, connection: asyncpg.Connection, data: bytes) -> None:
        self._connection, self._data = connection, data
        self.spent: list[float] = []

    async def insert(self) -> None:
        """Measure one."""
        begun = time.perf_counter()
        await self._connection.execute("INSERT INTO bare VALUES ($1)", self._data)
        self.spent.append((time.perf_counter() - begun) * 1000)

    def text(self) -> str:
        """Return its figures."""
        return f"p50 {statistics.median(self.spent):.2f}, p99 {percentile(self.spent, 0.99):.2f} ms"


class _Nowhere:
    """Where the lines of the log go."""

    def write(self, text: str) -> None:
        """Take a line."""

    def flush(self) -> None:
        """Have nothing to write out."""


async def _runner(url: str) -> tuple[Runner, Watched, PostgresStore]:
    """Make what runs in a bot's process, on an empty database, with its account opened, and its log as in a pod."""
    logs.configure("INFO", "simulation", "bench/bot", _Nowhere())
    store = PostgresStore(url, "bench/bot", "simulation", pool_size=2, max_overflow=0)
    await store.open()
    lease = await store.acquire("bench")
    if lease is None:
        raise RuntimeError("the lease of an empty database is taken")
    bot = ours.engine(Alternating)
    rules = SimRules(slippage=FREE, spread=FREE, latency=0, latency_jitter=0, depth=Decimal(10**9))
    venue = Watched(rules, {ours.SYMBOL: ours.BTC}, {"USD": ours.CAPITAL})
    clock, keeper = WallClock(), _Lease(lease.epoch)
    metrics = Metrics("one-unit", "Spot", "none")
    made: Any = Runner
    runner: Runner = made(bot, venue, store, keeper, clock, health.new(clock), metrics, lambda _: None, 0, {})
    runner.collect(bot.open_account(0))
    await runner.flush(force=True)
    return runner, venue, store


async def _tick_to_order(url: str) -> tuple[float, str]:
    """One round on a new server; return its p99 in ms, and the text about it."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE bare (data bytea)")
    # The rows of an order and the state of its bot compress no further.
    small, large = _Bare(connection, b""), _Bare(connection, random.Random(0).randbytes(ORDER_BYTES))
    runner, venue, store = await _runner(url)
    process.freeze()
    spent: list[float] = []
    second = 0
    while len(spent) < ORDERS:
        second += 1
        venue.seen.clear()
        begun = time.perf_counter()
        await runner.on_market(Tick(second * SECOND, ours.SYMBOL, 100_000 + second % 7, 10_000_000))
        # A tick on which something fills sends protective orders; those that follow a wish of the strategy count.
        if venue.seen and second % 3 == 0:
            spent.append((venue.seen[0] - begun) * 1000)
            # In turn with ours, so that all meet the same machine.
            await small.insert()
            await large.insert()
    await connection.close()
    await store.close()
    ninety_nine = percentile(spent, 0.99)
    return ninety_nine, (
        f"ours p50 {statistics.median(spent):.2f}, p99 {ninety_nine:.2f} ms; in turn with it a bare INSERT "
        f"of one row: {small.text()}, and one of the {ORDER_BYTES // 1000} kB that an order writes: {large.text()}"
    )


def tick_to_order() -> Figure:
    """Several rounds, as a disk that others use as well has good and bad seconds: the median of their p99."""
    rounds = []
    for _ in range(ROUNDS):
        with postgresql.running(durable=True) as server:
            rounds.append(process.run(_tick_to_order(server.url())))
    middle, text = sorted(rounds)[ROUNDS // 2]
    each = ", ".join(f"{found:.2f}" for found, _ in sorted(rounds))
    about = f"median of {ROUNDS} rounds of {ORDERS:,} orders (p99 {each}), each committed before it is sent, fsync on"
    return Figure.at_most("tick_to_order_p99_ms", middle, "ms", 1, f"{text}; {about}")


# -- the process -------------------------------------------------------------------------------------------------------


def _resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no VmRSS")


def _until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the bot ended with {process.returncode}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("the bot is not ready after a minute")


def idle(url: str) -> Figure:
    """A bot as in a pod: PostgreSQL, the recorded market at its own pace, its page and probes answered."""
    bare = f"import {LIBRARIES}; import os; print(open('/proc/self/status').read())"
    said = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout
    libraries = next(int(line.split()[1]) / 1024 for line in said.splitlines() if line.startswith("VmRSS:"))
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        feed = {"type": "Recorded", "dataset": "recorded", "speed": 1, "loop": True}
        config.write_text(json.dumps({"strategy": {"name": "breakout"}, "simulation": {"feed": feed}}))
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = {
            **keep,
            "CONFIG_PATH": str(config),
            "DB_URL": url,
            "HTTP_PORT": str(port),
            "HTTP_HOST": "127.0.0.1",
        }
        command = [sys.executable, "-m", "tradingbot.cli.main", "run"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until_ready(process, port)
            for path in ("/dashboard", "/metrics", "/api/v1/status"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).read()
            time.sleep(IDLE_SECONDS)
            resident = _resident(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    baseline = f"its libraries alone, imported: {libraries:.0f} MiB; {IDLE_SECONDS:.0f} s after it was ready"
    return Figure.at_most("bot_idle_rss_mib", resident, "MiB", 120, baseline)


def help_text() -> Figure:
    """`tradingbot --help`, from nothing."""
    tool = Path(sys.executable).with_name("tradingbot")

    def best(command: list[str]) -> float:
        spent = []
        for _ in range(7):
            before = os.times()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            after = os.times()
            spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return statistics.median(spent)

    python = best([sys.executable, "-c", "pass"])
    baseline = f"python -c pass {python:.2f} s, CPU seconds, medians of 7"
    return Figure.at_most("cli_help_s", best([str(tool), "--help"]), "s", 0.3, baseline)


def run() -> list[Figure]:
    """Measure."""
    figures = [pretrade(), help_text(), tick_to_order()]
    with postgresql.running(durable=True) as server:
        figures.append(idle(server.url()))
    return figures
