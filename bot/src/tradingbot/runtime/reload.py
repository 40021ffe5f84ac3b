"""Hot reload of the configuration file: what permits less counts at once, what a live bot may not decide is refused.

Limits, `trading` and `log_level` take effect while the bot runs; everything else with the next start, and is named
until then. A file that cannot be read, or that is wrong, changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradingbot.config.model import Mode, Settings, Trading
from tradingbot.domain import events
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.risk.limits import CHANGEABLE, Limits, loosened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tradingbot.runtime.control import Control

PAUSE_SECONDS = 2.0
LIVE_SECTIONS = frozenset({"risk", "trading", "log_level", "config_hash"})
"""What can change while the bot runs."""
STATES = {Trading.PAUSED: State.PAUSED, Trading.REDUCING: State.REDUCING}

_log = logs.get(__name__)


class Reload:
    """One file. `read` makes settings of it anew; `limits` makes the gate's limits of settings."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        control: Control,
        read: Callable[[], Settings],
        limits: Callable[[Settings], Limits],
    ) -> None:
        self.path, self.control, self._read, self._limits = path, control, read, limits
        self.started = self.settings = settings
        self.problem = ""
        """What is wrong with the file as it is now; empty when it counts."""
        self._seen = settings.config_hash

    @property
    def waiting(self) -> list[str]:
        """Name the sections that the file changes and that count with the next start."""
        before, after = self.started, self.settings
        names = [name for name in Settings.model_fields if getattr(before, name) != getattr(after, name)]
        return [name for name in names if name not in LIVE_SECTIONS]

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.control.clock.sleep(PAUSE_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Read the file, and let what it says count as far as it may."""
        try:
            settings = await asyncio.to_thread(self._read)
        except ConfigurationError as error:
            self._refuse(f"{self.path.name} is refused, the configuration from before counts: {error.message}")
            return
        if settings.config_hash != self._seen:
            self._seen = settings.config_hash
            self._take(settings)
        elif self.problem and settings == self.settings:
            self.problem = ""
        self._apply()

    def _take(self, settings: Settings) -> None:
        looser = loosened(self._limits(self.settings), self._limits(settings))
        if looser and self.started.mode is Mode.LIVE:
            text = (
                f"{self.path.name} would loosen {', '.join(looser)} of a live bot, so nothing of it counts: change "
                "spec.risk of the TradingBot and have a second person approve it, or stop the bot and start it anew"
            )
            self._refuse(text)
            return
        self.problem = ""
        if settings.trading is not self.settings.trading:
            state = STATES.get(settings.trading, State.ACTIVE)
            self.control.hold("spec", state, f"trading is {settings.trading.value}")
        if settings.log_level != self.settings.log_level:
            logs.set_level(settings.log_level)
        self.settings = settings
        _log.info("the configuration file is read anew", config_hash=settings.config_hash, restart_for=self.waiting)

    def _refuse(self, text: str) -> None:
        if self.problem != text:
            _log.error(text)
        self.problem = text

    def _apply(self) -> None:
        """Let the engine go by the file's limits; also one that began after the file was changed."""
        runner = self.control.runner
        if runner is None:
            return
        engine, wanted = runner.engine, self._limits(self.settings)
        names = [name for name in CHANGEABLE if getattr(engine.base_limits, name) != getattr(wanted, name)]
        if names:
            changes = tuple((name, None if (v := getattr(wanted, name)) is None else str(v)) for name in names)
            runner.step(events.ReloadLimits(engine.state.now, changes))
