"""Request weight: a sliding minute with a reserved share, and obedience to 429 and 418.

The exchange counts in fixed minutes; every fixed minute lies within two of ours, and no 60 seconds of ours exceed the
limit, so neither does the exchange's count.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0
TEN_SECONDS = 10.0
RESERVED_PERCENT = 20
"""Share that only cancels, closes and the queries of a stop may spend."""
LEAST_FOR_STOPS = 200
"""Weight of a minute that they may spend however little was configured: cancels, and the list that confirms them.

What a busy bot has spent in the same minute is in it as well. It is no more than it has to be: a limit may be low
because the exchange's is.
"""
WEIGHT_BALANCES = 20
WEIGHT_LISTING = 80 + WEIGHT_BALANCES
"""The list of all open orders with the balances that speak for or against an empty one: paid at once, or not asked."""
SILENCE = 60.0
"""Seconds without a request after a 429 or 418 that does not say how long."""


class Lane(StrEnum):
    """What a request is for."""

    ENTRY = "entry"
    """New orders that may add exposure."""
    QUERY = "query"
    """Ordinary questions."""
    FOLLOW = "follow"
    """Questions about single orders for which a stop waits. They may spend its share, but for the list's."""
    STOP = "stop"
    """Cancels, closes, protective orders, and the list that confirms a stop."""


class Wait(msgspec.Struct, frozen=True):
    """Not now."""

    code: str
    """RATE_BUDGET, RATE_LIMITED (429) or BANNED (418)."""
    seconds: float
    """When it may work again, at the earliest."""

    @property
    def text(self) -> str:
        """Return a sentence."""
        return f"{self.code}: ask again in {self.seconds:.1f} s"


class Window:
    """Costs of the last `seconds`, oldest first."""

    def __init__(self, seconds: float, limit: int) -> None:
        self.seconds, self.limit, self.used = seconds, limit, 0
        self._spent: deque[tuple[float, int]] = deque()

    def wait(self, now: float, cost: int, limit: int) -> float:
        """Return the seconds until `cost` fits below `limit`; 0 for at once."""
        self._forget(now)
        over, free_at = self.used + cost - limit, now
        if over <= 0:
            return 0.0
        for when, spent in self._spent:
            over, free_at = over - spent, when + self.seconds
            if over <= 0:
                return max(free_at - now, 0.001)
        return self.seconds

    def add(self, now: float, cost: int) -> None:
        """Spend."""
        self._forget(now)
        self._spent.append((now, cost))
        self.used += cost

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] <= now - self.seconds:
            self.used -= self._spent.popleft()[1]


class Budget:
    """One address' weight at one exchange. `monotonic` gives seconds that never go back."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        weight_per_minute: int,
        orders_per_ten_seconds: int = 100,
        reserved_percent: int = RESERVED_PERCENT,
        least_for_stops: int = 0,
    ) -> None:
        if not RESERVED_PERCENT <= reserved_percent < 100:
            raise ValueError(f"reserved_percent is from {RESERVED_PERCENT} to 99, got {reserved_percent}")
        self._monotonic = monotonic
        self._reserved, self._least = reserved_percent, least_for_stops
        self.weight = Window(MINUTE, weight_per_minute)
        self.orders = Window(TEN_SECONDS, orders_per_ten_seconds)
        self._silent_until = 0.0
        self._why = ""
        self._owed, self._owed_at = 0, 0.0

    def spend(self, lane: Lane, weight: int, *, is_order: bool = False) -> Wait | None:
        """Take `weight` from the budget, or say how long to wait. Nothing passes while the exchange wants silence."""
        now = self._monotonic()
        if now < self._silent_until:
            return Wait(self._why, self._silent_until - now)
        seconds = self.weight.wait(now, weight, self._limit(self.weight, lane))
        if lane is Lane.STOP and seconds > 0:
            # Nothing else may spend what comes free until this fits, or questions would keep it from ever fitting.
            self._owed, self._owed_at = max(self._still_owed(now), weight), now
        if is_order:
            seconds = max(seconds, self.orders.wait(now, 1, self._limit(self.orders, lane)))
        if seconds > 0:
            return Wait("RATE_BUDGET", seconds)
        if lane is Lane.STOP and weight >= self._owed:
            self._owed = 0
        self.weight.add(now, weight)
        if is_order:
            self.orders.add(now, 1)
        return None

    def observe(self, used: int) -> None:
        """Take over what the exchange has counted, where others at our address have spent as well."""
        if used > self.weight.used:
            self.weight.add(self._monotonic(), used - self.weight.used)

    def silence(self, seconds: float | None, *, banned: bool) -> None:
        """Obey a 429 or 418. A shorter order never shortens a longer one."""
        until = self._monotonic() + (SILENCE if seconds is None else max(seconds, 0.0))
        if until > self._silent_until:
            self._silent_until, self._why = until, "BANNED" if banned else "RATE_LIMITED"

    @property
    def silent_for(self) -> float:
        """Return the seconds for which nothing may be sent."""
        return max(0.0, self._silent_until - self._monotonic())

    def _limit(self, window: Window, lane: Lane) -> int:
        share = -(-window.limit * self._reserved // 100)
        ordinary = lane in (Lane.ENTRY, Lane.QUERY)
        if window is self.orders:
            return window.limit - share if ordinary else window.limit
        owed = self._still_owed(self._monotonic())
        if ordinary:
            return window.limit - max(share, owed)
        limit = max(window.limit, self._least)
        if lane is Lane.STOP:
            return limit
        # They come every second, and must not use up what confirms the stop. Where the share has no room for a list,
        # that waits for what comes free, and so do they.
        return limit - max(WEIGHT_LISTING if share >= WEIGHT_LISTING else 0, owed)

    def _still_owed(self, now: float) -> int:
        """Return what a stop could not spend yet. Who did not ask again for a minute has given up."""
        return self._owed if now - self._owed_at < MINUTE else 0
