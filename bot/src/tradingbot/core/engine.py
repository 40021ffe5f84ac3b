"""The engine: `step(event) -> effects`. Synchronous, total, deterministic; it raises only on a broken invariant."""

from __future__ import annotations

import hashlib
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core import commands, confirm, flattening, judging, memory, stops, switches
from tradingbot.core.desk import Desk
from tradingbot.core.equity import Equity
from tradingbot.core.jumps import Jumps
from tradingbot.core.snapshot import EngineState
from tradingbot.domain import events
from tradingbot.domain.effects import Decide, Effect
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.flags import SHORTS
from tradingbot.domain.market import Candle, Tick, day_of
from tradingbot.domain.money import ZERO
from tradingbot.domain.orders import Role
from tradingbot.domain.secrecy import describe
from tradingbot.domain.states import State
from tradingbot.ledger import posting
from tradingbot.ledger.accounts import AVAILABLE
from tradingbot.risk.equity_guard import EquityGuard
from tradingbot.risk.latch import StopRecord
from tradingbot.risk.limits import OnBreach
from tradingbot.risk.view import RiskView
from tradingbot.strategy.base import Context, Proposal, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from tradingbot.core.snapshot import EngineConfig
    from tradingbot.domain.effects import Decision
    from tradingbot.domain.fills import Position
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Event, MarketEvent
    from tradingbot.risk.latch import Board

_VENUE = (
    events.Sent,
    events.Accepted,
    events.Refused,
    events.Unknown,
    events.Closed,
    events.CancelFailed,
    events.Fill,
)


