"""Orders in this bot's name that its ledger lacks, as after a database was restored: what is open, the exchange says.

It is asked for every open order at the start, at a stop, again and again while entries are blocked, and when a report
shows such an order. One that opens something is taken back: nobody would protect what it buys. A stop counts as carried
out when the exchange has listed none of this bot's any more. Orders of other names are never touched, and what only
sells stays.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot_contract.wording import first_of

from tradingbot.domain import events, ids
from tradingbot.domain.money import plain
from tradingbot.domain.secrecy import describe
from tradingbot.ports import venue as answers

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from tradingbot.ports.venue import OpenOrder, RealVenue
    from tradingbot.runtime.runner import Runner

AGAIN_SECONDS, STOPPED_SECONDS = 2.0, 30.0
"""Between two questions: while the exchange has not confirmed, and while a stop holds that it has confirmed."""
OWN_SECONDS = 1.0
"""How long the cancels of a stop are waited for, so that what they take back is not listed any more."""
MOST_NAMED = 5
ENDED = ("CANCELLED", "FILLED", "GONE")
"""What became of an order that is certain not to be open."""


class Strays:
    """Asks one exchange for one runner."""

    def __init__(self, runner: Runner, real: RealVenue) -> None:
        self.runner, self.real = runner, real
        self._one = asyncio.Lock()
        self._asked: float | None = None
        self._doubtful: dict[str, OpenOrder] = {}
        """By client id, strays whose cancel the exchange has not confirmed."""

    @property
    def due(self) -> bool:
        """Tell whether it is time to ask."""
        if self._asked is None:
            return True
        board, state = self.runner.engine.board, self.runner.engine.state
        if board.state.entries_allowed:
            return False
        silent = self.runner.clock.monotonic() - self._asked
        if not state.listing.confirmed:
            return silent >= AGAIN_SECONDS
        return board.stop is not None and silent >= STOPPED_SECONDS

    async def after(self, cancels: asyncio.Future[None]) -> None:
        """Ask for the sake of a stop, when its cancels are done: at once where they take too long."""
        rest = asyncio.ensure_future(self._quiet())
        try:
            await asyncio.wait({cancels, rest}, timeout=OWN_SECONDS)
        finally:
            rest.cancel()
        await self.look()

    async def _quiet(self) -> None:
        """Wait until what the trading loop is carrying out is done: that may be cancels, too."""
        async with self.runner.busy:
            pass

    async def look(self) -> None:
        """Ask, take back what the ledger lacks, and let the engine know what is left."""
        async with self._one:
            runner = self.runner
            self._asked = runner.clock.monotonic()
            sent = runner.engine.state.listing.sent
            ends: list[events.Stray] = []
            entries = await self._entries(None)
            if isinstance(entries, list) and (entries or self._doubtful):
                ends = await self._take_back({o.client_id: o for o in entries if not self._lives(o)})
                entries = await self._entries(sorted({order.symbol for order in entries})) if entries else []
            problem, none = self._left(entries)
            runner.step(events.Listed(runner.now(), sent, none, problem, tuple(ends)))
            runner.hurry()

    def mine(self, client_id: str) -> bool:
        """Tell whether an order is this bot's, by its name."""
        return ids.is_of(self.runner.engine.config.bot, client_id)

    async def _entries(self, symbols: Collection[str] | None) -> list[OpenOrder] | answers.Unavailable:
        """Ask for this bot's open orders that open something."""
        try:
            listed = await self.real.listing(symbols)
        except Exception as error:  # noqa: BLE001 - whatever a venue raises is no answer
            return answers.Unavailable(describe(error))
        if isinstance(listed, answers.Unavailable):
            return listed
        return [order for order in listed if order.enters and self.mine(order.client_id)]

    def _lives(self, order: OpenOrder) -> bool:
        """Tell whether the ledger knows that it lives, so that it is seen to there."""
        known = self.runner.order(order.client_id)
        return known is not None and known.live

    def _left(self, entries: list[OpenOrder] | answers.Unavailable) -> tuple[str, bool]:
        """Return what a person has to know of what is still open, and whether nothing is."""
        if isinstance(entries, answers.Unavailable):
            return entries.cause, False
        strays = sorted(order.client_id for order in entries if not self._lives(order))
        if strays:
            return f"it lists {first_of(strays, MOST_NAMED)}", False
        if self._doubtful:
            return f"the cancel of {first_of(sorted(self._doubtful), MOST_NAMED)} was not confirmed", False
        return "", not entries

    async def _take_back(self, listed: dict[str, OpenOrder]) -> list[events.Stray]:
        """Take orders back, and ask again for those whose cancel was not confirmed, whatever the list says of them."""
        orders = self._doubtful | listed
        ends = await asyncio.gather(*(self._cancel(order, listed=name in listed) for name, order in orders.items()))
        self._doubtful = {end.client_id: orders[end.client_id] for end in ends if end.state not in ENDED}
        return ends

    async def _cancel(self, order: OpenOrder, *, listed: bool) -> events.Stray:
        runner, name = self.runner, (order.client_id, order.symbol)
        if not runner.keeper.valid and runner.engine.board.stop is None:
            return events.Stray(*name, "OPEN", "it may be of the process that trades now: the lease is not certain")
        outcome = await runner.cancels.ask(*name)
        if isinstance(outcome, answers.Refused) and outcome.code == answers.NOT_FOUND and not listed:
            return events.Stray(*name, "GONE", outcome.cause)
        if not isinstance(outcome, answers.Accepted):
            return events.Stray(*name, "UNKNOWN", outcome.cause)
        filled = await self._filled(order) if outcome.filled is None else outcome.filled
        if filled >= order.quantity:
            return events.Stray(*name, "FILLED", "it was filled before it could be cancelled")
        return events.Stray(*name, "CANCELLED", f"{plain(filled)} of it were filled" if filled else "")

    async def _filled(self, order: OpenOrder) -> Decimal:
        """Return how much of an order was executed, as far as the exchange says it."""
        try:
            found = await self.runner.venue.look_up(order.client_id, order.symbol)
        except Exception:  # noqa: BLE001 - what it does not say now shows in the balances
            return order.filled
        return found.filled if isinstance(found, answers.Found) else order.filled
