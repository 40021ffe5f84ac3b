"""Files that are whole or not there, and a lock that ends with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tradingbot_cluster.console import note
from tradingbot_cluster.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace `path` by `content` as a whole: a reader, or the next start after a crash, sees the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, content: str, mode: int = 0o644) -> bool:
    """Write `content` unless the file holds it already; return whether it was written."""
    if path.is_file() and path.read_text() == content:
        return False
    write_atomically(path, content, mode)
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or None when there is none or it is torn."""
    try:
        loaded = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return loaded if isinstance(loaded, dict) else None


@contextmanager
def exclusive(path: Path, what: str, wait_seconds: float = 900.0) -> Iterator[None]:
    """Hold the lock of `path`; the kernel releases it when this process ends, however it ends.

    The holder may remove the file: whoever waited for it notices that it holds a file that is no more, and tries anew.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait_for_lock(descriptor, what, deadline)
            if _is_still(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                yield
                return
        finally:
            os.close(descriptor)


def _wait_for_lock(descriptor: int, what: str, deadline: float) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            if time.monotonic() > deadline:
                raise BusyError(f"{what} is held by process {holder}: wait for it, or end it") from taken
            if not told:
                note(f"waiting: {what} is held by process {holder}")
                told = True
            time.sleep(0.2)
        else:
            return


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
