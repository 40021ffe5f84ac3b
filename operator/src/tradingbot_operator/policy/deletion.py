"""What has to be undone at an exchange before a TradingBot may go, and when it is.

A finalizer holds the object only while a live bot trades and its deletionPolicy asks for something. A simulation, and a
bot whose orders are to stay, go at once, also while the operator is down.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import DeletionPolicy, EmergencyStop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus

FINALIZER: Final = "tradingbots.dev/exchange"
FORCE_ANNOTATION: Final = "tradingbots.dev/force-delete"
PATIENCE: Final = timedelta(minutes=5)
"""After so long the object says that it is stuck, what is left, and how to force it."""


def wants_finalizer(policy: DeletionPolicy, *, live: bool) -> bool:
    """Return whether something at an exchange must be undone when this bot is deleted."""
    return live and policy is not DeletionPolicy.RETAIN


def has_finalizer(obj: Mapping[str, Any]) -> bool:
    """Return whether the object is held by us."""
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


def policy_of(obj: Mapping[str, Any]) -> DeletionPolicy:
    """Read the policy whatever else is wrong with the spec; what cannot be read leaves orders and positions alone."""
    try:
        return DeletionPolicy((obj.get("spec") or {}).get("deletionPolicy", DeletionPolicy.RETAIN.value))
    except ValueError:
        return DeletionPolicy.RETAIN


def deletion_stop(policy: DeletionPolicy) -> EmergencyStop:
    """Return the stop that a deletion is."""
    return EmergencyStop(
        active=True,
        close_positions=policy is DeletionPolicy.FLATTEN,
        reason=f"the TradingBot is being deleted (deletionPolicy {policy.value})",
    )


def is_forced(obj: Mapping[str, Any]) -> bool:
    """Return whether a person lets go of whatever is left."""
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(FORCE_ANNOTATION) or "").strip().lower() == "true"


def waits(obj: Mapping[str, Any], stop: EmergencyStopStatus | None) -> bool:
    """Return whether the object is deleted, and held until the exchange has confirmed something."""
    return bool(obj["metadata"].get("deletionTimestamp")) and has_finalizer(obj) and not may_go(obj, stop)


def may_go(obj: Mapping[str, Any], stop: EmergencyStopStatus | None) -> bool:
    """Return whether the object may go: the exchange confirmed what the policy asks for, or a person lets it go."""
    policy = policy_of(obj)
    if is_forced(obj) or policy is DeletionPolicy.RETAIN:
        return True
    if stop is None or not stop.verified or not _is_confirmed(stop):
        return False
    return stop.close_positions or policy is not DeletionPolicy.FLATTEN


def _is_confirmed(stop: EmergencyStopStatus) -> bool:
    """Return whether the exchange was asked itself: what a ledger lacks would be left open for ever."""
    return stop.outcome is not None and stop.outcome.confirmed is True


def is_overdue(obj: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the deletion takes longer than anybody expects."""
    return now - datetime.fromisoformat(obj["metadata"]["deletionTimestamp"]) > PATIENCE


def what_is_left(obj: Mapping[str, Any], stop: EmergencyStopStatus | None) -> str:
    """Say what is waited for, and how not to wait."""
    meta, policy = obj["metadata"], policy_of(obj)
    wanted = "closed positions" if policy is DeletionPolicy.FLATTEN else "cancelled orders"
    outcome = stop.outcome if stop is not None else None
    said = f"{outcome.state}: {outcome.message}" if outcome is not None else "nothing yet"
    if stop is not None and stop.verified and not _is_confirmed(stop):
        said += " (by the bot's own ledger: its image is older than the question to the exchange)"
        if stop.kill is not None:
            said += f"; the kill Job {stop.kill.job} asks the exchange"
    return (
        f"The deletion waits until the exchange confirms {wanted} (deletionPolicy {policy.value}). It said {said}. To "
        f"leave the rest as it is: kubectl annotate tbot {meta['name']} -n {meta['namespace']} {FORCE_ANNOTATION}=true"
    )
