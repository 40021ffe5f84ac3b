"""What an error of SQLite means for a bot: wait, or let a person look."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from tradingbot.ports.store import SchemaError, StoreError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_GONE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)
"""What may pass by itself, or when a person makes room: asked again until it works."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what is raised in the place of an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = f"{path}: {error}"
    if code in _DAMAGED:
        return SchemaError(f"{text}: put a good copy in its place, or move it away to begin anew")
    return (UnavailableError if code in _GONE else StoreError)(text)
