"""What others say of themselves, read as far as it has the form that it should have. Nothing here raises."""

from __future__ import annotations

from typing import Any, Final

import orjson

MOST: Final = 1_000_000_000
"""What nobody can count is not believed: the API server refuses the whole status for one number that is too large."""


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that a text is; None where it is none, or is nested without end."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def count(value: Any) -> int | None:
    """Return a number of things; None where it is none."""
    return value if type(value) is int and 0 <= value <= MOST else None
