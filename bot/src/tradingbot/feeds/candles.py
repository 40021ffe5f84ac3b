"""Making candles: of ticks, of shorter candles; and noticing those that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.market import Candle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tradingbot.domain.market import Tick


def from_ticks(symbol: str, ticks: Iterable[Tick], length: int) -> Iterator[Candle]:
    """Gather ticks into candles of `length` microseconds; a candle comes out when a tick of a later one comes in."""
    bounds: tuple[int, int] | None = None
    opened = high = low = close = volume = 0
    for tick in ticks:
        start = tick.ts - tick.ts % length
        if bounds is None or start >= bounds[1]:
            if bounds is not None:
                yield Candle(bounds[1], symbol, bounds[0], opened, high, low, close, volume)
            bounds = (start, start + length)
            opened = high = low = tick.price
            volume = 0
        high, low, close = max(high, tick.price), min(low, tick.price), tick.price
        volume += tick.volume


def longer(candles: Iterable[Candle], length: int) -> Iterator[Candle]:
    """Gather candles into longer ones of `length` microseconds."""
    parts: list[Candle] = []
    for candle in candles:
        start = candle.opened - candle.opened % length
        if parts and start != parts[0].opened - parts[0].opened % length:
            yield _joined(parts, length)
            parts = []
        parts.append(candle)
        if candle.ts == start + length:
            yield _joined(parts, length)
            parts = []


def _joined(parts: list[Candle], length: int) -> Candle:
    start = parts[0].opened - parts[0].opened % length
    return Candle(
        start + length,
        parts[0].symbol,
        start,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
    )


def with_gaps(candles: Iterable[Candle], length: int) -> Iterator[Candle]:
    """Mark each candle with the number of candles that are missing right before it."""
    last: int | None = None
    for candle in candles:
        missing = 0 if last is None else max(0, (candle.opened - last) // length)
        last = candle.ts
        if missing:
            yield Candle(
                candle.ts,
                candle.symbol,
                candle.opened,
                candle.open,
                candle.high,
                candle.low,
                candle.close,
                candle.volume,
                missing,
            )
        else:
            yield candle
