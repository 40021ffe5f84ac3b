"""What is told of a stop as Events: that it is latched and how it ended, and of a kill Job what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradingbot_contract.stops import CLOSED
from tradingbot_contract.wording import first_of
from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.status.live import Step

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopOutcome, EmergencyStopStatus, StoppedPosition
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus

_GONE: Final = {"CANCELLED", "FILLED", "GONE", "KEPT"}
_NAMED: Final = 5
"""Orders and positions that are named; the status has the others."""


def stop_steps(before: TradingBotStatus, after: TradingBotStatus) -> list[Step]:
    """Compare two statuses: a stop that a person ended, and one that is new, even in the place of another."""
    old, new, last = before.emergency_stop, after.emergency_stop, after.last_stop
    if old is not None and new is not None and new.id == old.id:
        return []
    found = []
    if old is not None and last is not None and last.id == old.id:
        note = f"Emergency stop {old.id} was ended by spec.resume: {last.reason or 'no reason given'}"
        found.append(Step(warning=False, reason=Reason.RESUMED, note=note))
    if new is not None:
        note = f"Emergency stop {new.id}: {new.reason or 'no reason given'}"
        found.append(Step(warning=True, reason=Reason.EMERGENCY_STOPPED, note=note))
    return found


def kill_steps(before: TradingBotStatus, after: TradingBotStatus) -> list[Step]:
    """Compare two statuses: a kill Job that was begun, and one that has ended, each attempt by itself."""
    stop, old = after.emergency_stop, before.emergency_stop
    if stop is None or stop.kill is None:
        return []
    known = old.kill if old is not None else None
    found = []
    if known is None or known.job != stop.kill.job:
        note = f"Kill Job {stop.kill.job} stands in for the bot, stop {stop.id}: {stop.kill.reason}"
        found.append(Step(warning=True, reason=Reason.KILL_JOB_STARTED, note=note))
    was_over = known is not None and known.job == stop.kill.job and known.finished
    if stop.kill.finished and not (was_over and old is not None and old.outcome == stop.outcome):
        well = stop.verified
        reason = Reason.KILL_JOB_DONE if well else Reason.KILL_JOB_FAILED
        found.append(Step(warning=not well, reason=reason, note=_ended(stop, stop.kill.job)))
    return found


def _ended(stop: EmergencyStopStatus, job: str) -> str:
    outcome = stop.outcome
    if outcome is None:
        return f"Kill Job {job} ended, stop {stop.id}: {Reason.KILL_JOB_FAILED.explanation}"
    parts = [f"Kill Job {job} ended, stop {stop.id}: {outcome.state}."]
    if outcome.orders_cancelled is not None:
        parts.append(f"Orders cancelled: {outcome.orders_cancelled}.")
    closed = [f"{position.symbol} {_closed(position)}" for position in outcome.positions if position.state in CLOSED]
    for title, named in (("Closed", closed), ("Left", _left(outcome))):
        if named:
            parts.append(f"{title}: {first_of(named, _NAMED)}.")
    return " ".join([*parts, *([outcome.message] if outcome.message else [])])


def _closed(position: StoppedPosition) -> str:
    dust = f" but {position.residual}" if position.state == "FLAT_WITH_DUST" and position.residual else ""
    return f"{position.requested or 'all of it'}{dust}"


def _left(outcome: EmergencyStopOutcome) -> list[str]:
    """Return what is at the exchange still: orders that may execute, and what is held."""
    orders = [
        f"order {order.client_id} {order.symbol} {order.state}" for order in outcome.orders if order.state not in _GONE
    ]
    held = [position for position in outcome.positions if position.state not in CLOSED]
    return [*orders, *(f"{position.symbol} {position.residual} {position.state}" for position in held)]
