"""Events: a few, on transitions that a person wants to hear of, with the reasons of the conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tradingbot_operator.api.conditions import ConditionStatus, ConditionType, Reason
from tradingbot_operator.api.names import API_VERSION, TRADING_BOT
from tradingbot_operator.desired.hashing import digest
from tradingbot_operator.status.live import steps
from tradingbot_operator.status.stopping import kill_steps, stop_steps

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.common import Condition
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus

NOTE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that a person wants to hear of."""

    warning: bool
    reason: str
    note: str


def transitions(before: TradingBotStatus, after: TradingBotStatus) -> list[Transition]:
    """Compare two statuses. Creation and ordinary rollouts are silent: the conditions say them."""
    done = (*stop_steps(before, after), *kill_steps(before, after), *steps(before, after))
    found = [Transition(step.warning, step.reason.value, step.note) for step in done]
    old, new = _degraded(before), _degraded(after)
    if new is not None and new.reason == Reason.CONTESTED.value:
        pass  # Told of when it is recognised, whatever else is wrong at that moment.
    elif new is not None and new.status is ConditionStatus.TRUE:
        if old is None or old.status is not ConditionStatus.TRUE or old.reason != new.reason:
            found.append(Transition(True, new.reason, new.message))  # noqa: FBT003 - a warning
    elif new is not None and old is not None and old.status is ConditionStatus.TRUE:
        found.append(Transition(False, new.reason, f"No longer {old.reason}."))  # noqa: FBT003 - good news
    return found


def is_routine(before: TradingBotStatus, after: TradingBotStatus) -> bool:
    """Return whether a status has nothing that a person must act on, and nothing of stops and of live trading."""
    if before.emergency_stop or after.emergency_stop or before.live or after.live or before.gates != after.gates:
        return False
    old, new = _by_type(before), _by_type(after)
    for kind in (ConditionType.DEGRADED, ConditionType.SUSPENDED):
        if any(found.get(kind.value, ConditionStatus.FALSE) is not ConditionStatus.FALSE for found in (old, new)):
            return False
    return True


def is_under_way(status: TradingBotStatus) -> bool:
    """Return whether the bot is coming up or being changed, which will soon be over."""
    ready = next(condition for condition in status.conditions if condition.type == ConditionType.READY.value)
    starting = ready.reason in {Reason.STARTING.value, Reason.RECONCILING.value}
    return starting or _by_type(status).get(ConditionType.PROGRESSING.value) is ConditionStatus.TRUE


def event(transition: Transition, *, name: str, namespace: str, uid: str, now: datetime) -> dict[str, Any]:
    """Build the Event. Its name is a function of what it tells, so a repeated pass does not tell it twice."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    identity = digest([uid, transition.reason, transition.note, now.strftime("%Y-%m-%dT%H:%M")], 12)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{identity}", "namespace": namespace},
        "eventTime": stamp,
        "reportingController": "tradingbots.dev/operator",
        "reportingInstance": "tradingbot-operator",
        "action": "Reconcile",
        "type": "Warning" if transition.warning else "Normal",
        "reason": transition.reason,
        # The server counts bytes, and a reason may be written in any letters.
        "note": transition.note.encode()[:NOTE_BYTES].decode(errors="ignore"),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": TRADING_BOT.kind,
            "namespace": namespace,
            "name": name,
            "uid": uid,
        },
    }


def _by_type(status: TradingBotStatus) -> dict[str, ConditionStatus]:
    return {condition.type: condition.status for condition in status.conditions}


def _degraded(status: TradingBotStatus) -> Condition | None:
    return next((c for c in status.conditions if c.type == ConditionType.DEGRADED.value), None)
