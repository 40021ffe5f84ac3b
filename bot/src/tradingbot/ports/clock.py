"""Wall time, for the edges only. The core knows market time alone, from the events that it is given."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from tradingbot.domain.market import SECOND

if TYPE_CHECKING:
    from datetime import datetime


class Clock(Protocol):
    """Two clocks: one to show, one to measure with."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SteadyClock:
    """A clock that nobody sets: it begins with the machine's time, and goes on by seconds that pass.

    What waits for two seconds must not wait for an hour because the machine's clock was an hour fast for a moment.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._begun, self._at = clock, clock.now(), clock.monotonic()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._begun + timedelta(seconds=self._clock.monotonic() - self._at)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def after(self, ts: int) -> int:
        """Return the time in microseconds; where `ts` is later, it goes on from there."""
        found = round(self.now().timestamp() * SECOND)
        if found < ts:
            self._begun += timedelta(microseconds=ts - found)
            return ts
        return found
