"""Which children somebody else changes back whenever they are repaired. In memory only: a restart counts anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from tradingbot_operator.api.conditions import ConditionType, Reason
from tradingbot_operator.desired.kinds import BY_NAME
from tradingbot_operator.desired.naming import HASH_ANNOTATION
from tradingbot_operator.kube.api import FIELD_MANAGER
from tradingbot_operator.kube.errors import KubeError
from tradingbot_operator.policy import contest
from tradingbot_operator.policy.differences import differences, rivals
from tradingbot_operator.runtime.keys import Key, ObjectId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradingbot_operator.api.v1alpha1 import TradingBotStatus
    from tradingbot_operator.kube.api import KubeApi, Manifest
    from tradingbot_operator.policy.contest import Guard, History
    from tradingbot_operator.policy.differences import Path

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Child:
    history: History
    message: str = ""
    news: tuple[Reason, str] | None = None
    """What is to be told once the repair that is due has been made."""


class Contests:
    """Remembers repairs of all bots' children. `clock` is monotonic."""

    def __init__(self, kube: KubeApi, *, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._started = clock()
        self._bots: dict[Key, dict[ObjectId, _Child]] = {}
        self._news: dict[Key, list[tuple[Reason, str]]] = {}
        self._known: set[Key] = set()
        """Bots of whose contests this process knows more than what was recorded before it."""

    # --- asked by whoever writes children ---------------------------------------------------------------------------

    def keep(self, key: Key, manifests: Sequence[Manifest]) -> None:
        """Forget what is no longer wanted, or wanted with another content: the contest was about the one of before."""
        children = self._bots.get(key)
        if not children:
            return
        wanted = {_oid(manifest): _hash(manifest) for manifest in manifests}
        for oid in [oid for oid, child in children.items() if child.history.wanted != wanted.get(oid)]:
            del children[oid]

    def was_written(self, key: Key, manifest: Manifest, live: Manifest) -> bool:
        """Return whether this content was there already: what is different now, somebody else has changed."""
        marked = (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION)
        return marked == _hash(manifest) or _oid(manifest) in self._bots.get(key, {})

    async def waits(self, key: Key, manifest: Manifest, live: Manifest | None, guard: Guard) -> bool:
        """Return whether a child that somebody else has changed or removed is left so for now."""
        oid, wanted, now = _oid(manifest), _hash(manifest), self._clock()
        child = self._bots.setdefault(key, {}).setdefault(oid, _Child(contest.History(wanted)))
        child.history = contest.seen_wrong(child.history)
        paths = differences(manifest, live)
        may_wait = contest.may_wait(oid.kind, paths, guard)
        if may_wait and contest.pause(child.history, now) > 0:
            return True
        if contest.would_be_contested(child.history, now):
            who = await self._rivals(manifest, paths)
            child.message = contest.message(oid.kind, oid.name, paths, who, waits=may_wait)
            child.news = (Reason.CONTESTED, child.message)
        elif guard.live and not may_wait and not child.history.contested:
            who = await self._rivals(manifest, paths)
            child.news = (Reason.REPAIRED, contest.repair_message(oid.kind, oid.name, paths, who))
        return False

    def repaired(self, key: Key, manifest: Manifest, written: Manifest) -> bool:
        """Take note of a repair that was made, and of what came back; return whether the child is contested."""
        child = self._bots[key][_oid(manifest)]
        bounced = bool(differences(manifest, written))
        child.history = contest.repaired(child.history, self._clock(), bounced=bounced)
        if child.news is not None:
            log.warning("somebody else changes a child", reason=child.news[0].value, found=child.news[1])
            self._news.setdefault(key, []).append(child.news)
            child.news = None
        return child.history.contested

    def wrote(self, key: Key, manifest: Manifest) -> None:
        """Take note that this content was written over another one."""
        self._bots.setdefault(key, {})[_oid(manifest)] = _Child(contest.History(_hash(manifest)))

    def right(self, key: Key, manifest: Manifest) -> None:
        """Take note that a child is as it should be."""
        children = self._bots.get(key)
        child = children.get(_oid(manifest)) if children else None
        if children is None or child is None:
            return
        history = contest.seen_right(child.history, self._clock())
        if history is None:
            del children[_oid(manifest)]
        else:
            child.history = history

    def forget(self, key: Key) -> None:
        """Forget a bot that is gone."""
        self._bots.pop(key, None)
        self._news.pop(key, None)
        self._known.discard(key)

    # --- asked by whoever reports -----------------------------------------------------------------------------------

    def kinds(self, key: Key) -> tuple[str, ...]:
        """Return the kinds of the children that are contested."""
        return tuple(sorted({oid.kind for oid, _ in self._contested(key)}))

    def message(self, key: Key, recorded: TradingBotStatus) -> str:
        """Return what a person is to read. After a restart what was recorded stands until it would have shown again."""
        found = " ".join(child.message for _, child in sorted(self._contested(key), key=lambda pair: pair[0]))
        if found:
            self._known.add(key)
        if key in self._known or self._clock() - self._started >= contest.QUIET:
            return found
        return next(
            (
                condition.message
                for condition in recorded.conditions
                if condition.type == ConditionType.DEGRADED.value and condition.reason == Reason.CONTESTED.value
            ),
            "",
        )

    def news(self, key: Key, recorded: TradingBotStatus) -> list[tuple[Reason, str]]:
        """Return what nobody was told of yet, once. `recorded` is the status of before."""
        known = {condition.message for condition in recorded.conditions}
        return [(reason, message) for reason, message in self._news.pop(key, []) if message not in known]

    def next_look(self, key: Key, recorded: TradingBotStatus) -> float | None:
        """Return in how many seconds time alone changes something."""
        now = self._clock()
        waits = [contest.next_look(child.history, now) for child in self._bots.get(key, {}).values()]
        if not self._contested(key) and self.message(key, recorded):
            waits.append(max(self._started + contest.QUIET - now, 0.0))
        return min((wait for wait in waits if wait is not None), default=None)

    def _contested(self, key: Key) -> list[tuple[ObjectId, _Child]]:
        return [(oid, child) for oid, child in self._bots.get(key, {}).items() if child.history.contested]

    async def _rivals(self, manifest: Manifest, paths: list[Path]) -> list[str]:
        """Ask for the object with its field managers, which the store does not keep."""
        meta = manifest["metadata"]
        try:
            live = await self._kube.get(BY_NAME[manifest["kind"]], meta["namespace"], meta["name"])
        except KubeError:
            return []
        return rivals(live, paths, FIELD_MANAGER)


def _oid(manifest: Manifest) -> ObjectId:
    return ObjectId(manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def _hash(manifest: Manifest) -> str:
    return str(manifest["metadata"]["annotations"][HASH_ANNOTATION])
