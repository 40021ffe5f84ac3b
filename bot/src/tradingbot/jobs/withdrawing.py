"""Takes a bot's orders back at the exchange, without the bot and, if need be, without its database.

It goes by what the exchange lists. An order is this bot's when its client id says so. Entry orders go at once; what
protects a position stays. It ends when the exchange has twice listed none any more, the visibility delay apart.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot.domain.money import plain
from tradingbot.domain.orders import Role, Side
from tradingbot.jobs.outcome import CANCELLED, FILLED, GONE, KEPT, OPEN, UNKNOWN, OrderEnd
from tradingbot.ports.venue import Absent, Accepted, Found, Unavailable
from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tradingbot.jobs.patience import Patience
    from tradingbot.ports.venue import OpenOrder
    from tradingbot.store.fence import Books
    from tradingbot.venues.ccxt.venue import CcxtVenue

MOST_SINGLE = 13
"""More symbols than this are listed at once."""
TWICE = 2
_PROTECTIVE = frozenset(role.value for role in Role if role.protective)


class Withdrawing:
    """One bot's orders. `ends` says what became of each."""

    def __init__(self, venue: CcxtVenue, patience: Patience, mine: Callable[[str], bool]) -> None:
        self.venue, self.patience, self._mine = venue, patience, mine
        self.books: Books | None = None
        """What the ledger says, once it has answered."""
        self.asked = asyncio.Event()
        """Set when the ledger has answered, or is not waited for any more."""
        self.ends: dict[str, OrderEnd] = {}
        self.listed: dict[str, OpenOrder] = {}
        """This bot's open orders, as they were listed last."""
        self._seen: dict[str, OpenOrder] = {}
        self._symbols: set[str] = set()
        self._over: dict[str, int] = {}
        """By client id, how often the exchange has said of an order itself that it is over, whatever its list says."""
        self.verified = False
        self.problem = "the exchange was not asked"
        self.stopped = False
        self._gate = asyncio.Semaphore(venue.config.parallel_cancels)

    # -- looking ---------------------------------------------------------------------------------------------------

    async def look(self, *, whole: bool) -> bool:
        """List this bot's open orders; return whether the exchange told them.

        `whole`: of all symbols, which costs as much as thirteen single ones; it is what the first and the last look
        take. In between those symbols are looked at that may have some.
        """
        whole = whole or not self._symbols or len(self._symbols) > MOST_SINGLE
        found = await self._open_orders(None if whole else sorted(self._symbols))
        if isinstance(found, Unavailable):
            self.problem = found.cause
            return False
        self.problem = ""
        self.listed = {order.client_id: order for order in found if self._mine(order.client_id)}
        self._seen |= self.listed
        self._symbols |= {order.symbol for order in self.listed.values()} | set(self.venue.rules)
        return True

    async def _open_orders(self, symbols: Collection[str] | None) -> list[OpenOrder] | Unavailable:
        if not self.venue.rules and not self.venue.markets.untraded:
            problem = await self.venue.load_markets(Lane.STOP)
            if problem:
                return Unavailable(problem)
        return await self.venue.listing(symbols)

    def protective(self, symbol: str) -> list[OpenOrder]:
        """Return the open orders that protect a position in this symbol."""
        return [order for order in self.listed.values() if order.symbol == symbol and self._protects(order)]

    def _protects(self, order: OpenOrder) -> bool:
        """Go by the ledger where it knows the order; a sale with a stop price protects in any case."""
        known = self.books.orders.get(order.client_id) if self.books is not None else None
        if known is not None:
            return known[1] in _PROTECTIVE
        return order.side is Side.SELL and order.stop_price is not None

    def _goes(self, order: OpenOrder) -> bool:
        """Tell whether an order is to be taken back now. No sale is judged before the ledger could say what it is."""
        believed = self._over.get(order.client_id, 0) >= TWICE
        return not believed and not self._protects(order) and (order.side is Side.BUY or self.asked.is_set())

    # -- taking back -----------------------------------------------------------------------------------------------

    async def entries(self) -> None:
        """Take back everything but protective orders, and see to it that it is gone. Bounded; never raises for it."""
        quiet, attempt = False, 0
        while self.patience.left > 0 and not self.stopped:
            told = await self.look(whole=quiet or not self._seen)
            going = [order for order in self.listed.values() if self._goes(order)] if told else []
            if not told and self.asked.is_set():
                # Where the list is not to be had, the ledger's orders are asked for one by one.
                await self._resolved()
            if going and await self.take_back(going):
                quiet, attempt = False, 0
                continue
            await self._ledger_answered()
            if told and not going and await self._resolved():
                if quiet:
                    self.verified = True
                    break
                quiet = True
                await self.patience.clock.sleep(min(self.venue.config.visibility_delay, max(0.0, self.patience.left)))
                continue
            quiet = False
            await self.patience.pause(attempt)
            attempt += 1
        self._keep()

    async def _ledger_answered(self) -> None:
        if not self.asked.is_set() and self.patience.left > 0:
            try:
                async with asyncio.timeout(self.patience.left):
                    await self.asked.wait()
            except TimeoutError:
                self.asked.set()

    async def take_back(self, orders: Iterable[OpenOrder]) -> bool:
        """Cancel orders, many at a time; return whether the exchange says of all of them that they live no more."""
        return all(await asyncio.gather(*(self._cancel(order) for order in orders)))

    async def _cancel(self, order: OpenOrder) -> bool:
        async with self._gate:
            outcome = await self.venue.cancel(order.client_id, order.symbol)
        if isinstance(outcome, Accepted):
            self._over[order.client_id] = self._over.get(order.client_id, 0) + 1
            self._ended(order.client_id, order.symbol)
            return True
        self._end(order.client_id, order.symbol, UNKNOWN, outcome.cause)
        return False

    def _ended(self, client_id: str, symbol: str) -> None:
        order = self._seen.get(client_id)
        filled = self.venue.filled.get(client_id, order.filled if order is not None else None)
        if order is not None and filled is not None and filled >= order.quantity:
            self._end(client_id, symbol, FILLED, "it was filled before it could be cancelled")
        else:
            self._end(client_id, symbol, CANCELLED, f"{plain(filled)} of it were filled" if filled else "")

    async def _resolved(self) -> bool:
        """Look up what is neither listed nor said to be over, by the exchange or by the ledger."""
        open_in_ledger = self.books.orders if self.books is not None else {}
        doubtful = {end.client_id: end.symbol for end in self.ends.values() if end.state in (UNKNOWN, OPEN)}
        doubtful |= {
            client_id: symbol
            for client_id, (symbol, role) in open_in_ledger.items()
            if role not in _PROTECTIVE and client_id not in self.ends
        }
        done = True
        for client_id, symbol in doubtful.items():
            if client_id not in self.listed:
                done = await self._look_up(client_id, symbol) and done
        return done

    async def _look_up(self, client_id: str, symbol: str) -> bool:
        found = await self.venue.look_up(client_id, symbol, urgent=True)
        if isinstance(found, Absent):
            self._end(client_id, symbol, GONE, "the exchange has never had it")
        elif isinstance(found, Found) and not found.live:
            self._ended(client_id, symbol)
        elif isinstance(found, Found):
            self._end(client_id, symbol, OPEN, "it is not listed, but it lives")
            outcome = await self.venue.cancel(client_id, symbol)
            if isinstance(outcome, Accepted):
                self._ended(client_id, symbol)
                return True
            return False
        else:
            self._end(client_id, symbol, UNKNOWN, found.cause)
            return False
        return True

    def _keep(self) -> None:
        """Say of what is still open whether it was left on purpose."""
        for order in self.listed.values():
            if self._protects(order):
                self._end(order.client_id, order.symbol, KEPT, "it protects a position")
            elif order.client_id not in self.ends:
                self._end(order.client_id, order.symbol, OPEN, "there was no time to cancel it")

    def _end(self, client_id: str, symbol: str, state: str, reason: str) -> None:
        self.ends[client_id] = OrderEnd(client_id=client_id, symbol=symbol, state=state, reason=reason)
