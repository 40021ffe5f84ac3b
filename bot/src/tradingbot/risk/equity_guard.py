"""Peak and day-start equity, and what is lost against them. Both survive restarts; no breach re-bases them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tradingbot.domain.market import day_of
from tradingbot.domain.money import ONE, ZERO, ratio

if TYPE_CHECKING:
    from tradingbot.risk.limits import Limits


def loss_of(high: Decimal, equity: Decimal) -> Decimal:
    """Return the loss as a fraction of `high`; everything is lost where there was nothing to begin with."""
    if high <= 0:
        return ONE
    return max(ZERO, ratio(high - equity, high))


class Breach(NamedTuple):
    """A limit that was reached. `source` is the name of the latch."""

    source: str
    reason: str


class EquityGuard(msgspec.Struct):
    """What equity is measured against, in quote currency."""

    peak: Decimal
    day_start: Decimal
    day: int
    """UTC day of `day_start`, as days since 1970-01-01."""

    def update(self, ts: int, equity: Decimal) -> None:
        """Take the equity at a moment: a new day starts here, a new peak is kept."""
        day = day_of(ts)
        if day > self.day:
            self.day, self.day_start = day, equity
        self.peak = max(self.peak, equity)

    def breaches(self, equity: Decimal, limits: Limits) -> list[Breach]:
        """Return the limits that this equity reaches."""
        found = []
        drawdown = loss_of(self.peak, equity)
        if drawdown >= limits.max_drawdown:
            text = f"drawdown {drawdown:.2%} of the peak {self.peak:.2f} reached the limit {limits.max_drawdown:.2%}"
            text += "; a resume does not re-base the peak: it halts again at once for as long as this is so"
            found.append(Breach("drawdown", text))
        daily = loss_of(self.day_start, equity)
        if daily >= limits.daily_loss_limit:
            text = (
                f"loss of the day {daily:.2%} of {self.day_start:.2f} reached the limit {limits.daily_loss_limit:.2%}"
                "; a resume does not re-base it: it halts again at once for as long as this is so"
            )
            found.append(Breach("daily_loss", text))
        return found
