"""What an approval stands for: every field that matters for the risk, and what differs from the last approval. Pure.

The note of the last approval is an annotation. Whoever may change the bot may change the annotation, so it only
decides what is *marked*: the whole list is shown every time, and the digest, which the API server compares, decides.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic.alias_generators import to_camel

from tradingbot_operator.api.said import json_object
from tradingbot_operator.plugin.text import paint, plain
from tradingbot_operator.policy.approval import NOT_RISKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANNOTATION: Final = "tradingbots.dev/last-approval"
# Everything but what is known not to be approved: a field that a later version adds is shown too.
_NOT_RISKED: Final = frozenset(to_camel(name) for name in NOT_RISKED)
FIRST: Final = ("image", "exchange", "strategy", "risk")
_ABOUT_THE_APPROVAL: Final = frozenset({"requiredDigest", "state", "message"})
"""What the status says of the approval itself; the rest of it is a part of what is approved."""
MAX_NOTE: Final = 32_768
DEFAULT_IMAGE: Final = "none named: the operator's default"


def subject(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return what is approved, as a flat list of field paths and values, in the order in which it is shown."""
    spec = obj.get("spec") or {}
    status = obj.get("status") or {}
    relevant = {key: value for key, value in spec.items() if key not in _NOT_RISKED}
    if isinstance(relevant.get("database"), dict):
        relevant["database"] = {"secretRef": relevant["database"].get("secretRef")}
    relevant.setdefault("image", DEFAULT_IMAGE)
    ordered = {key: relevant[key] for key in FIRST if key in relevant}
    ordered |= {key: relevant[key] for key in sorted(relevant) if key not in ordered}
    found = dict(_flat("", ordered))
    if status.get("image"):
        found["running image"] = plain(status["image"])
    for path, value in _flat("", status.get("approval") or {}):
        if path not in _ABOUT_THE_APPROVAL:
            found[f"found by the operator: {path}"] = value
    return found


def note(obj: Mapping[str, Any], *, digest: str, approved_by: str, at: str) -> str:
    """Return the annotation that remembers this approval."""
    remembered = {"digest": digest, "approvedBy": approved_by, "at": at, "subject": subject(obj)}
    text = json.dumps(remembered, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= MAX_NOTE else json.dumps({"digest": digest, "approvedBy": approved_by, "at": at})


def last_note(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the note of the last approval, if it can be read."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    found = json_object(annotations.get(ANNOTATION) or "null")
    return found if found is not None and isinstance(found.get("subject"), dict) else None


def difference(before: Mapping[str, Any] | None, after: Mapping[str, str], *, colour: bool) -> list[str]:
    """Return the whole list, each line marked: unchanged, + new, ~ changed, - gone. Without a before: all unmarked."""
    lines = []
    for path, value in after.items():
        old = None if before is None else before.get(path)
        if before is None or old == value:
            lines.append(f"    {path}: {value}")
        elif old is None:
            lines.append(paint(f"  + {path}: {value}", "green", on=colour))
        else:
            lines.append(paint(f"  ~ {path}: {plain(old)} → {value}", "yellow", on=colour))
    for path in before or {}:
        if path not in after:
            gone = plain((before or {})[path])
            lines.append(paint(f"  - {plain(path)}: {gone}", "red", on=colour))
    return lines


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _flat(f"{path}.{plain(key)}" if path else plain(key), entry)
    elif isinstance(value, list) and all(not isinstance(entry, dict | list) for entry in value):
        yield path, plain(", ".join(_word(entry) for entry in value)) or "none"
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _flat(f"{path}[{number}]", entry)
    else:
        yield path, _word(value)


def _word(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    return str(value).lower() if isinstance(value, bool) else plain(value)
