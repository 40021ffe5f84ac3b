"""Indicators that take one value at a time. Each is a msgspec Struct, so a strategy's state can be saved and read back.

Sums are kept as integers (ticks), so that a running value never drifts away from the one computed anew.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Sma(msgspec.Struct):
    """Simple moving average of the last `size` values, in ticks."""

    size: int
    window: list[int] = []
    total: int = 0

    def update(self, value: int) -> float | None:
        """Take a value; return the average once `size` values were seen."""
        self.window.append(value)
        self.total += value
        if len(self.window) > self.size:
            self.total -= self.window.pop(0)
        return self.value

    @property
    def value(self) -> float | None:
        """Return the average, None before it is complete."""
        return self.total / self.size if len(self.window) == self.size else None


class Extreme(msgspec.Struct):
    """Highest (`sign` 1) or lowest (`sign` -1) of the last `size` values, in ticks."""

    size: int
    sign: int
    window: list[int] = []
    best: int | None = None

    @property
    def value(self) -> int | None:
        """Return the extreme, None before `size` values were seen."""
        return self.best if len(self.window) == self.size else None

    def update(self, value: int) -> None:
        """Take a value."""
        window = self.window
        window.append(value)
        dropped = window.pop(0) if len(window) > self.size else None
        best = self.best
        if best is None or (value - best) * self.sign >= 0:
            self.best = value
        elif dropped == best:
            self.best = max(window) if self.sign > 0 else min(window)


def strength(reach: float, unit: float) -> Decimal:
    """Return how strong a signal is: 0 at its threshold, a half one `unit` beyond it, never quite 1. No probability."""
    if unit <= 0 or reach <= 0:
        return Decimal(0) if reach <= 0 else Decimal(1)
    return Decimal(round(10_000 * reach / (reach + unit))).scaleb(-4)


class Atr(msgspec.Struct):
    """Average true range after Wilder over `size` candles, in ticks."""

    size: int
    seen: int = 0
    last_close: int = 0
    average: float = 0.0

    def update(self, high: int, low: int, close: int) -> float | None:
        """Take a candle; return the average range once `size` candles were seen."""
        reach = max(high, self.last_close) - min(low, self.last_close) if self.seen else high - low
        self.seen += 1
        self.last_close = close
        if self.seen <= self.size:
            self.average += (reach - self.average) / self.seen
        else:
            self.average += (reach - self.average) / self.size
        return self.value

    @property
    def value(self) -> float | None:
        """Return the average range, None before it is complete."""
        return self.average if self.seen >= self.size else None
