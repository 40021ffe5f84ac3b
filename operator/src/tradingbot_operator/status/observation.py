"""What a pass saw: the input of `derive`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradingbot_operator.api.conditions import Reason

UNREACHABLE_POLLS = 3


@dataclass(frozen=True, slots=True)
class BotReport:
    """The last answer of GET /api/v1/status, and how many polls since then got none."""

    body: dict[str, Any] | None = None
    failures: int = 0
    address: str = ""
    """Host of the pod that gave the answer."""

    @property
    def unreachable(self) -> bool:
        """Whether the bot has not answered for longer than a restart takes."""
        return self.failures > UNREACHABLE_POLLS


@dataclass(frozen=True, slots=True)
class Observed:
    """Children and pods as the store has them after the pass, and the bot's own report."""

    deployment: dict[str, Any] | None = None
    pods: tuple[dict[str, Any], ...] = ()
    report: BotReport = field(default_factory=BotReport)
    polled: bool = True
    """Whether bots are polled at all."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that kept the pass from doing its work."""

    reason: Reason
    message: str
