"""Market events. Times are microseconds since 1970-01-01 UTC, prices whole ticks, volumes whole lots."""

from __future__ import annotations

import msgspec

SECOND = 1_000_000
"""Microseconds in a second: the unit of every time stamp and duration of the core."""
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND

_UNITS = {"s": SECOND, "m": MINUTE, "h": 60 * MINUTE, "d": DAY}


class Event(msgspec.Struct, frozen=True, tag=True):
    """Anything that the engine steps on. The order of all events is (ts, source, number)."""

    ts: int
    """Market time in microseconds."""


class Candle(Event, frozen=True, tag="candle"):
    """One finished candle; `ts` is the moment of its close."""

    symbol: str
    opened: int
    """Market time of the open in microseconds."""
    open: int
    high: int
    low: int
    close: int
    volume: int
    """Traded volume in lots of the base currency."""
    gap: int = 0
    """Number of candles that are missing right before this one."""
    made: bool = False
    """Made of ticks that were shown before it: nothing is executed on it again."""


class Tick(Event, frozen=True, tag="tick", gc=False):
    """One trade of the market. Of one symbol's ticks no two have the same moment, so each can be returned to."""

    symbol: str
    price: int
    volume: int
    """Traded volume in lots of the base currency."""
    side: int = 0
    """1 when the buyer took what was offered, -1 when the seller did, 0 where the feed does not say."""
    bid: int = 0
    """Best price of a buyer right after the trade, 0 where the feed does not say; the simulated exchange then assumes
    its own spread."""
    ask: int = 0
    """Best price of a seller right after the trade, or 0."""


MarketEvent = Candle | Tick
"""What a feed yields."""


def timeframe(text: str) -> int:
    """Return the length in microseconds of `1m`, `5m`, `1h`, `1d` or `30s`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise ValueError(f"a timeframe is a number and one of s, m, h, d, for example 1m or 4h; got {text!r}")
    return int(number) * _UNITS[unit]


def day_of(ts: int) -> int:
    """Return the UTC day of a moment, as days since 1970-01-01."""
    return ts // DAY
