"""Closes positions at the exchange when there is no bot to do it: per symbol, bounded in time, amount and price.

Stop away, sell in slices of what the book shows within a collar that widens, and where that does not succeed: the stop
is placed again for what is left, and what is left is said. An order of which nobody knows whether it arrived is looked
up, never sent again. `core.flatten` decides what is sold next; this asks and sends.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.core.flatten import SHARES, Dust, Limits, NoDepth, Slice, next_slice
from tradingbot.domain import ids
from tradingbot.domain.money import ZERO, plain, sub, total
from tradingbot.jobs.outcome import FLAT, FLAT_WITH_DUST, RESIDUAL, UNKNOWN, PositionEnd
from tradingbot.jobs.owned import Owned, owned
from tradingbot.jobs.patience import Patience
from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable
from tradingbot.risk import gate
from tradingbot.venues.ccxt import resting
from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tradingbot.domain.orders import Approved, Intent
    from tradingbot.jobs.withdrawing import Withdrawing
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.venue import OpenOrder, Outcome
    from tradingbot.venues.ccxt.mapping import Rules
    from tradingbot.venues.ccxt.venue import CcxtVenue

RESERVE_SECONDS = 5.0
"""Kept free of the deadline for placing the stop again."""
IDLE_SECONDS = 10.0
"""So long without a sale, and what is left is left."""
HOPELESS = frozenset(
    {"KEY_REFUSED", "NOT_PERMITTED", "SIGNATURE", "MARKET_CLOSED", "UNKNOWN_SYMBOL", "PRECISION", "PARAMETER", "CLOSED"}
)
"""Refusals that no second attempt changes."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a position, the word for it, and why."""

    quantity: Decimal
    state: str
    reason: str = ""
    doubtful: Decimal = ZERO
    """How much of it may have been sold: an order of which nobody knows."""


class Sold(msgspec.Struct, frozen=True):
    """What became of one order."""

    quantity: Decimal
    problem: str = ""
    state: str = ""
    """Set when there is no use in going on."""


