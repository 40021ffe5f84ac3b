"""`tradingbot kill`: ends what a bot that cannot be reached has left at the exchange, and shuts it out of its database.

Both begin at once and neither waits for the other: the exchange may answer when the database does not, and the other
way round. Each is bounded. Closing positions waits for both, since what is the bot's is known best by its ledger, and a
stop that a person has lifted meanwhile must close nothing. Running it again does no harm: the epoch grows once more,
the latch is there already, and what was sold is not sold twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot import account
from tradingbot.config.model import Mode
from tradingbot.domain import ids
from tradingbot.domain.states import State
from tradingbot.jobs import outcome
from tradingbot.jobs.closing import Closer
from tradingbot.jobs.patience import PAUSES, Patience
from tradingbot.jobs.withdrawing import Withdrawing
from tradingbot.observe import logs
from tradingbot.ports.store import LatchRow, UnavailableError
from tradingbot.risk.latch import EMERGENCY
from tradingbot.store.fence import Books, Fence, LiftedError
from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from tradingbot.config.model import Settings
    from tradingbot.jobs.outcome import OrderEnd, PositionEnd
    from tradingbot.ports.clock import Clock
    from tradingbot.venues.ccxt.venue import CcxtVenue

LEDGER_SECONDS = 8.0
"""How long the database is asked for at most."""
MARGIN_SECONDS = 10.0
"""How much longer than the deadline the lease is held, so that no pod trades into the closing."""
PARALLEL = 4
"""Symbols that are closed at the same time."""

_log = logs.get(__name__)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done."""

    stop_id: str
    close_positions: bool = False
    deadline: float = 60.0
    """Seconds for all of it."""
    reason: str = "the bot could not be reached"


class Ledger:
    """The database's half: shut the bot out, remember what its ledger says, write the outcome."""

    def __init__(self, settings: Settings, clock: Clock, order: Order) -> None:
        self._clock, self._order = clock, order
        self.books: Books | None = None
        self.lifted = False
        self.problem = "DB_URL is not set"
        url = settings.database.url.get_secret_value() if settings.database.url is not None else ""
        self._fence: Fence | None = None
        if url.startswith(("postgresql://", "postgres://")):
            self._fence = Fence(url, settings.bot.full_name, settings.mode.value, f"kill {order.stop_id}")
        elif url:
            self.problem = "it is no PostgreSQL"

    async def shut(self, seconds: float = LEDGER_SECONDS) -> None:
        """Raise the epoch and write the latch, trying again within bounds."""
        if self._fence is None:
            return
        row = LatchRow(
            source=EMERGENCY,
            state=State.KILLED,
            reason=self._order.reason,
            since=self._clock.now(),
            stop_id=self._order.stop_id,
            origin="spec",
            close_positions=self._order.close_positions,
        )
        until, attempt = self._clock.monotonic() + seconds, 0
        while self.books is None and not self.lifted:
            try:
                async with asyncio.timeout(max(0.1, until - self._clock.monotonic())):
                    self.books = await self._fence.shut(row, self._order.deadline + MARGIN_SECONDS)
                _log.error("the bot is shut out of its database", epoch=self.books.epoch, stop_id=row.stop_id)
            except LiftedError as error:
                self.lifted, self.problem = True, str(error)
            except (UnavailableError, TimeoutError) as error:
                self.problem = str(error) or "it does not answer"
                if self._clock.monotonic() >= until:
                    return
                await self._clock.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1

    async def holds(self) -> bool:
        """Tell whether the lease is still ours, as far as is known."""
        return self._fence is None or self.books is None or await self._fence.holds()

    async def conclude(self, report: dict[str, Any]) -> bool:
        """Write the outcome beside the latch and let the next pod have the lease: it will find the latch."""
        if self._fence is None or self.books is None:
            return False
        names = ("state", "confirmed", "orders_cancelled", "orders", "positions", "message")
        short = outcome.bounded(report)
        return await self._fence.open(self.books.latch, {name: short[name] for name in names})

    async def close(self) -> None:
        """Close the connection."""
        if self._fence is not None:
            await self._fence.close()

    @property
    def sentence(self) -> str:
        """Say what the database did."""
        if self.lifted:
            return self.problem
        if self.books is None:
            text = f"the database did not answer ({self.problem}): no epoch was raised and no latch written there"
            return f"{text}, so a pod that comes back goes by its TradingBot alone"
        text = f"the bot is shut out of its database (epoch {self.books.epoch}) and the stop is latched there"
        older = self.books.latch.stop_id
        return text if older == self._order.stop_id else f"{text}; the older stop {older} counts"


async def kill(settings: Settings, clock: Clock, order: Order) -> dict[str, Any]:
    """Do it, and return the report. Raise `ConfigurationError` where the configuration names no usable account."""
    ledger = Ledger(settings, clock, order)
    try:
        if settings.mode is Mode.SIMULATION:
            await ledger.shut()
            report = _simulated(order, ledger)
        else:
            report = await _at_the_exchange(settings, clock, order, ledger)
        if not await ledger.conclude(report) and ledger.books is not None:
            report["message"] += "; the outcome could not be written into the database"
    finally:
        await ledger.close()
    return report | {"resumed": True} if ledger.lifted else report


