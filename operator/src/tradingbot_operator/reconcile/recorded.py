"""The status as the object has it: what the last pass wrote, if it was an operator that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel

from tradingbot_contract.stops import stop_id
from tradingbot_operator.api.conditions import ConditionStatus, ConditionType
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import TradingBotStatus
from tradingbot_operator.api.v1alpha1.live import LiveState
from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
from tradingbot_operator.runtime.fleet import Shown

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YES_IN_DOUBT: Final = {"closePositions", "standing"}


def recorded_status(obj: Mapping[str, Any]) -> TradingBotStatus:
    """Read the status; of one that cannot be read, the latch at least."""
    try:
        return parse(TradingBotStatus, obj.get("status") or {})
    except InvalidSpec:
        # Written by something else than this operator: everything is derived anew, but a latch is never lost.
        found = (obj.get("status") or {}).get("emergencyStop")
        return TradingBotStatus(emergency_stop=_latch(obj["metadata"], found) if found else None)


def _latch(meta: Mapping[str, Any], found: Any) -> EmergencyStopStatus:
    """Read of a latch what can be read. It holds without the rest, which is taken for the more restrictive."""
    said = found if isinstance(found, Mapping) else {}
    name = stop_id(str(meta.get("uid") or ""), meta.get("generation", 0))
    # Of two stops the older counts, and nobody knows when this one was seen first.
    known: dict[str, Any] = {"id": name, "since": str(meta.get("creationTimestamp") or BEGINNING)}
    for field in EmergencyStopStatus.model_fields:
        key = to_camel(field)
        if said.get(key) is None:
            continue
        try:
            parse(EmergencyStopStatus, known | {key: said[key]})
        except InvalidSpec:
            if key in _YES_IN_DOUBT:
                known[key] = True
        else:
            known[key] = said[key]
    return parse(EmergencyStopStatus, known)


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
