"""Waiting for what a cluster, a server or another process does in its own time."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")

PATIENCE_SECONDS = 120.0
"""How long a test waits for what must happen. Of no matter when it happens, and enough for a machine that is busy."""
ANSWER_SECONDS = 60.0
"""How long a test waits for one answer of a server, or for a process to end that was told to."""


class StillNotSoError(AssertionError):
    """What was waited for did not become true in time."""


def eventually(
    look: Callable[[], _T | None],
    what: str,
    *,
    holds: Callable[[_T], object] = bool,
    seconds: float = PATIENCE_SECONDS,
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


async def until(
    look: Callable[[], _T | Awaitable[_T]],
    what: str | Callable[[], str],
    *,
    holds: Callable[[Any], object] = bool,
    ended: Callable[[], str | None] = lambda: None,
    seconds: float = PATIENCE_SECONDS,
    every: float = 0.05,
) -> _T:
    """As `eventually`, for what lives in this event loop or is asked through it; whatever `look` raises is raised.

    It fails at once when `ended` says why it can no longer become true.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        found: _T = await seen if inspect.isawaitable(seen) else seen
        if holds(found):
            return found
        over = ended()
        if over or time.monotonic() > deadline:
            wanted = what if isinstance(what, str) else what()
            raise StillNotSoError(f"{over or f'after {seconds:.0f} s'} still not so: {wanted}; last seen: {found!r}")
        await asyncio.sleep(every)
