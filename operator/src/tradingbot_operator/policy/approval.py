"""Approval of live trading: what is approved, as one digest, and whether what is written is an approval of it.

The same rules stand in the API server (the chart's ValidatingAdmissionPolicies) and are asked again here, because the
policies can be missing, and because they have no clock.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.v1alpha1.safety import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.trading import Risk
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec

VERSION: Final = "tradingbots.dev/approval/v2"
"""First line of what is hashed: another way of writing it is another digest."""

MAX_VALIDITY: Final = timedelta(days=30)
"""How far ahead an approval may end. The chart's policies.maxApprovalDays has the same default."""

RISKED: Final = frozenset({"image", "exchange", "strategy", "risk", "promotion", "database", "redis", "api"})
"""Fields of the spec that are approved. Of database, where it is; not how many connections it may have."""

NOT_RISKED: Final = frozenset(
    {
        "mode",  # what is approved is always live trading
        "requested_by",  # compared with the approver, not approved
        "trading",  # can only hold back what is approved
        "emergency_stop",
        "resume",
        "approval",
        "image_pull_policy",  # the digest of the image that runs is approved
        "image_pull_secrets",
        "profile",
        "resources",
        "environment",
        "log_level",
        "simulation",
        "notifications",
        "update",
        "deletion_policy",
        "scheduling",
    }
)
"""Fields that change nothing that an approver answers for. A test demands that every field is in one of the two."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is approved and does not stand in the spec. None is not known yet, and is another digest than any value."""

    namespace: str
    name: str
    uid: str
    """An object that is deleted and made again has another one: its old approvals are worth nothing."""
    image: str
    """The image's reference as the pod has it: that of the spec, or the operator's default."""
    image_digest: str | None = None
    """What the kubelet says that it runs (imageID): a tag can be moved, a digest cannot."""
    account: str | None = None
    """Fingerprint of the exchange account's key, as the bot or its preflight reports it; never the key."""
    last_stop: str | None = None
    """Id of the latest emergency stop, latched or resumed since: after a stop, a live bot needs a fresh approval."""


# --- the digest --------------------------------------------------------------------------------------------------


def required_digest(spec: TradingBotSpec, identity: Identity) -> str:
    """Return the digest that an approval of live trading must name, whatever the mode is at the moment."""
    return _digest(spec, identity, spec.risk)


def digest_before_tightening(spec: TradingBotSpec, identity: Identity, approved: Risk) -> str | None:
    """Return the digest of this bot with the limits that were approved, if its own are only tighter.

    The limits need no protection where they are remembered: others than those that were approved give another digest.
    """
    if compare_limits(approved, spec.risk) is not Change.TIGHTENED:
        return None
    return _digest(spec, identity, approved)


def _digest(spec: TradingBotSpec, identity: Identity, risk: Risk) -> str:
    def written(part: Any, but: set[str] | None = None) -> Any:
        return None if part is None else part.model_dump(mode="python", by_alias=True, exclude_none=True, exclude=but)

    strategy = written(spec.strategy)
    strategy["symbols"] = sorted(strategy["symbols"])
    strategy["parameters"] = spec.strategy.parameters or {}
    approved = {
        "version": VERSION,
        "bot": asdict(identity),
        "image": spec.image,
        "exchange": written(spec.exchange),
        "strategy": strategy,
        "risk": written(risk, risk.as_before),
        "promotion": written(spec.promotion),
        "database": written(spec.database.secret_ref),
        "redis": written(spec.redis),
        "api": written(spec.api),
    }
    return "sha256:" + hashlib.sha256(canonical(approved).encode()).hexdigest()


