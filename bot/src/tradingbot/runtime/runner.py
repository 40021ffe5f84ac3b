"""Events in, effects out, commit before send. One runner lives as long as one fencing epoch."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, TypeVar

from tradingbot.core import notes, picture, snapshot
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.market import SECOND
from tradingbot.domain.orders import Intent, OrderState, OrderType, Role
from tradingbot.domain.secrecy import describe
from tradingbot.domain.states import State
from tradingbot.observe import logs, trading
from tradingbot.ports import venue as answers
from tradingbot.ports.clock import SteadyClock
from tradingbot.ports.store import Batch, FencedError, LatchRow, UnavailableError
from tradingbot.runtime.agreement import Agreement
from tradingbot.runtime.cancels import Cancels
from tradingbot.runtime.inquiry import Inquiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from tradingbot.core.engine import Engine
    from tradingbot.domain.market import Event, MarketEvent
    from tradingbot.domain.notes import Note
    from tradingbot.domain.orders import Approved, Order
    from tradingbot.observe.health import Health
    from tradingbot.observe.metrics import Metrics
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store
    from tradingbot.ports.venue import SimulatedVenue, Venue
    from tradingbot.runtime.lease import LeaseKeeper

CHECKPOINT_SECONDS = 1.0
"""Progress that led to nothing worth a row is committed this often."""
JUDGED_SECONDS = 5.0
"""An entry that the gate judged longer ago is not sent to a real venue: price and limits may be others by now."""
BACKOFF = (0.2, 0.5, 1.0, 2.0)
ROUNDS = 1000
"""Nothing in the market leads to more rounds of fills and orders than this."""

E = TypeVar("E", bound="Event")

_log = logs.get(__name__)


class Runner:
    """Drives one engine with one venue and one store."""

    def __init__(
        self,
        engine: Engine,
        venue: Venue,
        store: Store,
        keeper: LeaseKeeper,
        clock: Clock,
        health: Health,
        metrics: Metrics,
        publish: Callable[[picture.Picture], None],
        seq: int,
        cursor: dict[str, int],
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine, self.venue, self.store, self.keeper = engine, venue, store, keeper
        self.clock, self.health, self.metrics, self.publish = clock, health, metrics, publish
        self.seq, self.cursor, self.announce = seq, cursor, announce
        self.wake = asyncio.Event()
        self.lost = ""
        """Why the database does not answer, empty while it does."""
        self._pending: list[fx.Effect] = []
        self._stepped = False
        self.busy = asyncio.Lock()
        self._hurried = False
        self._steady = SteadyClock(clock)
        self._decided: dict[str, float] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._notes: list[Note] = []
        self._told = engine.board.state
        self.simulated: SimulatedVenue | None = venue if isinstance(venue, answers.SimulatedVenue) else None
        self.sending: set[str] = set()
        """Orders that are on their way to the venue right now."""
        self.inquiry = Inquiry(self)
        self.agreement = Agreement(self, self.inquiry)
        self.cancels = Cancels(self)

    # -- events ----------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        """Step the engine now; what follows from it is committed and sent by the next flush."""
        self.collect(self.engine.step(event))

    def collect(self, effects: Sequence[fx.Effect]) -> None:
        """Keep effects for the next flush."""
        self._stepped = True
        if effects:
            self._pending.extend(effects)
            self.wake.set()
            for effect in effects:
                if isinstance(effect, fx.Submit):
                    self._decided[effect.approved.item.client_id] = self.clock.monotonic()
                elif isinstance(effect, fx.Alarm):
                    _log.warning(effect.text, code=effect.code, market_ts=effect.ts)

    def tell(self, note: Note) -> None:
        """Tell people; the note leaves once it is committed."""
        self._notes.append(note)
        self._stepped = True

    def _take_notes(self, effects: Sequence[fx.Effect]) -> list[Note]:
        told, self._notes = self._notes, []
        board = self.engine.board
        changed = notes.of_state(self._told, board, f"state:{self.keeper.epoch}:{self.seq + 1}")
        self._told = board.state
        composed = notes.compose(effects, self.engine.state, self.engine.config.quote)
        return [*told, *([changed] if changed is not None else []), *composed]

    def ask(self, event: Event) -> tuple[Sequence[fx.Effect], asyncio.Future[None]]:
        """Step the engine for a person; return what follows, and what is done once it is committed and sent."""
        effects = self.engine.step(event)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self.collect(effects)
        return effects, done

    def restart(self, capital: Decimal, reason: str) -> asyncio.Future[None]:
        """Start a simulated account anew, here and at the venue; one commit holds both."""
        if self.simulated is None:
            raise BrokenInvariantError("only a simulated account can be started anew")
        _, done = self.ask(events.ResetAccount(self.engine.state.now, capital, reason))
        self.simulated.restart({self.engine.config.quote: capital})
        return done

    def order(self, client_id: str) -> Order | None:
        """Return an order that is remembered."""
        return self.engine.state.orders.get(client_id)

    def wall(self) -> int:
        """Return the wall time in microseconds."""
        return round(self.clock.now().timestamp() * SECOND)

    def now(self) -> int:
        """Return the market's time: the last event's in a simulation, and where it is real it passes by itself."""
        now = self.engine.state.now
        return now if self.simulated is not None else self._steady.after(now)

    def hold(self, source: str, state: State, reason: str) -> None:
        """Let a source restrict trading, or let go; nothing happens when it says what it said before."""
        for entry in self.engine.board.restrictions():
            if entry.source == source:
                if (entry.state, entry.reason) != (state, reason):
                    self.step(self._now(events.Hold, source, state, reason))
                return
        if state is not State.ACTIVE:
            self.step(self._now(events.Hold, source, state, reason))

    def _tend(self) -> None:
        """Press on with what a real venue has not done yet, and let the market's time be the wall's."""
        if self.simulated is None and self.agreement.met and (effects := self.engine.tend(self.now())):
            self.collect(effects)

    async def on_market(self, event: MarketEvent) -> None:
        """Take a candle or a tick: a simulated venue executes what waited for it, then the engine sees it."""
        self._tend()
        for _ in range(ROUNDS):
            replies = self.simulated.match(event) if self.simulated is not None else ()
            if not replies:
                break
            for reply in replies:
                self.step(reply)
            await self.flush()
        begun = self.clock.monotonic()
        effects = self.engine.step(event)
        spent = self.clock.monotonic() - begun
        self.collect(effects)
        self.cursor[event.symbol] = event.ts
        await self.flush()
        # What only counts comes after what is sent.
        self.metrics.decided(effects, spent)
        self.metrics.candles.labels(event.symbol).inc()

    async def beat(self) -> None:
        """Show that the loop runs, and commit progress when it is time."""
        self.health.beat = self.clock.monotonic()
        self._tend()
        due = self._hurried or self.clock.monotonic() - self.health.committed >= CHECKPOINT_SECONDS
        self._hurried = False
        await self.flush(force=due and self._stepped)

    def hurry(self) -> None:
        """Let what was stepped be committed and shown at the next beat, and the beat come now."""
        self._hurried = True
        self.wake.set()

    # -- commit, then send -----------------------------------------------------------------------------------------

    async def flush(self, *, force: bool = False) -> None:
        """Commit what is pending and carry it out, until nothing is pending any more."""
        async with self.busy:
            while self._pending or force:
                force = False
                effects, self._pending = self._pending, []
                waiting, self._waiting = self._waiting, []
                self.wake.clear()
                await self._commit(self._batch(effects))
                try:
                    await self._carry_out(effects)
                finally:
                    for effect in effects:
                        self.metrics.count(effect)
                        trading.tell(effect)
                if not self._pending:
                    self._show()
                for done in waiting:
                    if not done.done():
                        done.set_result(None)

    def _show(self) -> None:
        current = picture.take(self.engine)
        self.metrics.show(current)
        self.publish(current)

    def _batch(self, effects: Sequence[fx.Effect]) -> Batch:
        """Return what is written of these effects, as things stand now.

        Its rows are copies: while the database is away orders and positions go on changing, and a later attempt must
        write what the saved state of the same batch says.
        """
        state = self.engine.state
        self._stepped = False
        batch = Batch(
            seq=self.seq + 1,
            market_ts=state.now,
            cursor=dict(self.cursor),
            engine=snapshot.encode(self.engine.save()),
            venue=self.simulated.save() if self.simulated is not None else self.agreement.save(),
            intents=[],
            orders={},
            trades=[],
            positions={},
            posts=[],
            decisions=[],
            equity=[],
            latches=[],
            notes=self._take_notes(effects),
        )
        for effect in effects:
            match effect:
                case fx.Submit(approved=approved):
                    batch.intents.append(approved.item)
                case fx.OrderMoved(client_id=client_id):
                    order = state.orders.get(client_id)
                    if order is not None:
                        batch.orders[client_id] = copy(order)
                case fx.Traded(trade=trade):
                    batch.trades.append(trade)
                case fx.PositionMoved(symbol=symbol):
                    batch.positions[symbol] = copy(state.book.positions[symbol])
                case fx.Post():
                    batch.posts.append(effect)
                case fx.Decide(decision=decision):
                    batch.decisions.append(decision)
                case fx.Marked(point=point):
                    batch.equity.append(point)
                case fx.Latch(source=source, state=held, reason=reason):
                    now = self.clock.now()
                    batch.latches.append(LatchRow(source=source, state=held, reason=reason, since=now))
                case _:
                    pass
        return batch

    async def _commit(self, batch: Batch) -> None:
        """Commit until it is done. While the database is away, entries are blocked and nothing is sent."""
        attempt = 0
        while True:
            begun = self.clock.monotonic()
            try:
                await self.store.commit(batch, self.keeper.epoch)
            except UnavailableError as error:
                self.database_lost(str(error))
                await self.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
                self.health.beat = self.clock.monotonic()
                continue
            self.metrics.commit.observe(self.clock.monotonic() - begun)
            break
        self.seq = batch.seq
        self.health.committed = self.clock.monotonic()
        if self.lost:
            await self.keeper.renew()
            await self.database_back()

    async def _carry_out(self, effects: Iterable[fx.Effect]) -> None:
        cancels: list[fx.Cancel] = []
        for effect in effects:
            if isinstance(effect, fx.Cancel):
                cancels.append(effect)
            elif isinstance(effect, fx.Submit | fx.Query):
                await self._cancel(cancels)
                if isinstance(effect, fx.Submit):
                    await self._send(effect.approved)
                else:
                    await self.inquiry.ask(effect.client_id, effect.symbol)
        await self._cancel(cancels)

    async def _cancel(self, cancels: list[fx.Cancel]) -> None:
        """Send the cancels that stand in a row."""
        if cancels:
            together, cancels[:] = list(cancels), []
            await self.cancels.send(together)

    async def _send(self, approved: Approved[Intent]) -> None:
        """Send an order whose intent is committed, unless that is no longer wanted."""
        intent = approved.item
        order = self.engine.state.orders.get(intent.client_id)
        decided = self._decided.pop(intent.client_id, self.clock.monotonic())
        if order is None or order.state is not OrderState.INTENT:
            return
        if intent.role is Role.ENTRY and not self.engine.board.state.entries_allowed:
            self.step(self._now(events.Closed, intent.client_id, events.End.EXPIRED, "not sent: entries are blocked"))
            return
        age = self.clock.monotonic() - decided
        if intent.role is Role.ENTRY and self.simulated is None and age > JUDGED_SECONDS:
            self.step(
                self._now(events.Closed, intent.client_id, events.End.EXPIRED, f"not sent: judged {age:.0f} s ago")
            )
            return
        if not self.keeper.valid:
            raise FencedError("the lease was not renewed in time, so nothing is sent")
        self.step(self._now(events.Sent, intent.client_id))
        if self.simulated is not None:
            self.simulated.advance(self.engine.state.now)
        begun = self.clock.monotonic()
        self.sending.add(intent.client_id)
        try:
            outcome = await self.venue.submit(approved)
        except Exception as error:  # noqa: BLE001 - whatever happened on the way: the order may have arrived
            outcome = answers.Unknown(describe(error))
        finally:
            self.sending.discard(intent.client_id)
        done = self.clock.monotonic()
        self.metrics.placement.observe(done - begun)
        self.metrics.latency.observe(done - decided)
        self.metrics.answered(outcome)
        match outcome:
            case answers.Accepted(venue_id=venue_id):
                self.step(self._now(events.Accepted, intent.client_id, venue_id))
                if self.simulated is None and intent.type is OrderType.MARKET:
                    # It does not rest: what became of it is known already.
                    await self.inquiry.ask(intent.client_id, intent.symbol)
            case answers.Refused(code=code, text=text):
                self.step(self._now(events.Refused, intent.client_id, code, text))
            case answers.Unknown(cause=cause):
                self.step(self._now(events.Unknown, intent.client_id, cause))

    def _now(self, kind: Callable[..., E], *fields: object) -> E:
        return kind(self.now(), *fields)

    def take_out(self, wanted: Callable[[fx.Effect], bool]) -> list[fx.Cancel]:
        """Take pending cancels out of what waits for a commit."""
        found = [effect for effect in self._pending if isinstance(effect, fx.Cancel) and wanted(effect)]
        self._pending = [effect for effect in self._pending if effect not in found]
        return found

    # -- database --------------------------------------------------------------------------------------------------

    def database_lost(self, cause: str) -> None:
        """Block entries for as long as nothing can be recorded."""
        self.health.database, self.health.problem = False, f"database: {cause}"
        self.metrics.database.set(0)
        if not self.lost:
            self.lost = cause
            _log.error("the database does not answer; entries are blocked", error=cause)
            self.step(self._now(events.Hold, "database", State.HALTED, cause))
            self.announce()  # nothing is committed any more, and so nothing published

    async def database_back(self) -> None:
        """Take up the work again, after agreeing with the venue."""
        self.health.database, self.health.problem = True, ""
        self.metrics.database.set(1)
        if self.lost:
            self.lost = ""
            await self.agreement.reconcile()
            self.step(self._now(events.Hold, "database", State.ACTIVE, ""))
            self.collect(self.engine.resume())
            _log.info("the database answers again; entries are allowed as far as other reasons permit")
