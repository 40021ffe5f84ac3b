"""Has too much been lost already? Equal to the limit is already too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.money import plain
from tradingbot.risk.equity_guard import loss_of

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter


def drawdown(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """DRAWDOWN_LIMIT when equity is that far below its highest value."""
    lost = loss_of(view.peak, view.equity)
    if lost >= limits.max_drawdown:
        return Denied(DenialCode.DRAWDOWN_LIMIT, (("drawdown", f"{lost:.4f}"), ("limit", plain(limits.max_drawdown))))
    return None


def daily_loss(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """DAILY_LOSS_LIMIT when equity is that far below its value at the start of the UTC day."""
    lost = loss_of(view.day_start, view.equity)
    if lost >= limits.daily_loss_limit:
        facts = (("loss", f"{lost:.4f}"), ("limit", plain(limits.daily_loss_limit)))
        return Denied(DenialCode.DAILY_LOSS_LIMIT, facts)
    return None
