"""The life of a bot: find the database, wait for the lease, load, reconcile, trade; again when the lease is lost."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot.core import snapshot
from tradingbot.core.mux import merge
from tradingbot.domain import events
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.market import Candle
from tradingbot.domain.notes import Kind, Note
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports.store import FencedError, UnavailableError
from tradingbot.runtime.clock import Pacer
from tradingbot.runtime.lease import LeaseKeeper
from tradingbot.runtime.link import Live
from tradingbot.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal

    from tradingbot.core.engine import Engine
    from tradingbot.core.snapshot import EngineState
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import MarketEvent
    from tradingbot.ports.feed import Feed
    from tradingbot.ports.store import Loaded
    from tradingbot.ports.venue import Venue
    from tradingbot.risk.latch import Board
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.link import Link

STANDBY_SECONDS = 2.0
RETRY = (0.5, 1.0, 2.0, 5.0)
IDLE_SECONDS = 1.0
LAST_COMMIT_SECONDS = 5.0

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What `wiring` gives to a session: makers of everything that is concrete."""

    feed: Callable[[frozenset[str]], Feed]
    """Makes the feed for the configured symbols and those in which a position is held."""
    engine: Callable[[int, Mapping[str, Instrument], Board, EngineState | None], Engine]
    venue: Callable[[Mapping[str, Instrument]], Venue]
    symbols: frozenset[str]
    speed: Decimal
    holder: str
    link: Link | None = None
    """Where prices come from an exchange that is really talked to; then `feed` is not used."""


