"""Which mode a bot may trade in. What is not clearly allowed is a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.v1alpha1.safety import Mode

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec


@dataclass(frozen=True, slots=True)
class ModeDecision:
    """The mode, and why it is not the one that was asked for."""

    mode: Mode
    held_back: Reason | None = None
    message: str = ""


def effective_mode(spec: TradingBotSpec) -> ModeDecision:
    """Decide the mode. Live trading needs a verified approval; this operator verifies none yet, so it grants none."""
    if spec.mode is Mode.SIMULATION:
        return ModeDecision(Mode.SIMULATION)
    return ModeDecision(
        Mode.SIMULATION,
        Reason.AWAITING_APPROVAL,
        "spec.mode is live, but live trading is not approved: the bot goes on simulating. "
        "Set mode: simulation, or have a second person approve status.approval.requiredDigest.",
    )
