"""Making candles: of ticks, of shorter candles; and noticing those that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.market import Candle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tradingbot.domain.market import MarketEvent, Tick


def from_ticks(symbol: str, ticks: Iterable[Tick], length: int) -> Iterator[Candle]:
    """Gather ticks into candles of `length` microseconds; a candle comes out when a tick of a later one comes in."""
    gathered = Gathered(symbol, length)
    for tick in ticks:
        finished = gathered.take(tick)
        if finished is not None:
            yield finished


def with_candles(symbol: str, ticks: Iterable[Tick], length: int) -> Iterator[MarketEvent]:
    """Yield every tick, and each candle, marked as made of them, before the first tick of a later one."""
    gathered = Gathered(symbol, length, made=True)
    for tick in ticks:
        finished = gathered.take(tick)
        if finished is not None:
            yield finished
        yield tick


class Gathered:
    """The candle that is under way."""

    def __init__(self, symbol: str, length: int, *, made: bool = False) -> None:
        self.symbol, self.length, self.made = symbol, length, made
        self._end = 0
        self._open = self._high = self._low = self._close = self._volume = 0

    def take(self, tick: Tick) -> Candle | None:
        """Take a tick; return the candle before it, when this is the first tick of a later one."""
        price, finished = tick.price, None
        if tick.ts >= self._end:
            if self._end:
                finished = self._candle()
            self._end = tick.ts - tick.ts % self.length + self.length
            self._open = self._high = self._low = price
            self._volume = 0
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        self._volume += tick.volume
        return finished

    def _candle(self) -> Candle:
        prices = (self._open, self._high, self._low, self._close)
        return Candle(self._end, self.symbol, self._end - self.length, *prices, self._volume, made=self.made)


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
