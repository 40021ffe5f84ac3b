"""What may enter: rows that are numbers, make sense as a candle, and come in order, each once."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec


class Flaw(StrEnum):
    """Why a row is left out."""

    NOT_A_NUMBER = "not a number"
    NOT_POSITIVE = "price of zero or less"
    INCONSISTENT = "high and low do not enclose open and close"
    DUPLICATE = "time stamp came before"
    OUT_OF_ORDER = "older than the row before it"


class Guard(msgspec.Struct):
    """Judges rows one after the other and counts what it leaves out."""

    last: int | None = None
    kept: int = 0
    flaws: dict[str, int] = {}

    def judge(self, ts: int, prices: tuple[float, float, float, float], volume: float) -> Flaw | None:
        """Return why a row (open, high, low, close) is left out, None when it may enter."""
        return self._count(ts, self._flaw(ts, prices, volume))

    def judge_trade(self, ts: int, price: float, quantity: float) -> Flaw | None:
        """Return why a trade is left out, None when it may enter. Many trades may share a moment."""
        if not (math.isfinite(price) and math.isfinite(quantity)):
            return self._count(ts, Flaw.NOT_A_NUMBER)
        if price <= 0 or quantity <= 0:
            return self._count(ts, Flaw.NOT_POSITIVE)
        late = self.last is not None and ts < self.last
        return self._count(ts, Flaw.OUT_OF_ORDER if late else None)

    def _count(self, ts: int, flaw: Flaw | None) -> Flaw | None:
        if flaw is None:
            self.last = ts
            self.kept += 1
        else:
            self.flaws[flaw] = self.flaws.get(flaw, 0) + 1
        return flaw

    def _flaw(self, ts: int, prices: tuple[float, float, float, float], volume: float) -> Flaw | None:
        opened, high, low, closed = prices
        # Nearly every row passes, so that is asked first; whatever is compared with what is not a number does not hold.
        if not (0 < low <= opened <= high < math.inf and low <= closed <= high and 0 <= volume < math.inf):
            if not all(math.isfinite(value) for value in (*prices, volume)):
                return Flaw.NOT_A_NUMBER
            return Flaw.NOT_POSITIVE if min(prices) <= 0 or volume < 0 else Flaw.INCONSISTENT
        if self.last is not None and ts == self.last:
            return Flaw.DUPLICATE
        if self.last is not None and ts < self.last:
            return Flaw.OUT_OF_ORDER
        return None

    @property
    def left_out(self) -> int:
        """Return how many rows were left out."""
        return sum(self.flaws.values())