def canonical(value: Any) -> str:
    """Write JSON in the one way: keys sorted, no spaces, ASCII, and one spelling for each number (1, 1.0 and 1e0)."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _number(value: float | Decimal) -> str:
    sign, digits, exponent = (value if isinstance(value, Decimal) else Decimal(str(value))).as_tuple()
    if not isinstance(exponent, int):
        raise TypeError("JSON has no such number")
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    if not short:
        return "0"
    return f"{'-' * sign}{short}e{exponent + len(text) - len(short)}"


# --- tighter or looser -------------------------------------------------------------------------------------------


class Change(StrEnum):
    """What a change of limits does to the risk."""

    SAME = "Same"
    TIGHTENED = "Tightened"
    LOOSENED = "Loosened"
    MIXED = "Mixed"


_TIGHTER_WHEN_LOWER: Final = (
    "max_drawdown",
    "daily_loss_limit",
    "max_position_size",
    "risk_per_trade",
    "max_open_positions",
    "max_orders_per_minute",
    "price_collar",
    "max_order_value",
    "max_stop_distance",
    "max_target_distance",
    "autonomous",
)
_TIGHTER_WHEN_HIGHER: Final = ("min_risk_reward_ratio", "min_confidence")
_NEITHER: Final = ("on_breach", "max_price_jump")
"""Neither is the safer one, so a change is both tighter and looser: to hold or to flatten, to believe a price that is
alone or to follow the market one price late."""
COMPARED: Final = frozenset({*_TIGHTER_WHEN_LOWER, *_TIGHTER_WHEN_HIGHER, *_NEITHER})


def compare_limits(old: Risk, new: Risk) -> Change:
    """Say whether the new limits allow nothing more (Tightened), nothing less (Loosened), or both (Mixed)."""
    tighter = looser = any(getattr(old, name) != getattr(new, name) for name in _NEITHER)
    for name in (*_TIGHTER_WHEN_LOWER, *_TIGHTER_WHEN_HIGHER):
        before, after = _allowed(old, name), _allowed(new, name)
        tighter |= after < before
        looser |= after > before
    if tighter:
        return Change.MIXED if looser else Change.TIGHTENED
    return Change.LOOSENED if looser else Change.SAME


def tightest(first: Risk, second: Risk) -> Risk:
    """Return the tighter of the two for each limit; what happens on a breach is as in the first."""
    limits = {
        name: min((first, second), key=lambda risk: _allowed(risk, name))
        for name in (*_TIGHTER_WHEN_LOWER, *_TIGHTER_WHEN_HIGHER)
    }
    return first.model_copy(update={name: getattr(risk, name) for name, risk in limits.items()})


def _allowed(risk: Risk, name: str) -> Decimal:
    value = getattr(risk, name)
    if value is None:
        return Decimal("Infinity")
    return -Decimal(value) if name in _TIGHTER_WHEN_HIGHER else Decimal(value)


# --- the approval ------------------------------------------------------------------------------------------------


class ApprovalState(StrEnum):
    """Whether live trading is approved, and if not, the first thing that is missing."""

    NOT_ASKED = "NotAsked"
    UNKNOWN = "Unknown"
    VALID = "Valid"
    NO_REQUESTER = "NoRequester"
    MISSING = "Missing"
    SELF_APPROVED = "SelfApproved"
    NOT_A_PERSON = "NotAPerson"
    WRONG_DIGEST = "WrongDigest"
    EXPIRED = "Expired"
    TOO_LONG = "TooLong"


@dataclass(frozen=True, slots=True)
class ApprovalVerdict:
    """The state, and a sentence with what is missing and how to get it. It changes only when the state does."""

    state: ApprovalState
    message: str

    @property
    def allows_live(self) -> bool:
        """Whether the bot may trade live, as far as the approval goes."""
        return self.state is ApprovalState.VALID


def approval_state(
    spec: TradingBotSpec,
    required: str,
    now: datetime,
    *,
    namespace: str,
    name: str,
    tightened: Iterable[str | None] = (),
) -> ApprovalVerdict:
    """Judge spec.approval. `tightened` are digests that count as well: those of `digest_before_tightening`."""
    if spec.mode is not Mode.LIVE:
        return ApprovalVerdict(ApprovalState.NOT_ASKED, "The bot simulates, which needs no approval.")
    state = _judge(spec, {required, *(digest for digest in tightened if digest)}, now)
    approval = spec.approval
    approver, requester = (approval.approved_by if approval else ""), spec.requested_by or ""
    ends = "" if approval is None else f"{approval.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    again = f"Look at the bot and approve it again: {approve_command(namespace, name, required)}"
    another = f"Another person approves it: {approve_command(namespace, name, required)}"
    sentences = {
        ApprovalState.VALID: f"Live trading is approved by {approver} until {ends}.",
        ApprovalState.NO_REQUESTER: "Nobody has signed for live trading: who wants it sets their own user name. "
        + request_command(namespace, name),
        ApprovalState.MISSING: f"Live trading, asked for by {requester}, is not approved. {another}",
        ApprovalState.SELF_APPROVED: f"{approver} asked for live trading and cannot approve it too. {another}",
        ApprovalState.NOT_A_PERSON: f"{approver} is not a person. {another}",
        ApprovalState.WRONG_DIGEST: "Something was changed since the approval (image, exchange, account, strategy, "
        f"risk, promotion, database, redis or api), or the bot was stopped. {again}",
        ApprovalState.EXPIRED: f"The approval by {approver} ended at {ends}. {again}",
        ApprovalState.TOO_LONG: f"The approval by {approver} ends at {ends}, and one lasts at most "
        f"{MAX_VALIDITY.days} days. {again}",
    }
    return ApprovalVerdict(state, sentences[state])


def _judge(spec: TradingBotSpec, accepted: set[str], now: datetime) -> ApprovalState:
    approval = spec.approval
    if spec.requested_by is None:
        return ApprovalState.NO_REQUESTER
    if approval is None:
        return ApprovalState.MISSING
    refusals = (
        (approval.approved_by == spec.requested_by, ApprovalState.SELF_APPROVED),
        (approval.approved_by.startswith("system:"), ApprovalState.NOT_A_PERSON),
        (approval.digest not in accepted, ApprovalState.WRONG_DIGEST),
        (approval.expires_at <= now, ApprovalState.EXPIRED),
        (approval.expires_at - now > MAX_VALIDITY, ApprovalState.TOO_LONG),
    )
    return next((state for refused, state in refusals if refused), ApprovalState.VALID)


def approve_command(namespace: str, name: str, digest: str, approver: str = "YOU", expires_at: str = "WHEN") -> str:
    """Return the patch that approves. Without an approver and a time, it says what to put in their places."""
    approval = {"digest": digest, "approvedBy": approver, "expiresAt": expires_at}
    command = _patch(namespace, name, {"approval": approval})
    if approver != "YOU" and expires_at != "WHEN":
        return command
    return (
        f"{command} (YOU: your user name, see kubectl auth whoami; WHEN: at most {MAX_VALIDITY.days} days ahead, "
        "as 2026-12-01T00:00:00Z)"
    )


def request_command(namespace: str, name: str, requester: str = "YOU") -> str:
    """Return the patch that asks for live trading."""
    return _patch(namespace, name, {"mode": "live", "requestedBy": requester})


def _patch(namespace: str, name: str, spec: dict[str, Any]) -> str:
    body = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"kubectl -n {namespace} patch tbot {name} --type merge -p {shlex.quote(body)}"
