"""What an older CRD does not declare: server-side apply refuses the whole object because of one such field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST: Final = 32
"""So many fields are left out of one write at most."""
_REFUSAL: Final = re.compile(r"\.(status\.\w+\.\w+[\w.]*): field not declared in schema")


def without_undeclared(manifest: Mapping[str, Any], message: str) -> dict[str, Any] | None:
    """Return the manifest without the field of the status that a refusal names; None where that is no help.

    Only a part of a part is left out (`status.live.account`): better a status without a detail than a stop that is not
    latched because of it. A part that is missing as a whole (`status.live`) is refused as before: what it stands for
    must not happen unrecorded.
    """
    found = _REFUSAL.search(message)
    if found is None:
        return None
    return _without(dict(manifest), found[1].split("."))


def _without(value: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    first, *rest = path
    inner = value.get(first)
    if not rest:
        return {key: part for key, part in value.items() if key != first} if first in value else None
    if not isinstance(inner, dict) or (pruned := _without(inner, rest)) is None:
        return None
    return value | {first: pruned}
