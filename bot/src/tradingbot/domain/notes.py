"""What a person is told. A note is written with what it tells of, in one transaction, and leaves afterwards."""

from __future__ import annotations

from enum import StrEnum

import msgspec

HOUR = 3600.0


class Kind(StrEnum):
    """What a note is about."""

    STOP = "stop"
    """An emergency stop, and what became of it."""
    LIMIT = "limit"
    """A loss limit was reached."""
    HALT = "halt"
    """Entries are blocked for another reason, or allowed again."""
    ALARM = "alarm"
    """Something that should not happen: a position without a stop, a report that fits nothing."""
    UNKNOWN = "unknown_order"
    """The exchange did not say what became of an order."""
    CONFIRMATION = "confirmation"
    """An order waits for a person."""
    TRADE = "trade_closed"
    """A position was closed."""
    STARTED = "started"
    STOPPED = "stopped"


URGENT = frozenset({Kind.STOP, Kind.LIMIT, Kind.HALT, Kind.ALARM, Kind.UNKNOWN})
"""What makes a message a warning."""
LIFETIME = {Kind.TRADE: HOUR, Kind.STARTED: HOUR, Kind.STOPPED: HOUR, Kind.CONFIRMATION: HOUR}
"""Seconds after which a note that could not be sent is of no use any more; a day for all others."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One note. The same key is told once."""

    key: str
    kind: Kind
    title: str
    text: str

    @property
    def seconds(self) -> float:
        """Return how long it is worth sending."""
        return LIFETIME.get(self.kind, 24 * HOUR)
