"""What the benchmark of stops watches with: bots (their real self-watch, control, board and engine), and bare clients.

A bot here is a bot without a process of its own: a hundred Python processes on two cores would measure the scheduler.
Its database is a stub, because the gate closes before the database is asked. `time.perf_counter` is the same clock in
all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import msgspec
import structlog
from tests.unit.bot.harness import Bot, ScriptedParams, buy, flat, leave

from tradingbot.domain.effects import Submit
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.observe.metrics import Metrics
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.control import Control
from tradingbot.runtime.selfwatch import Address, SelfWatch
from tradingbot.strategy.base import Context, Proposal, Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tradingbot.domain.market import Candle
    from tradingbot.ports.store import LatchRow


@dataclass(frozen=True)
class Place:
    """Where the API server is, and as whom it is asked."""

    url: str
    namespace: str
    token: Path
    ca: Path


@dataclass
class Seen:
    """What became of one bot's stop."""

    gate_closed: float = 0.0
    """`time.perf_counter` when the gate was closed; 0 when it never was."""
    latched: bool = False
    orders_before: int = 0
    orders_after: int = 0
    """Entry orders that the engine asked for after its gate was closed."""
    steps_after: int = field(default=0)


class Eager(Strategy[ScriptedParams, Any]):
    """Opens and closes in turn, with every candle."""

    Params = ScriptedParams

    def __init__(self) -> None:
        super().__init__(ScriptedParams())
        self.count = 0

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        del ctx, candle
        self.count += 1
        return (buy(990, 1050) if self.count % 2 else leave(),)


class _Store:
    async def latches(self, known: Any = ()) -> list[LatchRow]:
        del known
        return []

    async def write_latch(self, row: LatchRow, *_: Any, **__: Any) -> LatchRow:
        return row if row.number else msgspec.structs.replace(row, number=1)


class _Runner:
    """What the control needs of a runner, over a real engine and the simulated exchange."""

    def __init__(self, bot: Bot) -> None:
        self.bot, self.engine = bot, bot.engine
        self.wake, self.keeper = asyncio.Event(), SimpleNamespace(epoch=1)
        self.cancels = self

    def step(self, event: Any) -> None:
        self.bot.step(event)

    async def now(self) -> None:
        return None


class _Control(Control):
    """Notes when the gate is closed: after the engine has taken the stop, before anything is written."""

    seen: Seen

    def latch(self, row: LatchRow, *, durable: bool = False) -> None:
        super().latch(row, durable=durable)
        if not self.seen.gate_closed and self.board.state is State.KILLED:
            self.seen.gate_closed = time.perf_counter()


class WatchedBot:
    """One bot that trades until it is stopped."""

    def __init__(self, place: Place, name: str, uid: str) -> None:
        self.seen = Seen()
        clock = WallClock()
        health = cast("Any", SimpleNamespace(database=True))
        self.control = _Control(cast("Any", _Store()), clock, health, Metrics("simulation", "Spot", name))
        self.control.seen = self.seen
        self.bot = Bot(Eager, board=self.control.board)
        self.control.runner = cast("Any", _Runner(self.bot))
        address = Address(place.url, place.namespace, name, uid, place.token, place.ca)
        self.watch = SelfWatch(address, self.control, clock)
        self.minute = 0

    async def trade(self, seconds: float) -> None:
        """Show the engine a candle every so often, for ever."""
        while True:
            self.minute += 1
            self.bot.effects.clear()
            self.bot.show(flat(self.minute, 1000))
            orders = sum(effect.approved.item.role is Role.ENTRY for effect in self.bot.of(Submit))
            if self.seen.gate_closed:
                self.seen.orders_after += orders
                self.seen.steps_after += 1
            else:
                self.seen.orders_before += orders
            await asyncio.sleep(seconds)


def bots(pipe: Connection, place: Place, names: dict[str, str], trade_seconds: float, candles: int = 0) -> None:
    """Be a process with these bots (name to uid): say when all watch, and what they saw when asked to end.

    Before it ends, each of them has been shown so many candles since its gate was closed.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def body() -> None:
        found = {name: WatchedBot(place, name, uid) for name, uid in names.items()}
        tasks = [asyncio.create_task(bot.watch.run()) for bot in found.values()]
        if trade_seconds:
            tasks += [asyncio.create_task(bot.trade(trade_seconds)) for bot in found.values()]
        while not all(bot.watch.watching for bot in found.values()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        pipe.send("ready")
        await _until_told(pipe)
        while any(bot.seen.gate_closed and bot.seen.steps_after < candles for bot in found.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for bot in found.values():
            bot.seen.latched = bot.control.stop is not None and bot.control.board.state is State.KILLED
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pipe.send({name: bot.seen for name, bot in found.items()})

    asyncio.run(body())


def bare_clients(pipe: Connection, place: Place, names: dict[str, str]) -> None:
    """Be a process with a bare watch of each of these objects: note when an event says that it is stopped."""

    async def body() -> None:
        seen: dict[str, float] = {}
        opened: set[str] = set()
        context = ssl.create_default_context(cafile=str(place.ca))
        headers = {"Authorization": f"Bearer {place.token.read_text().strip()}"}
        base = f"{place.url}/apis/tradingbots.dev/v1alpha1/namespaces/{place.namespace}/tradingbots"
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

            async def one(name: str) -> None:
                async with session.get(f"{base}/{name}", ssl=context) as answer:
                    version = (await answer.json())["metadata"]["resourceVersion"]
                query = {"watch": "1", "fieldSelector": f"metadata.name={name}", "resourceVersion": version}
                async with session.get(base, params=query, ssl=context) as answer:
                    opened.add(name)
                    async for line in answer.content:
                        item = json.loads(line)["object"]
                        if name not in seen and (item["spec"].get("emergencyStop") or {}).get("active") is True:
                            seen[name] = time.perf_counter()

            tasks = [asyncio.create_task(one(name)) for name in names]
            while len(opened) < len(names):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            pipe.send("ready")
            await _until_told(pipe)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        pipe.send(seen)

    asyncio.run(body())


async def _until_told(pipe: Connection) -> None:
    """Wait for the word of the parent, without polling that would disturb."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), told.set)
    await told.wait()
    asyncio.get_running_loop().remove_reader(pipe.fileno())
    pipe.recv()
