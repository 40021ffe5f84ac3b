"""Where a command speaks: streams, colours, questions and the clock. All I/O that is not the cluster's."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the one place where the plugin reads the clock


@dataclass(slots=True)
class Terminal:
    """The person, or the pipe, at the other end."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    read: Callable[[], str] = field(default_factory=lambda: sys.stdin.readline)
    interactive: bool = False
    colour: bool = False
    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of_process(cls) -> Terminal:
        """Return the terminal of this process: colours and questions only where a person sees them."""
        speaks = sys.stdin.isatty() and sys.stderr.isatty()
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return cls(interactive=speaks, colour=sys.stdout.isatty() and not plain)

    def say(self, text: str) -> None:
        """Write a result."""
        self.out.write(text if text.endswith("\n") else f"{text}\n")
        self.out.flush()

    def note(self, text: str) -> None:
        """Write beside the result, where it does not disturb a pipe."""
        self.err.write(text if text.endswith("\n") else f"{text}\n")
        self.err.flush()

    def clear(self) -> None:
        """Start at the top of an empty screen, on a terminal."""
        if self.colour:
            self.out.write("\x1b[H\x1b[2J\x1b[3J")

    def agree(self, question: str) -> bool:
        """Ask a person; only a clear yes is one."""
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        return self.read().strip().lower() in {"y", "yes"}
