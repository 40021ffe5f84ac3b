"""The limits, as the gate uses them. Fractions are fractions (0.15 is 15 %), money is in quote currency."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec


class OnBreach(StrEnum):
    """What happens to open positions when drawdown or daily loss reach their limit."""

    HOLD = "Hold"
    FLATTEN = "Flatten"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that bounds an order."""

    max_drawdown: Decimal = Decimal("0.15")
    daily_loss_limit: Decimal = Decimal("0.03")
    max_position_size: Decimal = Decimal("0.25")
    """Largest value of one position as a fraction of equity."""
    risk_per_trade: Decimal = Decimal("0.01")
    """Largest loss of one position at its stop, costs included, as a fraction of equity."""
    max_open_positions: int = 5
    min_risk_reward_ratio: Decimal = Decimal("3.0")
    max_order_value: Decimal | None = None
    """Largest value of one order in quote currency."""
    max_orders_per_minute: int = 60
    price_collar: Decimal = Decimal("0.05")
    """Largest distance of an execution from the last price, as a fraction."""
    on_breach: OnBreach = OnBreach.HOLD
    cost: Decimal = Decimal(0)
    """One-way cost of an order as a fraction of its value: commission, half the spread, slippage."""
    commission: Decimal = Decimal(0)
    max_data_age: int = 180_000_000
    """A last price older than this many microseconds of market time is stale."""
    max_gap: int = 5
    """More missing candles than this right before the last one make the data stale."""