class Closer:
    """Sells what is one bot's."""

    def __init__(
        self,
        bot: str,
        venue: CcxtVenue,
        clock: Clock,
        orders: Withdrawing,
        *,
        maximum: Decimal,
        until: float,
        holds: Callable[[], Awaitable[bool]],
    ) -> None:
        """`maximum`: how far below the market it may sell, as a fraction. `until`: monotonic seconds."""
        self.bot, self.venue, self.clock, self.orders = bot, venue, clock, orders
        self.maximum, self._holds = maximum, holds
        self.last = Patience(venue, clock, until)
        self.patience = Patience(venue, clock, until - RESERVE_SECONDS)
        self._run = round(clock.now().timestamp() * 1000)
        self._number = 0

    async def close(self, symbol: str) -> PositionEnd:
        """Close one position; say what is left of it."""
        held = await self.patience.ask(lambda: self._owned(symbol))
        if isinstance(held, Unavailable):
            return _end(symbol, None, None, UNKNOWN, f"it is not known how much of it is this bot's: {held.cause}")
        requested = max(held.quantity, ZERO)
        stops = self.orders.protective(symbol)
        if stops:
            problem = await self._take_back(stops)
            if problem:
                return _end(symbol, requested, requested, UNKNOWN, f"{problem}, so nothing was sold")
            held = await self.patience.ask(lambda: self._after(symbol, stops))
            if isinstance(held, Unavailable):
                reason = f"its stop was taken back, and then it was not told what is left: {held.cause}"
                rest = Rest(quantity=requested, state=UNKNOWN, reason=reason, doubtful=requested)
                return await self._give_up(symbol, requested, rest, stops)
        left = max(held.quantity, ZERO)
        if left == ZERO:
            return _end(symbol, requested, ZERO, FLAT, "")
        rest = await self._sell(symbol, left)
        if rest.state in (FLAT, FLAT_WITH_DUST):
            return _end(symbol, requested, rest.quantity, rest.state, rest.reason)
        return await self._give_up(symbol, requested, rest, stops)

    # -- what there is ---------------------------------------------------------------------------------------------

    async def _owned(self, symbol: str) -> Owned | Unavailable:
        return await owned(self.venue, self.clock, symbol, self._mine, self.orders.books)

    def _mine(self, client_id: str) -> bool:
        return ids.is_of(self.bot, client_id)

    async def _take_back(self, stops: list[OpenOrder]) -> str:
        """Take protective orders back; return what is wrong when one of them may still live."""
        attempt = 0
        while not await self.orders.take_back(stops):
            if self.patience.left <= 0:
                return f"{', '.join(stop.client_id for stop in stops)} may still rest there"
            await self.patience.pause(attempt)
            attempt += 1
        for stop in stops:
            self.orders.listed.pop(stop.client_id, None)
        return ""

    async def _after(self, symbol: str, stops: list[OpenOrder]) -> Owned | Unavailable:
        """Return what is owned after the stops are gone. What they filled may be told of the order before its fills."""
        held = await self._owned(symbol)
        if isinstance(held, Unavailable):
            return held
        quantity = held.quantity
        for stop in stops:
            found = await self.venue.look_up(stop.client_id, symbol, urgent=True)
            if isinstance(found, Unavailable):
                return found
            filled = found.filled if isinstance(found, Found) else ZERO
            known = max(held.told.get(stop.client_id, ZERO), stop.filled)
            quantity = sub(quantity, max(sub(filled, known), ZERO))
        return Owned(quantity, held.told)

    # -- selling ---------------------------------------------------------------------------------------------------

    async def _sell(self, symbol: str, left: Decimal) -> Rest:
        """Sell; return what is left."""
        rules = self.venue.rules[symbol]
        limits = Limits(instrument=rules.instrument, min_quantity=rules.min_quantity, max_quantity=rules.max_quantity)
        reference = await self.patience.ask(lambda: resting.last_price(self.venue.gateway, symbol, Lane.STOP))
        if isinstance(reference, Unavailable):
            return Rest(quantity=left, state=RESIDUAL, reason=f"the market's price is not told: {reference.cause}")
        step, attempt, reason = 0, 0, ""
        idle = self.clock.monotonic() + IDLE_SECONDS
        while self.patience.left > 0 and self.clock.monotonic() < idle:
            bids = await resting.bids(self.venue.gateway, symbol, Lane.STOP)
            found = (
                bids if isinstance(bids, Unavailable) else next_slice(left, bids, reference, self.maximum, step, limits)
            )
            if isinstance(found, Dust):
                return Rest(quantity=left, state=FLAT_WITH_DUST, reason="too little for an order")
            if isinstance(found, Slice):
                sold = await self._send(symbol, rules, found)
                if sold.state:
                    doubtful = found.quantity if sold.state == UNKNOWN else ZERO
                    return Rest(quantity=left, state=sold.state, reason=sold.problem, doubtful=doubtful)
                left = sub(left, sold.quantity)
                if left <= ZERO:
                    return Rest(quantity=ZERO, state=FLAT)
                reason = sold.problem
                if sold.quantity:
                    step, attempt, idle = found.step, 0, self.clock.monotonic() + IDLE_SECONDS
                    continue
                step = min(found.step + 1, len(SHARES) - 1)
            else:
                reason = found.cause if isinstance(found, Unavailable) else _nobody(found, rules)
            await self.patience.pause(attempt)
            attempt += 1
        return Rest(quantity=left, state=RESIDUAL, reason=reason or "there was no time left")

    async def _send(self, symbol: str, rules: Rules, wanted: Slice) -> Sold:
        if not await self._holds():
            return Sold(ZERO, "another process has taken the bot's lease", RESIDUAL)
        draft = self._draft()
        approved = gate.reducing(rules.instrument, wanted.quantity, draft, "emergency stop", limit=wanted.price)
        if approved is None:
            return Sold(ZERO, "there is nothing to sell", RESIDUAL)
        return await self._outcome(approved, symbol)

    async def _outcome(self, approved: Approved[Intent], symbol: str) -> Sold:
        outcome = await self.venue.submit(approved)
        if isinstance(outcome, Refused):
            hopeless = outcome.code in HOPELESS
            return Sold(ZERO, f"{outcome.code}: {outcome.text}", RESIDUAL if hopeless else "")
        filled = await self._filled(approved.item.client_id, symbol)
        if filled is None:
            cause = "" if isinstance(outcome, Accepted) else f": {outcome.cause}"
            return Sold(ZERO, f"nobody knows what became of {approved.item.client_id}{cause}", UNKNOWN)
        return Sold(filled)

    async def _filled(self, client_id: str, symbol: str) -> Decimal | None:
        """Look an order up until it is over; None when there is no time left to."""
        attempt = 0
        while True:
            found = await self.venue.look_up(client_id, symbol, urgent=True)
            if isinstance(found, Absent):
                return ZERO
            if isinstance(found, Found):
                if not found.live:
                    return found.filled
                await self.venue.cancel(client_id, symbol)
            if self.last.left <= 0:
                return None
            await self.last.pause(attempt)
            attempt += 1

    def _draft(self) -> gate.Draft:
        self._number += 1
        now = round(self.clock.now().timestamp() * 1_000_000)
        client_id = ids.kill_id(self.bot, self._run, self._number)
        return gate.Draft(self.bot, 0, self._number, client_id, "", now)

    # -- when it does not succeed ----------------------------------------------------------------------------------

    async def _give_up(self, symbol: str, requested: Decimal, rest: Rest, stops: list[OpenOrder]) -> PositionEnd:
        """Protect what is left as it was protected before. What may have been sold is not protected: it may be gone."""
        reason = "it had no stop at the exchange"
        quantity = sub(rest.quantity, rest.doubtful)
        prices = [stop.stop_price for stop in stops if stop.stop_price is not None]
        if prices:
            quantity = min(quantity, total(sub(stop.quantity, stop.filled) for stop in stops))
        elif self.orders.books is not None and symbol in self.orders.books.positions:
            # An earlier kill that was ended may have taken the stop back: the ledger knows where it was.
            stop_loss = self.orders.books.positions[symbol].stop_loss
            prices = [stop_loss] if stop_loss is not None else []
        if prices:
            reason = await self._protect(symbol, quantity, max(prices))
        return _end(symbol, requested, rest.quantity, rest.state, f"{rest.reason}; {reason}")

    async def _protect(self, symbol: str, quantity: Decimal, price: Decimal) -> str:
        """Place the stop again; say what came of it."""
        attempt, instrument = 0, self.venue.rules[symbol].instrument
        while True:
            approved = gate.reducing(instrument, quantity, self._draft(), "protects what is left", stop=price)
            if approved is None:
                return "nothing is surely left to be protected"
            outcome = await self.venue.submit(approved)
            found = await self._rests(approved.item.client_id, symbol, outcome)
            if found is True:
                return f"its stop at {plain(price)} was placed again"
            if found is None:
                return f"it is not known whether its stop at {plain(price)} was placed again"
            if isinstance(outcome, Refused) and outcome.code in HOPELESS | {"WOULD_TRIGGER"}:
                return f"IT HAS NO STOP: {outcome.code}: {outcome.text}"
            if self.last.left <= 0:
                return "IT HAS NO STOP: there was no time left to place it again"
            await self.last.pause(attempt)
            attempt += 1

    async def _rests(self, client_id: str, symbol: str, outcome: Outcome) -> bool | None:
        """Tell whether a stop is at the exchange; None where the exchange does not say."""
        if isinstance(outcome, Refused):
            return False
        if isinstance(outcome, Accepted):
            return True
        found = await self.last.ask(lambda: self.venue.look_up(client_id, symbol, urgent=True))
        return None if isinstance(found, Unavailable) else isinstance(found, Found)


def _nobody(found: NoDepth, rules: Rules) -> str:
    return f"nobody buys at {plain(found.floor)} {rules.instrument.quote} or more"


def _end(symbol: str, requested: Decimal | None, residual: Decimal | None, state: str, reason: str) -> PositionEnd:
    def text(quantity: Decimal | None) -> str:
        return "unknown" if quantity is None else plain(quantity)

    return PositionEnd(symbol=symbol, requested=text(requested), residual=text(residual), state=state, reason=reason)
