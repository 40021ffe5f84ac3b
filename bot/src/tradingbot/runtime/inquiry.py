"""Asking the venue what became of single orders, each at its own pace, and booking what was executed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.orders import Ask, OrderState
from tradingbot.domain.secrecy import describe
from tradingbot.ports import venue as answers
from tradingbot.reconcile import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain import events
    from tradingbot.domain.orders import Order
    from tradingbot.ports.venue import RealVenue
    from tradingbot.runtime.runner import Runner

ORDER_SECONDS, DOUBT_SECONDS = 3.0, 1.0
"""Between two questions for one order: while it rests, and while its fate is not known."""
VERIFY_SECONDS = 60.0
"""So long the fills of an order that was cancelled are asked for."""

_UNSURE = (OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN)


class Inquiry:
    """What is asked about the orders of one runner."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.real: RealVenue | None = runner.venue if isinstance(runner.venue, answers.RealVenue) else None
        self._asked: dict[str, float] = {}
        self._unverified: dict[str, tuple[str, float]] = {}
        self._behind: set[str] = set()
        """Orders of which more was executed than is told."""

    async def ask(self, client_id: str, symbol: str) -> None:
        """Ask what became of an order; only an answer given twice says that it never arrived."""
        runner = self.runner
        if runner.order(client_id) is None or client_id in runner.sending:
            return
        self._asked[client_id] = runner.clock.monotonic()
        try:
            found = await self._look_up(client_id, symbol)
            if isinstance(found, answers.Absent) and self.real is None:
                found = await self._look_up(client_id, symbol)
        except Exception as error:  # noqa: BLE001 - whatever a venue raises is no answer
            found = answers.Unavailable(describe(error))
        if isinstance(found, answers.Unavailable) or client_id in runner.sending:
            return
        if isinstance(found, answers.Found) and not await self._fills(client_id, symbol, found):
            return
        order = runner.order(client_id)
        if order is None or not order.live or (isinstance(found, answers.Found) and found.live and _known(order)):
            return
        runner.step(resolve.answer(order, found, runner.now()))

    async def _look_up(self, client_id: str, symbol: str) -> answers.LookUp:
        if self.real is not None:
            return await self.real.look_up(client_id, symbol, urgent=self._urgent(client_id))
        return await self.runner.venue.look_up(client_id, symbol)

    def _urgent(self, client_id: str) -> bool:
        """Tell whether a stop waits for what becomes of an order, or the order is being taken back."""
        order, stop = self.runner.order(client_id), self.runner.engine.board.stop
        return stop is not None or (order is not None and order.ask is Ask.CANCEL)

    async def _fills(self, client_id: str, symbol: str, found: answers.Found) -> bool:
        """Book what was executed of an order; return whether all of it is told, so that an end is its end."""
        order = self.runner.order(client_id)
        if self.real is None or order is None or found.filled <= order.filled:
            return True
        told = await self._told(client_id, symbol)
        if told is None:
            self._behind.add(client_id)
            return False
        self._behind.discard(client_id)
        self.book(told)
        return True

    async def _told(self, client_id: str, symbol: str) -> tuple[events.Fill, ...] | None:
        if self.real is None:
            return None
        try:
            told = await self.real.fills_of(client_id, symbol, urgent=self._urgent(client_id))
        except Exception as error:  # noqa: BLE001 - see ask
            told = answers.Unavailable(describe(error))
        return None if isinstance(told, answers.Unavailable) else told

    def book(self, fills: Iterable[events.Fill]) -> bool:
        """Book fills of ours, each once; return whether one was new."""
        new = False
        for fill in fills:
            order = self.runner.order(fill.client_id)
            if order is not None and fill.trade_id not in order.trades:
                self.runner.step(fill)
                new = True
        return new

    def verify(self, client_id: str, symbol: str) -> None:
        """Ask for the fills of an order that has just ended: some may have happened on the way."""
        if self.real is not None:
            self._unverified[client_id] = (symbol, self.runner.clock.monotonic())

    async def all(self) -> None:
        """Ask for every order that may have changed, each at its own pace."""
        for client_id, (symbol, since) in list(self._unverified.items()):
            told = await self._told(client_id, symbol)
            if told is not None:
                self.book(told)
            if told is not None or self.runner.clock.monotonic() - since > VERIFY_SECONDS:
                # What is never told shows in the balances.
                self._unverified.pop(client_id, None)
        for order in self.runner.engine.desk.live():
            if self._due(order):
                await self.ask(order.intent.client_id, order.intent.symbol)
        self._asked = {name: at for name, at in self._asked.items() if self.runner.order(name) is not None}

    def _due(self, order: Order) -> bool:
        intent = order.intent
        if self.unsent(order):
            return False
        doubt = order.state in _UNSURE or order.ask is Ask.CANCEL
        last = self._asked.get(intent.client_id)
        pause = DOUBT_SECONDS if doubt else ORDER_SECONDS
        return last is None or self.runner.clock.monotonic() - last >= pause

    def unsent(self, order: Order) -> bool:
        """Tell whether an order is of this very process, and has not left yet."""
        return order.state is OrderState.INTENT and order.intent.epoch == self.runner.engine.config.epoch

    def doubts(self) -> set[str]:
        """Return the orders of which nobody can say yet what was executed: no balance can be explained meanwhile."""
        live = self.runner.engine.desk.live()
        self._behind &= {order.intent.client_id for order in live}
        unsure = {order.intent.client_id for order in live if order.state in _UNSURE and not self.unsent(order)}
        return unsure | self._behind | self._unverified.keys()


def _known(order: Order) -> bool:
    """Tell whether hearing that it lives is no news."""
    return order.state in (OrderState.OPEN, OrderState.PARTIAL) and order.ask is Ask.NONE
