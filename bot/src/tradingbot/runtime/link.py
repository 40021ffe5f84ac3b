"""A session whose prices, and in live mode whose orders, are those of an exchange that is really talked to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tradingbot.domain.market import Tick
from tradingbot.domain.states import State
from tradingbot.observe import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle
    from tradingbot.ports.feed import Following
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.runner import Runner

RETRY = (1.0, 2.0, 5.0, 10.0)
START_SECONDS = 10.0
"""So long a start waits for the venue to agree; then it goes on, and entries wait."""
TURN_SECONDS = 0.5
"""How often the trading loop turns when nothing wakes it."""

_log = logs.get(__name__)


class Link(Protocol):
    """What `wiring` gives: the exchange, opened when it is first needed."""

    account: str
    """Fingerprint of the account's key, empty where only prices are wanted."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return what is traded, once opened."""
        ...

    async def open(self, symbols: frozenset[str], held: frozenset[str]) -> str:
        """Connect; return why not, empty when it is done. Raise `ConfigurationError` for what a person has to mend.

        `held` are symbols in which a position is open.
        """
        ...

    def follow(self, arrived: Callable[[], None]) -> Following:
        """Return the market; `arrived` is called when there is news."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...


class Live:
    """The part of a session that deals with the link."""

    def __init__(self, link: Link, control: Control) -> None:
        self.link, self.control = link, control
        self.clock, self.health = control.clock, control.health
        self._feed: Following | None = None
        self._arrived = asyncio.Event()
        self._opened: frozenset[str] = frozenset()

    # -- before the first order ------------------------------------------------------------------------------------

    async def open(
        self, symbols: frozenset[str], stopping: Callable[[], bool], held: frozenset[str] = frozenset()
    ) -> None:
        """Connect, however long it takes; what cannot be waited out raises."""
        attempt = 0
        while not stopping() and symbols | held != self._opened:
            self.health.beat = self.clock.monotonic()
            problem = await self.link.open(symbols, held)
            if not problem:
                self._opened = symbols | held
                self.control.board.hold("exchange", State.ACTIVE, "")
                return
            self.health.problem = f"exchange: {problem}"
            self.control.board.hold("exchange", State.HALTED, problem)
            _log.warning("the exchange cannot be used yet, trying again", error=problem)
            self.control.announce()
            await self.clock.sleep(RETRY[min(attempt, len(RETRY) - 1)])
            attempt += 1

    async def instruments(
        self, symbols: frozenset[str], held: frozenset[str], stopping: Callable[[], bool]
    ) -> Mapping[str, Instrument]:
        """Return the instruments of the configured symbols, and of those in which a position is held."""
        await self.open(symbols, stopping, held)
        self._feed = self.link.follow(self._news)
        return self.link.instruments

    def _news(self) -> None:
        runner = self.control.runner
        if runner is not None:
            runner.wake.set()

    @property
    def feed(self) -> Following:
        """Return the market that is followed."""
        if self._feed is None:
            self._feed = self.link.follow(self._news)
        return self._feed

    async def warm_up(self, runner: Runner) -> None:
        """Show the strategies what happened before, and while the bot was away; they propose nothing for that."""
        for symbol, strategy in sorted(runner.engine.strategies.items()):
            seen = runner.cursor.get(symbol, 0) if symbol in runner.engine.restored else 0
            missed = 1000 if seen else max(1, strategy.warmup)
            candles = await self.feed.history(symbol, seen, missed)
            runner.engine.warm_up(symbol, candles)
            if candles:
                runner.cursor[symbol] = candles[-1].ts

    async def agree(self, runner: Runner) -> None:
        """Reconcile before the first order. Entries wait for it for ever, the start only for a while."""
        runner.hold("reconcile", State.HALTED, "not reconciled with the exchange yet")
        begun = self.clock.monotonic()
        while not runner.agreement.settled and self.clock.monotonic() - begun < START_SECONDS:
            self.health.beat = self.clock.monotonic()
            await runner.agreement.reconcile()
            if not runner.agreement.settled:
                await self.clock.sleep(1.0)

    # -- trading ---------------------------------------------------------------------------------------------------

    def start(self, runner: Runner) -> list[asyncio.Task[None]]:
        """Start what runs beside the trading loop."""
        tasks = [asyncio.create_task(self.feed.run(), name="prices")]
        if runner.simulated is None:
            tasks.append(asyncio.create_task(runner.agreement.keep(), name="agreement"))
        return tasks

    async def follow(
        self,
        runner: Runner,
        stopping: Callable[[], bool],
        idle: Callable[[Runner, float], Awaitable[None]],
    ) -> None:
        """Take candles as they finish; what is asked of the bot meanwhile is done at once."""
        while not stopping():
            stale = self.feed.stale()
            runner.hold("feed", State.HALTED if stale else State.ACTIVE, stale)
            if not runner.lost and runner.engine.state.guard is not None:
                await self._take(runner)
            await idle(runner, TURN_SECONDS)

    async def _take(self, runner: Runner) -> None:
        candles = list(self.feed.take())
        newest = {candle.symbol: candle for candle in candles}
        for candle in candles:
            if runner.simulated is None and candle is not newest[candle.symbol]:
                self._catch_up(runner, candle)
            else:
                await runner.on_market(candle)
        if runner.simulated is None:
            await self._between(runner)

    async def _between(self, runner: Runner) -> None:
        """Show prices between the closes of candles: limits and targets look at them as well."""
        state = runner.engine.state
        for symbol, price in sorted(self.feed.prices().items()):
            # A price that is held back and read once more is no second one.
            last = state.held.get(symbol) or state.marks.get(symbol)
            if last is not None and last.price != price:
                await runner.on_market(Tick(runner.now(), symbol, price, 0))

    def _catch_up(self, runner: Runner, candle: Candle) -> None:
        """Show a candle that another one has followed already: for real, nothing may be decided on an old price."""
        if candle.symbol in runner.engine.strategies:
            runner.engine.warm_up(candle.symbol, [candle])
        runner.cursor[candle.symbol] = candle.ts
