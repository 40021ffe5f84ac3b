"""What can be traded, and in which steps."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingbot.domain.money import ceil_to, floor_to, mul


class MarketType(StrEnum):
    """Kind of market. Only a spot market forbids positions below zero."""

    SPOT = "Spot"
    MARGIN = "Margin"
    FUTURES = "Futures"


class Instrument(msgspec.Struct, frozen=True):
    """One symbol with its steps. Prices on the hot path are whole ticks, quantities whole lots."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    """Price step in quote currency."""
    lot: Decimal
    """Quantity step in base currency."""
    min_notional: Decimal
    """Smallest order value in quote currency."""
    market_type: MarketType = MarketType.SPOT

    def price(self, ticks: int) -> Decimal:
        """Return the price in quote currency of a number of ticks."""
        return mul(self.tick, Decimal(ticks))

    def quantity(self, lots: int) -> Decimal:
        """Return the quantity in base currency of a number of lots."""
        return mul(self.lot, Decimal(lots))

    def price_down(self, price: Decimal) -> Decimal:
        """Cut a price down to the tick."""
        return floor_to(price, self.tick)

    def price_up(self, price: Decimal) -> Decimal:
        """Raise a price to the tick."""
        return ceil_to(price, self.tick)

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """Cut a quantity down to the lot."""
        return floor_to(quantity, self.lot)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote currency of `BASE/QUOTE`."""
    base, slash, quote = symbol.partition("/")
    if not slash or not base or not quote:
        raise ValueError(f"a symbol is written BASE/QUOTE, for example BTC/USD; got {symbol!r}")
    return base, quote
