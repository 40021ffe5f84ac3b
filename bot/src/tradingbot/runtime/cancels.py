"""Taking orders back: many at a time, and for a stop with the exchange's own list of what is left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.secrecy import describe
from tradingbot.ports import venue as answers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.runtime.runner import Runner


class Cancels:
    """The cancels of one runner."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    async def send(self, effects: Iterable[fx.Cancel]) -> None:
        """Send cancels all at once: a real venue takes its time for each, and its budget keeps them in bounds."""
        await asyncio.gather(*(self._send(effect) for effect in effects))

    async def _send(self, effect: fx.Cancel) -> None:
        runner, order = self.runner, self.runner.order(effect.client_id)
        if order is None or not order.live:
            return
        outcome = await self.ask(effect.client_id, effect.symbol)
        if isinstance(outcome, answers.Accepted):
            if runner.simulated is None and (outcome.filled is None or outcome.filled > order.filled):
                # It was faster, in part or whole: that is booked before anything is sold in its place.
                await runner.inquiry.ask(effect.client_id, effect.symbol)
            elif order.live:
                runner.step(events.Closed(runner.now(), effect.client_id, events.End.CANCELED, order.note))
                runner.inquiry.verify(effect.client_id, effect.symbol)
            return
        runner.step(events.CancelFailed(runner.now(), effect.client_id, outcome.cause))
        await runner.inquiry.ask(effect.client_id, effect.symbol)

    async def ask(self, client_id: str, symbol: str) -> answers.Outcome:
        """Ask the venue to take one order back. Whatever goes wrong on the way: it may have arrived."""
        try:
            outcome = await self.runner.venue.cancel(client_id, symbol)
        except Exception as error:  # noqa: BLE001 - whatever a venue raises says nothing about the order
            outcome = answers.Unknown(describe(error))
        self.runner.metrics.answered(outcome)
        return outcome

    async def now(self) -> None:
        """Send pending cancels without waiting for a commit: taking entries back needs no database.

        A protective order that makes room for a sale stays until the sale can be written down: while the database is
        away, a position must not lose its stop and wait for the order that closes it.
        """
        runner = self.runner
        sending = asyncio.ensure_future(self.send(runner.take_out(self._goes)))
        strays = runner.agreement.strays
        try:
            if strays is not None and runner.engine.board.stop is not None:
                await strays.after(sending)
            await sending
        finally:
            sending.cancel()
        runner.wake.set()

    def _goes(self, effect: fx.Effect) -> bool:
        order = self.runner.order(effect.client_id) if isinstance(effect, fx.Cancel) else None
        return isinstance(effect, fx.Cancel) and (order is None or not order.intent.role.protective)
