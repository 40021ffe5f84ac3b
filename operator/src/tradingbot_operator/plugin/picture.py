"""What one TradingBot's object says, read leniently: any operator version, any stage of its life. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.plugin.text import parse_time, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CONDITION_ORDER: Final = ("Ready", "Suspended", "Degraded", "Progressing", "LiveReady")
# A condition in its expected status needs no colour and no advice.
GOOD_STATUS: Final = {"Ready": "True", "Suspended": "False", "Degraded": "False", "Progressing": "False"}


@dataclass(frozen=True, slots=True)
class ConditionPicture:
    """One condition."""

    type: str
    status: str
    reason: str
    message: str
    since: str

    @property
    def good(self) -> bool:
        """Whether it is what one hopes for. Of an unknown type nobody can tell."""
        return GOOD_STATUS.get(self.type, self.status) == self.status


@dataclass(frozen=True, slots=True)
class StopPicture:
    """The stop that is latched."""

    id: str
    since: str
    source: str
    reason: str
    close_positions: bool
    outcome: str
    outcome_message: str
    orders_cancelled: int | None
    kill_job: str = ""
    """The Job that stands in for a bot that does not answer."""
    kill_reason: str = ""
    kill_finished: bool = False
    standing: bool = False
    """Whether the namespace still asks for the stop."""
    parts: tuple[tuple[str, str, str], ...] = ()
    """What, state and reason of each order that was not simply cancelled, and of each position."""


@dataclass(frozen=True, slots=True)
class GatePicture:
    """One thing that must be so before the bot trades live."""

    name: str
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class ApprovalPicture:
    """What live trading needs, and what was given."""

    required_digest: str
    given_digest: str
    approved_by: str
    expires_at: str
    requested_by: str
    comment: str
    state: str = ""
    """The operator's own verdict, which knows more than the digest: tighter limits keep an approval."""
    newer_digest: str = ""
    """Approves another image or account than the one that runs."""

    def problem(self, now: datetime) -> str:
        """Say why this approval does not count; nothing when it does."""
        if not self.required_digest:
            return "the operator has not published what is to be approved"
        if not self.requested_by:
            return "nobody has signed for it in spec.requestedBy"
        if not self.given_digest:
            return "nobody has approved"
        if self.given_digest != self.required_digest and self.state != "Valid":
            return "something that was approved changed since, or the bot was stopped"
        expires = parse_time(self.expires_at)
        if expires is None or expires <= now:
            return "the approval has expired"
        if self.approved_by == self.requested_by:
            return "approver and requester are the same person"
        return ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One bot as `status` shows it."""

    namespace: str
    name: str
    mode: str
    asked_mode: str
    trading: str
    state: str
    role: str
    positions: int | None
    open_orders: int | None
    image: str
    version: str
    created: str
    deleting: bool
    up_to_date: bool
    stop_asked: bool
    resume_id: str
    stop: StopPicture | None
    approval: ApprovalPicture
    conditions: tuple[ConditionPicture, ...]
    gates: tuple[GatePicture, ...] = ()

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    def condition(self, kind: str) -> ConditionPicture:
        """Return a condition; an unknown one when it is not there."""
        found = next((condition for condition in self.conditions if condition.type == kind), None)
        return found or ConditionPicture(kind, "Unknown", "", "", "")

    def to_json(self) -> dict[str, Any]:
        """Return it for machines, in camelCase as the API writes."""
        return {_camel(key): _jsonable(value) for key, value in asdict(self).items()}


def take(obj: Mapping[str, Any]) -> Picture:
    """Read an object from the API server. Nothing in it is relied on."""
    meta, spec, status = (_dict(obj.get(part)) for part in ("metadata", "spec", "status"))
    conditions = [_condition(entry) for entry in status.get("conditions") or [] if isinstance(entry, dict)]
    rank = {kind: number for number, kind in enumerate(CONDITION_ORDER)}
    conditions.sort(key=lambda condition: (rank.get(condition.type, len(rank)), condition.type))
    return Picture(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        mode=plain(status.get("mode") or ""),
        asked_mode=plain(spec.get("mode") or "simulation"),
        trading=plain(spec.get("trading") or "Active"),
        state=plain(status.get("state") or ""),
        role=plain(status.get("role") or ""),
        positions=_count(status.get("positions")),
        open_orders=_count(status.get("openOrders")),
        image=plain(status.get("image") or spec.get("image") or ""),
        version=plain(status.get("version") or ""),
        created=str(meta.get("creationTimestamp") or ""),
        deleting=bool(meta.get("deletionTimestamp")),
        up_to_date=_number(status.get("observedGeneration")) >= _number(meta.get("generation")),
        stop_asked=_dict(spec.get("emergencyStop")).get("active") is True,
        resume_id=plain(_dict(spec.get("resume")).get("stopId") or ""),
        stop=_stop(status.get("emergencyStop")),
        approval=_approval(spec, status),
        conditions=tuple(conditions),
        gates=tuple(_gate(entry) for entry in status.get("gates") or [] if isinstance(entry, dict)),
    )


def _gate(entry: Mapping[str, Any]) -> GatePicture:
    return GatePicture(*(plain(entry.get(key) or "") for key in ("name", "state", "message")))


def _condition(entry: Mapping[str, Any]) -> ConditionPicture:
    texts = (entry.get(key) for key in ("type", "status", "reason", "message", "lastTransitionTime"))
    return ConditionPicture(*(plain(text or "") for text in texts))


def _stop(found: Any) -> StopPicture | None:
    stop = _dict(found)
    if not stop.get("id"):
        return None
    outcome, kill = _dict(stop.get("outcome")), _dict(stop.get("kill"))
    return StopPicture(
        id=plain(stop["id"]),
        since=plain(stop.get("since") or ""),
        source=plain(stop.get("source") or ""),
        reason=plain(stop.get("reason") or ""),
        close_positions=stop.get("closePositions") is True,
        outcome=plain(outcome.get("state") or ""),
        outcome_message=plain(outcome.get("message") or ""),
        orders_cancelled=_count(outcome.get("ordersCancelled")),
        kill_job=plain(kill.get("job") or ""),
        kill_reason=plain(kill.get("reason") or ""),
        kill_finished=kill.get("finished") is True,
        standing=stop.get("standing") is True,
        parts=_parts(outcome),
    )


def _parts(outcome: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    found = []
    for order in outcome.get("orders") or ():
        if isinstance(order, dict) and order.get("state") != "CANCELLED":
            what = f"order {order.get('clientId') or ''} {order.get('symbol') or ''}".strip()
            found.append((plain(what), plain(order.get("state") or ""), plain(order.get("reason") or "")))
    for position in outcome.get("positions") or ():
        if isinstance(position, dict):
            what = f"position {position.get('symbol') or ''}".strip()
            found.append((plain(what), plain(position.get("state") or ""), plain(_rest(position))))
    return tuple(found)


def _rest(position: Mapping[str, Any]) -> str:
    """Say how much of a position there is still, and why."""
    residual, requested = position.get("residual") or "?", position.get("requested") or "?"
    amount = {
        "KEPT": f"{residual} held",
        "FLAT": f"all of {requested} sold",
        "FLAT_WITH_DUST": f"{residual} of {requested} left, too little to be sold",
    }.get(str(position.get("state") or ""), f"{residual} of {requested} left")
    reason = position.get("reason")
    return f"{amount}: {reason}" if reason else amount


def _approval(spec: Mapping[str, Any], status: Mapping[str, Any]) -> ApprovalPicture:
    given = _dict(spec.get("approval"))
    return ApprovalPicture(
        required_digest=plain(_dict(status.get("approval")).get("requiredDigest") or ""),
        given_digest=plain(given.get("digest") or ""),
        approved_by=plain(given.get("approvedBy") or ""),
        expires_at=plain(given.get("expiresAt") or ""),
        requested_by=plain(spec.get("requestedBy") or ""),
        comment=plain(given.get("comment") or ""),
        state=plain(_dict(status.get("approval")).get("state") or ""),
        newer_digest=plain(_dict(_dict(status.get("approval")).get("newer")).get("digest") or ""),
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> int:
    return _count(value) or 0


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.capitalize() for part in others)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(key): _jsonable(entry) for key, entry in value.items()}
    return [_jsonable(entry) for entry in value] if isinstance(value, list | tuple) else value
