"""Where a live object is not what is wanted, and who says so: for people, and for the decision whether it may wait.

`drift` only answers yes or no, for every child of every pass; this is asked once something is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.wording import first_of
from tradingbot_operator.policy.drift import COMMON, EXACT, KEYED, OWN_LISTS, identity, intruders, is_same, is_subset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Path = tuple[str | tuple[tuple[str, Any], ...], ...]

ABSENT: Final[Path] = ()
"""The path of a whole object that is not there."""
SHOWN: Final = 5
"""So many paths are named in a text."""
_BESIDE_THE_SCHEMA: Final = frozenset("./~")


def differences(desired: Mapping[str, Any], live: Mapping[str, Any] | None) -> list[Path]:
    """Return the paths at which a live object is not as wanted; none when nothing needs to be applied."""
    if live is None:
        return [ABSENT]
    found = list(_differ(desired, live, KEYED.get(desired["kind"], COMMON), "", ()))
    return [*found, *_intruders(desired, live)]


def differs(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return where the spec of a pod is not as wanted."""
    return [text(path) for path in _differ(wanted, found, KEYED["Deployment"], "", ())]


def text(path: Path) -> str:
    """Write a path as people do: `spec.template.spec.containers[bot].image`."""
    written = ""
    for part in path:
        if isinstance(part, tuple):
            written += f"[{','.join(str(value) for _, value in part)}]"
        elif _BESIDE_THE_SCHEMA & set(part):
            written += f"[{part}]"
        else:
            written += f".{part}" if written else part
    return written or "the whole object"


def named(paths: Sequence[Path]) -> str:
    """Write the first few paths as one text."""
    return first_of(sorted({text(path) for path in paths}), SHOWN)


def rivals(live: Mapping[str, Any], paths: Iterable[Path], me: str) -> list[str]:
    """Return which other field managers own one of these fields, by `metadata.managedFields`."""
    wanted = list(paths)
    found = {
        str(entry.get("manager"))
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("manager") != me and any(_owns(entry.get("fieldsV1") or {}, path) for path in wanted)
    }
    return sorted(found)


def _differ(desired: Any, live: Any, keyed: Mapping[str, tuple[str, ...]], field: str, path: Path) -> Iterator[Path]:
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, value in desired.items():
            if key not in EXACT:
                yield from _differ(value, live.get(key), keyed, key, (*path, key))
            elif not is_same(value, live.get(key)):
                yield (*path, key)
        return
    keys = keyed.get(field)
    if (
        isinstance(desired, list | tuple)
        and isinstance(live, list)
        and keys
        and all(isinstance(i, dict) for i in desired)
    ):
        found = {identity(item, keys): item for item in live if isinstance(item, dict)}
        for item in desired:
            who = identity(item, keys)
            yield from _differ(item, found.get(who), keyed, "", (*path, tuple(zip(keys, who, strict=True))))
        return
    if not is_subset(desired, live, keyed=keyed, field=field):
        yield path


def _intruders(desired: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Path]:
    patch = intruders(desired, live)
    if patch is None:
        return
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    where: Path = ("spec", "template", "spec", "containers", (("name", container["name"]),))
    for field, change in container.items():
        if field in OWN_LISTS:
            key = OWN_LISTS[field]
            yield from ((*where, field, ((key, item[key]),)) for item in change)
        elif field != "name":
            yield (*where, field)


def _owns(fields: Mapping[str, Any], path: Path) -> bool:
    """Return whether a set of fields (`fieldsV1`) has this path, something below it, or a whole above it."""
    for part in path:
        inner = fields.get(f"f:{part}") if isinstance(part, str) else _element(fields, part)
        if not inner:
            return inner is not None
        fields = inner
    return bool(fields)


def _element(fields: Mapping[str, Any], keys: Sequence[tuple[str, Any]]) -> Mapping[str, Any] | None:
    """Return the fields of the element of a list that has these keys."""
    for name, inner in fields.items():
        if name.startswith("k:"):
            have = json.loads(name[2:])
            if all(have.get(key, value) == value for key, value in keys):
                found: Mapping[str, Any] = inner
                return found
    return None
