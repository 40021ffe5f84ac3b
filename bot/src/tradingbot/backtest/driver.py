"""Drives one engine with one simulated exchange: what `runtime.runner` does, without commits and without waiting.

The order of everything is the runner's: what the venue answers is stepped first, then what follows from it is carried
out, round by round. So the same market gives the same ledger, posting for posting (tests compare the two).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.orders import OrderState, Role
from tradingbot.ports import venue as answers
from tradingbot.reconcile import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from tradingbot.core.engine import Engine
    from tradingbot.domain.market import Event, MarketEvent
    from tradingbot.ports.venue import SimulatedVenue

ROUNDS = 1000
"""Nothing in the market leads to more rounds of fills and orders than this."""

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits: the simulated exchange answers at once."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise BrokenInvariantError("the simulated exchange waited for something")


class Driver:
    """Market events in; every effect goes to `record` before it is carried out."""

    def __init__(self, engine: Engine, venue: SimulatedVenue, record: Callable[[fx.Effect], None]) -> None:
        self.engine, self.venue, self.record = engine, venue, record
        self._pending: list[fx.Effect] = []

    def on_market(self, event: MarketEvent) -> None:
        """Take a candle or a tick: the venue executes what waited for it, then the engine sees it."""
        replies = self.venue.match(event)
        if replies:
            self._until_quiet(replies, event)
        effects = self.engine.step(event)
        if effects:
            self.begin(effects)

    def _until_quiet(self, replies: Sequence[Event], event: MarketEvent) -> None:
        for _ in range(ROUNDS):
            for reply in replies:
                self._step(reply)
            self._flush()
            replies = self.venue.match(event)
            if not replies:
                return

    def begin(self, effects: Sequence[fx.Effect]) -> None:
        """Record effects and carry them out, until nothing follows any more."""
        self._pending.extend(effects)
        self._flush()

    def _step(self, event: Event) -> None:
        self._pending.extend(self.engine.step(event))

    def _flush(self) -> None:
        while self._pending:
            effects, self._pending = self._pending, []
            for effect in effects:
                self.record(effect)
            self._carry_out(effects)

    def _carry_out(self, effects: Iterable[fx.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, fx.Submit):
                self._send(effect)
            elif isinstance(effect, fx.Cancel):
                self._cancel(effect)
            elif isinstance(effect, fx.Query):
                self._ask(effect.client_id, effect.symbol)

    def _send(self, effect: fx.Submit) -> None:
        intent = effect.approved.item
        order = self.engine.state.orders.get(intent.client_id)
        if order is None or order.state is not OrderState.INTENT:
            return
        now = self.engine.state.now
        if intent.role is Role.ENTRY and not self.engine.board.state.entries_allowed:
            self._step(events.Closed(now, intent.client_id, events.End.EXPIRED, "not sent: entries are blocked"))
            return
        self._step(events.Sent(now, intent.client_id))
        self.venue.advance(now)
        outcome = at_once(self.venue.submit(effect.approved))
        match outcome:
            case answers.Accepted(venue_id=venue_id):
                self._step(events.Accepted(now, intent.client_id, venue_id))
            case answers.Refused(code=code, text=text):
                self._step(events.Refused(now, intent.client_id, code, text))
            case answers.Unknown(cause=cause):
                self._step(events.Unknown(now, intent.client_id, cause))

    def _cancel(self, effect: fx.Cancel) -> None:
        order = self.engine.state.orders.get(effect.client_id)
        if order is None or not order.live:
            return
        now = self.engine.state.now
        outcome = at_once(self.venue.cancel(effect.client_id, effect.symbol))
        if isinstance(outcome, answers.Accepted):
            self._step(events.Closed(now, effect.client_id, events.End.CANCELED, order.note))
            return
        self._step(events.CancelFailed(now, effect.client_id, outcome.cause))
        self._ask(effect.client_id, effect.symbol)

    def _ask(self, client_id: str, symbol: str) -> None:
        order = self.engine.state.orders.get(client_id)
        if order is None:
            return
        found = at_once(self.venue.look_up(client_id, symbol))
        if not isinstance(found, answers.Unavailable):
            self._step(resolve.answer(order, found, self.engine.state.now))
