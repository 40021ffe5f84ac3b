"""Reads open orders, balances, and fills with their orders. What cannot be believed is `Unavailable`, never empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.gateway import PROVEN
from tradingbot.venues.ccxt.history import History, Names, NotToldError
from tradingbot.venues.ccxt.limits import WEIGHT_BALANCES, WEIGHT_LISTING
from tradingbot.venues.ccxt.mapping import MalformedError
from tradingbot.venues.ccxt.markets import Markets

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from tradingbot.domain.events import Fill
    from tradingbot.ports.venue import OpenOrder
    from tradingbot.venues.ccxt.gateway import Gateway
    from tradingbot.venues.ccxt.limits import Lane
    from tradingbot.venues.ccxt.mapping import Rules, ToldFill

WEIGHT_OPEN_ORDERS = 6
WEIGHT_TICKER = 2


class Reader:
    """Asks and reads; knows the client ids of the orders that it has read."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.markets = Markets()
        self.names = Names()
        self.history = History(gateway, self.names)

    async def named(self, rules: Rules, told: list[ToldFill], lane: Lane) -> list[Fill]:
        """Give fills their orders and their fees in quote currency; raise where either stays unknown."""
        await self.history.name(rules, told, lane)
        instrument, symbol = rules.instrument, rules.instrument.symbol
        others = {f.fee.asset for f in told if f.fee.amount} - {instrument.base, instrument.quote}
        rates = {asset: await self._rate(asset, instrument.quote, lane) for asset in sorted(others)}
        return [mapping.named(fill, self.names.get(symbol, fill.venue_id) or "", instrument, rates) for fill in told]

    async def _rate(self, asset: str, quote: str, lane: Lane) -> Decimal:
        """Return the last price of an asset in which a fee was taken."""
        reply = await self.gateway.call("fetch_ticker", f"{asset}/{quote}", lane=lane, weight=WEIGHT_TICKER)
        if reply.unreadable("dict"):
            raise NotToldError(f"the price of {asset}, in which fees were taken: {reply.unreadable('dict')}")
        return mapping.number(reply.answer.get("last"), f"price of {asset}")

    async def listing(self, symbols: Collection[str] | None, lane: Lane) -> list[OpenOrder] | Unavailable:
        """Ask for the account's open orders in some symbols, or in all: that costs as much as thirteen single ones."""
        found: list[OpenOrder] = []
        for symbol in (None,) if symbols is None else symbols:
            told = await self.open_orders(symbol, lane)
            if isinstance(told, Unavailable):
                return told
            found += told
        if symbols is None and not found:
            # An empty list is also what a broken gateway says: money that is set aside speaks against it.
            money = await self.balances(lane, weight=0)
            if isinstance(money, Unavailable):
                return Unavailable(f"no open order is listed, and the balances that could contradict it: {money.cause}")
            if money[0] != money[1]:
                return Unavailable("no open order is listed, but money is set aside for some")
        return found

    async def open_orders(self, symbol: str | None, lane: Lane) -> list[OpenOrder] | Unavailable:
        """Ask for the open orders in a symbol, or in all."""
        weight = WEIGHT_LISTING if symbol is None else WEIGHT_OPEN_ORDERS
        reply = await self.gateway.call("fetch_open_orders", symbol, lane=lane, weight=weight)
        problem = reply.unreadable("list")
        if problem:
            return Unavailable(problem)
        try:
            found = mapping.open_orders(reply.answer)
        except MalformedError as error:
            return Unavailable(str(error))
        for told, order in found:
            self.names.learn(order.symbol, told.venue_id, order.client_id)
        return [order for _, order in found]

    async def balances(
        self, lane: Lane, weight: int = WEIGHT_BALANCES
    ) -> tuple[dict[str, Decimal], dict[str, Decimal]] | Unavailable:
        """Ask for what is owned of the connected symbols' assets: (free and set aside together, free alone)."""
        reply = await self.gateway.call("fetch_balance", lane=lane, weight=weight)
        problem = reply.unreadable("dict")
        if problem:
            return Unavailable(problem)
        info = reply.answer.get("info")
        if self.gateway.exchange in PROVEN and (
            not isinstance(info, dict) or not isinstance(info.get("balances"), list)
        ):
            return Unavailable("an answer without balances")
        try:
            return mapping.balances(reply.answer, self.markets.assets)
        except MalformedError as error:
            return Unavailable(str(error))