def _simulated(order: Order, ledger: Ledger) -> dict[str, Any]:
    """Report of a simulation: its exchange is in the database, and stands still while no bot holds the lease."""
    books = ledger.books
    if books is None:
        return outcome.report(order.stop_id, outcome.UNKNOWN, (), (), ledger.sentence, confirmed=False)
    held = [
        outcome.PositionEnd(
            symbol=symbol, requested="0", residual=f"{position.quantity:f}", state=outcome.KEPT, reason="simulated"
        )
        for symbol, position in books.positions.items()
    ]
    text = f"{ledger.sentence}; in simulation the exchange is in the database and executes nothing without the bot"
    text += f", which cancels {'and closes ' if books.latch.close_positions else ''}when it is back"
    return outcome.report(order.stop_id, outcome.CANCELLED, (), held, text, confirmed=True)


async def _at_the_exchange(settings: Settings, clock: Clock, order: Order, ledger: Ledger) -> dict[str, Any]:
    until = clock.monotonic() + order.deadline
    shutting = asyncio.create_task(ledger.shut())
    try:
        venue = account.venue(settings, clock)
        # With another key than the approved one, orders of the bot's own names are withdrawn, which harms nobody. What
        # that account holds is not the bot's, and what rests in the bot's own account is not seen.
        foreign = account.foreign(settings)
        orders = Withdrawing(venue, Patience(venue, clock, until), lambda name: ids.is_of(settings.bot.full_name, name))
        shutting.add_done_callback(lambda _: _answered(orders, ledger))
        try:
            await venue.gateway.load()
            await orders.entries()
            await shutting
            close = not foreign and _closes(order, ledger)
            positions = await _close(settings, clock, venue, orders, ledger, until) if close else []
        finally:
            await venue.close()
    finally:
        # Whatever the exchange does, and also when there is no account: the bot is shut out first.
        await shutting
    report = _report(order, ledger, orders, positions, close=close)
    if foreign:
        said = f"ANOTHER_ACCOUNT: {foreign}; {report['message']}"[:1000]
        report |= {"state": outcome.UNKNOWN, "confirmed": False, "message": said}
    return report


def _answered(orders: Withdrawing, ledger: Ledger) -> None:
    orders.books, orders.stopped = ledger.books, ledger.lifted
    orders.asked.set()


def _closes(order: Order, ledger: Ledger) -> bool:
    """Tell whether positions are to be closed: also when an older stop, which counts, asked for it."""
    if ledger.lifted:
        return False
    return order.close_positions or (ledger.books is not None and ledger.books.latch.close_positions)


async def _close(
    settings: Settings, clock: Clock, venue: CcxtVenue, orders: Withdrawing, ledger: Ledger, until: float
) -> list[PositionEnd]:
    symbols = {*settings.strategy.symbols, *(order.symbol for order in orders.listed.values())}
    symbols |= ledger.books.symbols if ledger.books is not None else frozenset()
    venue.config = msgspec.structs.replace(venue.config, symbols=tuple(sorted(symbols)))
    problem = await venue.load_markets(Lane.STOP)
    if problem:
        _log.error("the markets could not be read anew", problem=problem)
    gate = asyncio.Semaphore(PARALLEL)
    closer = Closer(
        settings.bot.full_name,
        venue,
        clock,
        orders,
        maximum=settings.risk.price_collar,
        until=until,
        holds=ledger.holds,
    )

    async def one(symbol: str) -> PositionEnd:
        async with gate:
            return await closer.close(symbol)

    return list(await asyncio.gather(*(one(symbol) for symbol in sorted(symbols))))


def _report(
    order: Order, ledger: Ledger, orders: Withdrawing, positions: list[PositionEnd], *, close: bool
) -> dict[str, Any]:
    ends: list[OrderEnd] = list(orders.ends.values())
    state = outcome.verdict(ends, positions, verified=orders.verified, close=close)
    cancelled = sum(1 for end in ends if end.state == outcome.CANCELLED)
    text = f"orders cancelled at the exchange: {cancelled}"
    if orders.verified:
        text += ", and no entry order is open"
    elif not ledger.lifted:
        text += f"; that none is open is not confirmed: {orders.problem or 'there was no time left'}"
    if close:
        text += f"; positions: {', '.join(f'{one.symbol} {one.state}' for one in positions) or 'none'}"
    said = f"{text}; {ledger.sentence}"
    return outcome.report(order.stop_id, state, ends, positions, said, confirmed=orders.verified)


def good(report: dict[str, Any]) -> bool:
    """Tell whether another attempt is of no use: all that was asked for is confirmed, or it was resumed."""
    return "resumed" in report or report["state"] not in (outcome.UNKNOWN, outcome.RESIDUAL)
