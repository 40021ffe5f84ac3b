"""The emergency stop's latch. Once latched it only gets older or better described; no spec takes it away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.stops import is_earlier, resume_key, stop_id
from tradingbot_operator.api.said import count
from tradingbot_operator.api.v1alpha1.safety import (
    EmergencyStop,
    EmergencyStopOutcome,
    EmergencyStopStatus,
    LastStop,
    StoppedOrder,
    StoppedPosition,
)
from tradingbot_operator.api.v1alpha1.tradingbot import requested_stop

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1.safety import Resume

MESSAGE_LENGTH: Final = 1024
ENTRIES: Final = 50
AGAIN: Final = (
    "the bot has lifted the stop before it, and no resume that counts is in the object: either it was stopped again "
    "meanwhile, or the resume was taken out before the operator saw what came of it"
)


@dataclass(frozen=True, slots=True)
class SeenStop:
    """A stop in a spec, as of the object's generation in which it was first seen."""

    uid: str
    generation: int
    stop: EmergencyStop
    source: str = "spec"

    @property
    def id(self) -> str:
        """Identity that the bot computes as well, by itself."""
        return stop_id(self.uid, self.generation)


def latch(
    recorded: EmergencyStopStatus | None, seen: SeenStop | None, reported: EmergencyStopStatus | None, now: datetime
) -> EmergencyStopStatus | None:
    """Merge what the status says, what the spec asked for and what the bot reports. Of two stops the older counts."""
    asked = None
    if seen is not None:
        asked = EmergencyStopStatus(
            id=seen.id,
            since=now,
            source=seen.source,
            reason=seen.stop.reason or "",
            close_positions=seen.stop.close_positions,
        )
    found = [stop for stop in (recorded, asked, reported) if stop is not None]
    if not found:
        return None
    oldest = found[0]
    for stop in found[1:]:
        if _is_older(stop, oldest):
            oldest = stop
    outcome = reported.outcome if reported is not None and reported.outcome is not None else oldest.outcome
    kill = recorded.kill if recorded is not None else None
    if kill is not None and recorded is not None:
        # The bot's last word is from before: what counts now is what the kill Job finds.
        outcome = recorded.outcome
    close = any(stop.close_positions for stop in found)
    return oldest.model_copy(update={"outcome": outcome, "close_positions": close, "kill": kill})


def current(
    recorded: EmergencyStopStatus | None,
    seen: SeenStop | None,
    standing: SeenStop | None,
    *,
    obj: Mapping[str, Any],
    resume: Resume | None,
    early: str | None = None,
    report: Mapping[str, Any] | None,
    now: datetime,
) -> EmergencyStopStatus | None:
    """Return the stop that holds now. `standing` is what the namespace asks for, as of the object's generation.

    The operator never ends a stop by itself: a person names it in spec.resume, nobody asks for it any more, and the bot
    says that it lifted this very one. What is asked for after that is a stop of its own, with another id: what has been
    lifted stops nobody any more, so it must not stay in the status in the place of the newer one. `early` is the key of
    a resume that was seen while a stop was asked for.
    """
    asked = requested_stop(obj) is not None
    stop = latch(recorded, seen, read_report(report), now)
    if stop is not None:
        void = _void(recorded, resume, early, stands=standing is not None or asked)
        stop = stop.model_copy(update={"standing": standing is not None, "void_resume": void})
    if stop is not None and _has_lifted(stop, report):
        newer = _newer(stop, seen, standing, obj)
        if read_report(report) is not None:
            stop = latch(None, newer if newer is seen else None, read_report(report), now)
        elif standing is not None and standing.id != stop.id:
            stop = latch(None, standing, None, now)
        elif not asked and counts(resume, stop):
            return None
        elif newer is not None:
            # Under the name of the one that it has lifted the bot would go on trading.
            stop = latch(None, newer, None, now)
    if standing is not None and (stop is None or (standing.stop.close_positions and not stop.close_positions)):
        stop = latch(stop, standing, None, now)
    return stop.model_copy(update={"standing": standing is not None}) if stop is not None else None


def _newer(
    stop: EmergencyStopStatus, seen: SeenStop | None, standing: SeenStop | None, obj: Mapping[str, Any]
) -> SeenStop | None:
    """Return the stop that was asked for after the resume of this one, which the bot has carried out.

    It may have been taken back at once, and who saw it may have been restarted since. What is left then is that the
    resume is void, which is in the status; so the stop gets its name from the object as it is now.
    """
    meta = obj["metadata"]
    again = SeenStop(str(meta["uid"]), meta.get("generation", 0), EmergencyStop(active=True, reason=AGAIN))
    found = [one for one in (seen, standing, again) if one is not None and one.id != stop.id]
    return next((one for one in found if is_earlier(stop.id, one.id) is not False), None)


def _void(
    recorded: EmergencyStopStatus | None, resume: Resume | None, early: str | None, *, stands: bool
) -> str | None:
    """Return the key of the resume in the object if it came while a stop was asked for, as far as anybody has seen.

    What was written between two looks, of which the first still saw the namespace's stop, counts as too early: nobody
    knows which came first, and writing it again costs little.
    """
    known = recorded.void_resume if recorded is not None else None
    if resume is None:
        # Written again it is the same one, which the bot's database refuses for good.
        return known
    key = resume_key(resume.stop_id, resume.reason)
    stood = recorded is not None and recorded.standing
    return key if stands or stood or key in (early, known) else None


