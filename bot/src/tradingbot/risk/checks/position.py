"""Whether the proposal fits what is held already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.money import plain

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits
    from tradingbot.risk.view import RiskView
    from tradingbot.strategy.base import Enter


def free_symbol(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """POSITION_EXISTS when the symbol has a position or an entry order."""
    del limits
    if view.position != 0 or view.entry_pending:
        held = plain(view.position)
        return Denied(DenialCode.POSITION_EXISTS, (("position", held), ("entry_pending", str(view.entry_pending))))
    return None


def free_slot(_: Enter, view: RiskView, limits: Limits) -> Denied | None:
    """MAX_OPEN_POSITIONS when all slots are taken by positions and entry orders."""
    if view.open_positions >= limits.max_open_positions:
        facts = (("open", str(view.open_positions)), ("limit", str(limits.max_open_positions)))
        return Denied(DenialCode.MAX_OPEN_POSITIONS, facts)
    return None
