"""The command `tradingbot` on a machine whose clocks jump: `python jumping.py FILE COMMAND …`.

FILE holds two numbers, the seconds by which the clock on the wall and the one that only goes on are ahead of the real
ones. It is looked at whenever the bot looks at a clock. What the bot does every half minute it does here every two
seconds.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tradingbot.runtime import agreement, clock, strays

_monotonic, _steady = time.monotonic, clock.WallClock.monotonic
_file = Path()
OFTEN_SECONDS = 2.0


def ahead(place: int) -> float:
    return float(_file.read_text().split()[place])


def now(_: clock.WallClock) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=ahead(0))


def monotonic(of_ours: clock.WallClock | None = None) -> float:
    """The event loop's, and the bot's own."""
    return (_monotonic() if of_ours is None else _steady(of_ours)) + ahead(1)


def replace(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)


def hurry() -> None:
    """Look at the exchange more often, so that a test need not wait for half a minute to pass."""
    replace(agreement, "RECONCILE_SECONDS", OFTEN_SECONDS)
    replace(strays, "STOPPED_SECONDS", OFTEN_SECONDS)


def program(folder: Path) -> tuple[Path, list[str]]:
    """Return the file of the clocks, and the command that goes by it."""
    file = folder / "clocks"
    file.write_text("0 0")
    return file, [sys.executable, __file__, str(file)]


if __name__ == "__main__":
    from tradingbot.cli.main import main

    _file = Path(sys.argv.pop(1))
    hurry()
    replace(clock.WallClock, "now", now)
    replace(clock.WallClock, "monotonic", monotonic)
    replace(time, "monotonic", monotonic)
    main()
