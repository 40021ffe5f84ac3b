"""The status as the object has it: what the last pass wrote, if it was an operator that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot_operator.api.conditions import ConditionStatus, ConditionType
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import TradingBotStatus
from tradingbot_operator.api.v1alpha1.live import LiveState
from tradingbot_operator.runtime.fleet import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec


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


def shown_of(status: TradingBotStatus, spec: TradingBotSpec | None, contested: tuple[str, ...] = ()) -> Shown:
    """Return what is counted of a bot. The end of an approval is that of the spec: a renewal starts no new pod."""
    live, approval = status.live, spec.approval if spec is not None else None
    trades = live is not None and live.state is LiveState.TRADING
    return Shown(
        ready=ready_of(status),
        live=live.state.value if live is not None else None,
        expires_at=approval.expires_at if trades and approval is not None else None,
        contested=contested,
    )


def ready_of(status: TradingBotStatus) -> str:
    """Return whether the bot is ready: True, False or Unknown."""
    for condition in status.conditions:
        if condition.type == ConditionType.READY.value:
            return condition.status.value
    return ConditionStatus.UNKNOWN.value
