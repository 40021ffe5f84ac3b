"""The command `tradingbot` on a machine whose clocks jump: `python jumping.py FILE COMMAND …`.

FILE holds two numbers, the seconds by which the clock on the wall and the one that only goes on are ahead of the real
ones. It is looked at whenever the bot looks at a clock.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradingbot.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Callable

_monotonic, _steady = time.monotonic, clock.WallClock.monotonic
_file = Path()


def ahead(place: int) -> float:
    return float(_file.read_text().split()[place])


def now(_: clock.WallClock) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=ahead(0))


def monotonic(of_ours: clock.WallClock | None = None) -> float:
    """The event loop's, and the bot's own."""
    return (_monotonic() if of_ours is None else _steady(of_ours)) + ahead(1)


def replace(owner: Any, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


if __name__ == "__main__":
    from tradingbot.cli.main import main

    _file = Path(sys.argv.pop(1))
    replace(clock.WallClock, "now", now)
    replace(clock.WallClock, "monotonic", monotonic)
    replace(time, "monotonic", monotonic)
    main()
