"""Whether a child must be written: it carries the hash of what is wanted, and still has all of it.

The hash alone would miss an edit by somebody else; the comparison alone would miss a field that is no longer wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.desired.naming import HASH_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMON: Final[dict[str, tuple[str, ...]]] = {"ownerReferences": ("uid",)}
_POD: Final[dict[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
# Lists that the API server merges by key: others may add elements. Every other list is replaced as a whole.
KEYED: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Deployment": COMMON | _POD,
    "Service": COMMON | {"ports": ("port", "protocol")},
}

# Maps and lists that are one value to the API server, whoever changes a part of them owns all of it: a label more in a
# Service's selector takes the bot away from it, a rule more in a Role gives the bot rights.
EXACT: Final = {
    "selector",
    "podSelector",
    "nodeSelector",
    "roleRef",
    "rules",
    "subjects",
    "ingress",
    "egress",
    "tolerations",
    "data",
}


OWN_LISTS: Final = {"env": "name", "volumeMounts": "mountPath"}
_NOT_OURS: Final = ("args", "envFrom", "lifecycle")


def needs_apply(desired: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Return whether a desired manifest (with its hash annotation) must be applied over the live object."""
    if live is None:
        return True
    wanted = desired["metadata"]["annotations"][HASH_ANNOTATION]
    if live["metadata"].get("annotations", {}).get(HASH_ANNOTATION) != wanted or intruders(desired, live) is not None:
        return True
    return not is_subset(desired, live, keyed=KEYED.get(desired["kind"], COMMON))


def intruders(desired: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a strategic merge patch that removes what somebody has put into the bot's container, or None.

    Sidecars and labels are left alone. A variable, an argument or a mount more in the bot's own container is another
    configuration than the one that was decided, and an apply does not take away what it does not name.
    """
    if desired["kind"] != "Deployment":
        return None
    wanted = desired["spec"]["template"]["spec"]["containers"][0]
    spec = ((live.get("spec") or {}).get("template") or {}).get("spec") or {}
    found = next((c for c in spec.get("containers") or [] if c.get("name") == wanted["name"]), None)
    if found is None:
        return None
    patch: dict[str, Any] = {}
    for field, key in OWN_LISTS.items():
        ours = {item[key] for item in wanted.get(field) or []}
        more = [item[key] for item in found.get(field) or [] if item[key] not in ours]
        if more:
            patch[field] = [{key: name, "$patch": "delete"} for name in more]
    patch |= {field: None for field in _NOT_OURS if found.get(field) and field not in wanted}
    if not patch:
        return None
    container = {"name": wanted["name"]} | patch
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def is_subset(desired: Any, live: Any, *, keyed: Mapping[str, tuple[str, ...]], field: str = "") -> bool:
    """Return whether everything in `desired` is in `live`. Empty is the same as absent, as it is on the server."""
    if isinstance(desired, str):  # first, and loops instead of generators: this is half of a pass that changes nothing
        return desired == live or (live is None and not desired)
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return not desired and live is None
        for key, value in desired.items():
            have = live.get(key)
            if not (is_same(value, have) if key in EXACT else is_subset(value, have, keyed=keyed, field=key)):
                return False
        return True
    if isinstance(desired, list | tuple):
        return _list_is_subset(desired, live, keyed=keyed, field=field)
    if desired is None:
        return live is None
    return bool(desired == live) and isinstance(desired, bool) == isinstance(live, bool)


def _list_is_subset(
    desired: list[Any] | tuple[Any, ...], live: Any, *, keyed: Mapping[str, tuple[str, ...]], field: str
) -> bool:
    if not isinstance(live, list):
        return not desired and live is None
    keys = keyed.get(field)
    if keys is None or not all(isinstance(item, dict) for item in desired):
        return len(desired) == len(live) and all(
            is_subset(want, have, keyed=keyed) for want, have in zip(desired, live, strict=True)
        )
    found = {identity(item, keys): item for item in live if isinstance(item, dict)}
    return all(is_subset(item, found.get(identity(item, keys)), keyed=keyed) for item in desired)


def identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what tells an element of a list with keys from the others."""
    defaults = {"protocol": "TCP"}
    return tuple(item.get(key, defaults.get(key)) for key in keys)


def is_same(desired: Any, live: Any) -> bool:
    """Return whether two values are the same, where empty is the same as absent."""
    if isinstance(desired, str) and isinstance(live, str):
        return desired == live
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(is_same(desired.get(key), live.get(key)) for key in desired.keys() | live.keys())
    if isinstance(desired, list) and isinstance(live, list):
        return len(desired) == len(live) and all(is_same(*pair) for pair in zip(desired, live, strict=True))
    if desired in (None, "", {}, []) or live in (None, "", {}, []):
        return desired in (None, "", {}, []) and live in (None, "", {}, [])
    return bool(desired == live) and isinstance(desired, bool) == isinstance(live, bool)
