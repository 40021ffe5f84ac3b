"""Time and timers that a test moves, for what takes a clock and a `call_later`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Clock:
    """Time and timers under the test's control."""

    now: float = 0.0
    calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        entry = (self.now + seconds, callback)
        self.calls.append(entry)
        return Handle(self, entry)

    def advance(self, seconds: float) -> None:
        target = self.now + seconds
        while due := sorted((c for c in self.calls if c[0] <= target), key=lambda c: c[0]):
            self.calls.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = target


@dataclass
class Handle:
    clock: Clock
    entry: tuple[float, Callable[[], None]]

    def cancel(self) -> None:
        if self.entry in self.clock.calls:
            self.clock.calls.remove(self.entry)
