"""The risk loop is watched: limits that nobody has looked at for seconds protect nobody, so trading halts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.states import State

if TYPE_CHECKING:
    from tradingbot.runtime.control import Control

SOURCE = "watchdog"
CHECK_SECONDS = 0.5


class Watchdog:
    """Halts while the trading loop is silent, and lets go when it turns again."""

    def __init__(self, control: Control) -> None:
        self.control = control

    def check(self) -> None:
        """Compare the age of the last turn with what is permitted."""
        control = self.control
        age = control.health.step_age
        silent = control.runner is not None and control.health.stuck
        held = any(entry.source == SOURCE for entry in control.board.restrictions())
        if silent and not held:
            control.hold(SOURCE, State.HALTED, f"the limits were not looked at for {age:.0f} s")
        elif held and not silent:
            control.hold(SOURCE, State.ACTIVE, "")

    async def run(self) -> None:
        """Check for ever."""
        while True:
            self.check()
            await self.control.clock.sleep(CHECK_SECONDS)
