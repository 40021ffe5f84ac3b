"""From watch events to the store and the queue. What an event says is never trusted for more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot_operator.desired.kinds import NAMESPACE
from tradingbot_operator.runtime.keys import Key, ObjectId
from tradingbot_operator.runtime.store import Change
from tradingbot_operator.runtime.workqueue import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot_operator.runtime.store import Store
    from tradingbot_operator.runtime.workqueue import WorkQueue


class Informer:
    """Stores objects and enqueues the custom resource that they belong to. `root` is the custom resource's kind."""

    def __init__(
        self,
        store: Store,
        queue: WorkQueue[Key],
        *,
        root: str,
        note: Callable[[Mapping[str, Any]], bool],
        counted: Callable[[str, str], None],
        note_namespace: Callable[[Mapping[str, Any]], bool] = lambda _namespace: False,
    ) -> None:
        self._store = store
        self._queue = queue
        self._root = root
        self._note = note
        self._counted = counted
        self._note_namespace = note_namespace
        self._marks: dict[Key, int] = {}
        self.unconfirmed: set[ObjectId] = set()
        """Custom resources of the first LIST that kopf's own has not shown yet: gone in between, unless they come."""

    def seed(self, kind: str, obj: Mapping[str, Any]) -> None:
        """Take an object of the first LIST in, before any worker runs."""
        self._store.put(kind, obj)
        if kind == self._root:
            meta = obj["metadata"]
            self.unconfirmed.add(ObjectId(kind, meta["namespace"], meta["name"]))
            self._mark(obj)
            self._note(obj)
            self._queue.add(Key(meta["namespace"], meta["name"]))

    def seen(self, kind: str, event: str | None, obj: Mapping[str, Any]) -> None:
        """Take a watch event in: `event` is ADDED, MODIFIED, DELETED, or None for an object of a LIST."""
        meta = obj["metadata"]
        oid = ObjectId(kind, meta.get("namespace", ""), meta["name"])
        if self.unconfirmed:
            self.unconfirmed.discard(oid)
        if event == "DELETED":
            owner = self._store.owner(oid)
            self._counted(kind, "deleted" if self._store.remove(kind, obj) else "stale")
            self._wake(kind, oid, owner)
            return
        before, generation = self._store.owner(oid), self._store.generation(oid)
        change = self._store.put(kind, obj)
        self._counted(kind, change.value)
        if kind == self._root:
            self._root_seen(oid, obj)
        elif kind == NAMESPACE.kind:
            self._namespace_seen(oid.name, obj, change)
        elif change in {Change.ADDED, Change.UPDATED}:
            # A status that moved is only to be reported; a spec that moved is to be repaired.
            reported = kind == "Pod" or (change is Change.UPDATED and generation == (meta.get("generation") or -1))
            self._wake(kind, oid, self._store.owner(oid), Priority.LOW if reported else Priority.NORMAL)
            if before is not None and before != self._store.owner(oid):
                self._wake(kind, oid, before)

    def lost(self, oid: ObjectId, owner: Key | None) -> None:
        """Take note of an object that a LIST no longer has."""
        self._wake(oid.kind, oid, owner)

    def bots_in(self, namespace: str) -> list[Key]:
        """Return the custom resources of a namespace."""
        return [Key(oid.namespace, oid.name) for oid in self._store.ids(self._root) if oid.namespace == namespace]

    def _namespace_seen(self, name: str, obj: Mapping[str, Any], change: Change) -> None:
        """Wake the bots of a namespace whose annotations moved; a stop of all of them comes before other work."""
        urgent = self._note_namespace(obj)
        if change in {Change.ADDED, Change.UPDATED}:
            for key in self.bots_in(name):
                self._queue.add(key, Priority.URGENT if urgent else Priority.NORMAL)

    def _root_seen(self, oid: ObjectId, obj: Mapping[str, Any]) -> None:
        key = Key(oid.namespace, oid.name)
        urgent = self._note(obj)
        if self._mark(obj) or urgent:
            self._queue.add(key, Priority.URGENT if urgent else Priority.NORMAL)

    def _mark(self, obj: Mapping[str, Any]) -> bool:
        """Return whether anything but the status changed: the operator's own status writes must not wake it."""
        meta = obj["metadata"]
        mark = hash(
            (
                meta.get("uid"),
                meta.get("generation"),
                meta.get("deletionTimestamp"),
                tuple(sorted((meta.get("labels") or {}).items())),
                tuple(sorted((meta.get("annotations") or {}).items())),
            )
        )
        key = Key(meta["namespace"], meta["name"])
        if self._marks.get(key) == mark:
            return False
        self._marks[key] = mark
        return True

    def _wake(self, kind: str, oid: ObjectId, owner: Key | None, priority: Priority = Priority.NORMAL) -> None:
        if kind == self._root:
            owner = Key(oid.namespace, oid.name)
            self._marks.pop(owner, None)
        if owner is not None:
            self._queue.add(owner, priority)
