"""What operator and bot say alike of a stop: its name, which they give it independently, and when it is confirmed."""

from __future__ import annotations

import hashlib
import re
from typing import Final

UID_LENGTH: Final = 8
CLOSED: Final = frozenset({"FLAT", "FLAT_WITH_DUST"})
"""Outcomes of a stop, and of a position, that leave nothing but what is too little to be sold."""
_CANCELLED: Final = frozenset({"CANCELLED"}) | CLOSED
_ID: Final = re.compile(r"^([0-9a-z]{1,8})-([0-9]{1,18})$")


def stop_id(uid: str, generation: int | str | None) -> str:
    """Return the name of the stop that the object `uid` carried in `generation`, for example `1f0c2a9b-7`.

    The same name serves for a resume: the version of the object that carried it.
    """
    return f"{uid[:UID_LENGTH]}-{generation}"


def is_earlier(stop: str, than: str) -> bool | None:
    """Tell whether a stop is of an earlier generation of the same object; None when the two cannot be compared."""
    mine, other = _ID.fullmatch(stop), _ID.fullmatch(than)
    if mine is None or other is None or mine[1] != other[1]:
        return None
    return int(mine[2]) < int(other[2])


def is_confirmed(outcome: str, *, close_positions: bool) -> bool:
    """Return whether an outcome says that the exchange has confirmed all that the stop asked for."""
    return outcome in (CLOSED if close_positions else _CANCELLED)


def resume_key(stop: str, reason: str | None) -> str:
    """Return what tells one resume from another: which stop it names, and why.

    A resume counts only if nothing asked for a stop when it was written. One that came too early stays in the object
    and never counts; whoever resumes writes another, with a reason of that moment.
    """
    return short_hash(f"{stop}\0{reason or ''}", 16)


def short_hash(stop: str, length: int = 10) -> str:
    """Return hexadecimal digits that stand for a stop in a name, whatever characters its id has."""
    return hashlib.sha256(stop.encode()).hexdigest()[:length]
