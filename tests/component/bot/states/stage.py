"""One bot on two stages, the simulated exchange and the faulty one: the same engine, events and questions.

A position in `HELD` with its stop at the exchange, an entry order in `WAITING` that is open there. What the bot's edges
do with the engine's effects is done here, one after the other, on a clock that stands still.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from tests.component.bot.ccxt.world import World
from tests.exchange_server import Instrument as Listed
from tests.exchange_server import Kind

from tradingbot.core.engine import Engine
from tradingbot.core.snapshot import EngineConfig, decode, encode
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import MINUTE, Candle
from tradingbot.domain.orders import OrderState, OrderType, Role, Side
from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable
from tradingbot.risk.latch import Board
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradingbot.risk.limits import Limits

HELD, WAITING, OTHER = "BTC/USDT", "ETH/USDT", "SOL/USDT"
PRICES = {HELD: Decimal(50_000), WAITING: Decimal(2_000), OTHER: Decimal(100)}
CAPITAL = Decimal(1_000_000)
STOP_LOSS, TAKE_PROFIT = Decimal("0.9"), Decimal("1.5")


class NoParams(Params):
    """No parameters."""


class Told(Strategy[NoParams, Any]):
    """Wishes what the test has written down for a symbol."""

    Params = NoParams
    wishes: dict[str, Proposal]

    def __init__(self, wishes: dict[str, Proposal]) -> None:
        super().__init__(NoParams())
        self.wishes = wishes

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        del ctx
        found = self.wishes.pop(candle.symbol, None)
        return (found,) if found is not None else ()


def entry(symbol: str) -> Enter:
    price = PRICES[symbol]
    return Enter(Side.BUY, price * STOP_LOSS, price * TAKE_PROFIT, "told to")


class Stage:
    """A bot and its exchange. `sent` are the orders that left, `cancelled` the cancels, in order."""

    name = ""
    targets_rest = True

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.board = Board()
        self.wishes: dict[str, Proposal] = {}
        self.engine: Engine
        self.epoch = 0
        self.minute = 0
        self.sent: list[Role] = []
        self.doings: list[tuple[str, str, str]] = []
        """(what, role, state of the board at that moment), in order."""
        self.effects: list[fx.Effect] = []

    # -- the exchange: what each stage does in its own way ---------------------------------------------------------

    venue: Any

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of it."""

    def instruments(self) -> dict[str, Instrument]:
        raise NotImplementedError

    async def trade(self, symbol: str, price: Decimal) -> None:
        """Let the market be at a price for a minute, and the bot see it."""
        raise NotImplementedError

    def resting(self) -> set[str]:
        """Client ids of the orders that are really open at the exchange."""
        raise NotImplementedError

    async def lose_stop(self) -> None:
        """Let somebody else take the stop away."""
        client_id = self.live(Role.STOP)[0]
        await self.venue.cancel(client_id, HELD)

    async def sync(self) -> None:
        """Tell the bot what the exchange has to say of its orders."""

    # -- the bot ---------------------------------------------------------------------------------------------------

    def boot(self, saved: bytes | None = None) -> None:
        """Make the engine, from nothing or from what was committed."""
        self.epoch += 1
        config = EngineConfig(
            bot="test/bot",
            epoch=self.epoch,
            symbols=tuple(PRICES),
            strategy="told",
            strategy_key="key",
            quote="USDT",
            capital=CAPITAL,
            limits=self.limits,
            strategy_interval=0,
            equity_interval=MINUTE,
            targets_rest=self.targets_rest,
        )
        state = decode(saved) if saved is not None else None
        self.engine = Engine(config, self.board, self.instruments(), lambda: Told(self.wishes), state)

    def saved(self) -> bytes:
        return encode(self.engine.save())

    async def act(self) -> None:
        """Bring about what every scenario begins with."""
        await self.open()
        self.boot()
        await self.take(self.engine.open_account(self.now()))
        for symbol, price in PRICES.items():
            await self.trade(symbol, price)
        self.wishes[HELD] = entry(HELD)
        await self.trade(HELD, PRICES[HELD])
        await self.trade(HELD, PRICES[HELD])
        self.wishes[WAITING] = entry(WAITING)
        await self.trade(WAITING, PRICES[WAITING])
        assert self.live(Role.STOP)
        assert self.live(Role.ENTRY)
        assert {*self.live(Role.STOP), *self.live(Role.ENTRY)} <= self.resting()
        self.sent.clear()
        self.doings.clear()
        self.effects.clear()

    def now(self) -> int:
        raise NotImplementedError

    def live(self, role: Role) -> list[str]:
        return [order.intent.client_id for order in self.engine.desk.live() if order.intent.role is role]

    @property
    def held(self) -> Decimal:
        position = self.engine.state.book.position(HELD)
        return position.quantity if position is not None else Decimal(0)

    async def step(self, event: Any) -> None:
        await self.take(self.engine.step(event))

    async def take(self, effects: Sequence[fx.Effect]) -> None:
        """Carry effects out."""
        self.effects.extend(effects)
        for effect in effects:
            if isinstance(effect, fx.Submit):
                await self._submit(effect)
            elif isinstance(effect, fx.Cancel):
                await self._cancel(effect)

    async def _submit(self, effect: fx.Submit) -> None:
        intent = effect.approved.item
        order = self.engine.state.orders.get(intent.client_id)
        if order is None or order.state is not OrderState.INTENT:
            return
        self.sent.append(intent.role)
        self._note("send", intent.role)
        await self.step(events.Sent(self.now(), intent.client_id))
        outcome = await self.send(effect)
        if isinstance(outcome, Accepted):
            await self.step(events.Accepted(self.now(), intent.client_id, outcome.venue_id))
        elif isinstance(outcome, Refused):
            await self.step(events.Refused(self.now(), intent.client_id, outcome.code, outcome.text))
        else:
            await self.step(events.Unknown(self.now(), intent.client_id, outcome.cause))
        await self.sync()

    async def send(self, effect: fx.Submit) -> Any:
        return await self.venue.submit(effect.approved)

    async def _cancel(self, effect: fx.Cancel) -> None:
        order = self.engine.state.orders[effect.client_id]
        self._note("cancel", order.intent.role)
        outcome = await self.venue.cancel(effect.client_id, effect.symbol)
        if isinstance(outcome, Accepted):
            await self.step(events.Closed(self.now(), effect.client_id, events.End.CANCELED, order.note))
        else:
            await self.step(events.CancelFailed(self.now(), effect.client_id, str(outcome)))

    def _note(self, what: str, role: Role) -> None:
        self.doings.append((what, role.value, self.board.state.name))

    async def wish(self, symbol: str, proposal: Proposal) -> list[fx.Decision]:
        """Let the strategy propose something; return what the gate said."""
        before = len(self.effects)
        self.wishes[symbol] = proposal
        await self.trade(symbol, PRICES[symbol])
        return [effect.decision for effect in self.effects[before:] if isinstance(effect, fx.Decide)]

    async def leave(self) -> list[fx.Decision]:
        return await self.wish(HELD, Exit("told to"))

    async def enter(self) -> list[fx.Decision]:
        return await self.wish(OTHER, entry(OTHER))


