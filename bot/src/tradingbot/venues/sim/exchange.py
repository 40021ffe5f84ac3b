"""The simulated exchange as a venue: keeps its own orders, balances and positions, and answers like a real one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain import ids
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.events import Closed, End, Fill, Liquidity
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.market import Tick
from tradingbot.domain.money import ZERO, add, mul, plain, ratio, sub
from tradingbot.domain.orders import Intent, OrderType, Side
from tradingbot.ports.venue import (
    Absent,
    Accepted,
    Found,
    Outcome,
    Refused,
    Unavailable,
    Unknown,
    VenueReport,
)
from tradingbot.venues.sim.band import Band, band
from tradingbot.venues.sim.faults import Fault
from tradingbot.venues.sim.matching import Execution, execution
from tradingbot.venues.sim.state import Late, Resting, SimState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Event, MarketEvent
    from tradingbot.domain.orders import Approved
    from tradingbot.ports.venue import LookUp
    from tradingbot.venues.sim.rules import SimRules

KEPT = 32
"""Fills and finished orders that the venue still remembers."""


class SimExchange:
    """A venue that lives on candles or ticks. `ports.venue.SimulatedVenue` says what each method promises."""

    def __init__(self, rules: SimRules, instruments: Mapping[str, Instrument], deposit: Mapping[str, Decimal]) -> None:
        self.rules = rules
        self.instruments = instruments
        self.state = SimState(balances=dict(deposit))
        self._bands: dict[str, Band] = {}

    def save(self) -> bytes:
        """Write the whole state."""
        return msgspec.json.encode(self.state, order="deterministic")

    def load(self, state: bytes) -> None:
        """Read what `save` wrote."""
        self.state = msgspec.json.decode(state, type=SimState)
        self._bands.clear()

    def restart(self, balances: Mapping[str, Decimal]) -> None:
        """Begin anew with these balances."""
        if self.state.orders or any(self.state.positions.values()):
            raise BrokenInvariantError("the simulated exchange is restarted while something is open")
        self.state = SimState(now=self.state.now, balances=dict(balances), done=self.state.done)

    def advance(self, ts: int) -> None:
        """Set the market time of the next message."""
        self.state.now = max(self.state.now, ts)

    # -- messages --------------------------------------------------------------------------------------------------

    async def submit(self, approved: Approved[Intent]) -> Outcome:
        """Take an order, or say why not."""
        intent, state, faults = approved.item, self.state, self.rules.faults
        if intent.client_id in state.orders or intent.client_id in state.done:
            return Refused("DUPLICATE_ORDER_ID", f"{intent.client_id} was sent before")
        if faults.hits(Fault.LOST, intent.client_id):
            return Unknown("simulated: the request was lost")
        if faults.hits(Fault.RATE_LIMIT, intent.client_id):
            return Refused("RATE_LIMITED", "simulated: 429, too many requests")
        if faults.hits(Fault.REJECT, intent.client_id):
            return Refused("SIMULATED_REJECT", "simulated: the exchange does not want this order")
        refused = self._refusal(intent)
        if refused is not None:
            return refused
        arrives = state.now + self.rules.delay(intent.client_id)
        state.orders[intent.client_id] = Resting(intent, arrives, intent.quantity)
        self._bands.pop(intent.symbol, None)
        if faults.hits(Fault.TIMEOUT, intent.client_id):
            return Unknown("simulated: no answer in time")
        return Accepted(f"sim-{intent.client_id}", state.now)

    async def cancel(self, client_id: str, symbol: str) -> Outcome:
        """Take an order back; with a latency for cancels, that it is gone is reported when it is."""
        order = self.state.orders.get(client_id)
        if order is None:
            return Refused("ORDER_NOT_FOUND", f"{client_id} is not open")
        order.cancels += 1
        if self.rules.faults.hits(Fault.RATE_LIMIT, f"{client_id}/cancel/{order.cancels}"):
            return Refused("RATE_LIMITED", "simulated: 429, too many requests")
        if self.rules.cancel_latency:
            if order.leaves is None:
                order.leaves = self.state.now + self.rules.cancel_latency
                self._bands.pop(symbol, None)
            return Unknown("the cancel is on its way")
        self._finish(client_id)
        return Accepted(f"sim-{client_id}", self.state.now)

    async def look_up(self, client_id: str, symbol: str) -> LookUp:
        """Say what is known of an order."""
        del symbol
        resting = self.state.orders.get(client_id)
        if resting is not None and resting.leaves is not None:
            return Unavailable("a cancel of it is on its way")
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
            orders=tuple(order.told() for order in state.orders.values()),
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

    def match(self, event: MarketEvent) -> Sequence[Event]:
        """Execute what this candle or tick executes, oldest order first, stops before everything else."""
        state, symbol = self.state, event.symbol
        if isinstance(event, Tick):
            limits = self._bands.get(symbol)
            if limits is None:
                limits = self._bands[symbol] = band(state, symbol, self.instruments.get(symbol))
            if event.ts < limits.due and limits.low < event.price < limits.high:
                self.advance(event.ts)
                return ()
            self.advance(event.ts)
        else:
            self.advance(event.opened)
        events = self._reports(event.ts)
        if isinstance(event, Tick) or not event.made:
            self._execute_all(event, events)
        self.advance(max((one.ts for one in events), default=event.ts))
        return events

    def _execute_all(self, event: MarketEvent, events: list[Event]) -> None:
        state, symbol = self.state, event.symbol
        waiting = [o for o in state.orders.values() if o.intent.symbol == symbol and o.arrives <= event.ts]
        waiting.sort(key=lambda o: (o.intent.type is not OrderType.STOP, o.arrives, o.intent.seq))
        for order in waiting:
            if order.intent.client_id in state.orders:
                self._try(order, event, events)
        for client_id, order in list(state.orders.items()):
            if order.leaves is not None and order.leaves <= event.ts:
                self._finish(client_id)
                events.append(Closed(max(state.now, order.leaves), client_id, End.CANCELED, "canceled as asked"))

    def _reports(self, ts: int) -> list[Event]:
        """Return the reports that have arrived by now."""
        late = self.state.late
        if not late:
            return []
        self.state.late = [report for report in late if report.due > ts]
        self._bands.clear()
        return [report.event for report in late if report.due <= ts]

    def _try(self, order: Resting, event: MarketEvent, events: list[Event]) -> None:
        intent, instrument = order.intent, self.instruments[order.intent.symbol]
        ts = max(event.ts if isinstance(event, Tick) else event.opened, order.arrives)
        held = self.state.positions.get(intent.symbol, ZERO)
        if intent.reduce_only and held * intent.side.sign >= 0:
            self._close(order, ts, "there is nothing left to reduce", events)
            return
        if order.leaves is not None and order.leaves <= ts:
            return
        found = execution(intent, instrument, event, triggered=order.triggered)
        if found is None or self.rules.faults.empty(intent.symbol, ts):
            return
        if intent.type is OrderType.STOP and not order.triggered:
            order.triggered = True
            self._bands.pop(intent.symbol, None)
        whole, left = self._there(event, found, instrument)
        quantity = min(order.remaining, left)
        if intent.reduce_only:
            quantity = min(quantity, abs(held))
        if quantity <= 0:
            return
        price = self._price(found, intent, instrument, ratio(quantity, whole))
        if intent.type is OrderType.MARKET and intent.limit_price is not None:
            beyond = (price - intent.limit_price) * intent.side.sign
            if beyond > 0:
                text = f"{plain(price)} is beyond the collar {plain(intent.limit_price)}"
                self._close(order, ts, text, events)
                return
        fee = self.rules.fee(mul(quantity, price), found.liquidity)
        if not self._affordable(intent, instrument, add(mul(quantity, price), fee)):
            self._close(order, ts, f"not enough {instrument.quote}", events)
            return
        _, used = self.state.used.get(intent.symbol, (0, ZERO))
        self.state.used[intent.symbol] = (event.ts, add(used, quantity))
        self._execute(order, instrument, quantity, price, fee, found.liquidity, ts, events)

    def _there(self, event: MarketEvent, found: Execution, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """Return the quantity that is there, and how much of it may still be executed."""
        if isinstance(event, Tick) and found.liquidity is Liquidity.TAKER:
            # What stands in the book, not what happened to be traded last.
            whole = permitted = instrument.quantity_down(ratio(self.rules.depth, found.price))
        else:
            whole = instrument.quantity(event.volume)
            permitted = instrument.quantity_down(mul(whole, self.rules.volume_share))
        ts, used = self.state.used.get(event.symbol, (0, ZERO))
        if ts != event.ts:
            used = ZERO
            self.state.used[event.symbol] = (event.ts, ZERO)
        return whole, max(ZERO, sub(permitted, used))

    def _price(self, found: Execution, intent: Intent, instrument: Instrument, share: Decimal) -> Decimal:
        if found.liquidity is Liquidity.MAKER:
            return found.price
        part = share.quantize(Decimal("0.000001"))
        price = self.rules.taker_price(found.price, intent.side, part, crossed=found.crossed)
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
        self._bands.pop(intent.symbol, None)
        self._tell(fill, events)
        if order.remaining == 0:
            self._finish(intent.client_id)

    def _tell(self, fill: Fill, events: list[Event]) -> None:
        """Report a fill: now, later or twice."""
        faults = self.rules.faults
        delay = self.rules.fill_latency
        if faults.hits(Fault.LATE_FILL, fill.trade_id):
            delay += faults.late_by
        twice = 2 if faults.hits(Fault.DUPLICATE_FILL, fill.trade_id) else 1
        if delay:
            self.state.late += [Late(fill.ts + delay, fill)] * twice
            self._bands.clear()
        else:
            events += [fill] * twice

    def _close(self, order: Resting, ts: int, note: str, events: list[Event]) -> None:
        self._finish(order.intent.client_id)
        events.append(Closed(ts, order.intent.client_id, End.EXPIRED, note))

    def _finish(self, client_id: str) -> None:
        order = self.state.orders.pop(client_id)
        self._bands.pop(order.intent.symbol, None)
        self.state.done[client_id] = sub(order.intent.quantity, order.remaining)
        while len(self.state.done) > KEPT:
            del self.state.done[next(iter(self.state.done))]
