"""All bots at a glance, for the metrics: who is ready, who trades live and until when, whose children are contested."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_operator.api.conditions import ConditionStatus
from tradingbot_operator.api.v1alpha1.live import LiveState

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.runtime.keys import Key
    from tradingbot_operator.runtime.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Shown:
    """What is counted of one bot."""

    ready: str
    """Its Ready condition."""
    live: str | None = None
    """What it may do, if it is a live bot."""
    expires_at: datetime | None = None
    """When the approval ends by which it trades; None when it does not trade by one."""
    contested: tuple[str, ...] = ()
    """Kinds of those of its children that somebody else changes back whenever they are repaired."""


class Fleet:
    """Counts what the passes report."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._bots: dict[Key, Shown] = {}
        self._ready: Counter[str] = Counter()
        self._live: Counter[str] = Counter()

    def show(self, key: Key, shown: Shown | None) -> None:
        """Count a bot as it is now; None when it is gone."""
        before = self._bots.pop(key, None)
        if shown is not None:
            self._bots[key] = shown
        if before == shown:
            return
        for bot, change in ((before, -1), (shown, 1)):
            if bot is not None:
                self._ready[bot.ready] += change
                self._live[bot.live or ""] += change
        for status in ConditionStatus:
            self._metrics.bots.labels(status).set(self._ready[status])
        for state in LiveState:
            self._metrics.live_bots.labels(state).set(self._live[state])
        name = f"{key.namespace}/{key.name}"
        if shown is not None and shown.expires_at is not None:
            self._metrics.approval_ends.labels(name).set(shown.expires_at.timestamp())
        elif before is not None and before.expires_at is not None:
            self._metrics.approval_ends.remove(name)
        for kind in before.contested if before is not None else ():
            self._metrics.contested.remove(name, kind)
        for kind in shown.contested if shown is not None else ():
            self._metrics.contested.labels(name, kind).set(1)
