"""Feature flags that steer: what is off is part of the state, so it is off after a restart too, Redis or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot.domain import events
from tradingbot.domain.flags import ENTRIES, OFF, SOURCE
from tradingbot.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot.core.engine import Engine

_REASON = f"the feature flag {ENTRIES} is off: set it to 1 (PUT /api/v1/flags/{ENTRIES}, feature:{ENTRIES} in Redis)"


def restore(engine: Engine) -> None:
    """Go by what was known last. A bot that has no Redis any more has no flags: nobody could switch them on."""
    if not engine.config.flags:
        engine.state.flags_off = []
    _restrict(engine)


def switch(engine: Engine, event: events.SwitchFlags) -> None:
    """Go by what Redis says."""
    before = set(engine.state.flags_off)
    engine.state.flags_off = sorted(set(event.off) & OFF.keys())
    _restrict(engine)
    after = set(engine.state.flags_off)
    if after != before:
        off = "; ".join(f"{name}: {OFF[name]}" for name in sorted(after)) or "none"
        engine.desk.alarm("FLAGS_CHANGED", f"feature flags that are off: {off}")


def _restrict(engine: Engine) -> None:
    paused = ENTRIES in engine.state.flags_off
    engine.board.hold(SOURCE, State.PAUSED if paused else State.ACTIVE, _REASON if paused else "")
    if paused:
        engine.desk.cancel_entries(_REASON)


HANDLERS: dict[type, Callable[[Engine, Any], None]] = {events.SwitchFlags: switch}