class Engine:
    """One bot. Construct it with what was committed, warm it up, then step."""

    def __init__(
        self,
        config: EngineConfig,
        board: Board,
        instruments: Mapping[str, Instrument],
        make_strategy: Callable[[], Strategy[Any, Any]],
        state: EngineState | None = None,
    ) -> None:
        self.board, self.make_strategy = board, make_strategy
        self.state = state if state is not None else EngineState()
        self.base_limits = config.limits
        """The limits of the configuration, without what people changed since."""
        self._config = config = commands.restrict(config, self.state)
        self.state.instruments.update(instruments)
        self._out: list[Effect] = []
        self.desk = Desk(config, self.state, board, self._out)
        self.strategies = {symbol: make_strategy() for symbol in config.symbols}
        self.restored = memory.read(self.state, self.strategies, config.strategy_key)
        """Symbols whose strategy goes on where it was; the others want to be warmed up."""
        self._equity = Equity(self.desk, self.state, config.quote)
        self._jumps = Jumps(self.desk, self.state)
        self._calm = self._jumps.calm
        self._contexts: dict[str, Context] = {}
        self._listeners = {symbol: one.on_tick for symbol, one in self.strategies.items() if one.hears_ticks()}
        self._dispatch: dict[type, Callable[[Any], None]] = {
            Candle: self._on_candle,
            Tick: self._on_tick,
            events.Hold: self._on_hold,
            events.EmergencyStop: self._on_emergency_stop,
            events.Shutdown: self._on_shutdown,
            events.Resumed: self._on_resumed,
            **dict.fromkeys(commands.HANDLERS, self._on_command),
            events.CapitalMoved: self.desk.capital_moved,
            **dict.fromkeys(_VENUE, self._on_venue),
        }
        if self.state.epoch != config.epoch:
            # Ids are functions of (bot, epoch, number): a new epoch counts anew.
            self.state.epoch, self.state.intents, self.state.listing.sent = config.epoch, 0, 0
            stops.ask_anew(self.state)
        if self.state.guard is not None:
            self._equity.revalue()
        switches.restore(self)

    @property
    def config(self) -> EngineConfig:
        """Return what this run is about. Put another one in its place, and it counts from the next event on."""
        return self._config

    @config.setter
    def config(self, config: EngineConfig) -> None:
        self._config = self.desk.config = config
        self._contexts.clear()
        self._calm.clear()
        self._equity.due = 0

    # -- life ------------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> Sequence[Effect]:
        """Take one event, return what it leads to. Time never goes back: an older event is taken as of now."""
        handler = self._dispatch.get(type(event))
        if handler is None:
            raise BrokenInvariantError(f"the engine does not know events of type {type(event).__name__}")
        state = self.state
        if event.ts > state.now:
            state.now = event.ts
        handler(event)
        if not self._out:
            return ()
        effects = list(self._out)
        self._out.clear()
        return effects

    def open_account(self, ts: int, deposits: Mapping[str, Decimal] | None = None) -> Sequence[Effect]:
        """Book the capital of a bot that never traded; `deposits` is what the venue says is there, by asset."""
        self.state.now = ts
        self.state.tally.since = ts
        found = deposits if deposits is not None else {self.config.quote: self.config.capital}
        for asset in sorted(asset for asset, amount in found.items() if amount):
            self.desk.post(posting.deposit(asset, found[asset]), "initial capital")
        capital = found.get(self.config.quote, ZERO)
        self.state.guard = EquityGuard(capital, capital, day_of(ts))
        self._equity.revalue()
        effects = list(self._out)
        self._out.clear()
        return effects

    def resume(self, *, agreed: bool = True) -> Sequence[Effect]:
        """Take up the work after orders, fills and balances agree with the venue: protection is ensured first.

        Where they do not agree yet, nothing is closed: it may be sold already. `tend` comes back to it.
        """
        self.desk.cancel_again()
        for position in self.state.book.open_positions():
            self.desk.protect(position.symbol)
        if not self.board.state.entries_allowed:
            self.desk.cancel_entries("entries are blocked")
        stops.remember(self)
        flattening.forget(self.desk)
        if agreed and self.board.stop is not None and self.board.stop.close_positions:
            self._flatten("emergency stop")
        effects = list(self._out)
        self._out.clear()
        return effects

    def tend(self, ts: int) -> Sequence[Effect]:
        """Press on with what the venue has not done yet; cheap when there is nothing."""
        self.state.now = max(self.state.now, ts)
        self.desk.tend()
        confirm.tend(self)
        effects = list(self._out)
        self._out.clear()
        return effects

    def warm_up(self, symbol: str, candles: Iterable[Candle]) -> None:
        """Show a strategy the past; what it proposes is ignored."""
        strategy = self.strategies[symbol]
        for candle in candles:
            self._ask(strategy.on_candle, candle)

    def save(self) -> EngineState:
        """Return the state with the strategies' own in it, ready to be encoded."""
        memory.write(self.state, self.strategies, self._config.strategy_key)
        return self.state

    # -- market ----------------------------------------------------------------------------------------------------

    def _on_candle(self, candle: Candle) -> None:
        strategy, mark = self.strategies.get(candle.symbol), self.state.marks.get(candle.symbol)
        before = mark.price if mark is not None else None
        if not self._price(candle, candle.close, candle.gap) or strategy is None:
            return
        proposals = self._ask(strategy.on_candle, self._jumps.trimmed(candle, before))
        asked = self.state.asked.get(candle.symbol)
        if asked is not None and candle.ts - asked < self._config.strategy_interval:
            # It sees every candle, so that its indicators are whole; its wishes count once per interval.
            return
        self.state.asked[candle.symbol] = candle.ts
        if proposals:
            judging.hear(self, candle, proposals)

    def _on_tick(self, tick: Tick) -> None:
        listener = self._listeners.get(tick.symbol)
        if not self._price(tick, tick.price, 0) or listener is None:
            return
        proposals = self._ask(listener, tick)
        if proposals:
            asked = self.state.asked.get(tick.symbol)
            if asked is None or tick.ts - asked >= self._config.strategy_interval:
                # Between ticks there is no rhythm to keep: the interval runs from one wish that counts to the next.
                self.state.asked[tick.symbol] = tick.ts
                judging.hear(self, tick, proposals)

    def _price(self, event: MarketEvent, price: int, gap: int) -> bool:
        """Take the last price of a symbol, in ticks, and see whether the account's value reaches a limit."""
        if price <= 0:
            self.desk.alarm("BAD_PRICE", f"{event.symbol} at {price} ticks: what is not a price is not looked at")
            return False
        if self.state.waiting:
            confirm.tend(self)
        calm = self._calm.get(event.symbol)
        if calm is None or not calm[0] <= price <= calm[1]:
            if self._jumps.holds(event, price):
                return False
            self._show_released()
        moved = self._equity.take(event.symbol, event.ts, price, gap)
        if moved or self.desk.fresh or self.state.now >= self._equity.due:
            limits = self._config.limits
            for reason in self._equity.watch(limits, self._config.equity_interval):
                self.desk.cancel_entries(reason)
                if limits.on_breach is OnBreach.FLATTEN:
                    self._flatten(reason)
        self.desk.watch(event.symbol)
        return True

    def _show_released(self) -> None:
        """Let a strategy have seen what was held back and is confirmed now; what it proposes is ignored."""
        released, self._jumps.released = self._jumps.released, []
        for event in released:
            strategy = self.strategies.get(event.symbol)
            if strategy is not None and isinstance(event, Candle):
                self._ask(strategy.on_candle, event)
            elif event.symbol in self._listeners:
                self._ask(self._listeners[event.symbol], event)

    def _ask(self, listener: Callable[[Context, Any], Iterable[Proposal]], event: MarketEvent) -> Sequence[Proposal]:
        try:
            proposals = listener(self.context(event), event)
            return tuple(proposals) if proposals else ()
        except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises halts the bot, with a name for it
            self._strategy_failed(error)
            return ()

    def context(self, event: MarketEvent) -> Context:
        """Return what a strategy may look at; there is one for each symbol, and it moves on with the market."""
        context = self._contexts.get(event.symbol)
        if context is None:
            limits, instrument = self._config.limits, self.state.instruments[event.symbol]
            context = Context(instrument, self, (limits.cost, limits.min_risk_reward_ratio))
            self._contexts[event.symbol] = context
        context.at(event)
        return context

    @property
    def equity(self) -> Decimal:
        """Return the value of the account in quote currency: cash and open positions at their last price."""
        return self._equity.value

    def unrealized(self) -> Decimal:
        """Return the profit or loss of all open positions, in quote currency."""
        return self._equity.unrealized

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol in quote currency, None before the first one."""
        return self._equity.price(symbol)

    def position(self, symbol: str) -> Position | None:
        """Return the open position of a symbol, or None."""
        return self.state.book.position(symbol)

    # -- proposals -------------------------------------------------------------------------------------------------

    def view(self, symbol: str, *, duplicate: bool) -> RiskView:
        """Return what the gate may look at."""
        state, desk = self.state, self.desk
        guard = state.guard
        if guard is None:
            raise BrokenInvariantError("a proposal came before the account was opened")
        mark = state.marks[symbol]
        position = state.book.position(symbol)
        waiting = confirm.symbols(self)
        taken = {p.symbol for p in state.book.open_positions()} | {o.intent.symbol for o in desk.entries()} | waiting
        per_minute = self.config.limits.max_orders_per_minute
        return RiskView(
            state=self.board.state,
            now=state.now,
            instrument=state.instruments.get(symbol),
            price=self.price(symbol),
            price_ts=mark.ts,
            gap=mark.gap,
            equity=self.equity,
            available=state.book.balance(AVAILABLE, self.config.quote),
            peak=guard.peak,
            day_start=guard.day_start,
            position=position.quantity if position else ZERO,
            entry_pending=bool(desk.entries(symbol)) or symbol in waiting,
            exit_pending=desk.closing(symbol),
            open_positions=len(taken),
            orders_left=state.budget.left_for_entries(state.now, per_minute),
            duplicate=duplicate,
            shorts=SHORTS not in state.flags_off,
        )

    def decide(self, made: Decision) -> None:
        """Record a decision under the next number."""
        self.state.decisions += 1
        self.emit(Decide(msgspec.structs.replace(made, seq=self.state.decisions)))

    def emit(self, effect: Effect) -> None:
        """Add an effect to the step that is under way."""
        self._out.append(effect)

    def _strategy_failed(self, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        mark = hashlib.sha256(trace.encode()).hexdigest()[:12]
        text = f"strategy {self.config.strategy} raised {describe(error)} (trace {mark})"
        if self.board.hold("strategy", State.HALTED, text, latched=True):
            self.desk.alarm("STRATEGY_FAILED", text)
            self.desk.cancel_entries(text)

    # -- control ---------------------------------------------------------------------------------------------------

    def _on_command(self, event: Event) -> None:
        commands.HANDLERS[type(event)](self, event)

    def _on_venue(self, event: Event) -> None:
        self.desk.hear(event)

    def _on_hold(self, event: events.Hold) -> None:
        self.board.hold(event.source, event.state, event.reason, latched=event.latched, latch_id=event.latch_id)
        if not self.board.state.entries_allowed:
            self.desk.cancel_entries(event.reason)

    def _on_emergency_stop(self, event: events.EmergencyStop) -> None:
        record = StopRecord(event.stop_id, event.source, event.reason, event.close_positions)
        if event.replaces:
            self.board.replace(record)
        else:
            self.board.emergency(record)
        stops.begin(self, f"emergency stop: {event.reason}")
        confirm.end(self)
        if self.board.stop is not None and self.board.stop.close_positions:
            self._flatten(f"emergency stop: {event.reason}")

    def _on_resumed(self, event: events.Resumed) -> None:
        self.board.release(event.source)
        flattening.forget(self.desk)

    def _on_shutdown(self, event: events.Shutdown) -> None:
        self.board.hold("shutdown", State.HALTED, event.reason)
        self.desk.cancel_entries(event.reason)

    def _flatten(self, reason: str) -> None:
        for position in self.state.book.open_positions():
            self.desk.close_position(position.symbol, Role.FLATTEN, reason)
