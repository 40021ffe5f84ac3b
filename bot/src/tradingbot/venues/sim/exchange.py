"""The simulated exchange as a venue: keeps its own orders, balances and positions, and answers like a real one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain import ids
from tradingbot.domain.events import Closed, End, Fill, Liquidity
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.money import ZERO, add, mul, plain, ratio, sub
from tradingbot.domain.orders import Intent, OrderType, Side
from tradingbot.ports.venue import Absent, Accepted, Found, OpenOrder, Outcome, Refused, VenueReport
from tradingbot.venues.sim.matching import Execution, execution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle, Event
    from tradingbot.domain.orders import Approved
    from tradingbot.ports.venue import LookUp
    from tradingbot.venues.sim.rules import SimRules

KEPT = 32
"""Fills and finished orders that the venue still remembers."""


class Resting(msgspec.Struct):
    """An order at the venue."""

    intent: Intent
    arrives: int
    """Market time in microseconds from which it can execute."""
    remaining: Decimal
    fills: int = 0
    triggered: bool = False


class SimState(msgspec.Struct, kw_only=True):
    """Everything that the venue remembers."""

    now: int = 0
    balances: dict[str, Decimal] = {}
    positions: dict[str, Decimal] = {}
    orders: dict[str, Resting] = {}
    done: dict[str, Decimal] = {}
    """Finished orders, by client id, with what was filled of them."""
    fills: list[Fill] = []
    used: dict[str, tuple[int, Decimal]] = {}
    """By symbol, the candle and what was executed of its volume."""


class SimExchange:
    """A venue that lives on candles. `ports.venue.SimulatedVenue` says what each method promises."""

    def __init__(self, rules: SimRules, instruments: Mapping[str, Instrument], deposit: Mapping[str, Decimal]) -> None:
        self.rules = rules
        self.instruments = instruments
        self.state = SimState(balances=dict(deposit))

    def save(self) -> bytes:
        """Write the whole state."""
        return msgspec.json.encode(self.state, order="deterministic")

    def load(self, state: bytes) -> None:
        """Read what `save` wrote."""
        self.state = msgspec.json.decode(state, type=SimState)

    def advance(self, ts: int) -> None:
        """Set the market time of the next message."""
        self.state.now = max(self.state.now, ts)

    # -- messages --------------------------------------------------------------------------------------------------

    async def submit(self, approved: Approved[Intent]) -> Outcome:
        """Take an order, or say why not."""
        intent, state = approved.item, self.state
        if intent.client_id in state.orders or intent.client_id in state.done:
            return Refused("DUPLICATE_ORDER_ID", f"{intent.client_id} was sent before")
        refused = self._refusal(intent)
        if refused is not None:
            return refused
        arrives = state.now + self.rules.delay(intent.client_id)
        state.orders[intent.client_id] = Resting(intent, arrives, intent.quantity)
        return Accepted(f"sim-{intent.client_id}", state.now)

    async def cancel(self, client_id: str, symbol: str) -> Outcome:
        """Take an order back."""
        del symbol
        if client_id not in self.state.orders:
            return Refused("ORDER_NOT_FOUND", f"{client_id} is not open")
        self._finish(client_id)
        return Accepted(f"sim-{client_id}", self.state.now)

    async def look_up(self, client_id: str, symbol: str) -> LookUp:
        """Say what is known of an order."""
        del symbol
        resting = self.state.orders.get(client_id)
        if resting is not None:
            filled = sub(resting.intent.quantity, resting.remaining)
            return Found(f"sim-{client_id}", live=True, filled=filled)
        if client_id in self.state.done:
            return Found(f"sim-{client_id}", live=False, filled=self.state.done[client_id])
        return Absent()

    async def report(self, since: int) -> VenueReport:
        """Say what is open, what was executed since a moment, and what is owned."""
        state = self.state
        return VenueReport(
            ts=state.now,
            orders=tuple(
                OpenOrder(client_id, order.intent.symbol, sub(order.intent.quantity, order.remaining))
                for client_id, order in state.orders.items()
            ),
            fills=tuple(fill for fill in state.fills if fill.ts >= since),
            balances=dict(state.balances),
            positions=dict(state.positions),
        )

    def _refusal(self, intent: Intent) -> Refused | None:
        instrument = self.instruments.get(intent.symbol)
        if instrument is None:
            return Refused("UNKNOWN_SYMBOL", f"{intent.symbol} is not traded here")
        if intent.quantity <= 0 or instrument.quantity_down(intent.quantity) != intent.quantity:
            return Refused("LOT_SIZE", f"{plain(intent.quantity)} is not a multiple of {plain(instrument.lot)}")
        for price in (intent.limit_price, intent.stop_price):
            if price is not None and (price <= 0 or instrument.price_down(price) != price):
                return Refused("TICK_SIZE", f"{plain(price)} is not a multiple of {plain(instrument.tick)}")
        held = self.state.positions.get(intent.symbol, ZERO)
        if intent.reduce_only:
            if held * intent.side.sign >= 0:
                return Refused("REDUCE_ONLY", f"{plain(held)} {intent.symbol} cannot be reduced by a {intent.side}")
            return None
        price = intent.limit_price
        if price is not None and mul(price, intent.quantity) < instrument.min_notional:
            return Refused("MIN_NOTIONAL", f"less than {plain(instrument.min_notional)} {instrument.quote}")
        if intent.side is Side.SELL and instrument.market_type is MarketType.SPOT:
            return Refused("INSUFFICIENT_BALANCE", "a spot market has no short positions")
        return None

    # -- market ----------------------------------------------------------------------------------------------------

    def match(self, candle: Candle) -> Sequence[Event]:
        """Execute what this candle executes, oldest order first, stops before everything else."""
        self.advance(candle.opened)
        waiting = [
            order
            for order in self.state.orders.values()
            if order.intent.symbol == candle.symbol and order.arrives <= candle.ts
        ]
        if not waiting:
            return ()
        waiting.sort(key=lambda o: (o.intent.type is not OrderType.STOP, o.arrives, o.intent.seq))
        events: list[Event] = []
        for order in waiting:
            if order.intent.client_id in self.state.orders:
                self._try(order, candle, events)
        if events:
            self.advance(max(event.ts for event in events))
        return events

    def _try(self, order: Resting, candle: Candle, events: list[Event]) -> None:
        intent, instrument = order.intent, self.instruments[order.intent.symbol]
        ts = max(candle.opened, order.arrives)
        held = self.state.positions.get(intent.symbol, ZERO)
        if intent.reduce_only and held * intent.side.sign >= 0:
            self._close(order, ts, "there is nothing left to reduce", events)
            return
        found = execution(intent, instrument, candle, triggered=order.triggered)
        if found is None:
            return
        order.triggered = order.triggered or intent.type is OrderType.STOP
        volume = instrument.quantity(candle.volume)
        quantity = min(order.remaining, self._left(candle, volume, instrument))
        if intent.reduce_only:
            quantity = min(quantity, abs(held))
        if quantity <= 0:
            return
        price = self._price(found, intent, instrument, ratio(quantity, volume))
        if intent.type is OrderType.MARKET and intent.limit_price is not None:
            beyond = (price - intent.limit_price) * intent.side.sign
            if beyond > 0:
                text = f"{plain(price)} is beyond the collar {plain(intent.limit_price)}"
                self._close(order, ts, text, events)
                return
        fee = self.rules.fee(mul(quantity, price))
        if not self._affordable(intent, instrument, add(mul(quantity, price), fee)):
            self._close(order, ts, f"not enough {instrument.quote}", events)
            return
        self._execute(order, instrument, quantity, price, fee, found.liquidity, ts, events)
        _, used = self.state.used.get(candle.symbol, (candle.ts, ZERO))
        self.state.used[candle.symbol] = (candle.ts, add(used, quantity))

    def _left(self, candle: Candle, volume: Decimal, instrument: Instrument) -> Decimal:
        """Return what may still be executed of this candle's volume."""
        ts, used = self.state.used.get(candle.symbol, (0, ZERO))
        if ts != candle.ts:
            used = ZERO
            self.state.used[candle.symbol] = (candle.ts, ZERO)
        return max(ZERO, sub(instrument.quantity_down(mul(volume, self.rules.volume_share)), used))

    def _price(self, found: Execution, intent: Intent, instrument: Instrument, share: Decimal) -> Decimal:
        if found.liquidity is Liquidity.MAKER:
            return found.price
        price = self.rules.taker_price(found.price, intent.side, share.quantize(Decimal("0.000001")))
        return instrument.price_up(price) if intent.side is Side.BUY else instrument.price_down(price)

    def _affordable(self, intent: Intent, instrument: Instrument, cost: Decimal) -> bool:
        if intent.side is Side.SELL or instrument.market_type is not MarketType.SPOT:
            return True
        return self.state.balances.get(instrument.quote, ZERO) >= cost

    def _execute(
        self,
        order: Resting,
        instrument: Instrument,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        liquidity: Liquidity,
        ts: int,
        events: list[Event],
    ) -> None:
        state, intent = self.state, order.intent
        sign = Decimal(intent.side.sign)
        value = mul(quantity, price)
        balances = state.balances
        balances[instrument.base] = add(balances.get(instrument.base, ZERO), mul(quantity, sign))
        quote = sub(balances.get(instrument.quote, ZERO), mul(value, sign))
        balances[instrument.quote] = sub(quote, fee)
        state.positions[intent.symbol] = add(state.positions.get(intent.symbol, ZERO), mul(quantity, sign))
        order.remaining = sub(order.remaining, quantity)
        order.fills += 1
        number = ids.trade_id(intent.client_id, order.fills)
        fill = Fill(ts, intent.client_id, number, quantity, price, fee, liquidity)
        state.fills.append(fill)
        del state.fills[:-KEPT]
        events.append(fill)
        if order.remaining == 0:
            self._finish(intent.client_id)

    def _close(self, order: Resting, ts: int, note: str, events: list[Event]) -> None:
        self._finish(order.intent.client_id)
        events.append(Closed(ts, order.intent.client_id, End.EXPIRED, note))

    def _finish(self, client_id: str) -> None:
        order = self.state.orders.pop(client_id)
        self.state.done[client_id] = sub(order.intent.quantity, order.remaining)
        while len(self.state.done) > KEPT:
            del self.state.done[next(iter(self.state.done))]
