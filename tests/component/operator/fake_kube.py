"""An API server in memory, as far as the operator uses one: server-side apply, versions, uids, watch events."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradingbot_operator.kube.api import Page, WatchEvent
from tradingbot_operator.kube.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from tradingbot_operator.kube.undeclared import Undeclared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tradingbot_operator.desired.kinds import Kind

Manifest = dict[str, Any]
Name = tuple[str, str, str]

WHOLE = ("selector", "podSelector", "nodeSelector")
"""Maps that are one value to the server, whatever is in them."""
KEYS = ("name", "uid", "containerPort", "mountPath")


class CrashedError(Exception):
    """The operator's process is gone at this point."""


@dataclass
class FakeKube:
    """Objects by kind, namespace and name; every write is recorded in `writes`."""

    objects: dict[Name, Manifest] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)
    reads: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[tuple[str, str, Manifest]] = field(default_factory=list)
    crash_after: int | None = None
    refuse: Callable[[str, str, Manifest], Exception | None] | None = None
    on_write: Callable[[str, str, str], None] | None = None
    after_write: Callable[[], None] | None = None
    """What happens to the object of this very write, once, before its answer."""
    undeclared: Undeclared = field(default_factory=Undeclared)
    """What an older CRD lacks."""
    _applied: dict[Name, Manifest] = field(default_factory=dict)
    _versions: Any = field(default_factory=lambda: itertools.count(100))
    _uids: Any = field(default_factory=lambda: itertools.count(1))

    async def list_pages(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", limit: int = 250
    ) -> AsyncIterator[Page]:
        wanted = dict(part.split("=") for part in label_selector.split(",") if part)
        found = [
            copy.deepcopy(obj)
            for (name, where, _), obj in sorted(self.objects.items())
            if name == kind.kind
            and namespace in {"", where}
            and wanted.items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        for start in range(0, max(len(found), 1), limit):
            yield Page(found[start : start + limit], str(next(self._versions)))

    async def watch(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", version: str
    ) -> AsyncIterator[list[WatchEvent]]:
        """End at once: tests hand `events` over themselves."""
        for events in list[list[WatchEvent]]():
            yield events

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self.reads.append(("get", kind.kind, name))
        return copy.deepcopy(self._find((kind.kind, namespace, name)))

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool) -> Manifest:
        return self._apply(kind, manifest, only_new=False)

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        return self._apply(kind, manifest, only_new=True)

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        name = self._name(kind, manifest)
        self._before("status", kind.kind, name[2], manifest)
        live = self._find(name)
        # As the real server: it does not compare uids here, only versions.
        version = manifest["metadata"].get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise ConflictError("the object has been modified", code=409)
        self._replace(name, live | {"status": copy.deepcopy(self.declared(manifest["status"]))})
        return self._after("status", name)

    def declared(self, status: Manifest) -> Manifest:
        found: Manifest = self.undeclared.strip({"status": status})["status"]
        return found

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        self._before("patch", kind.kind, name, patch)
        live = self._find((kind.kind, namespace, name))
        self._check_uid(patch, live)
        (change,) = patch["spec"]["template"]["spec"]["containers"]
        for container in live["spec"]["template"]["spec"]["containers"]:
            if container["name"] == change["name"]:
                for part, value in change.items():
                    if value is None:
                        container.pop(part, None)
                    elif isinstance(value, list):
                        gone = [next(v for k, v in item.items() if k != "$patch") for item in value]
                        container[part] = [i for i in container[part] if not set(gone) & set(map(str, i.values()))]
        self._replace((kind.kind, namespace, name), live)
        return self._after("patch", (kind.kind, namespace, name))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        self._before("delete", kind.kind, name, {})
        live = self._find((kind.kind, namespace, name))
        if live["metadata"]["uid"] != uid:
            raise ConflictError("the UID in the precondition does not match", code=409)
        self.remove(kind.kind, namespace, name)
        self._crash()

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        name = self._name(kind, manifest)
        self._before("create", kind.kind, name[2], manifest)
        if name in self.objects:
            raise ConflictError("already exists", code=409, reason="AlreadyExists")
        self._store_new(name, manifest)
        return self._after("create", name)

    # What others do, unrecorded.

    def put(self, kind: str, manifest: Manifest) -> Manifest:
        """Create or replace an object as a person does it; a changed spec gets a new generation."""
        name = (kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        live = self.objects.get(name)
        if live is None:
            return self._store_new(name, manifest)
        whole = {**live, **copy.deepcopy(manifest), "metadata": {**live["metadata"], **manifest["metadata"]}}
        self._replace(name, whole)
        return copy.deepcopy(self.objects[name])

    def edit(self, kind: str, namespace: str, name: str, change: Callable[[Manifest], None]) -> None:
        """Change an object in place as somebody else does it."""
        whole = copy.deepcopy(self._find((kind, namespace, name)))
        change(whole)
        self._replace((kind, namespace, name), whole)

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object."""
        gone = self.objects.pop((kind, namespace, name))
        self._applied.pop((kind, namespace, name), None)
        gone["metadata"]["resourceVersion"] = str(next(self._versions))
        self.events.append(("DELETED", kind, gone))

    def of(self, kind: str) -> list[Manifest]:
        """All objects of a kind."""
        return [obj for (name, _, _), obj in sorted(self.objects.items()) if name == kind]

    # Server-side apply.

    def _apply(self, kind: Kind, manifest: Manifest, *, only_new: bool) -> Manifest:
        name = self._name(kind, manifest)
        self._before("apply", kind.kind, name[2], manifest)
        live = self.objects.get(name)
        if live is None:
            if manifest["metadata"].get("uid"):
                raise ConflictError("uid mismatch: no existing object was found", code=409)
            self._store_new(name, manifest)
        else:
            if only_new:
                raise ConflictError("the object has been modified", code=409)
            self._check_uid(manifest, live)
            if kind.kind == "ConfigMap" and live.get("immutable") and live["data"] != manifest["data"]:
                raise InvalidError("field is immutable when `immutable` is set", code=422)
            merged = _without(live, self._applied.get(name, {}), manifest)
            self._replace(name, _merge(merged, manifest))
        self._applied[name] = copy.deepcopy(manifest)
        return self._after("apply", name)

    def _before(self, verb: str, kind: str, name: str, manifest: Manifest) -> None:
        if self.refuse is not None and (error := self.refuse(verb, kind, manifest)) is not None:
            raise error
        self.writes.append((verb, kind, name))
        if self.on_write is not None:
            self.on_write(verb, kind, name)

    def _after(self, verb: str, name: Name) -> Manifest:
        if self.after_write is not None:
            change, self.after_write = self.after_write, None
            change()
        self._crash()
        return copy.deepcopy(self.objects[name])

    def _crash(self) -> None:
        if self.crash_after is not None and len(self.writes) > self.crash_after:
            raise CrashedError

    def _store_new(self, name: Name, manifest: Manifest) -> Manifest:
        whole = copy.deepcopy(manifest)
        whole["metadata"] |= {
            "uid": f"uid{next(self._uids):05d}-of-{name[2]}",
            "generation": 1,
            "resourceVersion": str(next(self._versions)),
            "creationTimestamp": "2026-11-21T09:00:00Z",
        }
        self.objects[name] = whole
        self.events.append(("ADDED", name[0], copy.deepcopy(whole)))
        return copy.deepcopy(whole)

    def _replace(self, name: Name, whole: Manifest) -> None:
        live = self.objects[name]
        if whole == live:
            return
        whole = copy.deepcopy(whole)
        if whole.get("spec") != live.get("spec"):
            whole["metadata"]["generation"] = live["metadata"]["generation"] + 1
        whole["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[name] = whole
        self.events.append(("MODIFIED", name[0], copy.deepcopy(whole)))

    def _find(self, name: Name) -> Manifest:
        if name not in self.objects:
            raise NotFoundError(f"{name} not found", code=404)
        return self.objects[name]

    @staticmethod
    def _name(kind: Kind, manifest: Manifest) -> Name:
        return kind.kind, manifest["metadata"]["namespace"], manifest["metadata"]["name"]

    @staticmethod
    def _check_uid(manifest: Manifest, live: Manifest) -> None:
        uid = manifest["metadata"].get("uid")
        if uid and uid != live["metadata"]["uid"]:
            raise InvalidError(f'metadata.uid: Invalid value: "{uid}": field is immutable', code=422)


def unavailable(*_: Any) -> Exception:
    """A server that does not answer."""
    return UnavailableError("the API server does not answer")


def _key(item: Any) -> Any:
    return next(((key, item[key]) for key in KEYS if key in item), None) if isinstance(item, dict) else None


def _merge(live: Any, wanted: Any) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        merged = dict(live)
        for key, value in wanted.items():
            merged[key] = copy.deepcopy(value) if key in WHOLE else _merge(live.get(key), value)
        return merged
    if isinstance(live, list) and isinstance(wanted, list) and wanted and all(_key(i) for i in [*live, *wanted]):
        found = {_key(item): item for item in live}
        rest = [item for item in live if _key(item) not in {_key(i) for i in wanted}]
        return [_merge(found.get(_key(item)), item) for item in wanted] + rest
    return copy.deepcopy(wanted)


def _without(live: Any, before: Any, now: Any) -> Any:
    """Drop what was applied before and is applied no longer."""
    if isinstance(live, list) and isinstance(before, list) and isinstance(now, list):
        return _list_without(live, before, now)
    if not (isinstance(live, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return live
    kept = {}
    for key, value in live.items():
        if key in before and key not in now:
            continue
        kept[key] = _without(value, before.get(key), now.get(key))
    return kept


def _list_without(live: list[Any], before: list[Any], now: list[Any]) -> list[Any]:
    """Drop the elements of a list with keys that were applied before and are applied no longer."""
    keys = [key for key in KEYS if all(isinstance(item, dict) and key in item for item in (*live, *before, *now))]
    if not keys:
        return live
    key = keys[0]
    old, new = ({item[key]: item for item in items} for items in (before, now))
    return [
        _without(item, old.get(item[key]), new.get(item[key]))
        for item in live
        if item[key] not in old or item[key] in new
    ]
