"""The status as the object has it: what the last pass wrote, if it was an operator that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot_operator.api.conditions import ConditionStatus, ConditionType
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import TradingBotStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


def recorded_status(obj: Mapping[str, Any]) -> TradingBotStatus:
    """Read the status; of one that cannot be read, the latch at least."""
    try:
        return parse(TradingBotStatus, obj.get("status") or {})
    except InvalidSpec:
        # Written by something else than an operator: everything is derived anew, but a latch is never lost.
        stop = (obj.get("status") or {}).get("emergencyStop")
        try:
            return parse(TradingBotStatus, {"emergencyStop": stop} if stop else {})
        except InvalidSpec:
            return TradingBotStatus()


def ready_of(status: TradingBotStatus) -> str:
    """Return whether the bot is ready: True, False or Unknown."""
    for condition in status.conditions:
        if condition.type == ConditionType.READY.value:
            return condition.status.value
    return ConditionStatus.UNKNOWN.value
