"""Processes that live one after the other on one database and one exchange, and may die at any await."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
from tests.component.bot.crash.exchange import BTC, TICK_SECONDS, Exchange, Venue
from tests.unit.bot.harness import config

from tradingbot.core import snapshot
from tradingbot.core.engine import Engine
from tradingbot.core.stops import outcome as outcome_of
from tradingbot.domain.market import MINUTE, SECOND, Candle
from tradingbot.domain.orders import OrderState, Role, Side
from tradingbot.observe import health
from tradingbot.observe.metrics import Metrics
from tradingbot.ports.store import Batch, Clearing, FencedError, LatchRow, Loaded, StoreError, UnavailableError
from tradingbot.risk.limits import Limits
from tradingbot.runtime.control import Control
from tradingbot.runtime.runner import Runner
from tradingbot.runtime.session import check_rows
from tradingbot.strategy.base import Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tradingbot.domain.notes import Note

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
METRICS = Metrics("crash", "Spot", "memory")


class Crash(BaseException):
    """The process dies here. No `except Exception` of the bot can hold it up."""


class Points:
    """Counts the awaits of the order path; the one that is asked for kills."""

    def __init__(self, deadly: int = 0) -> None:
        self.deadly, self.count = deadly, 0
        self.where = ""
        self.names: list[str] = []
        self.dead = False
        """Nothing of this process goes on, whichever of its tasks it was that died."""

    def __call__(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.count == self.deadly:
            self.where, self.dead = name, True
        if self.dead:
            raise Crash(name)

    def die(self, name: str) -> None:
        """Kill here, whatever the count."""
        self.deadly = self.count + 1
        self(name)


class Outage:
    """The database does not answer a commit; meanwhile a person stops the bot, which dies when it answers again."""

    def __init__(self, seq: int, *, written: bool, attempts: int = 40) -> None:
        self.seq, self.written, self.left = seq, written, attempts
        """Number of the commit, whether it was written all the same, and how many times it gets no answer."""
        self.begun = False


class Database:
    """What is durable: the contract of the store, in memory. It outlives every process."""

    def __init__(self) -> None:
        self.epoch = 0
        self.batches: list[Batch] = []
        self.intents: dict[str, Any] = {}
        self.orders: dict[str, OrderState] = {}
        self.trades: set[str] = set()
        self.rows: list[LatchRow] = []
        self.balances: dict[str, dict[str, Decimal]] = {}
        self.positions: dict[str, Decimal] = {}
        self.outage: Outage | None = None

    def commit(self, batch: Batch, epoch: int) -> None:
        if epoch != self.epoch:
            raise FencedError("over")
        if self.batches and batch.seq == len(self.batches):
            return  # The same batch twice is written once.
        if batch.seq != len(self.batches) + 1:
            raise StoreError("the history has a gap")
        self.batches.append(batch)
        for intent in batch.intents:
            assert intent.client_id not in self.intents, "an intent is written once"
            self.intents[intent.client_id] = intent
        for trade in batch.trades:
            assert trade.trade_id not in self.trades, "a trade is booked once"
            self.trades.add(trade.trade_id)
        self.orders.update({client_id: order.state for client_id, order in batch.orders.items()})
        self.positions.update({symbol: position.quantity for symbol, position in batch.positions.items()})
        for post in batch.posts:
            for leg in post.postings:
                assets = self.balances.setdefault(leg.account, {})
                assets[leg.asset] = assets.get(leg.asset, Decimal(0)) + leg.amount
        for row in batch.latches:
            self.rows.append(msgspec.structs.replace(row, number=len(self.rows) + 1))

    def load(self) -> Loaded | None:
        if not self.batches:
            return None
        last = self.batches[-1]
        return Loaded(
            seq=last.seq, market_ts=last.market_ts, cursor={}, engine=last.engine, venue=last.venue,
            balances=self.balances, positions=self.positions,
            open_orders={client_id: state.value for client_id, state in self.orders.items() if not state.final},
        )  # fmt: skip


class Store:
    """One process' connection to the database."""

    def __init__(self, database: Database, hit: Points) -> None:
        self.database, self.hit = database, hit
        self.in_an_outage: Callable[[], object] = lambda: None

    async def commit(self, batch: Batch, epoch: int) -> None:
        self.hit("before the commit")
        outage = self.database.outage
        if outage is not None and batch.seq == outage.seq and outage.left:
            self._gone(outage, batch, epoch)
        self.database.commit(batch, epoch)
        if outage is not None and batch.seq == outage.seq:
            self.database.outage = None
            self.hit.die("before the commit's answer is heard, after an outage")
        self.hit("before the commit's answer is heard")

    def _gone(self, outage: Outage, batch: Batch, epoch: int) -> None:
        if not outage.begun:
            outage.begun = True
            if outage.written:
                self.database.commit(batch, epoch)
            self.in_an_outage()
        outage.left -= 1
        raise UnavailableError("the database went away")

    async def latches(self, known: Sequence[int] = ()) -> list[LatchRow]:
        del known
        return list(self.database.rows)

    async def clear_latch(self, clearing: Clearing, epoch: int, after: LatchRow | None = None) -> LatchRow | None:
        assert epoch == self.database.epoch
        assert after is None
        for number, row in enumerate(self.database.rows):
            if row.id == clearing.latch_id and row.cleared_at is None:
                self.database.rows[number] = msgspec.structs.replace(
                    row, cleared_at=BEGIN, cleared_by=clearing.by, cleared_reason=clearing.reason
                )
                return self.database.rows[number]
        return None

    async def void_resumes(self, keys: Sequence[str]) -> bool:
        raise AssertionError(f"nothing came too early in this world: {keys}")

    async def write_latch(self, row: LatchRow, note: Note | None = None) -> LatchRow | None:
        del note
        self.hit("before the latch")
        rows = self.database.rows
        if not rows:
            rows.append(msgspec.structs.replace(row, number=1))
        elif row.outcome is not None:
            rows[0] = msgspec.structs.replace(rows[0], outcome=row.outcome)
        self.hit("before the latch's answer is heard")
        return rows[0]


