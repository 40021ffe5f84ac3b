"""Whether there are too many orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter


def order_rate(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """ORDER_RATE when the entries' part of the minute's budget is used up."""
    if view.orders_left <= 0:
        return Denied(DenialCode.ORDER_RATE, (("limit_per_minute", str(limits.max_orders_per_minute)),))
    return None
