"""Whether the very same thing was decided on already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter


def duplicate(proposal: Enter, view: RiskView, _: Limits) -> Denied | None:
    """DUPLICATE_INTENT when this candle has already led to the same order."""
    if view.duplicate:
        return Denied(DenialCode.DUPLICATE_INTENT, (("side", proposal.side.value),))
    return None