class Clock:
    """The exchange's time: it moves with the ticks alone."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.exchange.now * TICK_SECONDS)

    def monotonic(self) -> float:
        return float(self.exchange.now * TICK_SECONDS)

    async def sleep(self, seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)


class ByTheClock(Strategy[Params, Any]):
    """Wants what the script says for a tick, whatever happened before it."""

    Params = Params
    script: dict[int, Proposal]

    def on_candle(self, ctx: Any, candle: Candle) -> Iterable[Proposal]:
        del ctx
        found = self.script.get(candle.ts // SECOND // TICK_SECONDS)
        return (found,) if found is not None else ()


def strategy(script: dict[int, Proposal]) -> Callable[[], ByTheClock]:
    def make() -> ByTheClock:
        made = ByTheClock(Params())
        made.script = script
        return made

    return make


def buy(stop: int, target: int) -> Enter:
    return Enter(Side.BUY, Decimal(stop), Decimal(target), "the script says so")


# Bought and left; bought and stopped out; bought and sold at the target; bought and held when a person stops the bot.
SCRIPT: dict[int, Proposal] = {
    3: buy(90, 140),
    10: Exit("enough"),
    16: buy(92, 140),
    28: buy(90, 140),
    40: buy(90, 140),
}
PRICES = {20: 88, 24: 100, 34: 145, 37: 100}
STOP_TICK, END = 47, 60
OUTCOME = ("CANCELLED", True)


def price_at(tick: int) -> Decimal:
    return Decimal(next((price for begin, price in sorted(PRICES.items(), reverse=True) if tick >= begin), 100))


async def _renewed() -> None:
    """Prolong a lease that does not end."""


class Process:
    """What `runtime.session` does, without its tasks: load, agree, trade."""

    def __init__(self, database: Database, exchange: Exchange, points: Points) -> None:
        self.database, self.exchange = database, exchange
        self.store, self.clock = Store(database, points), Clock(exchange)
        self.store.in_an_outage = self.stop
        self.venue = Venue(exchange, points)
        self.control = Control(cast("Any", self.store), self.clock, health.new(self.clock), METRICS)
        database.epoch += 1
        loaded = database.load()
        state = snapshot.decode(loaded.engine) if loaded is not None else None
        settings = config(
            Limits(max_drawdown=Decimal(1), daily_loss_limit=Decimal(1)),
            epoch=database.epoch,
            targets_rest=False,
            remote=True,
            remembered=60 * MINUTE,
            strategy_interval=0,
        )
        self.engine = Engine(settings, self.control.board, {BTC.symbol: BTC}, strategy(SCRIPT), state)
        keeper = SimpleNamespace(epoch=database.epoch, valid=True, renew=_renewed)
        self.runner = Runner(
            self.engine, self.venue, cast("Any", self.store), cast("Any", keeper), self.clock, self.control.health,
            METRICS, self.control.publish, loaded.seq if loaded else 0, {},
        )  # fmt: skip
        if loaded is not None:
            check_rows(loaded, self.engine.state)
            self.runner.agreement.load(loaded.venue)

    def stop(self) -> None:
        self.control.emergency_stop("api-1", "api", "a person", close_positions=False)

    async def begin(self) -> None:
        from tradingbot.domain.states import State

        await self.control.refresh()
        self.control.runner = self.runner
        self.runner.hold("reconcile", State.HALTED, "not reconciled yet")
        await self.runner.agreement.reconcile()
        self.runner.collect(self.engine.resume())
        await self.runner.flush(force=True)

    async def tick(self, tick: int) -> None:
        if tick >= STOP_TICK and not self.database.rows:
            # Whoever got no answer asks again.
            self.stop()
        agreement = self.runner.agreement
        await self.runner.inquiry.all()
        await agreement.look()
        if tick % 5 == 0 or not agreement.settled:
            await agreement.reconcile()
        if self.engine.state.guard is not None:
            price = int(self.exchange.price / BTC.tick)
            ts = self.exchange.ts
            await self.runner.on_market(Candle(ts, BTC.symbol, ts - SECOND, price, price, price, price, 0))
        if self.control.resume.waiting:
            await self.control.resume.settle(self.runner)
        await self.runner.beat()
        await self.runner.flush(force=tick % 5 == 0)
        tasks = list(self.control._tasks)
        for _ in range(20):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class World:
    """One history: ticks of the market, a process that dies once, and its successors."""

    def __init__(self, seed: int = 0, faults: float = 0.0) -> None:
        self.database, self.exchange = Database(), Exchange(seed, faults)
        self.points = Points()
        self.process: Process | None = None
        self.entries_when_latched: int | None = None

    async def live(self, deadly: int = 0, *, restarts: int = 0) -> None:
        """Run the whole history; die at the await with this number, and start again."""
        self.points = Points(deadly)
        for tick in range(1, END + 1):
            await self._turn(tick)
        self.exchange.faults = 0.0
        await self._quiet()
        if self.process is None:
            await self._quiet()
        for _ in range(restarts):
            self.process = None
            await self._quiet()

    async def _turn(self, tick: int) -> None:
        self.exchange.tick(price_at(tick))
        try:
            if self.process is None:
                self.points.dead = False
                self.process = Process(self.database, self.exchange, self.points)
                await self.process.begin()
            await self.process.tick(tick)
        except Crash:
            self.points.dead = True
        if self.points.dead:
            self.process = None
        if self.entries_when_latched is None and self.database.rows:
            self.entries_when_latched = self.entries()

    async def _quiet(self) -> None:
        for number in range(1, 13):
            await self._turn(END + number)

    def entries(self) -> int:
        return sum(1 for client_id in self.exchange.sends if self.database.intents[client_id].role is Role.ENTRY)

    # -- what must hold --------------------------------------------------------------------------------------------

    def broken(self) -> list[str]:
        """Return what does not hold, empty when all is well."""
        found = []
        process, exchange, database = self.process, self.exchange, self.database
        assert process is not None
        mine = process.engine.state.orders
        alive = {client_id for client_id, placed in exchange.orders.items() if placed.open}
        found += [f"{cid} was sent {count} times" for cid, count in exchange.sends.items() if count > 1]
        found += [
            f"{cid} is at the exchange without an intent" for cid in exchange.orders if cid not in database.intents
        ]
        found += [
            f"{cid} lives at the exchange, not in the bot" for cid in alive if cid not in mine or not mine[cid].live
        ]
        found += [
            f"{cid} lives in the bot, not at the exchange" for cid, o in mine.items() if o.live and cid not in alive
        ]
        found += [
            f"{cid} is forgotten: {state}"
            for cid, state in database.orders.items()
            if not state.final and cid not in alive
        ]
        for asset, amount in exchange.total.items():
            ours = process.engine.state.book.cash(asset)
            if ours != amount:
                found.append(f"{asset}: the ledger says {ours}, the exchange {amount}")
        entries = [
            (i.symbol, i.ts) for cid, i in database.intents.items() if i.role is Role.ENTRY and cid in exchange.orders
        ]
        if len(entries) != len(set(entries)):
            found.append("one decision led to two orders")
        bought = sum(p.executed for p in exchange.orders.values() if p.intent.role is Role.ENTRY and p.open)
        if bought:
            found.append("an entry is open at the end")
        position = process.engine.state.book.position(BTC.symbol)
        stops = [p for p in exchange.orders.values() if p.open and p.intent.role is Role.STOP]
        if position is not None and sum(p.left for p in stops) < BTC.quantity_down(position.quantity):
            found.append(f"{position.quantity} BTC are held and not protected")
        if position is None and exchange.total["BTC"] - 1 > Decimal("0.01"):
            found.append(f"{exchange.total['BTC'] - 1} BTC were bought and forgotten")
        if process.control.board.stop is None:
            found.append("the emergency stop is forgotten")
        elif (outcome := outcome_of(process.engine)) is None or (outcome["state"], outcome["confirmed"]) != OUTCOME:
            found.append(f"the stop ends with {outcome}")
        elif self.entries_when_latched != self.entries():
            found.append("an entry was sent after the stop was latched")
        others = [entry for entry in process.control.board.restrictions() if entry.source != "emergency_stop"]
        found += [f"{entry.source}: {entry.reason}" for entry in others]
        return found

    def digest(self) -> tuple[Any, ...]:
        """What a restart must not change."""
        assert self.process is not None
        state = self.process.engine.state
        held = {symbol: position.quantity for symbol, position in state.book.positions.items()}
        return (
            sorted(self.exchange.orders),
            held,
            {a: dict(b) for a, b in state.book.balances.items()},
            len(self.database.trades),
        )
