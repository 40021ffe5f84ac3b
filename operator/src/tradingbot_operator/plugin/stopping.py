"""Whether a stop is confirmed: what counts, and what does not. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tradingbot_contract.stops import is_confirmed
from tradingbot_operator.plugin.picture import take
from tradingbot_operator.plugin.text import plain, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StopResult:
    """How far one bot's stop has come."""

    namespace: str
    name: str
    asked: bool = False
    """The API server has taken the stop."""
    latched: bool = False
    """Nothing but a resume with its id ends it any more."""
    confirmed: bool = False
    """The exchange has confirmed what was asked for."""
    stop_id: str = ""
    seen_by: str = ""
    """Who says so: operator (status) or bot (its own API)."""
    outcome: str = ""
    message: str = ""
    exit_code: int = 0

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        found = asdict(self)
        found["stopId"], found["seenBy"] = found.pop("stop_id"), found.pop("seen_by")
        del found["exit_code"]
        return found


def observe(obj: Mapping[str, Any], generation: int, report: object, *, close_positions: bool) -> StopResult:
    """Read how far the stop of `generation` has come, from the object and, if there is one, the bot's own report.

    The object counts once the operator has seen the generation that asked, so that the latch of a stop that is just
    being resumed does not pass for this one. A report counts only from the pod that trades: a standby that has stopped
    says nothing about its sibling.
    """
    picture = take(obj)
    status = obj.get("status") if isinstance(obj.get("status"), dict) else {}
    seen = (status or {}).get("observedGeneration")
    operator_saw = isinstance(seen, int) and seen >= generation
    if picture.stop is not None and (operator_saw or picture.stop.id.endswith(f"-{generation}")):
        return _result(
            picture.namespace,
            picture.name,
            picture.stop.id,
            "operator",
            picture.stop.outcome,
            picture.stop.outcome_message,
            picture.stop.orders_cancelled,
            close_positions=close_positions,
        )
    if isinstance(report, dict) and report.get("state") == "KILLED" and report.get("role") == "trading":
        stop = report.get("stop")
        stop = stop if isinstance(stop, dict) else {}
        outcome = stop.get("outcome")
        outcome = outcome if isinstance(outcome, dict) else {}
        cancelled = outcome.get("orders_cancelled")
        return _result(
            picture.namespace,
            picture.name,
            plain(stop.get("id") or ""),
            "bot",
            plain(outcome.get("state") or ""),
            plain(outcome.get("message") or ""),
            cancelled if isinstance(cancelled, int) else None,
            close_positions=close_positions,
        )
    return StopResult(
        picture.namespace,
        picture.name,
        asked=True,
        message="asked for; neither the operator nor the bot has said that it is latched",
    )


def _result(
    namespace: str,
    name: str,
    stop_id: str,
    seen_by: str,
    outcome: str,
    message: str,
    cancelled: int | None,
    *,
    close_positions: bool,
) -> StopResult:
    confirmed = is_confirmed(outcome, close_positions=close_positions)
    count = "" if cancelled is None else f"{quantity(cancelled, 'order')} cancelled"
    parts = [part for part in (count, message) if part]
    if not parts and not confirmed:
        parts = [f"the exchange's answer is {outcome}" if outcome else "the exchange has not confirmed it yet"]
    return StopResult(
        namespace=namespace,
        name=name,
        asked=True,
        latched=bool(stop_id) or seen_by == "bot",
        confirmed=confirmed,
        stop_id=stop_id,
        seen_by=seen_by,
        outcome=outcome,
        message="; ".join(parts),
    )
