"""Text: columns, colours, ages and durations. Pure."""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CODES: Final = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")
# Control characters, and those that reverse or hide text: what other people wrote must not move the cursor or lie.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
_DURATION: Final = re.compile(r"^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
MISSING: Final = "-"


def paint(text: str, colour: str, *, on: bool) -> str:
    """Colour a text where colours are wanted."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if on and text else text


def width(text: str) -> int:
    """Count the characters that a terminal shows."""
    return len(_ESCAPE.sub("", text))


def plain(text: object) -> str:
    """Return what other people wrote as one line that cannot act on a terminal."""
    return " ".join(_CONTROL.sub("�", str(text)).split())


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Align cells; the last column is as long as it is."""
    if not rows:
        return ""
    widths = [max(width(row[i]) for row in rows if i < len(row)) for i in range(max(len(row) for row in rows))]
    lines = []
    for row in rows:
        cells = [cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(row[:-1])]
        lines.append((indent + "   ".join([*cells, row[-1]])).rstrip())
    return "\n".join(lines)


def wrap(text: str, *, indent: str, first: str | None = None, at: int = 110) -> str:
    """Break a sentence into lines. Lines that begin with two blanks are commands and stay whole."""
    lines: list[str] = []
    for number, part in enumerate(text.split("\n")):
        lead = first if number == 0 and first is not None else indent
        if part.startswith("  "):
            lines.append(indent + part)
            continue
        lines += textwrap.wrap(
            part, at, initial_indent=lead, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    return "\n".join(lines)


def parse_time(value: object) -> datetime | None:
    """Read a timestamp of the API; nothing that is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Write a timestamp as the API has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(since: object, now: datetime) -> str:
    """Return how long ago a timestamp is, as kubectl does."""
    found = parse_time(since)
    return MISSING if found is None else span(now - found)


def span(length: timedelta) -> str:
    """Write a duration with its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    for (large, size), (small, part) in pairwise(units):
        if seconds >= size:
            rest = seconds % size // part
            few = seconds < 10 * size
            return f"{seconds // size}{large}" + (f"{rest}{small}" if rest and few else "")
    return f"{seconds}s"


def parse_span(text: str) -> timedelta:
    """Read 90s, 30m, 24h, 7d, 2w or 1d12h. Raise ValueError for anything else."""
    match = _DURATION.match(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write for example 30m, 24h or 7d")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def quantity(count: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def joined(parts: Iterable[str]) -> str:
    """Join what is there."""
    return " · ".join(part for part in parts if part)
