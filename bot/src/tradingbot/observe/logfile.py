"""A log in a file, for a bot whose terminal is for its person: never larger than two files of 50 MB, a week at most."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 50 * 1024 * 1024
KEEP_SECONDS = 7 * 86_400.0


class LogFile(io.TextIOBase):
    """Appends lines; at 50 MB the file becomes `NAME.1` and a new one is begun.

    What cannot be written (a full disk) is lost: a log must never stand in the way of trading.
    """

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self.path, self._most = path, most
        self._old = path.with_name(path.name + ".1")
        with contextlib.suppress(OSError):
            if path.exists() and self._old.exists():
                age = path.stat().st_mtime - self._old.stat().st_mtime
                if age > KEEP_SECONDS:
                    self._old.unlink()
        self._file = path.open("a", encoding="utf-8")
        self._size = path.stat().st_size

    def write(self, text: str) -> int:
        """Append."""
        with contextlib.suppress(OSError, ValueError):
            if self._size + len(text) > self._most:
                self._rotate()
            self._file.write(text)
            self._size += len(text)
        return len(text)

    def flush(self) -> None:
        """Hand over to the system what was written."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        """Close what is open; what a full disk did not take is lost with it."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _rotate(self) -> None:
        self._let_go()
        with contextlib.suppress(OSError):
            self.path.replace(self._old)
        self._file = self.path.open("a", encoding="utf-8")
        self._size = 0
