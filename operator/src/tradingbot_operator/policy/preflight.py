"""The preflight: when the exchange account is looked at, and what is made of what was found.

A result counts for what it looked at: the exchange with the reference to the keys, and the image. What it cannot say
is not known, and what is not known allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.said import json_object
from tradingbot_operator.api.v1alpha1.live import PreflightStatus, PreflightVerdict
from tradingbot_operator.desired.hashing import digest

if TYPE_CHECKING:
    from tradingbot_operator.api.conditions import Reason
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec

EVERY: Final = timedelta(days=1)
"""How often the account is looked at again."""
FRESH: Final = EVERY + timedelta(hours=1)
"""How old a result may be: a day, and the time for the next look."""
FIRST_RETRY: Final = timedelta(seconds=30)
LONGEST_RETRY: Final = timedelta(minutes=15)
LARGEST_SKEW_MS: Final = 1_000_000_000
REASONS: Final = 16
WITHDRAWAL: Final = "WITHDRAW"
"""What the code of a reason contains when the key may withdraw."""


@dataclass(frozen=True, slots=True)
class JobLook:
    """What is seen of the preflight's Job."""

    ended: bool = False
    message: str = ""
    """The last words of its container."""
    image_digest: str | None = None
    problem: Reason | None = None
    """Why its pod does not start."""
    problem_message: str = ""


def inputs_of(spec: TradingBotSpec, image: str) -> str:
    """Return what a result counts for: hash of exchange and keys, then hash of the image."""
    return f"{digest(spec.exchange.to_manifest(), 10)}-{digest(image, 10)}"


def remembered(recorded: PreflightStatus | None, inputs: str) -> PreflightStatus:
    """Return what is known about these inputs. What was found for others is forgotten, part by part."""
    if recorded is None:
        return PreflightStatus(inputs=inputs)
    if recorded.inputs == inputs:
        return recorded
    (exchange, image), (old_exchange, old_image) = inputs.split("-"), f"{recorded.inputs}-".split("-")[:2]
    return PreflightStatus(
        inputs=inputs,
        account=recorded.account if exchange == old_exchange else None,
        image_digest=recorded.image_digest if image == old_image else None,
        build=recorded.build if image == old_image else None,
    )


def next_look(preflight: PreflightStatus, now: datetime) -> float:
    """Return in how many seconds it is to be looked at again; 0 for now."""
    if preflight.checked_at is None:
        return 0.0
    if preflight.verdict is PreflightVerdict.OK:
        pause = EVERY
    else:
        pause = min(FIRST_RETRY * 2 ** min(max(preflight.attempts - 1, 0), 10), LONGEST_RETRY)
    return max((preflight.checked_at + pause - now).total_seconds(), 0.0)


def is_fresh(preflight: PreflightStatus, now: datetime) -> bool:
    """Return whether the result is OK and not too old."""
    checked = preflight.checked_at
    return preflight.verdict is PreflightVerdict.OK and checked is not None and now - checked <= FRESH


def run_id(uid: str, preflight: PreflightStatus) -> str:
    """Return the identity of the next run, the same until its result is recorded."""
    checked = preflight.checked_at.isoformat() if preflight.checked_at else ""
    return digest([uid, preflight.inputs, preflight.account, preflight.attempts, checked], 10)


def taken_in(preflight: PreflightStatus, look: JobLook | None, now: datetime) -> PreflightStatus:
    """Return what is known once a run has ended; the same while it has not."""
    if look is None or not look.ended:
        return preflight
    said = _read(look.message)
    if "kind" not in said and said.get("reason"):
        # The bot's words about a configuration that cannot work.
        said = {"reasons": [f"{said['reason']}: {said.get('message')}"]}
    verdict = _verdict(said.get("verdict"))
    account = said.get("account") if verdict is not PreflightVerdict.FAILED else None
    return preflight.model_copy(
        update={
            "verdict": verdict,
            "reasons": _reasons(said.get("reasons")),
            "account": account[:128] if isinstance(account, str) and account else preflight.account,
            "image_digest": look.image_digest or preflight.image_digest,
            "build": _build(said.get("build")) if verdict is not PreflightVerdict.FAILED else preflight.build,
            "skew_ms": _skew(said.get("skew_ms")),
            "checked_at": _when(said.get("checked_at"), now),
            "attempts": 0 if verdict is PreflightVerdict.OK else preflight.attempts + 1,
        }
    )


def _read(message: str) -> dict[str, Any]:
    said = json_object(message)
    return said if said is not None and said.get("kind", "preflight") == "preflight" else {}


def _verdict(value: Any) -> PreflightVerdict:
    try:
        return PreflightVerdict(value)
    except ValueError:
        return PreflightVerdict.FAILED


def _reasons(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(" ".join(str(reason).split())[:512] for reason in found[:REASONS])


def _build(value: Any) -> str | None:
    return value[:128] if isinstance(value, str) and value else None


def _skew(value: Any) -> int | None:
    return value if type(value) is int and abs(value) <= LARGEST_SKEW_MS else None


def _when(value: Any, now: datetime) -> datetime:
    """Read when it was looked at: never later than now, whatever clock said so."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return now
    return min(at, now) if at.tzinfo is not None else now
