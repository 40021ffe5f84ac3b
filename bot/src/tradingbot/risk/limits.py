"""The limits, as the gate uses them. Fractions are fractions (0.15 is 15 %), money is in quote currency."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    max_stop_distance: Decimal | None = None
    """Largest distance of a stop-loss from the price, as a fraction of it; without it, ten collars."""
    max_target_distance: Decimal | None = None
    """A take-profit further from the price than this fraction of it is moved there, before the reward is judged."""
    min_confidence: Decimal | None = None
    """A signal whose strategy states less than this (0 to 1), or nothing, opens no position."""
    autonomous: bool = True
    """False: every entry of the strategy waits for a person."""
    price_collar: Decimal = Decimal("0.05")
    """Largest distance of an execution from the last price, as a fraction."""
    max_price_jump: Decimal = Decimal("0.2")
    """A price further from the one before it than this fraction counts only once a second one confirms it."""
    on_breach: OnBreach = OnBreach.HOLD
    cost: Decimal = Decimal(0)
    """One-way cost of an order as a fraction of its value: commission, half the spread, slippage."""
    commission: Decimal = Decimal(0)
    max_data_age: int = 180_000_000
    """A last price older than this many microseconds of market time is stale."""
    max_gap: int = 5
    """More missing candles than this right before the last one make the data stale."""


LARGER_IS_TIGHTER = frozenset({"min_risk_reward_ratio", "min_confidence"})
CHANGEABLE = (
    "max_drawdown",
    "daily_loss_limit",
    "max_position_size",
    "risk_per_trade",
    "max_open_positions",
    "min_risk_reward_ratio",
    "max_order_value",
    "max_orders_per_minute",
    "max_stop_distance",
    "max_target_distance",
    "min_confidence",
    "autonomous",
    "price_collar",
    "max_price_jump",
    "on_breach",
)
"""Limits that can be changed while the bot runs."""


def _looser(name: str, before: object, after: object) -> bool:
    """Tell whether one limit permits more than it did. No limit at all permits everything."""
    if before == after or before is None:
        return False
    if after is None:
        return True
    if name == "autonomous":
        return after is True
    if name == "on_breach":
        return after is OnBreach.HOLD
    larger = Decimal(str(after)) > Decimal(str(before))
    return larger is not (name in LARGER_IS_TIGHTER)


def loosened(before: Limits, after: Limits) -> list[str]:
    """Name the limits that permit more than they did."""
    return [name for name in CHANGEABLE if _looser(name, getattr(before, name), getattr(after, name))]


def tightest(one: Limits, other: Limits) -> Limits:
    """Return `one` with every limit taken from `other` that permits less there."""
    tighter = loosened(other, one)
    return msgspec.structs.replace(one, **{name: getattr(other, name) for name in tighter})


def changed(limits: Limits, changes: Mapping[str, str | None], defaults: Limits) -> Limits:
    """Return the limits with changes, each written as text; None takes the value of `defaults`."""
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise ValueError(f"there is no limit {', '.join(unknown)}; there are {', '.join(CHANGEABLE)}")
    values = msgspec.structs.asdict(limits)
    for name, text in changes.items():
        values[name] = getattr(defaults, name) if text is None else text
    # `strict=False` reads numbers from text.
    return msgspec.convert(values, Limits, strict=False)