class Session:
    """Runs until it is told to stop."""

    def __init__(self, parts: Parts, control: Control) -> None:
        self.parts, self.control = parts, control
        self.store, self.clock, self.health = control.store, control.clock, control.health
        self.keeper: LeaseKeeper | None = None
        self._feed: Feed | None = None
        self._feed_symbols: frozenset[str] = frozenset()
        self._live = Live(parts.link, control) if parts.link is not None else None
        self._stopping = False
        self._beside: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Trade whenever the lease is ours, wait for it otherwise."""
        try:
            await self._run()
        finally:
            self._ended.set()

    async def _run(self) -> None:
        attempt = 0
        while not self._stopping:
            try:
                await self._standby()
                attempt = 0
                await self._trade()
            except UnavailableError as error:
                self._unavailable(str(error))
                await self.clock.sleep(RETRY[min(attempt, len(RETRY) - 1)])
                attempt += 1
            except FencedError as error:
                _log.warning("the lease is lost, this process waits for it", error=str(error))
            finally:
                if not self._stopping:
                    self.control.runner, self.keeper = None, None
                self.health.role = "standby"
                self.control.metrics.role.set(0)

    def _unavailable(self, cause: str) -> None:
        self.health.database, self.health.problem = False, f"database: {cause}"
        self.control.metrics.database.set(0)
        self.health.beat = self.clock.monotonic()
        _log.warning("the database does not answer, trying again", error=cause)
        self.control.announce()

    async def _standby(self) -> None:
        """Wait for the lease. A bot that waits with a valid configuration and a database that answers is ready."""
        told = False
        if self._live is not None:
            # Before the lease: a new pod that the exchange refuses must not take it from the one that trades.
            await self._live.open(self.parts.symbols, lambda: self._stopping)
        while not self._stopping:
            await self.control.refresh()
            asked = self.clock.monotonic()
            lease = await self.store.acquire(self.parts.holder)
            self.health.beat = self.clock.monotonic()
            self.health.database, self.health.problem = True, ""
            self.control.metrics.database.set(1)
            if lease is not None:
                self.control.epoch = lease.epoch
                self.keeper = LeaseKeeper(self.store, self.parts.holder, lease, asked, self.clock)
                _log.info("lease acquired", epoch=lease.epoch, holder=self.parts.holder)
                return
            self.health.settled = True
            if not told:
                told = True
                _log.info("another process holds the lease; waiting for it", holder=self.parts.holder)
                self.control.announce()
            await self.clock.sleep(STANDBY_SECONDS)

    # -- trading ---------------------------------------------------------------------------------------------------

    async def _trade(self) -> None:
        keeper = self.keeper
        if keeper is None:
            return
        self.health.settled, self.health.problem = False, "loading what was committed"
        keeping = asyncio.create_task(keeper.keep(self._lost, self._back))
        trading = asyncio.create_task(self._load_and_loop(keeper))
        self._beside = {keeping, trading}
        try:
            while not any(task.done() for task in self._beside):
                # What is started beside them later is watched as well.
                await asyncio.wait(self._beside, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            beside = tuple(self._beside)
            for task in beside:
                task.cancel()
            results = await asyncio.gather(*beside, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    def _lost(self, cause: str) -> None:
        if self.control.runner is not None:
            self.control.runner.database_lost(cause)
        else:
            self._unavailable(cause)

    async def _back(self) -> None:
        await self.control.refresh()
        runner = self.control.runner
        if runner is not None and runner.lost:
            runner.wake.set()

    async def _load_and_loop(self, keeper: LeaseKeeper) -> None:
        loaded = await self.store.load()
        runner = await self._build(keeper, loaded)
        for source in ("database", "feed"):
            # What an earlier session of this process could not do says nothing about this one.
            self.control.board.hold(source, State.ACTIVE, "")
        if self.control.steer is not None:
            self.control.steer(runner)
        self.control.runner = runner
        self.health.role = "trading"
        self.control.metrics.role.set(1)
        if runner.simulated is None and self._live is not None:
            await self._live.agree(runner)
        else:
            if loaded is None:
                begin = self._begin() if self._live is None else max(runner.cursor.values(), default=runner.wall())
                runner.collect(runner.engine.open_account(begin))
            await runner.agreement.reconcile()
        runner.collect(runner.engine.resume(agreed=runner.simulated is not None or runner.agreement.met))
        runner.tell(_note(runner, Kind.STARTED, f"epoch {keeper.epoch}, {self.control.board.state.name}"))
        await runner.flush(force=True)
        self.health.settled, self.health.problem = True, ""
        self.control.resume.consider()
        _log.info("trading", epoch=keeper.epoch, seq=runner.seq, state=self.control.board.state.name)
        if self._live is not None:
            self._beside.update(self._live.start(runner))
            await self._live.follow(runner, lambda: self._stopping, self._idle)
        else:
            await self._loop(runner)

    async def _build(self, keeper: LeaseKeeper, loaded: Loaded | None) -> Runner:
        state = snapshot.decode(loaded.engine) if loaded is not None else None
        held = frozenset(p.symbol for p in state.book.open_positions()) if state is not None else frozenset()
        if self._live is not None:
            instruments = await self._live.instruments(self.parts.symbols, held, lambda: self._stopping)
        else:
            instruments = (await self._open_feed(self.parts.symbols | held)).instruments
        engine = self.parts.engine(keeper.epoch, instruments, self.control.board, state)
        venue = self.parts.venue(instruments)
        cursor = dict(loaded.cursor) if loaded is not None else {}
        runner = self._runner(engine, venue, keeper, loaded, cursor)
        if loaded is not None:
            check_rows(loaded, engine.state)
            (runner.simulated or runner.agreement).load(loaded.venue)
        if self._live is not None:
            await self._live.warm_up(runner)
        elif self._feed is not None:
            for symbol in sorted(set(engine.strategies) - engine.restored):
                seen = cursor.get(symbol)
                if seen is not None:
                    engine.warm_up(symbol, self._feed.history(symbol, seen, engine.strategies[symbol].warmup))
        return runner

    def _runner(
        self, engine: Engine, venue: Venue, keeper: LeaseKeeper, loaded: Loaded | None, cursor: dict[str, int]
    ) -> Runner:
        return Runner(
            engine,
            venue,
            self.store,
            keeper,
            self.clock,
            self.health,
            self.control.metrics,
            self.control.publish,
            loaded.seq if loaded is not None else 0,
            cursor,
            self.control.announce,
        )

    async def _open_feed(self, symbols: frozenset[str]) -> Feed:
        """Make the feed once; reading files and making days takes time, so it happens beside the event loop."""
        if self._feed is None or self._feed_symbols != symbols:
            if self._feed is not None:
                self._feed.close()
            self._feed = await asyncio.to_thread(self.parts.feed, symbols)
            self._feed_symbols = symbols
        return self._feed

    def _begin(self) -> int:
        """Return when the market begins: the moment at which the account is opened."""
        feed = self._feed
        if feed is None:
            raise BrokenInvariantError("the account is opened before the feed")
        firsts = [next(feed.stream(symbol, 0), None) for symbol in sorted(self.parts.symbols)]
        return min((one.opened if isinstance(one, Candle) else one.ts for one in firsts if one is not None), default=0)

    def _market(self, runner: Runner) -> Iterator[MarketEvent]:
        feed = self._feed
        if feed is None:
            raise BrokenInvariantError("the market is entered before the feed is open")
        start = min(runner.cursor.values(), default=0)
        symbols = sorted(self._feed_symbols)
        return merge([feed.stream(symbol, runner.cursor.get(symbol, start)) for symbol in symbols])

    async def _loop(self, runner: Runner) -> None:
        pacer = Pacer(self.clock, self.parts.speed, max(runner.cursor.values(), default=None))
        for event in self._market(runner):
            await self._wait(runner, event, pacer)
            if self._stopping:
                return
            await runner.on_market(event)
            await runner.beat()
        reason = "the recorded market data is at its end: set simulation.feed.loop to true to start over"
        runner.step(events.Hold(runner.engine.state.now, "feed", State.HALTED, reason))
        _log.warning(reason)
        while not self._stopping:
            await self._idle(runner, IDLE_SECONDS)

    async def _wait(self, runner: Runner, event: MarketEvent, pacer: Pacer) -> None:
        """Wait until an event is due; what is asked of the bot meanwhile is done at once."""
        while not self._stopping and ((delay := pacer.delay(event.ts)) > 0 or runner.lost):
            await self._idle(runner, min(delay, IDLE_SECONDS) if delay > 0 else IDLE_SECONDS)
        await asyncio.sleep(0)
        await self._resumed(runner)

    async def _resumed(self, runner: Runner) -> None:
        if self.control.resume.waiting and not runner.lost and not self._stopping:
            await self.control.resume.settle(runner)

    async def _idle(self, runner: Runner, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(runner.wake.wait(), seconds)
        runner.wake.clear()
        if runner.lost:
            await self._try_again(runner)
        await self._resumed(runner)
        await runner.beat()

    async def _try_again(self, runner: Runner) -> None:
        """See whether the database answers again; the market stands still until it does."""
        try:
            await runner.keeper.renew()
        except UnavailableError as error:
            runner.database_lost(str(error))
            await self.clock.sleep(IDLE_SECONDS)
            return
        await runner.database_back()

    # -- end -------------------------------------------------------------------------------------------------------

    async def stop(self, reason: str) -> None:
        """End in order: gate closed, entry orders cancelled, committed, lease given back. Bounded."""
        self._stopping = True
        runner, keeper = self.control.runner, self.keeper
        if runner is not None:
            runner.step(events.Shutdown(runner.engine.state.now, reason))
            try:
                async with asyncio.timeout(LAST_COMMIT_SECONDS):
                    await runner.cancels.now()
                    # The loop ends after what it is committing now; a commit is never broken off half way.
                    await self._ended.wait()
                    runner.tell(_note(runner, Kind.STOPPED, reason))
                    await runner.flush(force=True)
            except (FencedError, TimeoutError) as error:
                _log.error("the last commit was not written; the next start recovers", error=repr(error))
        if keeper is not None:
            await keeper.release()
            _log.info("lease given back", epoch=keeper.epoch)


def _note(runner: Runner, kind: Kind, text: str) -> Note:
    config = runner.engine.config
    title = f"{kind}: {config.strategy} on {', '.join(config.symbols)}"
    return Note(key=f"{kind}:{runner.keeper.epoch}", kind=kind, title=title, text=text)


def check_rows(loaded: Loaded, state: EngineState) -> None:
    """Refuse to trade on a state that its own rows contradict."""
    ours = {account: {a: v for a, v in assets.items() if v} for account, assets in state.book.balances.items()}
    theirs = {account: {a: v for a, v in assets.items() if v} for account, assets in loaded.balances.items()}
    if _filled(ours) != _filled(theirs):
        raise BrokenInvariantError(f"the ledger's postings say {theirs}, the saved state says {ours}")
    live = {client_id for client_id, order in state.orders.items() if order.live}
    if live != set(loaded.open_orders):
        raise BrokenInvariantError(f"open orders: rows {sorted(loaded.open_orders)}, saved state {sorted(live)}")
    held = {symbol: position.quantity for symbol, position in state.book.positions.items() if position.open}
    rows = {symbol: quantity for symbol, quantity in loaded.positions.items() if quantity}
    if held != rows:
        raise BrokenInvariantError(f"positions: rows {rows}, saved state {held}")


def _filled(balances: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Mapping[str, Decimal]]:
    return {account: assets for account, assets in balances.items() if assets}
