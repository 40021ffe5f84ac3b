"""Wall time, and the pace at which recorded market time passes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tradingbot.domain.market import SECOND

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.ports.clock import Clock

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where the machine has it, the clock that goes on while it sleeps: a lease that ran out meanwhile has run out."""
LATE_SECONDS = 2.0
"""Further behind than this, the pace starts anew: what was missed is not replayed in a rush."""


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Pacer:
    """Tells how long to wait for a moment of market time; `speed` is market per wall seconds, 0 is no waiting."""

    def __init__(self, clock: Clock, speed: Decimal, begun: int | None = None) -> None:
        """Begin at a moment of market time (where the last process stopped), or with the first that is asked for."""
        self._clock, self._speed = clock, float(speed)
        self._anchor = None if begun is None else (begun, clock.monotonic())

    def delay(self, ts: int) -> float:
        """Return the wall seconds until this moment is due."""
        if not self._speed:
            return 0.0
        now = self._clock.monotonic()
        if self._anchor is None:
            self._anchor = (ts, now)
            return 0.0
        begun, wall = self._anchor
        due = wall + (ts - begun) / SECOND / self._speed
        if now - due > LATE_SECONDS:
            self._anchor = (ts, now)
            return 0.0
        return max(0.0, due - now)
