"""What an older CRD does not declare: server-side apply refuses the whole object because of one such field."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger(__name__)

MOST: Final = 32
"""So many fields are left out of one write at most."""
TRIED_AGAIN_SECONDS: Final = 600.0
_REFUSAL: Final = re.compile(r"\.(status\.\w[\w.]*): field not declared in schema")


class Undeclared:
    """What the server has refused of a status lately, so that it is left out at once, and not written again and again.

    After a while it is tried again, so that CRDs that were installed meanwhile are noticed. `clock` is monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many fields the CRD lacks, as far as is known."""
        return len(self._refused)

    def strip(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the manifest without what the server is known to refuse."""
        left = dict(manifest)
        for path, since in self._refused.items():
            if path.count(".") > 1 and self._clock() - since < TRIED_AGAIN_SECONDS:
                left = _without(left, path.split(".")) or left
        return left

    def learn(self, manifest: Mapping[str, Any], message: str) -> dict[str, Any] | None:
        """Return the manifest without the field that a refusal names, and remember it; None where that is no help.

        Only a part of a part is left out (`status.live.account`): better a status without a detail than a stop that is
        not latched because of it. A part that is missing as a whole (`status.live`) is refused as before: what it
        stands for must not happen unrecorded.
        """
        found = _REFUSAL.search(message)
        if found is None:
            return None
        path = found[1]
        if path not in self._refused:
            log.warning("the CRD does not know a field of the status: install the operator's own CRDs", field=path)
        self._refused[path] = self._clock()
        return _without(dict(manifest), path.split(".")) if path.count(".") > 1 else None

    def taken(self, manifest: Mapping[str, Any]) -> None:
        """Take note that the server has taken a status: what is in it, it knows."""
        for path in [path for path in self._refused if _without(dict(manifest), path.split(".")) is not None]:
            del self._refused[path]


def _without(value: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    first, *rest = path
    inner = value.get(first)
    if not rest:
        return {key: part for key, part in value.items() if key != first} if first in value else None
    if not isinstance(inner, dict) or (pruned := _without(inner, rest)) is None:
        return None
    return value | {first: pruned}
