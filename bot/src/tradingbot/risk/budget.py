"""How many orders a minute: a sliding window of market time, with a share that entries may not touch."""

from __future__ import annotations

import msgspec

from tradingbot.domain.market import MINUTE

RESERVED_PERCENT = 20
"""Share of the budget that is kept for exits and protective orders."""


class RateBudget(msgspec.Struct):
    """The moments of the orders of the last minute, oldest first."""

    times: list[int] = []

    def count(self, now: int) -> None:
        """Note an order. Exits and protective orders are counted too, but never refused."""
        self._forget(now)
        self.times.append(now)

    def left_for_entries(self, now: int, per_minute: int) -> int:
        """Return how many entry orders are still permitted in this minute."""
        self._forget(now)
        reserved = per_minute * RESERVED_PERCENT // 100
        return max(0, per_minute - reserved - len(self.times))

    def _forget(self, now: int) -> None:
        while self.times and self.times[0] <= now - MINUTE:
            self.times.pop(0)
