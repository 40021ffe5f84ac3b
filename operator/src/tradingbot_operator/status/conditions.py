"""Conditions as a list map: a transition time that moves only with the status, a generation on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_operator.api.conditions import ConditionStatus, ConditionType, Reason
from tradingbot_operator.api.v1alpha1.common import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

MESSAGE_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition before it is compared with the recorded one."""

    status: ConditionStatus
    reason: Reason
    message: str = ""


def yes(reason: Reason, message: str = "") -> Verdict:
    """Return a verdict that the condition holds; without a message, the reason's own explanation."""
    return Verdict(ConditionStatus.TRUE, reason, message or reason.explanation)


def no(reason: Reason, message: str = "") -> Verdict:
    """Return a verdict that the condition does not hold; without a message, the reason's own explanation."""
    return Verdict(ConditionStatus.FALSE, reason, message or reason.explanation)


def unknown(reason: Reason, message: str = "") -> Verdict:
    """Return a verdict that nobody can tell; without a message, the reason's own explanation."""
    return Verdict(ConditionStatus.UNKNOWN, reason, message or reason.explanation)


def record(
    recorded: Iterable[Condition], verdicts: dict[ConditionType, Verdict], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions to write; those of other types stay as they are."""
    before = {condition.type: condition for condition in recorded}
    after = dict(before)
    for kind, verdict in verdicts.items():
        old = before.get(kind.value)
        moved = old is None or old.status is not verdict.status
        after[kind.value] = Condition(
            type=kind.value,
            status=verdict.status,
            reason=verdict.reason.value,
            message=verdict.message[:MESSAGE_LENGTH],
            last_transition_time=now if old is None or moved else old.last_transition_time,
            observed_generation=generation,
        )
    return tuple(after.values())
