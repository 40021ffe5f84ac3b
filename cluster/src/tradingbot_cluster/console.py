"""Progress: each step shows its name, what it is doing and the time it took.

On a terminal a step is one line with a spinner, which its result replaces. Anywhere else (a log of CI) it is a plain
line at the end of the step, and one at its start if it takes long. Everything goes to standard error, so that
standard output carries results only.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

SLOW_SECONDS: Final = 2.0
PLAIN_DETAIL_SECONDS: Final = 20.0

console: Final = Console(stderr=True, highlight=False, soft_wrap=True)
output: Final = Console(highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Say a time span as a person would: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class Step:
    """A running step: `update` tells what it is doing, `result` what its closing line adds."""

    def __init__(self, name: str, status: Status | None) -> None:
        self.name = name
        self.closing = ""
        self._status = status
        self._started = time.monotonic()
        self._announced = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start of the step."""
        return time.monotonic() - self._started

    def update(self, detail: str) -> None:
        """Show what the step is doing now."""
        with self._lock:
            if self._status is not None:
                shown = escape(f"{self.name}: {detail}"[: max(20, console.width - 20)])
                self._status.update(f"{shown} [dim]{duration(self.elapsed)}[/dim]")
            elif time.monotonic() - self._announced > PLAIN_DETAIL_SECONDS:
                self._announced = time.monotonic()
                print(f"    {self.name}: {detail} ({duration(self.elapsed)})", file=sys.stderr, flush=True)

    def result(self, closing: str) -> None:
        """Say what the closing line adds to the name, for instance "already running"."""
        self.closing = closing


def _announce_when_slow(name: str, done: threading.Event) -> None:
    if not done.wait(SLOW_SECONDS):
        print(f"... {name}", file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Show `name`, its progress and its time; a step that raises is marked as failed."""
    if console.is_terminal:
        with console.status(escape(name)) as status:
            running = Step(name, status)
            try:
                yield running
            except BaseException:
                console.print(f"[red]✗[/red] {escape(name)} [dim]{duration(running.elapsed)}[/dim]")
                raise
        suffix = f": {escape(running.closing)}" if running.closing else ""
        console.print(f"[green]✓[/green] {escape(name)}{suffix} [dim]{duration(running.elapsed)}[/dim]")
        return
    running = Step(name, None)
    done = threading.Event()
    threading.Thread(target=_announce_when_slow, args=(name, done), daemon=True).start()
    try:
        yield running
    except BaseException:
        print(f"FAILED {name} ({duration(running.elapsed)})", file=sys.stderr, flush=True)
        raise
    finally:
        done.set()
    suffix = f": {running.closing}" if running.closing else ""
    print(f"ok  {name}{suffix} ({duration(running.elapsed)})", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Tell something that belongs to no step."""
    console.print(message, markup=False)
