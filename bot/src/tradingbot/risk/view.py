"""What the checks may look at: one symbol's market and the account, at one moment."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradingbot.domain.instrument import Instrument
from tradingbot.domain.states import State


class RiskView(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the account, taken when a proposal is judged."""

    state: State
    now: int
    instrument: Instrument | None
    price: Decimal | None
    """Last price in quote currency."""
    price_ts: int
    """When it was seen, in microseconds of market time."""
    gap: int
    equity: Decimal
    available: Decimal
    """Quote currency that is neither spent nor set aside."""
    peak: Decimal
    day_start: Decimal
    position: Decimal
    """Quantity held in the symbol."""
    entry_pending: bool
    exit_pending: bool
    open_positions: int
    """Positions and entry orders of all symbols."""
    orders_left: int
    """Entry orders that the rate budget still permits."""
    duplicate: bool
    shorts: bool = True
    """Whether short positions are wanted at all (a feature flag)."""
