"""Whether the signal is strong enough, by the strategy's own word."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.money import finite, plain

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter

_MOST = Decimal(1)


def _sound(stated: object) -> bool:
    """Tell whether a strategy, which is foreign code, stated a number of 0 to 1."""
    return isinstance(stated, Decimal) and finite(stated) and 0 <= stated <= _MOST


def confident(proposal: Enter, _: RiskView, limits: Limits) -> Denied | None:
    """LOW_CONFIDENCE when less is stated than is required, or nothing; DATA_INVALID when it is no number of 0 to 1."""
    stated, required = proposal.confidence, limits.min_confidence
    if stated is not None and not _sound(stated):
        return Denied(DenialCode.DATA_INVALID, (("confidence", str(stated)),))
    if required is None:
        return None
    if stated is None or stated < required:
        said = "none" if stated is None else plain(stated)
        return Denied(DenialCode.LOW_CONFIDENCE, (("confidence", said), ("required", plain(required))))
    return None
