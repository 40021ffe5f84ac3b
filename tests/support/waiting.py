"""Waiting for what a cluster does in its own time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class StillNotSoError(AssertionError):
    """What was waited for did not become true in time."""


def eventually(
    look: Callable[[], _T | None],
    what: str,
    *,
    holds: Callable[[_T], object] = bool,
    seconds: float = 60.0,
    every: float = 0.1,
) -> _T:
    """Look until it holds and return what was seen; fail with what was seen last.

    Whatever goes wrong while looking may be over the next time. An assertion in `look` is not waited for.
    """
    deadline = time.monotonic() + seconds
    trouble: Exception | None = None
    while True:
        found: _T | None = None
        try:
            found, trouble = look(), None
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - if it lasts, it is shown
            trouble = error
        if found is not None and holds(found):
            return found
        if time.monotonic() > deadline:
            last = repr(trouble) if trouble else found
            raise StillNotSoError(f"after {seconds:.0f} s still not so: {what}; last seen: {last}") from trouble
        time.sleep(every)
