"""Watches the stop flag and the flags that steer in Redis. A Redis that is lost stops nothing and loosens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.config.flags import Flags, FlagsError
from tradingbot.domain import events
from tradingbot.domain.flags import OFF
from tradingbot.observe import logs

if TYPE_CHECKING:
    from tradingbot.runtime.control import Control
    from tradingbot.runtime.runner import Runner

PAUSE_SECONDS = 1.0
CLOSE = "close"
"""The value that closes positions as well; every other value is the reason of the stop."""

_log = logs.get(__name__)


class FlagWatch:
    """Asks once a second. What it sees is kept by the database whatever Redis forgets: a stop, and what is off.

    A flag that is not set (any more) says nothing: what was known of it stays, so only a `1` switches it on again.
    """

    def __init__(self, flags: Flags, control: Control) -> None:
        self.flags, self.control = flags, control
        self._told = ""
        self._said: dict[str, bool] = {}

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.look()
            await self.control.clock.sleep(PAUSE_SECONDS)

    async def look(self) -> None:
        """Look once."""
        try:
            text = await self.flags.stop_asked()
            self._said |= await self.flags.steering()
        except FlagsError as error:
            if self._told != str(error):
                _log.warning("Redis does not answer; what is known stays", error=str(error))
            self._told = str(error)
            return
        if self._told:
            _log.info("Redis answers again")
        self._told = ""
        if text:
            self._stop(text)
        if self.control.runner is not None:
            self.steer(self.control.runner)

    def steer(self, runner: Runner) -> None:
        """Let the bot go by what is said; called for a new runner before it may trade."""
        engine = runner.engine
        known = engine.state.flags_off
        off = tuple(name for name in OFF if not self._said.get(name, name not in known))
        if set(off) != set(known):
            runner.step(events.SwitchFlags(engine.state.now, off))
            _log.warning("feature flags", off=off)
            self.control.announce()

    def _stop(self, text: str) -> None:
        control = self.control
        close = text.strip().lower() == CLOSE
        stop = control.stop
        if stop is not None and stop.key not in control.resume.lifted and (stop.close_positions or not close):
            return
        stop_id = f"redis-{int(control.clock.now().timestamp() * 1000)}"
        reason = f"the key {self.flags.stop_key} in Redis says {text!r}; delete it before you resume"
        control.emergency_stop(stop_id, "redis", reason, close_positions=close)
