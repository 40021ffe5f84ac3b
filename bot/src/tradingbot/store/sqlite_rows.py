"""Rows of SQLite as PostgreSQL would give them: exact amounts, times in UTC, true and false."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain import money
from tradingbot.ports.store import LatchRow, Waiting
from tradingbot.store import codec
from tradingbot.store import sqlite_statements as sql

if TYPE_CHECKING:
    import sqlite3


class Sum:
    """Adds amounts without losing a digit, which SQLite's own `sum` would."""

    def __init__(self) -> None:
        self._total = money.ZERO

    def step(self, amount: str) -> None:
        """Take one more."""
        self._total = money.add(self._total, Decimal(amount))

    def finalize(self) -> str:
        """Return the sum as text."""
        return money.plain(self._total)


def plain(row: sqlite3.Row) -> dict[str, Any]:
    """Read a row."""
    return {name: _value(name, row[name]) for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values


def _value(name: str, value: Any) -> Any:
    """Give a value the type that PostgreSQL would give it."""
    if value is None:
        return None
    if name in sql.DECIMALS:
        return Decimal(value)
    if name in sql.TIMES:
        return dt.datetime.fromisoformat(value)
    if name in sql.ARRAYS:
        return msgspec.json.decode(value)
    return bool(value) if name in sql.BOOLEANS else value


def latch(rows: list[sqlite3.Row]) -> LatchRow | None:
    """Read a restriction, if there is one."""
    return codec.latch(plain(rows[0])) if rows else None


def waiting(row: sqlite3.Row) -> Waiting:
    """Read a note."""
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    sent, created = msgspec.json.decode(row["sent"], type=tuple[str, ...]), codec.moment(row["created_at"])
    return Waiting(**{**values, "sent": sent, "created_at": created, "expired": bool(row["expired"])})
