"""Every stop that was asked for, from the moment at which a watch tells of it until it is in the status.

What is asked for and taken back a moment later counts: the store has only the newest version of an object, this has
what was seen on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tradingbot_contract.stops import is_earlier, resume_key
from tradingbot_operator.api.v1alpha1.tradingbot import requested_stop
from tradingbot_operator.desired.kinds import NAMESPACE, TRADING_BOT
from tradingbot_operator.policy.deletion import deletion_stop, policy_of
from tradingbot_operator.policy.namespace import namespace_stop
from tradingbot_operator.policy.stop import SeenStop, current
from tradingbot_operator.runtime.keys import Key, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tradingbot_operator.api.v1alpha1 import TradingBotStatus
    from tradingbot_operator.api.v1alpha1.safety import EmergencyStop, EmergencyStopStatus, Resume
    from tradingbot_operator.runtime.store import Store


class Latching:
    """Stops that were seen and are not in the status yet, by bot."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._seen: dict[Key, SeenStop] = {}
        self._early: dict[Key, str] = {}
        """Resumes that were seen in a version of the object that asks for a stop."""
        self._held: dict[Key, tuple[str, EmergencyStopStatus]] = {}
        """What was written into the status, by the uid of the object. Nobody else's word takes it out of there."""

    def note(self, obj: Mapping[str, Any]) -> bool:
        """Look at a version of a TradingBot; return whether it asks for more than is latched, or less is than was."""
        stop = requested_stop(obj)
        meta = obj["metadata"]
        key = Key(meta["namespace"], meta["name"])
        latched, name = _latched(obj), _resume_key(obj)
        if stop is not None and name:
            self._early[key] = name
        elif self._early.get(key) != name:
            self._early.pop(key, None)
        lost = self._is_forged(key, obj, latched)
        if stop is None:
            return lost
        more = _asks_for_more(latched, stop)
        if more or _is_being_resumed(obj, latched):
            self._remember(key, SeenStop(meta["uid"], meta.get("generation", 0), stop))
        return more or lost

    def _written(self, key: Key, obj: Mapping[str, Any]) -> EmergencyStopStatus | None:
        uid, held = self._held.get(key, ("", None))
        return held if uid == obj["metadata"]["uid"] else None

    def _is_forged(self, key: Key, obj: Mapping[str, Any], latched: Mapping[str, Any] | None) -> bool:
        """Return whether a latch is not the one that was written. With an older CRD it is not, which costs a pass."""
        held = self._written(key, obj)
        if held is None:
            return False
        written = held.to_manifest()
        return any(
            (latched or {}).get(part) != written.get(part) for part in ("id", "closePositions", "kill", "outcome")
        )

    def _remember(self, key: Key, seen: SeenStop) -> None:
        known = self._seen.get(key)
        if known is None or known.uid != seen.uid:
            self._seen[key] = seen
        elif seen.stop.close_positions and not known.stop.close_positions:
            self._seen[key] = replace(known, stop=seen.stop)

    def note_namespace(self, namespace: Mapping[str, Any]) -> bool:
        """Look at a version of a Namespace; return whether it asks for a stop of all its bots."""
        stop = namespace_stop(namespace)
        if stop is None:
            return False
        where = namespace["metadata"]["name"]
        for oid in self._store.ids(TRADING_BOT.kind):
            bot = self._store.get(oid) if oid.namespace == where else None
            if bot is None:
                continue
            key, latched = Key(oid.namespace, oid.name), _latched(bot)
            if name := _resume_key(bot):
                self._early[key] = name
            if _asks_for_more(latched, stop) or _is_being_resumed(bot, latched):
                self._remember(key, _of_namespace(bot, stop))
        return True

    def note_deletion(self, obj: Mapping[str, Any]) -> None:
        """Let the deletion be a stop: the bot sees it in the status, and a bot that does not answer is killed."""
        self.note(obj)  # A stop that the object asks for came first, and may ask for more.
        stop, meta = deletion_stop(policy_of(obj)), obj["metadata"]
        if _asks_for_more(_latched(obj), stop):
            seen = SeenStop(meta["uid"], meta.get("generation", 0), stop, "deletion")
            self._remember(Key(meta["namespace"], meta["name"]), seen)

    def waits(self, key: Key) -> bool:
        """Return whether a stop was seen that is not in the status yet."""
        return key in self._seen

    def remembered(self, key: Key, obj: Mapping[str, Any], status: TradingBotStatus) -> TradingBotStatus:
        """Return a status with the latch that was written into it last, whatever has become of that since."""
        held = self._written(key, obj)
        return status if held is None else status.model_copy(update={"emergency_stop": held})

    def recorded(self, key: Key, uid: str, stop: EmergencyStopStatus) -> None:
        """Forget a stop that is in the status now. What came after it may have to take its place."""
        self._held[key] = (uid, stop)
        seen = self._seen.get(key)
        if stop.void_resume is not None:
            # An older CRD does not keep it.
            self._early[key] = stop.void_resume
        if seen is not None and (seen.id == stop.id or is_earlier(seen.id, stop.id)):
            del self._seen[key]

    def forget(self, key: Key) -> None:
        """Forget what was seen: it is in the status, or over, or the object is gone."""
        self._seen.pop(key, None)
        self._early.pop(key, None)
        self._held.pop(key, None)

    def current(
        self,
        key: Key,
        obj: Mapping[str, Any],
        recorded: EmergencyStopStatus | None,
        resume: Resume | None,
        report: Mapping[str, Any] | None,
    ) -> EmergencyStopStatus | None:
        """Return the stop that holds now, whoever asked for it."""
        asked = namespace_stop(self._store.get(ObjectId(NAMESPACE.kind, "", key.namespace)))
        return current(
            recorded,
            self._seen.get(key),
            _of_namespace(obj, asked) if asked is not None else None,
            obj=obj,
            resume=resume,
            early=self._early.get(key),
            report=report,
            now=self._now(),
        )


def _latched(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the latch of an object, as it is written there. One that cannot be read is one all the same."""
    found = (obj.get("status") or {}).get("emergencyStop")
    return found if isinstance(found, Mapping) or not found else {"id": ""}


def _asks_for_more(latched: Mapping[str, Any] | None, stop: EmergencyStop) -> bool:
    return not latched or (stop.close_positions and not latched.get("closePositions"))


def _is_being_resumed(obj: Mapping[str, Any], latched: Mapping[str, Any] | None) -> bool:
    """Return whether the bot may have lifted the stop that is latched: then what comes after that is another one."""
    resume = (obj.get("spec") or {}).get("resume")
    return bool(latched) and isinstance(resume, Mapping) and resume.get("stopId") == (latched or {}).get("id")


def _resume_key(obj: Mapping[str, Any]) -> str:
    """Return what the resume in an object is known by, or nothing."""
    resume = (obj.get("spec") or {}).get("resume")
    if not isinstance(resume, Mapping) or not resume:
        return ""
    return resume_key(str(resume.get("stopId") or ""), str(resume.get("reason") or ""))


def _of_namespace(obj: Mapping[str, Any], stop: Any) -> SeenStop:
    meta = obj["metadata"]
    return SeenStop(meta["uid"], meta.get("generation", 0), stop, "namespace")
