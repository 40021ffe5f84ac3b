"""The only module that constructs concrete things."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot import account, terms
from tradingbot.config.flags import Flags
from tradingbot.config.model import ApprovalSection, FeedType, Mode, Resolution, Settings
from tradingbot.core.engine import Engine
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import Instrument, split_symbol
from tradingbot.domain.states import State
from tradingbot.notify import channels
from tradingbot.notify.sender import Sender
from tradingbot.observe import build, health, logs
from tradingbot.observe.metrics import Metrics
from tradingbot.report.promotion import Promotion
from tradingbot.runtime import process
from tradingbot.runtime.approval import Approval
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.control import Control
from tradingbot.runtime.flagwatch import FlagWatch
from tradingbot.runtime.janitor import Janitor
from tradingbot.runtime.reload import STATES, Reload
from tradingbot.runtime.selfwatch import SelfWatch, in_pod
from tradingbot.runtime.session import Parts, Session
from tradingbot.runtime.supervisor import Supervisor
from tradingbot.runtime.trail import Consent, Trail
from tradingbot.runtime.watchdog import Watchdog
from tradingbot.store.postgres import PostgresStore
from tradingbot.store.sqlite import SqliteStore
from tradingbot.strategy import registry
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.web.app import Server
from tradingbot.web.app import build as build_app
from tradingbot.web.auth import weakness

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from tradingbot.config.load import Source
    from tradingbot.core.snapshot import EngineState
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store
    from tradingbot.ports.venue import Venue
    from tradingbot.risk.latch import Board
    from tradingbot.strategy.base import Strategy

EXIT_CONFIGURATION = 78
EXIT_SOFTWARE = 70
LAST_NOTES_SECONDS = 5.0
"""How long an end waits for what people are told last; what is left is told by the next process."""

_log = logs.get(__name__)


def strategy_maker(settings: Settings) -> Callable[[], Strategy[Any, Any]]:
    """Check strategy and parameters, and that the market is shown as finely as the strategy looks at it."""
    strategy = settings.strategy
    maker = registry.factory(strategy.name, strategy.parameters)
    simulated = settings.mode is Mode.SIMULATION and settings.simulation.feed.type is not FeedType.LIVE
    candles = not simulated or settings.simulation.feed.resolution is Resolution.CANDLES
    if candles and not maker().hears_candles():
        way = "set simulation.feed.resolution to Ticks" if simulated else "a real market is followed by candles"
        raise ConfigurationError("InvalidConfiguration", f"strategy {strategy.name} looks at ticks only: {way}")
    return maker


def approved(settings: Settings) -> None:
    """Raise unless a live bot may be run: somebody else said yes."""
    if settings.mode is Mode.LIVE and not settings.approved:
        text = (
            "mode: live needs an approval (TRADING_APPROVED=true), which is given by a second person: "
            "kubectl tradingbot approve, or spec.approval of the TradingBot; until then write mode: simulation"
        )
        raise ConfigurationError("NotApproved", text)


def another_build(approved: str) -> str:
    """Say that this is not the code that was approved; empty when it is, or when none is named."""
    found = build.fingerprint() if approved else ""
    if found == approved:
        return ""
    return (
        f"ANOTHER_BUILD: this bot's code is {found}, and {approved} was approved: the image's name leads to another "
        "one now; name images by their digest, or approve this one"
    )


def link(settings: Settings, clock: Clock) -> account.Link | None:
    """Make the connection of a bot that talks to an exchange; it imports and asks nothing before it is used."""
    approved(settings)
    wanted = settings.mode is Mode.LIVE or settings.simulation.feed.type is FeedType.LIVE
    return account.Link(settings, clock) if wanted else None


def parts(settings: Settings, environment: Mapping[str, str], connection: account.Link | None = None) -> Parts:
    """Check everything that can be checked without starting, and return the makers."""
    make_strategy = strategy_maker(settings)
    symbols = frozenset(settings.strategy.symbols)
    if connection is None and settings.simulation.feed.type is FeedType.RECORDED:
        terms.recordings(settings, symbols)

    def make_engine(
        epoch: int, instruments: Mapping[str, Instrument], board: Board, state: EngineState | None
    ) -> Engine:
        return Engine(terms.engine_config(settings, epoch), board, instruments, make_strategy, state)

    def make_venue(instruments: Mapping[str, Instrument]) -> Venue:
        if connection is not None and connection.live:
            return connection.venue
        quote = split_symbol(settings.strategy.symbols[0])[1]
        return SimExchange(terms.rules(settings), instruments, {quote: settings.simulation.initial_capital})

    return Parts(
        feed=lambda wanted: terms.feed(settings, wanted),
        engine=make_engine,
        venue=make_venue,
        symbols=symbols,
        speed=settings.simulation.feed.speed,
        holder=holder(settings, environment),
        link=connection,
    )


def subject(settings: Settings) -> str:
    """Return what changes when something else is traded, or within other limits.

    A limit that came with a later version counts where it is set: a promotion is not begun anew by an upgrade.
    """
    strategy, risk = settings.strategy, settings.risk
    later = {"max_stop_distance", "max_target_distance", "min_confidence", "autonomous", "max_price_jump"}
    limits = risk.model_dump(mode="json", exclude=later)
    limits |= risk.model_dump(mode="json", include=later, exclude_defaults=True)
    text = msgspec.json.encode([terms.strategy_key(settings), sorted(strategy.symbols), limits], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]


def consent(settings: Settings, environment: Mapping[str, str], account: str) -> Consent:
    """Return who let this process trade what."""
    given = settings.approval if settings.mode is Mode.LIVE and settings.approval else ApprovalSection()
    return Consent(
        mode=settings.mode.value,
        subject=subject(settings),
        config_hash=settings.config_hash,
        holder=holder(settings, environment),
        digest=given.digest,
        approved_by=given.approved_by,
        expires_at=given.expires_at,
        account=account,
    )


def holder(settings: Settings, environment: Mapping[str, str]) -> str:
    """Return the name of this process in the database."""
    pod = settings.kubernetes.pod or environment.get("HOSTNAME") or socket.gethostname()
    return pod if settings.kubernetes.pod else f"{pod}-{os.getpid()}"


def ledger(settings: Settings) -> Path:
    """Return the file of a bot that runs without a database server."""
    return Path(settings.database.path) / f"{settings.mode.value}.db"


def database(settings: Settings, clock: Clock) -> Store:
    """Make the store; it connects when it is first used."""
    url = settings.database.url
    if url is None and settings.database.path:
        return SqliteStore(ledger(settings), settings.bot.full_name, settings.mode.value, clock)
    if url is None:
        text = "database.url is not set: set the environment variable DB_URL to postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise ConfigurationError("InvalidConfiguration", text)
    section = settings.database
    return PostgresStore(
        url.get_secret_value(),
        settings.bot.full_name,
        settings.mode.value,
        pool_size=section.pool_size,
        max_overflow=section.max_overflow,
    )


class Application:
    """One process: everything that runs in it, and the order in which it starts and ends."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], source: Source | None = None) -> None:
        self.settings = settings
        self.clock = WallClock()
        self.health = health.new(self.clock)
        strategy, exchange = settings.strategy.name, settings.exchange
        market, mode = exchange.market_type.value, settings.mode.value
        self.metrics = Metrics(strategy, market, exchange.name, mode=mode, symbols=settings.strategy.symbols)
        self.store = database(settings, self.clock)
        self.control = Control(self.store, self.clock, self.health, self.metrics)
        self.link = link(settings, self.clock)
        self.session = Session(parts(settings, environment, self.link), self.control)
        if settings.mode is Mode.LIVE and self.link is not None:
            given = settings.approval or ApprovalSection()
            self.control.account = self.link.account
            foreign = another_build(given.build)
            self.control.approval = Approval(self.control, given.digest, given.expires_at, foreign=foreign)
            self.control.approval.check()
        self.control.trail = Trail(self.control, consent(settings, environment, self.control.account))
        self.promotion = Promotion(self.store, self.clock, subject(settings), self._show)
        self.supervisor = Supervisor(self.control)
        self.reload = None
        if source is not None:
            self.reload = Reload(source.path, settings, self.control, source.read, terms.limits)
        url = settings.redis.url
        self.flags = Flags(url.get_secret_value(), settings.bot.full_name, self.clock) if url is not None else None
        self.flag_watch = FlagWatch(self.flags, self.control) if self.flags is not None else None
        app = build_app(settings, self.control, self.metrics, self.flags, self.reload)
        self.server = Server(app, settings.http.host, settings.http.port)
        self.watch = self._watch(environment)
        self.sender = self._sender()
        self.telling: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    def _sender(self) -> Sender | None:
        """Make what tells people, if anybody is to be told. What is wrong with a channel never stops the bot."""
        section = self.settings.notifications
        made, problems = channels.build(section)
        for name, problem in problems.items():
            _log.error("this channel cannot be used; the others are", channel=name, error=problem)
        self.health.notifications = {**dict.fromkeys((channel.name for channel in made), "ok"), **problems}
        if not made:
            return None
        kinds = frozenset(section.kinds)
        return Sender(self.store, made, self.settings.bot.full_name, kinds, self.clock, self.health, self.metrics)

    def _watch(self, environment: Mapping[str, str]) -> SelfWatch | None:
        settings = self.settings
        wanted = settings.trading
        state = STATES.get(wanted, State.ACTIVE)
        self.control.board.hold("spec", state, f"trading is {wanted.value}")
        if not settings.kubernetes.name:
            return None
        section = settings.kubernetes
        namespace = section.namespace or settings.bot.namespace
        reason = f"TradingBot {section.name} has not been read yet"
        self.control.board.hold("watch", State.HALTED, reason)
        address = in_pod(environment, namespace, section.name, section.uid, section.api_url)
        return SelfWatch(address, self.control, self.clock)

    def _show(self, promotion: dict[str, Any] | None) -> None:
        self.control.promotion = promotion

    async def run(self, beside: Callable[[int], Coroutine[None, None, None]] | None = None) -> int:
        """Run until a signal; return the exit code.

        `beside` is given the port and runs meanwhile; it only looks, so what becomes of it changes nothing.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        port = await self.server.start()
        if weak := weakness(self.settings.http.api_key):
            _log.warning(weak)
        _log.info("listening", port=port, strategy=self.settings.strategy.name, symbols=self.settings.strategy.symbols)
        if self.flag_watch is not None:
            # Before anything may be traded; bounded, and a Redis that does not answer is no reason to wait.
            self.control.steer = self.flag_watch.steer
            await self.flag_watch.look()
        self._begin()
        passing = [self.control.spawn(process.freeze_when_settled(self.health, self.clock))]
        if beside is not None:
            passing.append(self.control.spawn(beside(port)))
        try:
            return await self._until_stopped()
        finally:
            for task in passing:
                task.cancel()
            await self._stop()

    def _begin(self) -> None:
        """Start everything that runs until the end."""
        self.supervisor.start("session", self.session.run())
        self.supervisor.start("watchdog", Watchdog(self.control).run())
        keep = self.settings.database
        days = {"decisions": keep.keep_decisions_days, "equity": keep.keep_equity_days}
        self.supervisor.start("janitor", Janitor(self.control, days).run())
        if self.control.trail is not None:
            self.supervisor.start("trail", self.control.trail.run())
        if self.settings.mode is Mode.SIMULATION:
            self.supervisor.start("promotion", self.promotion.run())
        if self.control.approval is not None:
            self.supervisor.start("approval", self.control.approval.run())
        if self.watch is not None:
            self.supervisor.start("watch", self.watch.run())
        if self.reload is not None:
            self.supervisor.start("reload", self.reload.run())
        if self.flag_watch is not None:
            self.supervisor.start("flags", self.flag_watch.run())
        if self.sender is not None:
            self.telling = asyncio.create_task(self.sender.run(), name="notify")

    async def _until_stopped(self) -> int:
        stopped = asyncio.create_task(self.stopping.wait())
        died = asyncio.create_task(self.supervisor.died.wait())
        await asyncio.wait({stopped, died}, return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if stopped.done():
            return 0
        for task in self.supervisor.tasks.values():
            error = task.exception() if task.done() and not task.cancelled() else None
            if isinstance(error, ConfigurationError):
                stopped.cancel()
                raise error
        # Stays up to be looked at, halted and not ready; then ends, so that a restart can recover.
        await asyncio.wait({stopped}, timeout=health.DEAD_SECONDS)
        stopped.cancel()
        return EXIT_SOFTWARE

    async def _stop(self) -> None:
        """End in order, within bounds: gate, orders, commit, lease, HTTP."""
        _log.info("shutting down")
        self.health.stopping = True
        self.supervisor.expect_end()
        await self.session.stop("the process is shutting down")
        await self.control.settle(1.0)
        await self.supervisor.stop(1.0)
        if self.sender is not None and self.telling is not None:
            await self.sender.close(LAST_NOTES_SECONDS)
            self.telling.cancel()
        await self.server.stop()
        if self.link is not None:
            await self.link.close()
        if self.flags is not None:
            await self.flags.close()
        await self.store.close()
        _log.info("ended", uptime=round(self.health.uptime, 1))


def application(settings: Settings, environment: Mapping[str, str], source: Source | None = None) -> Application:
    """Put a process together; raise `ConfigurationError` when the configuration cannot work."""
    return Application(settings, environment, source)


def describe(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Check a configuration as `run` would, and say what it amounts to."""
    found = parts(settings, environment, link(settings, WallClock()))
    return {
        "bot": settings.bot.full_name,
        "mode": settings.mode.value,
        "strategy": settings.strategy.name,
        "symbols": sorted(found.symbols),
        "timeframe": settings.strategy.timeframe,
        "feed": settings.simulation.feed.type.value if settings.mode is Mode.SIMULATION else settings.exchange.name,
        "database": _database(settings),
    }


def _database(settings: Settings) -> str:
    if settings.database.url is not None:
        return "set"
    return str(ledger(settings)) if settings.database.path else "not set (DB_URL)"
