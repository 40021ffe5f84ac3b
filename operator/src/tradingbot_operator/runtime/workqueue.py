"""The queue of keys to reconcile: deduplicated, one pass a key at a time, with back-off and timers.

Times are seconds of a monotonic clock. The clock, the timer and the jitter are injected, so tests need no sleep.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    K = TypeVar("K", bound=Hashable)
else:
    K = TypeVar("K")


class Priority(IntEnum):
    """Which of two waiting keys is taken first; of the same priority, the one that waits longer."""

    LOW = 0
    """Something to report: a pod became ready. Waits while there are objects to bring about, but not for ever."""
    NORMAL = 1
    URGENT = 2
    """An emergency stop: before everything else."""


BASE_BACKOFF_SECONDS = 0.5
LOW_PATIENCE_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 300.0


class Cancellable(Protocol):
    """What a timer returns."""

    def cancel(self) -> None:
        """Forget the call."""


class QueueHooks(Protocol):
    """Receiver of the queue's measurements (seconds)."""

    def depth(self, ready: int) -> None:
        """Tell how many keys wait for a worker."""

    def waited(self, seconds: float) -> None:
        """Tell how long a key waited for a worker."""

    def worked(self, seconds: float) -> None:
        """Tell how long a pass took."""

    def retried(self) -> None:
        """Tell that a failed key was put back."""


class QueueClosedError(Exception):
    """The queue hands out no more keys."""


class _NoHooks:
    def depth(self, ready: int) -> None:
        """Ignore."""

    def waited(self, seconds: float) -> None:
        """Ignore."""

    def worked(self, seconds: float) -> None:
        """Ignore."""

    def retried(self) -> None:
        """Ignore."""


@dataclass(slots=True)
class _Active:
    """A key that a worker holds."""

    since: float
    again: Priority | None = None


@dataclass(order=True, slots=True)
class _Timer:
    due: float
    serial: int
    key: object = field(compare=False)


class WorkQueue(Generic[K]):
    """Keys, each queued at most once and worked on by at most one worker.

    An `add` while the key is being worked on causes exactly one more pass. Of several timers for a key the earliest
    wins. The n-th failure in a row waits `min(300, 0.5 * 2**n)` seconds, shortened by up to a half at random.
    """

    def __init__(
        self,
        *,
        hooks: QueueHooks | None = None,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], Cancellable] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._hooks: QueueHooks = hooks or _NoHooks()
        self._clock = clock
        self._call_later = call_later or self._loop_call_later
        self._jitter = jitter
        self._lines: dict[Priority, deque[K]] = {priority: deque() for priority in Priority}
        self._rank: dict[K, Priority] = {}
        self._since: dict[K, float] = {}
        self._active: dict[K, _Active] = {}
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._taken = float("-inf")
        self._timers: list[_Timer] = []
        self._serial = 0
        self._alarm: tuple[float, Cancellable] | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait for a worker."""
        return len(self._since)

    def add(self, key: K, priority: Priority = Priority.NORMAL) -> None:
        """Ask for a pass as soon as a worker is free."""
        active = self._active.get(key)
        if active is not None:
            active.again = priority if active.again is None else max(active.again, priority)
            return
        self._due.pop(key, None)
        rank = self._rank.get(key)
        if rank is not None:
            if priority > rank:
                self._lines[rank].remove(key)
                self._lines[priority].append(key)
                self._rank[key] = priority
            return
        self._since[key] = self._clock()
        self._rank[key] = priority
        self._lines[priority].append(key)
        self._hooks.depth(len(self))
        self._wake_one()

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for a pass in `seconds` at the latest."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock() + seconds
        if key in self._since or self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        self._serial += 1
        heapq.heappush(self._timers, _Timer(due, self._serial, key))
        self._arm()

    async def get(self) -> K:
        """Wait for a key and take it. Raise QueueClosedError when the queue is closed."""
        while not self._since or self._closed:
            if self._closed:
                raise QueueClosedError
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
        now = self._taken = self._clock()
        key = self._next(now)
        waited = now - self._since.pop(key)
        self._hooks.depth(len(self))
        self._hooks.waited(waited)
        self._active[key] = _Active(now)
        return key

    def done(
        self,
        key: K,
        *,
        failed: bool = False,
        requeue_after: float | None = None,
        again: Priority | None = None,
    ) -> None:
        """Give a key back.

        `failed` puts it back with back-off, `requeue_after` (seconds) asks for a later pass, `again` for one as soon as
        its priority allows.
        """
        active = self._active.pop(key)
        if again is not None:
            active.again = again if active.again is None else max(active.again, again)
        self._hooks.worked(self._clock() - active.since)
        if failed:
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
            requeue_after = _backoff(count, self._jitter())
            self._hooks.retried()
        else:
            self._failures.pop(key, None)
        if active.again is not None:
            self.add(key, active.again)
        elif requeue_after is not None:
            self.add_after(key, requeue_after)

    def forget(self, key: K) -> None:
        """Drop the failures and timers of a key that no longer exists."""
        self._failures.pop(key, None)
        self._due.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how often the key failed in a row."""
        return self._failures.get(key, 0)

    def oldest_wait(self) -> float:
        """Return how long (seconds) the key that waits longest has waited for a worker."""
        return self._clock() - min(self._since.values()) if self._since else 0.0

    def standstill(self) -> float:
        """Return how long (seconds) keys have waited and none was taken: however long the line, it has to move."""
        return min(self.oldest_wait(), self._clock() - self._taken)

    def oldest_pass(self) -> float:
        """Return how long (seconds) the longest pass under way has taken."""
        return self._clock() - min(a.since for a in self._active.values()) if self._active else 0.0

    @property
    def active(self) -> int:
        """How many keys are being worked on."""
        return len(self._active)

    def close(self) -> None:
        """Hand out no more keys; what waits is dropped, because every key is found again at the next start."""
        self._closed = True
        if self._alarm is not None:
            self._alarm[1].cancel()
            self._alarm = None
        while self._waiters:
            self._wake_one()

    def _next(self, now: float) -> K:
        low = self._lines[Priority.LOW]
        if low and now - self._since[low[0]] > LOW_PATIENCE_SECONDS and not self._lines[Priority.URGENT]:
            line = low
        else:
            line = next(self._lines[priority] for priority in reversed(Priority) if self._lines[priority])
        key = line.popleft()
        del self._rank[key]
        return key

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    @staticmethod
    def _loop_call_later(seconds: float, callback: Callable[[], None]) -> Cancellable:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def _arm(self) -> None:
        if self._closed or not self._timers:
            return
        due = self._timers[0].due
        if self._alarm is not None:
            if self._alarm[0] <= due:
                return
            self._alarm[1].cancel()
        self._alarm = (due, self._call_later(max(0.0, due - self._clock()), self._ring))

    def _ring(self) -> None:
        self._alarm = None
        now = self._clock()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            key: K = timer.key  # type: ignore[assignment]
            if self._due.get(key) == timer.due:
                del self._due[key]
                self.add(key)
        self._arm()


def _backoff(failures: int, jitter: float) -> float:
    """Return the wait in seconds after that many earlier failures; `jitter` is in [0, 1)."""
    full = min(MAX_BACKOFF_SECONDS, BASE_BACKOFF_SECONDS * 2.0 ** min(failures, 32))
    return full * (0.5 + jitter / 2)
