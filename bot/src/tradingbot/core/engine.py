"""The engine: `step(event) -> effects`. Synchronous, total, deterministic; it raises only on a broken invariant."""

from __future__ import annotations

import hashlib
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.core import commands
from tradingbot.core.decisions import decision
from tradingbot.core.desk import Desk
from tradingbot.core.snapshot import EngineState, Mark
from tradingbot.domain import events
from tradingbot.domain.denial import Denied
from tradingbot.domain.effects import Decide, Effect, Latch, Marked
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.market import Candle, day_of
from tradingbot.domain.money import ZERO, add, mul
from tradingbot.domain.orders import Role, Side
from tradingbot.domain.states import State
from tradingbot.ledger import posting
from tradingbot.ledger.accounts import AVAILABLE
from tradingbot.ledger.book import worth
from tradingbot.risk import gate
from tradingbot.risk.equity_guard import EquityGuard, loss_of
from tradingbot.risk.latch import StopRecord
from tradingbot.risk.limits import OnBreach
from tradingbot.risk.view import RiskView
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from tradingbot.core.snapshot import EngineConfig
    from tradingbot.domain.effects import Decision
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Event
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
        self.config = config = commands.restrict(config, self.state)
        self.state.instruments.update(instruments)
        self._out: list[Effect] = []
        self.desk = Desk(config, self.state, board, self._out)
        self.strategies = {symbol: make_strategy() for symbol in config.symbols}
        self.restored = self._restore_strategies()
        """Symbols whose strategy goes on where it was; the others want to be warmed up."""
        self._equity = ZERO
        self._dispatch: dict[type, Callable[[Any], None]] = {
            Candle: self._on_candle,
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
            self.state.epoch, self.state.intents = config.epoch, 0
        if self.state.guard is not None:
            self._revalue()

    # -- life ------------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> Sequence[Effect]:
        """Take one event, return what it leads to. Time never goes back: an older event is taken as of now."""
        handler = self._dispatch.get(type(event))
        if handler is None:
            raise BrokenInvariantError(f"the engine does not know events of type {type(event).__name__}")
        self.state.now = max(self.state.now, event.ts)
        handler(event)
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
        self._revalue()
        effects = list(self._out)
        self._out.clear()
        return effects

    def resume(self) -> Sequence[Effect]:
        """Take up the work after orders, fills and balances agree with the venue: protection is ensured first."""
        for position in self.state.book.open_positions():
            self.desk.protect(position.symbol)
        if not self.board.state.entries_allowed:
            self.desk.cancel_entries("entries are blocked")
        if self.board.stop is None:
            self.state.stop_orders = []
        elif self.board.stop.close_positions:
            self._flatten("emergency stop")
        effects = list(self._out)
        self._out.clear()
        return effects

    def tend(self, ts: int) -> Sequence[Effect]:
        """Press on with what the venue has not done yet; cheap when there is nothing."""
        self.state.now = max(self.state.now, ts)
        self.desk.tend()
        effects = list(self._out)
        self._out.clear()
        return effects

    def warm_up(self, symbol: str, candles: Iterable[Candle]) -> None:
        """Show a strategy the past; what it proposes is ignored."""
        strategy = self.strategies[symbol]
        for candle in candles:
            self._ask(strategy, candle)

    def save(self) -> EngineState:
        """Return the state with the strategies' own in it, ready to be encoded."""
        self.state.strategy_key = self.config.strategy_key
        for symbol, strategy in self.strategies.items():
            self.state.strategies[symbol] = msgspec.Raw(msgspec.json.encode(strategy.state))
        return self.state

    def _restore_strategies(self) -> set[str]:
        if self.state.strategy_key != self.config.strategy_key:
            self.state.strategies = {}
        restored = set()
        for symbol, strategy in self.strategies.items():
            saved = self.state.strategies.get(symbol)
            if saved is None:
                continue
            try:
                strategy.state = msgspec.json.decode(saved, type=type(strategy.state))
            except msgspec.MsgspecError:
                # Another version of the strategy remembers other things: it is warmed up like a new one.
                continue
            restored.add(symbol)
        return restored

    # -- market ----------------------------------------------------------------------------------------------------

    def _on_candle(self, candle: Candle) -> None:
        mark = self.state.marks.get(candle.symbol)
        if mark is None:
            self.state.marks[candle.symbol] = Mark(candle.close, candle.ts, candle.gap)
        else:
            mark.price, mark.ts, mark.gap = candle.close, candle.ts, candle.gap
        self._watch_equity(candle.symbol)
        self.desk.watch(candle.symbol)
        strategy = self.strategies.get(candle.symbol)
        if strategy is None:
            return
        proposals = self._ask(strategy, candle)
        asked = self.state.asked.get(candle.symbol)
        if asked is not None and candle.ts - asked < self.config.strategy_interval:
            # It sees every candle, so that its indicators are whole; its wishes count once per interval.
            return
        self.state.asked[candle.symbol] = candle.ts
        for proposal in proposals:
            if isinstance(proposal, Enter):
                self._enter(candle, proposal)
            else:
                self._leave(candle, proposal)

    def _ask(self, strategy: Strategy[Any, Any], candle: Candle) -> Sequence[Proposal]:
        try:
            return tuple(strategy.on_candle(self.context(candle), candle))
        except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises halts the bot, with a name for it
            self._strategy_failed(error)
            return ()

    def _watch_equity(self, symbol: str) -> None:
        guard, state = self.state.guard, self.state
        if guard is None:
            raise BrokenInvariantError("a candle came before the account was opened")
        if self.desk.fresh or symbol in state.book.positions:
            self._revalue()
        if day_of(state.now) > guard.day or self._equity > guard.peak:
            guard.update(state.now, self._equity)
        for breach in guard.breaches(self._equity, self.config.limits):
            if self.board.hold(breach.source, State.HALTED, breach.reason, latched=True):
                self._out.append(Latch(breach.source, State.HALTED, breach.reason, state.now))
                self.desk.alarm("LIMIT_BREACHED", breach.reason)
                self.desk.cancel_entries(breach.reason)
                if self.config.limits.on_breach is OnBreach.FLATTEN:
                    self._flatten(breach.reason)
        if state.now - state.equity_ts >= self.config.equity_interval:
            state.equity_ts = state.now
            state.tally.max_drawdown = max(state.tally.max_drawdown, loss_of(guard.peak, self._equity))
            cash = state.book.cash(self.config.quote)
            unrealized = self.unrealized()
            self._out.append(
                Marked(EquityPoint(state.now, self._equity, cash, unrealized, guard.peak, guard.day_start))
            )

    def _revalue(self) -> None:
        self.desk.fresh = False
        value = self.state.book.cash(self.config.quote)
        for position in self.state.book.open_positions():
            price = self.price(position.symbol)
            if price is not None:
                value = add(value, worth(position, price))
        self._equity = value

    @property
    def equity(self) -> Decimal:
        """Return the value of the account in quote currency: cash and open positions at their last price."""
        if self.desk.fresh:
            self._revalue()
        return self._equity

    def unrealized(self) -> Decimal:
        """Return the profit or loss of all open positions, in quote currency."""
        result = ZERO
        for position in self.state.book.open_positions():
            price = self.price(position.symbol)
            if price is not None:
                result = add(result, self.state.book.unrealized(position.symbol, price))
        return result

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol in quote currency, None before the first candle."""
        mark = self.state.marks.get(symbol)
        return self.state.instruments[symbol].price(mark.price) if mark is not None else None

    def context(self, candle: Candle) -> Context:
        """Return what a strategy may look at."""
        limits = self.config.limits
        instrument = self.state.instruments[candle.symbol]
        position = self.state.book.position(candle.symbol)
        return Context(instrument, candle, position, self._equity, (limits.cost, limits.min_risk_reward_ratio))

    # -- proposals -------------------------------------------------------------------------------------------------

    def view(self, symbol: str, *, duplicate: bool) -> RiskView:
        """Return what the gate may look at."""
        state, desk = self.state, self.desk
        guard = state.guard
        if guard is None:
            raise BrokenInvariantError("a proposal came before the account was opened")
        mark = state.marks[symbol]
        position = state.book.position(symbol)
        taken = {p.symbol for p in state.book.open_positions()} | {o.intent.symbol for o in desk.entries()}
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
            entry_pending=bool(desk.entries(symbol)),
            exit_pending=desk.closing(symbol),
            open_positions=len(taken),
            orders_left=state.budget.left_for_entries(state.now, per_minute),
            duplicate=duplicate,
        )

    def _seen(self, candle: Candle, side: Side) -> bool:
        return self.state.last_intents.get(f"{candle.symbol} {side}") == str(candle.ts)

    def _enter(self, candle: Candle, proposal: Enter) -> None:
        before = self.state.intents
        view = self.view(candle.symbol, duplicate=self._seen(candle, proposal.side))
        verdict = gate.entry(proposal, view, self.config.limits, self.desk.draft())
        if isinstance(verdict, Denied):
            self.state.intents = before
            self._decide(candle, "enter", proposal.side, proposal.reason, verdict)
            return
        intent = verdict.item
        self.state.last_intents[f"{candle.symbol} {proposal.side}"] = str(candle.ts)
        facts = (
            ("quantity", f"{intent.quantity:f}"),
            ("value", f"{mul(intent.quantity, self.context(candle).price):f}"),
            ("stop_loss", f"{proposal.stop_loss:f}"),
            ("take_profit", f"{proposal.take_profit:f}"),
        )
        self._decide(candle, "enter", proposal.side, proposal.reason, None, intent.client_id, facts)
        self.desk.submit(verdict)

    def _leave(self, candle: Candle, proposal: Exit) -> None:
        position = self.state.book.position(candle.symbol)
        quantity = position.quantity if position else ZERO
        side = Side.SELL if quantity > 0 else Side.BUY
        denied = gate.leave(
            quantity,
            self.board.state,
            pending=self.desk.closing(candle.symbol),
            repeated=self._seen(candle, side),
        )
        if denied is not None:
            self._decide(candle, "exit", side, proposal.reason, denied)
            return
        self.state.last_intents[f"{candle.symbol} {side}"] = str(candle.ts)
        client_id = self.desk.close_position(candle.symbol, Role.EXIT, proposal.reason)
        self._decide(candle, "exit", side, proposal.reason, None, client_id, (("quantity", f"{abs(quantity):f}"),))

    def _decide(
        self,
        candle: Candle,
        action: str,
        side: Side,
        reason: str,
        denied: Denied | None,
        client_id: str = "",
        facts: Sequence[tuple[str, str]] = (),
    ) -> None:
        strategy = self.config.strategy
        self.decide(decision(candle.symbol, candle.ts, strategy, action, side, reason, denied, client_id, facts))

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
        text = f"strategy {self.config.strategy} raised {type(error).__name__}: {error} (trace {mark})"
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
        self.state.stop_orders.extend(self.desk.cancel_entries(f"emergency stop: {event.reason}"))
        if self.board.stop is not None and self.board.stop.close_positions:
            self._flatten(f"emergency stop: {event.reason}")

    def _on_resumed(self, event: events.Resumed) -> None:
        self.board.release(event.source)

    def _on_shutdown(self, event: events.Shutdown) -> None:
        self.board.hold("shutdown", State.HALTED, event.reason)
        self.desk.cancel_entries(event.reason)

    def _flatten(self, reason: str) -> None:
        for position in self.state.book.open_positions():
            self.desk.close_position(position.symbol, Role.FLATTEN, reason)