class Simulated(Stage):
    """The simulated exchange, on candles."""

    name = "simulation"

    async def open(self) -> None:
        self.venue = SimExchange(SimRules(latency_jitter=0), self.instruments(), {"USDT": CAPITAL})

    def instruments(self) -> dict[str, Instrument]:
        steps = (Decimal("0.01"), Decimal("0.00001"), Decimal(5))
        return {symbol: Instrument(symbol, symbol.partition("/")[0], "USDT", *steps) for symbol in PRICES}

    def now(self) -> int:
        return self.minute * MINUTE

    async def send(self, effect: fx.Submit) -> Any:
        self.venue.advance(self.engine.state.now)
        return await self.venue.submit(effect.approved)

    async def trade(self, symbol: str, price: Decimal) -> None:
        self.minute += 1
        ticks, opened = round(price * 100), self.minute * MINUTE
        candle = Candle(opened + MINUTE, symbol, opened, ticks, ticks, ticks, ticks, 10_000_000_000)
        while replies := self.venue.match(candle):
            for reply in replies:
                await self.step(reply)
        await self.step(candle)
        await self.take(self.engine.tend(self.engine.state.now))

    def resting(self) -> set[str]:
        return set(self.venue.state.orders)


class Faulty(Stage):
    """The faulty exchange over HTTP: the first answer to each kind of request is lost after it was acted upon."""

    name = "faulty exchange"
    targets_rest = False

    async def open(self) -> None:
        listed = [Listed(symbol.partition("/")[0], "USDT") for symbol in PRICES]
        self.world = World(symbols=tuple(PRICES), server={"instruments": listed, "fee_mode": "quote"})
        await self.world.__aenter__()
        self.venue = self.world.venue
        self.server = self.world.server
        for method in ("DELETE", "POST"):
            for symbol in PRICES:
                where = {"symbol": symbol.replace("/", "")}
                self.server.faults.add(
                    Kind.HTTP_ERROR, method, "/api/v3/order", status=504, processed=True, where=where
                )

    async def close(self) -> None:
        await self.world.__aexit__(None, None, None)

    def instruments(self) -> dict[str, Instrument]:
        found: dict[str, Instrument] = self.venue.instruments
        return found

    def now(self) -> int:
        return self.server.clock.now_ms() * 1000

    async def send(self, effect: fx.Submit) -> Any:
        intent = effect.approved.item
        if intent.role is Role.ENTRY and intent.symbol == WAITING:
            # Entries execute at once or not at all; this one is to be open, so it is a limit order below the market.
            below = msgspec.structs.replace(intent, type=OrderType.LIMIT, limit_price=PRICES[WAITING] * Decimal("0.95"))
            return await self.venue.submit(type(effect.approved)(below))
        return await self.venue.submit(effect.approved)

    async def trade(self, symbol: str, price: Decimal) -> None:
        self.world.manual.advance(seconds=60)
        self.server.market.move(symbol.replace("/", ""), price, size="10000")
        ticks, closed = round(price * 100), self.now()
        await self.sync()
        await self.step(Candle(closed, symbol, closed - MINUTE, ticks, ticks, ticks, ticks, 10_000_000_000))
        await self.sync()
        await self.take(self.engine.tend(self.engine.state.now))
        await self.sync()

    async def sync(self) -> None:
        report = await self.venue.report(0)
        assert not isinstance(report, Unavailable), report
        for fill in report.fills:
            if fill.client_id in self.engine.state.orders:
                await self.step(fill)
        listed = {order.client_id for order in report.orders}
        for order in list(self.engine.desk.live()):
            client_id = order.intent.client_id
            if client_id in listed or order.state is OrderState.INTENT:
                continue
            found = await self.venue.look_up(client_id, order.intent.symbol)
            if isinstance(found, Found) and not found.live and self.engine.state.orders[client_id].live:
                await self.step(events.Closed(self.now(), client_id, events.End.EXPIRED, "it is over"))
            elif isinstance(found, Absent):
                await self.step(events.Closed(self.now(), client_id, events.End.ABSENT, "it never was"))

    def resting(self) -> set[str]:
        return {order.client_id for order in self.server.truth.open_orders}


STAGES = (Simulated, Faulty)