def counts(resume: Resume | None, stop: EmergencyStopStatus) -> bool:
    """Return whether a resume names this very stop, and was written when nothing asked for one any more."""
    if resume is None or resume.stop_id != stop.id or stop.standing:
        return False
    return resume_key(resume.stop_id, resume.reason) != stop.void_resume


def refused(stop: EmergencyStopStatus | None, resume: Resume | None, last: LastStop | None, *, asked: bool) -> str:
    """Say why a resume does not end the stop that holds; nothing when there is none, or when it may.

    The resume of an earlier stop stays in the spec and is no mistake of anybody's.
    """
    if stop is None or resume is None or (last is not None and last.id == resume.stop_id != stop.id):
        return ""
    if resume.stop_id != stop.id:
        return f"spec.resume names {resume.stop_id}, and the stop that holds is {stop.id}: nothing is resumed."
    if stop.standing:
        return "The namespace still asks for the stop: take the annotation tradingbots.dev/emergency-stop off it first."
    if asked:
        return "spec.emergencyStop.active is still true: set it to false to resume."
    if not counts(resume, stop):
        return (
            "spec.resume was written while the stop was still asked for, so it does not count: write it again, with "
            "another reason."
        )
    return ""


def _has_lifted(stop: EmergencyStopStatus, report: Mapping[str, Any] | None) -> bool:
    """Return whether the bot says that it has lifted this very stop, and either holds another one or none."""
    said = report or {}
    last = said.get("last_stop")
    if "stop" not in said or not isinstance(last, Mapping) or last.get("id") != stop.id:
        return False
    held = read_report(report)
    return said["stop"] is None if held is None else held.id != stop.id


def last_stop(recorded: LastStop | None, report: Mapping[str, Any] | None) -> LastStop | None:
    """Return which stop was resumed last, by what is recorded and by the bot's own report."""
    said = _read_last_stop(report)
    if recorded is None or said is None:
        return said or recorded
    # Two within a second: the bot has said the later one last.
    return said if said.resumed_at >= recorded.resumed_at else recorded


def _read_last_stop(report: Mapping[str, Any] | None) -> LastStop | None:
    last = (report or {}).get("last_stop")
    if not isinstance(last, Mapping) or not last.get("id") or not last.get("resumed_at"):
        return None
    try:
        return LastStop(
            id=_text(last["id"], 128), resumed_at=last["resumed_at"], reason=_text(last.get("reason"), MESSAGE_LENGTH)
        )
    except ValueError:
        return None


def read_report(report: Mapping[str, Any] | None) -> EmergencyStopStatus | None:
    """Read the stop of the bot's own status report; what cannot be read is ignored (the latch itself never is)."""
    stop = (report or {}).get("stop")
    if not isinstance(stop, dict) or not stop.get("id") or not stop.get("since"):
        return None
    outcome = stop.get("outcome")
    try:
        return EmergencyStopStatus(
            id=str(stop["id"])[:128],
            since=stop["since"],
            source=str(stop.get("source") or "bot")[:64],
            reason=str(stop.get("reason") or "")[:MESSAGE_LENGTH],
            close_positions=stop.get("close_positions") is True,
            outcome=read_outcome(outcome, source="bot") if isinstance(outcome, dict) else None,
        )
    except ValueError:
        return None


def read_outcome(outcome: Mapping[str, Any], *, source: str) -> EmergencyStopOutcome:
    """Read what came of a stop, as the bot or the kill Job says it. What cannot be read is left out."""
    confirmed = outcome.get("confirmed")
    state = str(outcome.get("state") or "UNKNOWN")[:64]
    if source == "kill" and confirmed is None:
        # A kill Job has always gone by what the exchange lists, and not always said so.
        confirmed = state != "UNKNOWN"
    return EmergencyStopOutcome(
        state=state,
        message=str(outcome.get("message") or "")[:MESSAGE_LENGTH],
        orders_cancelled=count(outcome.get("orders_cancelled")),
        confirmed=confirmed if isinstance(confirmed, bool) else None,
        source=source,
        orders=tuple(
            StoppedOrder(
                client_id=_text(entry.get("client_id"), 128),
                symbol=_text(entry.get("symbol"), 64),
                state=_text(entry.get("state"), 32) or "UNKNOWN",
                reason=_text(entry.get("reason"), 512),
            )
            for entry in _entries(outcome.get("orders"), "client_id")
        ),
        positions=tuple(
            StoppedPosition(
                symbol=_text(entry.get("symbol"), 64),
                state=_text(entry.get("state"), 32) or "UNKNOWN",
                requested=_text(entry.get("requested"), 64),
                residual=_text(entry.get("residual"), 64),
                reason=_text(entry.get("reason"), 512),
            )
            for entry in _entries(outcome.get("positions"), "symbol")
        ),
    )


def _entries(value: Any, key: str) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [entry for entry in found if isinstance(entry, Mapping) and entry.get(key)][:ENTRIES]


def _text(value: Any, length: int) -> str:
    return "" if value is None else str(value)[:length]


def _is_older(stop: EmergencyStopStatus, than: EmergencyStopStatus) -> bool:
    earlier = is_earlier(stop.id, than.id)
    return stop.since < than.since if earlier is None else earlier
