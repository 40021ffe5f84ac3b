"""The signal of the comparison, in whole numbers: which of two moving averages is above. Standard library only."""

from __future__ import annotations

FAST, SLOW = 50, 200


class Cross:
    """1 while the fast average is above the slow one, -1 below, 0 before there are enough prices."""

    __slots__ = ("fast", "place", "ring", "seen", "slow")

    def __init__(self) -> None:
        self.ring = [0] * SLOW
        self.place = self.seen = self.fast = self.slow = 0

    def take(self, price: int) -> int:
        """Take a price in whole ticks."""
        ring, place = self.ring, self.place
        self.slow += price - ring[place]
        self.fast += price - ring[place - FAST]
        ring[place] = price
        self.place = place + 1 if place + 1 < SLOW else 0
        self.seen += 1
        if self.seen < SLOW:
            return 0
        difference = self.fast * SLOW - self.slow * FAST
        return 1 if difference > 0 else -1 if difference < 0 else 0
