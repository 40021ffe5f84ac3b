"""The life of an order as data: (state, what was heard) → state. Everything that is not in the table is refused.

Only positive evidence closes an order. Fills are legal in every state: a fill that comes after the end is booked and
raises an alarm, because the venue is right about what was executed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tradingbot.domain.orders import OrderState as S

PASSING = ("RATE_", "BANNED", "OVERLOADED", "CLOCK_", "CLOSED", "NOT_CONNECTED", "MARKET_CLOSED")
"""Refusals that say nothing about the order: it did not leave, or the venue had no time for it."""


class Heard(StrEnum):
    """What can be heard of an order."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    PART = "part"
    ALL = "all"
    CANCELED = "canceled"
    EXPIRED = "expired"
    ABSENT = "absent"


class Move(NamedTuple):
    """The state afterwards, and whether a person should hear of it."""

    state: S
    alarm: bool = False


_H = Heard
_ENDS = {_H.PART: Move(S.PARTIAL), _H.ALL: Move(S.FILLED), _H.CANCELED: Move(S.CANCELED), _H.EXPIRED: Move(S.EXPIRED)}
_ARRIVING = {
    **_ENDS,
    _H.ACCEPTED: Move(S.OPEN),
    _H.REFUSED: Move(S.REFUSED),
    _H.UNKNOWN: Move(S.UNKNOWN),
    _H.ABSENT: Move(S.NEVER_ARRIVED),
}

TABLE: dict[S, dict[Heard, Move]] = {
    S.INTENT: {**_ARRIVING, _H.SENT: Move(S.SENT)},
    S.SENT: _ARRIVING,
    S.UNKNOWN: _ARRIVING,
    # The order is known to live there: a lost answer changes nothing, and "refused" or "absent" cannot be.
    S.OPEN: {**_ENDS, _H.ACCEPTED: Move(S.OPEN), _H.UNKNOWN: Move(S.OPEN)},
    S.PARTIAL: {**_ENDS, _H.ACCEPTED: Move(S.PARTIAL), _H.UNKNOWN: Move(S.PARTIAL)},
    S.FILLED: {
        _H.ACCEPTED: Move(S.FILLED),
        _H.UNKNOWN: Move(S.FILLED),
        _H.PART: Move(S.FILLED, alarm=True),
        _H.ALL: Move(S.FILLED, alarm=True),
    },
    # A cancel that raced a fill: what was executed is booked, the rest is gone.
    S.CANCELED: {
        _H.ACCEPTED: Move(S.CANCELED),
        _H.UNKNOWN: Move(S.CANCELED),
        _H.CANCELED: Move(S.CANCELED),
        _H.EXPIRED: Move(S.CANCELED),
        _H.PART: Move(S.CANCELED, alarm=True),
        _H.ALL: Move(S.FILLED, alarm=True),
    },
    S.EXPIRED: {
        _H.ACCEPTED: Move(S.EXPIRED),
        _H.UNKNOWN: Move(S.EXPIRED),
        _H.CANCELED: Move(S.EXPIRED),
        _H.EXPIRED: Move(S.EXPIRED),
        _H.PART: Move(S.EXPIRED, alarm=True),
        _H.ALL: Move(S.FILLED, alarm=True),
    },
    # Said to be refused or never seen, yet it lives: the venue is right.
    S.REFUSED: {
        _H.REFUSED: Move(S.REFUSED),
        _H.UNKNOWN: Move(S.REFUSED),
        _H.ACCEPTED: Move(S.OPEN, alarm=True),
        _H.PART: Move(S.PARTIAL, alarm=True),
        _H.ALL: Move(S.FILLED, alarm=True),
    },
    S.NEVER_ARRIVED: {
        _H.ABSENT: Move(S.NEVER_ARRIVED),
        _H.UNKNOWN: Move(S.NEVER_ARRIVED),
        _H.ACCEPTED: Move(S.OPEN, alarm=True),
        _H.PART: Move(S.PARTIAL, alarm=True),
        _H.ALL: Move(S.FILLED, alarm=True),
        _H.CANCELED: Move(S.CANCELED, alarm=True),
        _H.EXPIRED: Move(S.EXPIRED, alarm=True),
    },
}


def move(state: S, heard: Heard) -> Move | None:
    """Return where an order goes, or None when what was heard cannot be true of it."""
    return TABLE[state].get(heard)
