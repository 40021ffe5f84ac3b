"""Reports that can wait: of an object that is only coming up, until it has come up or nothing else is under way.

A thousand objects that are brought about at once each become ready a few seconds later. Told at once, each would be
written twice. What is parked here is let go after a quiet second, in which nothing was written for any object, and
after `PATIENCE_SECONDS` in any case. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tradingbot_operator.runtime.workqueue import Cancellable

    K = TypeVar("K", bound=Hashable)
else:
    K = TypeVar("K")

QUIET_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 30.0
SHORTEST_SECONDS: Final = 0.001
"""So that a sum that was rounded down is not asked for without end."""


class Parking(Generic[K]):
    """Keys whose report waits. `release` is called once with each that has waited long enough."""

    def __init__(
        self,
        release: Callable[[K], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], Cancellable] | None = None,
    ) -> None:
        self._release = release
        self._clock = clock
        self._call_later = call_later or _loop_call_later
        self._since: dict[K, float] = {}
        self._released: set[K] = set()
        self._written = float("-inf")
        self._alarm: Cancellable | None = None

    def __len__(self) -> int:
        """Return how many reports wait."""
        return len(self._since)

    def written(self) -> None:
        """Take note that something was written to bring an object about: it is not quiet."""
        self._written = self._clock()

    def waits(self, key: K) -> bool:
        """Return whether the report of this key is to wait. If so, `release` will be called, unless it leaves."""
        if key in self._released:
            return False
        now = self._clock()
        if now >= self._written + QUIET_SECONDS or now >= self._since.get(key, now) + PATIENCE_SECONDS:
            return False
        self._since.setdefault(key, now)
        self._arm()
        return True

    def leave(self, key: K) -> None:
        """Wait no longer: it is reported, or the object is gone."""
        self._since.pop(key, None)
        self._released.discard(key)

    def close(self) -> None:
        """Release nothing any more."""
        self._since.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _arm(self) -> None:
        if self._alarm is None:
            quiet_in = self._written + QUIET_SECONDS - self._clock()
            self._alarm = self._call_later(max(SHORTEST_SECONDS, quiet_in), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock()
        quiet = now >= self._written + QUIET_SECONDS
        for key in [key for key, since in self._since.items() if quiet or now >= since + PATIENCE_SECONDS]:
            del self._since[key]
            self._released.add(key)
            self._release(key)
        if self._since:
            self._arm()


def _loop_call_later(seconds: float, callback: Callable[[], None]) -> Cancellable:
    return asyncio.get_running_loop().call_later(seconds, callback)
