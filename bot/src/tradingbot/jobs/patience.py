"""Trying again, within bounds, at an exchange that does not answer or wants silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tradingbot.ports.venue import Unavailable
from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tradingbot.ports.clock import Clock
    from tradingbot.venues.ccxt.venue import CcxtVenue

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts."""

T = TypeVar("T")


class Patience:
    """Until when to try, and how long to wait in between."""

    def __init__(self, venue: CcxtVenue, clock: Clock, until: float) -> None:
        self.venue, self.clock, self.until = venue, clock, until
        """`until`: monotonic seconds."""

    @property
    def left(self) -> float:
        """Return the seconds that are left, below zero when there are none."""
        return self.until - self.clock.monotonic()

    async def pause(self, attempt: int) -> None:
        """Wait before the next attempt: longer each time, as long as the exchange asks, never beyond the end."""
        wanted = max(PAUSES[min(attempt, len(PAUSES) - 1)], self.venue.budget.silent_for)
        await self.clock.sleep(max(0.0, min(wanted, self.left)))
        if self.venue.gateway.skew_doubted and self.left > 0:
            await self.venue.check(lane=Lane.STOP)

    async def ask(self, question: Callable[[], Awaitable[T | Unavailable]]) -> T | Unavailable:
        """Ask until there is an answer or no time; the last `Unavailable` says why."""
        attempt = 0
        while True:
            answer = await question()
            if not isinstance(answer, Unavailable) or self.left <= 0:
                return answer
            await self.pause(attempt)
            attempt += 1
