"""What fills leave behind: trades, positions, points of the equity curve."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingbot.domain.events import Liquidity
from tradingbot.domain.money import ZERO
from tradingbot.domain.orders import Role, Side


class Direction(StrEnum):
    """Direction of a position."""

    LONG = "long"
    SHORT = "short"


class Trade(msgspec.Struct, frozen=True):
    """One fill, with what it did to the position."""

    trade_id: str
    client_id: str
    symbol: str
    strategy: str
    side: Side
    role: Role
    direction: Direction
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realized: Decimal
    """Profit or loss that this fill realized, in quote currency, before its own fee."""
    liquidity: Liquidity
    ts: int


class Position(msgspec.Struct):
    """Holding in one symbol. `cost` is exact; the average price is only shown."""

    symbol: str
    quantity: Decimal = ZERO
    """In base currency, below zero for a short position."""
    cost: Decimal = ZERO
    """What was paid for it (received, for a short one), in quote currency, without fees, never below zero."""
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    strategy: str = ""
    opened: int = 0
    updated: int = 0

    @property
    def open(self) -> bool:
        """Tell whether anything is held."""
        return self.quantity != 0

    @property
    def direction(self) -> Direction:
        """Return long or short; meaningless while nothing is held."""
        return Direction.LONG if self.quantity > 0 else Direction.SHORT


class EquityPoint(msgspec.Struct, frozen=True):
    """One point of the equity curve, in quote currency."""

    ts: int
    equity: Decimal
    cash: Decimal
    unrealized: Decimal
    peak: Decimal
    day_start: Decimal
