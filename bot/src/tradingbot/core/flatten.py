"""How a position is sold in a hurry without giving it away. Pure: book and rest go in, the next order comes out.

What is sold is bounded by what the book shows (slices), and its price by a collar below the market as it was when the
closing began. The collar widens in steps to a declared maximum and never beyond; what cannot be sold within it stays,
and is said to stay. A market order into an empty book would be a gift.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.instrument import Instrument
from tradingbot.domain.money import ONE, ZERO, mul, sub

if TYPE_CHECKING:
    from collections.abc import Sequence


SHARES = (Decimal("0.125"), Decimal("0.25"), Decimal("0.5"), ONE)
"""The steps of the collar, as shares of its maximum."""

Level = tuple[Decimal, Decimal]
"""(price in quote currency, quantity in base currency)."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange demands of an order."""

    instrument: Instrument
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None

    def sellable(self, quantity: Decimal, price: Decimal) -> bool:
        """Tell whether the exchange would take an order of this size."""
        rounded = self.instrument.quantity_down(quantity)
        return rounded > 0 and rounded >= self.min_quantity and mul(rounded, price) >= self.instrument.min_notional


class Slice(msgspec.Struct, frozen=True):
    """The next order: sell so much, at this price or better, at once or not at all."""

    quantity: Decimal
    price: Decimal
    step: int
    """Which step of the collar it took; the next slice begins there."""


class Dust(msgspec.Struct, frozen=True):
    """What is left is too small for any order."""


class NoDepth(msgspec.Struct, frozen=True):
    """Nobody buys within the widest collar. It may be otherwise a second later."""

    floor: Decimal
    """The lowest price at which it would be sold."""


def floor_price(reference: Decimal, maximum: Decimal, step: int, instrument: Instrument) -> Decimal:
    """Return the lowest price of a step: `reference` less a share of `maximum` (a fraction), rounded up to the tick."""
    return instrument.price_up(mul(reference, sub(ONE, mul(maximum, SHARES[step]))))


def next_slice(
    left: Decimal, bids: Sequence[Level], reference: Decimal, maximum: Decimal, step: int, limits: Limits
) -> Slice | Dust | NoDepth:
    """Say what to sell next of what is left.

    `reference` is the market's price when the closing began, and stays the same: a price that is pushed down while we
    sell is not followed. `step` is where the slice before stood; the collar never narrows again.
    """
    instrument = limits.instrument
    if not limits.sellable(left, floor_price(reference, maximum, 0, instrument)):
        return Dust()
    for number in range(step, len(SHARES)):
        price = floor_price(reference, maximum, number, instrument)
        visible = sum((quantity for bid, quantity in bids if bid >= price), ZERO)
        quantity = instrument.quantity_down(min(left, visible))
        if visible and quantity < left and not limits.sellable(sub(left, quantity), price):
            # So little would be left that it could never be sold: let the whole of it go along.
            quantity = instrument.quantity_down(left)
        if limits.max_quantity is not None:
            quantity = min(quantity, instrument.quantity_down(limits.max_quantity))
        if price > 0 and limits.sellable(quantity, price):
            return Slice(quantity, price, number)
    return NoDepth(floor_price(reference, maximum, len(SHARES) - 1, instrument))
