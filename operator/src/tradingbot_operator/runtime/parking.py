"""Reports that can wait: of an object that is only coming up, until it has come up or nothing else is under way.

A thousand objects that are brought about at once each become ready a few seconds later. Told at once, each would be
written twice. What is parked here is let go after a quiet second, in which nothing was written for any object, and
after `PATIENCE_SECONDS` in any case. While what was let go is being told, nobody is told of twice. Times are seconds of
a monotonic clock.
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
FIRST_SECONDS: Final = 2.0
"""How long second reports wait for first ones that were let go."""
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
        self._second: set[K] = set()
        self._written = float("-inf")
        self._let_go = float("-inf")
        self._alarm: tuple[float, Cancellable] | None = None

    def __len__(self) -> int:
        """Return how many reports wait."""
        return len(self._since) + len(self._second)

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

    def waits_for_others(self, key: K) -> bool:
        """Return whether a second report of this key is to wait for the first reports that were just let go."""
        if not self._released - {key} or self._clock() >= self._let_go + FIRST_SECONDS:
            return False
        self._second.add(key)
        self._arm()
        return True

    def leave(self, key: K) -> None:
        """Wait no longer: it is reported, or the object is gone."""
        self._since.pop(key, None)
        self._second.discard(key)
        self._released.discard(key)
        if not self._released:
            self._release_second()

    def close(self) -> None:
        """Release nothing any more."""
        self._since.clear()
        self._second.clear()
        if self._alarm is not None:
            self._alarm[1].cancel()
            self._alarm = None

    def _arm(self) -> None:
        due = self._written + QUIET_SECONDS if self._since else float("inf")
        if self._second:
            due = min(due, self._let_go + FIRST_SECONDS)
        if self._alarm is not None:
            if self._alarm[0] <= due:
                return
            self._alarm[1].cancel()
        self._alarm = (due, self._call_later(max(SHORTEST_SECONDS, due - self._clock()), self._ring))

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock()
        quiet = now >= self._written + QUIET_SECONDS
        for key in [key for key, since in self._since.items() if quiet or now >= since + PATIENCE_SECONDS]:
            del self._since[key]
            self._released.add(key)
            self._let_go = now
            self._release(key)
        if now >= self._let_go + FIRST_SECONDS:
            self._release_second()
        if len(self):
            self._arm()

    def _release_second(self) -> None:
        for key in list(self._second):
            self._second.discard(key)
            self._release(key)


def _loop_call_later(seconds: float, callback: Callable[[], None]) -> Cancellable:
    return asyncio.get_running_loop().call_later(seconds, callback)
