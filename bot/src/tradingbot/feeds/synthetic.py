"""A synthetic market: a function of seed, symbol and time. It can be entered at any moment and never ends.

Each UTC day is a random walk that starts where the day before ended, so a day can be made without those before it.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

from tradingbot.domain.market import DAY, Tick
from tradingbot.feeds.candles import from_ticks, with_candles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import Candle, MarketEvent

BEGIN = 19_723 * DAY
"""2024-01-01: the first day of the synthetic market."""
START_PRICE = 100.0
DAILY_VOLATILITY = 0.04
TICK_VOLUME = 400_000
"""Mean volume of a tick in lots."""


class SyntheticFeed:
    """A random walk for each symbol. `ports.feed.Feed` says what each method promises."""

    def __init__(
        self, instruments: Sequence[Instrument], length: int, interval: int, seed: int, *, ticks: bool = False
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self.length, self.seed, self.ticks = length, seed, ticks
        # Days are made of whole ticks, and candles of whole ticks.
        self.interval = math.gcd(interval, math.gcd(length, DAY))
        self._levels: dict[str, list[float]] = {symbol: [0.0] for symbol in self._instruments}

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by symbol."""
        return self._instruments

    def stream(self, symbol: str, after: int) -> Iterator[MarketEvent]:
        """Yield what happens after a moment, oldest first: candles, or ticks and the candles made of them."""
        begin = max(BEGIN, after - after % self.length)
        ticks = self._ticks(symbol, begin)
        events: Iterator[MarketEvent] = (
            with_candles(symbol, ticks, self.length) if self.ticks else from_ticks(symbol, ticks, self.length)
        )
        return (event for event in events if event.ts > after)

    def history(self, symbol: str, until: int, count: int) -> Sequence[Candle]:
        """Return at most `count` candles that close at or before a moment."""
        begin = max(BEGIN, until - until % self.length - count * self.length)
        candles = from_ticks(symbol, self._ticks(symbol, begin), self.length)
        return list(itertools.takewhile(lambda candle: candle.ts <= until, candles))

    def close(self) -> None:
        """There is nothing to give back."""

    def _ticks(self, symbol: str, begin: int) -> Iterator[Tick]:
        day = (begin - BEGIN) // DAY
        while True:
            for tick in self._day(symbol, day):
                if tick.ts >= begin:
                    yield tick
            day += 1

    def _day(self, symbol: str, day: int) -> Iterator[Tick]:
        first, last = self._level(symbol, day), self._level(symbol, day + 1)
        rng = random.Random(f"{self.seed}/{symbol}/{day}")
        count = DAY // self.interval
        step = DAILY_VOLATILITY / math.sqrt(count)
        walk = list(itertools.accumulate(rng.gauss(0.0, step) for _ in range(count)))
        pull = (last - first - walk[-1]) / count
        tick_size = float(self._instruments[symbol].tick)
        for number, value in enumerate(walk):
            price = START_PRICE * math.exp(first + value + pull * (number + 1))
            volume = int(rng.expovariate(1.0) * TICK_VOLUME)
            # A microsecond late, so that a tick never coincides with the end of a candle.
            ts = BEGIN + day * DAY + number * self.interval + 1
            yield Tick(ts, symbol, max(1, round(price / tick_size)), volume)

    def _level(self, symbol: str, day: int) -> float:
        levels = self._levels[symbol]
        while len(levels) <= day:
            number = len(levels) - 1
            rng = random.Random(f"{self.seed}/{symbol}/level/{number}")
            # Pulled back towards the start, so that a market of many years keeps a price that means something.
            levels.append(levels[-1] * 0.99 + rng.gauss(0.0, DAILY_VOLATILITY))
        return levels[day]
