"""Is the bot alive, ready, well? Ages instead of flags: what has not reported for too long is not well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradingbot.ports.clock import Clock

STEP_SECONDS = 8.0
"""The trading loop reports at least every second; silent for this long, it counts as stuck, and trading halts.
An answer of the exchange that does not come is given up after six seconds."""
DEAD_SECONDS = 30.0
"""After a task died, the process stays up this long to be looked at; then liveness fails and it is restarted."""


@dataclass(slots=True)
class Health:
    """What the parts report. Times are seconds of the monotonic clock."""

    clock: Clock
    started: float
    beat: float
    committed: float
    database: bool = False
    role: str = "standby"
    settled: bool = False
    """Trading or waiting for the lease: the state in which a new pod may replace the old one."""
    stopping: bool = False
    dead: str = ""
    died: float = 0.0
    problem: str = ""
    """What stands in the way of being ready, in words."""
    notifications: dict[str, str] = field(default_factory=dict)
    """By channel `ok`, or what went wrong last. Whoever cannot be told is no reason to stop."""

    @property
    def uptime(self) -> float:
        """Return seconds since the start."""
        return self.clock.monotonic() - self.started

    @property
    def step_age(self) -> float:
        """Return seconds since the trading loop last ran."""
        return self.clock.monotonic() - self.beat

    @property
    def stuck(self) -> bool:
        """Tell whether the trading loop has not run for too long."""
        return self.step_age > STEP_SECONDS

    @property
    def live(self) -> bool:
        """Tell whether a restart would not help: false only when the process cannot recover by itself."""
        return not self.dead or self.clock.monotonic() - self.died < DEAD_SECONDS

    @property
    def ready(self) -> bool:
        """Tell whether the bot trades, or waits for the lease with a database that answers."""
        return not self.not_ready

    @property
    def not_ready(self) -> str:
        """Return why the bot is not ready, empty when it is."""
        if self.stopping:
            return "the process is shutting down"
        if self.dead:
            return f"task {self.dead} died"
        if not self.database:
            return self.problem or "the database does not answer"
        if not self.settled:
            return self.problem or "starting"
        if self.stuck:
            return f"the trading loop has not run for {self.step_age:.0f} s"
        return ""

    def task_died(self, name: str) -> None:
        """Note that a task ended that must not end."""
        if not self.dead:
            self.dead, self.died = name, self.clock.monotonic()


def new(clock: Clock) -> Health:
    """Return the health of a process that has just started."""
    now = clock.monotonic()
    return Health(clock, now, now, now)
