"""The server's clock: injected, so that a test decides what time it is."""

from __future__ import annotations

import time
from typing import Protocol

START_MS = 1_795_219_200_000
"""2026-11-21T00:00:00Z, where a manual clock starts."""


class Clock(Protocol):
    """Milliseconds since 1970, UTC."""

    def now_ms(self) -> int:
        """Say what time it is."""
        ...


class WallClock:
    """The machine's clock, set wrong by as much as is asked."""

    def __init__(self, skew_ms: int = 0) -> None:
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms


class ManualClock:
    """Stands still until it is told to go on."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, *, seconds: int = 0, ms: int = 0) -> None:
        step = seconds * 1000 + ms
        if step < 0:
            msg = f"a clock that goes back by {-step} ms: use the fault ClockSkew for that"
            raise ValueError(msg)
        self._now_ms += step
