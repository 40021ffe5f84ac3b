"""Fills since a moment: complete over pages, each once, in order, with the client id of its order."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from tradingbot.venues.ccxt import mapping

if TYPE_CHECKING:
    from tradingbot.venues.ccxt.gateway import Gateway
    from tradingbot.venues.ccxt.limits import Lane
    from tradingbot.venues.ccxt.mapping import Rules, ToldFill

PAGE = 1000
MOST_PAGES = 1000
DAY_MS = 86_400_000
"""The exchange answers at most a day of fills per question."""
MOST_DAYS = 30
"""What is longer ago is read from the first fill of the symbol on."""
OVERLAP_MS = 600_000
"""Fills may be told late: so much before the asked moment is read again. Who books them knows them by their id."""
WEIGHT_TRADES, WEIGHT_TRADES_OF_ORDER, WEIGHT_ORDERS, WEIGHT_ORDER = 20, 5, 20, 4
KNOWN = 20_000


class NotToldError(Exception):
    """The exchange did not answer, or not so that it can be believed."""


class Names:
    """Which client id an order of the exchange has; the newest `KNOWN` are remembered."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()

    def learn(self, symbol: str, venue_id: str, client_id: str) -> None:
        """Remember."""
        if venue_id:
            self._names[symbol, venue_id] = client_id
            self._names.move_to_end((symbol, venue_id))
            while len(self._names) > KNOWN:
                self._names.popitem(last=False)

    def get(self, symbol: str, venue_id: str) -> str | None:
        """Recall."""
        return self._names.get((symbol, venue_id))


class History:
    """Reads one account's fills."""

    def __init__(self, gateway: Gateway, names: Names) -> None:
        self._gateway, self._names = gateway, names

    async def since(self, rules: Rules, since_ms: int, now_ms: int, lane: Lane) -> list[ToldFill]:
        """Return a symbol's fills, oldest first. Raise `NotToldError` when a page is missing: half is no answer."""
        start = max(0, since_ms - OVERLAP_MS)
        found: dict[str, ToldFill] = {}
        if start == 0 or now_ms - start > MOST_DAYS * DAY_MS:
            await self._from_number(rules, "1", found, lane)
        else:
            while start <= now_ms:
                rows = await self._page(rules, found, lane, start, {"endTime": start + DAY_MS - 1})
                if rows >= PAGE:
                    newest = max(found.values(), key=_number)
                    await self._from_number(rules, str(_number(newest) + 1), found, lane)
                    break
                start += DAY_MS
        kept = [fill for fill in found.values() if fill.ts >= 1000 * max(0, since_ms - OVERLAP_MS)]
        return sorted(kept, key=lambda fill: (fill.ts, _number(fill)))

    async def of_order(self, rules: Rules, venue_id: str, lane: Lane) -> list[ToldFill]:
        """Return the fills of one order, oldest first."""
        found: dict[str, ToldFill] = {}
        await self._page(rules, found, lane, None, {"orderId": venue_id}, WEIGHT_TRADES_OF_ORDER)
        return sorted(found.values(), key=lambda fill: (fill.ts, _number(fill)))

    async def _from_number(self, rules: Rules, first: str, found: dict[str, ToldFill], lane: Lane) -> None:
        for _ in range(MOST_PAGES):
            before = len(found)
            rows = await self._page(rules, found, lane, None, {"fromId": first})
            if rows < PAGE or len(found) == before:
                return
            first = str(max(_number(fill) for fill in found.values()) + 1)
        raise NotToldError(f"more than {MOST_PAGES} pages of fills of {rules.instrument.symbol}")

    async def _page(
        self,
        rules: Rules,
        found: dict[str, ToldFill],
        lane: Lane,
        since_ms: int | None,
        params: dict[str, Any],
        weight: int = WEIGHT_TRADES,
    ) -> int:
        """Read a page into `found`; return how many rows it had."""
        symbol = rules.instrument.symbol
        args = (symbol, since_ms, PAGE, params)
        reply = await self._gateway.call("fetch_my_trades", *args, lane=lane, weight=weight)
        problem = reply.unreadable("list")
        if problem:
            raise NotToldError(problem)
        try:
            fills = [mapping.fill(row, rules.market_id, rules.instrument.quote) for row in reply.answer]
        except mapping.MalformedError as error:
            raise NotToldError(str(error)) from error
        found.update({fill.trade_id: fill for fill in fills})
        return len(fills)

    async def name(self, rules: Rules, fills: list[ToldFill], lane: Lane) -> None:
        """Learn the client ids of all orders of these fills. Raise `NotToldError` where one stays unknown."""
        symbol = rules.instrument.symbol
        unknown = {f.venue_id for f in fills if self._names.get(symbol, f.venue_id) is None}
        while len(unknown) > 1 and all(venue_id.isdigit() for venue_id in unknown):
            lowest = min(unknown, key=int)
            args = (symbol, None, PAGE, {"orderId": lowest})
            reply = await self._gateway.call("fetch_orders", *args, lane=lane, weight=WEIGHT_ORDERS)
            problem = reply.unreadable("list")
            if problem:
                raise NotToldError(problem)
            self._learn(symbol, reply.answer)
            left = {venue_id for venue_id in unknown if self._names.get(symbol, venue_id) is None}
            if lowest in left:
                break
            unknown = left
        for venue_id in sorted(unknown):
            if self._names.get(symbol, venue_id) is None:
                await self._one(symbol, venue_id, lane)

    async def _one(self, symbol: str, venue_id: str, lane: Lane) -> None:
        reply = await self._gateway.call("fetch_order", venue_id, symbol, lane=lane, weight=WEIGHT_ORDER)
        problem = reply.unreadable("dict")
        if problem:
            raise NotToldError(problem)
        self._learn(symbol, [reply.answer])
        if self._names.get(symbol, venue_id) is None:
            raise NotToldError(f"order {venue_id} of {symbol} has fills, but the exchange does not say whose it is")

    def _learn(self, symbol: str, answers: list[Any]) -> None:
        for answer in answers:
            told = mapping.order(answer)
            if told is not None and told.client_id is not None:
                self._names.learn(symbol, told.venue_id, told.client_id)


def _number(fill: ToldFill) -> int:
    """Return the exchange's number of a fill, 0 where it is no number."""
    return int(fill.number) if fill.number.isdigit() else 0
