"""A market as it happens: candles of a real exchange, asked for again and again, given on when they are finished.

Every row passes the guard of recorded data. A candle counts as finished when a later one has begun, or a moment after
its end. Nothing can be replayed, so what was missed is asked for again, and marked as a gap where it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.market import SECOND, Candle
from tradingbot.feeds.guard import Guard
from tradingbot.ports.clock import SteadyClock
from tradingbot.ports.venue import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.feed import CandleSource, Row

PAGE = 1000
GRACE = 2 * SECOND
"""A candle without a successor is finished so long after its end: the exchange's clock may be behind ours."""
SLOWEST, FASTEST = 5.0, 0.5
"""Seconds between two looks at a symbol."""
BACKOFF = (1.0, 2.0, 5.0, 10.0)
FUTURE = 3600 * SECOND
"""A candle that begins later than so long from now is none: believed once, it would make all that follow older."""


class LiveFeed:
    """Follows some symbols. `ports.feed.Following` says what each method promises."""

    def __init__(
        self,
        source: CandleSource,
        instruments: Mapping[str, Instrument],
        timeframe: tuple[str, int],
        clock: Clock,
        arrived: Callable[[], None],
    ) -> None:
        self.source, self.instruments, self.clock, self.arrived = source, dict(instruments), clock, arrived
        self.name, self.length = timeframe
        """The exchange's word for the length of a candle, and the length in microseconds."""
        self.pause = min(SLOWEST, max(FASTEST, self.length / SECOND / 12))
        self.guards = {symbol: Guard() for symbol in self.instruments}
        self.problem = ""
        """Why the last question was not answered, empty when it was."""
        self._last: dict[str, int] = {}
        self._prices: dict[str, int] = {}
        self._ready: list[Candle] = []
        self._steady = SteadyClock(clock)
        self._begun = self._now()
        self._heard = dict.fromkeys(self.instruments, clock.monotonic())
        """By symbol, when a candle came last (monotonic seconds): none may come although its time is a good one."""

    def _now(self) -> int:
        """Return the time, and in doubt the earlier one: no candle is finished because a clock jumped ahead."""
        return round(min(self.clock.now(), self._steady.now()).timestamp() * SECOND)

    # -- the past --------------------------------------------------------------------------------------------------

    async def history(self, symbol: str, after: int, count: int) -> Sequence[Candle]:
        """Return finished candles of the past; what is given here is not given again by `take`."""
        begin = max(after, self._now() - (count + 1) * self.length)
        begin -= begin % self.length
        found: list[Candle] = []
        while True:
            rows = await self.source.candles(symbol, self.name, begin, PAGE)
            if isinstance(rows, Unavailable):
                self.problem = rows.cause
                break
            fresh = self._finished(symbol, rows)
            found += [candle for candle in fresh if candle.ts > after]
            if len(rows) < PAGE or not fresh:
                break
            begin = fresh[-1].ts
        return found[-count:] if count else []

    # -- the present -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask for ever."""
        attempt = 0
        while True:
            answered = True
            for symbol in sorted(self.instruments):
                answered = await self._look(symbol) and answered
            attempt = 0 if answered else attempt + 1
            await self.clock.sleep(self.pause if answered else BACKOFF[min(attempt, len(BACKOFF)) - 1])

    async def _look(self, symbol: str) -> bool:
        begin = self._last.get(symbol, self._now() - 2 * self.length)
        rows = await self.source.candles(symbol, self.name, begin - begin % self.length, PAGE)
        if isinstance(rows, Unavailable):
            self.problem = rows.cause
            return False
        self.problem = ""
        before = dict(self._prices)
        fresh = self._finished(symbol, rows)
        self._ready += fresh
        if fresh or before != self._prices:
            self.arrived()
        return True

    def take(self) -> Sequence[Candle]:
        """Return what finished since the last call, in order of the close."""
        ready, self._ready = self._ready, []
        return sorted(ready, key=lambda candle: (candle.ts, candle.symbol))

    def prices(self) -> Mapping[str, int]:
        """Return the last price of each symbol in ticks."""
        return self._prices

    def stale(self) -> str:
        """Return why prices are not to be trusted: no symbol may be silent for more than two candles."""
        now = self._now()
        bound = 2 * self.length + 5 * SECOND + round(self.pause * SECOND)
        for symbol in sorted(self.instruments):
            silence = round((self.clock.monotonic() - self._heard[symbol]) * SECOND)
            age = max(silence, now - max(self._last.get(symbol, 0), self._begun))
            if age > bound:
                why = f": {self.problem}" if self.problem else ""
                return f"no candle of {symbol} has come for {age // SECOND} s{why}"
        return ""

    # -- rows ------------------------------------------------------------------------------------------------------

    def _finished(self, symbol: str, rows: Sequence[Row]) -> list[Candle]:
        """Return the finished candles that are new, guarded, with the number of those that are missing before each."""
        guard, instrument, now = self.guards[symbol], self.instruments[symbol], self._now()
        latest = round(max(self.clock.now(), self._steady.now()).timestamp() * SECOND) + FUTURE
        found: list[Candle] = []
        for number, row in enumerate(rows):
            last, closed = self._last.get(symbol), row.opened + self.length
            if (last is not None and row.opened < last) or row.opened > latest:
                continue
            prices = (row.open, row.high, row.low, row.close)
            if number + 1 == len(rows) and now < closed + GRACE:
                if row.close > 0:
                    self._prices[symbol] = int(row.close / instrument.tick)
                continue
            floats = (float(row.open), float(row.high), float(row.low), float(row.close))
            if guard.judge(row.opened, floats, float(row.volume)) is not None:
                continue
            opened, high, low, close = (int(price / instrument.tick) for price in prices)
            gap = 0 if last is None else max(0, (row.opened - last) // self.length)
            volume = int(row.volume / instrument.lot)
            found.append(Candle(closed, symbol, row.opened, opened, high, low, close, volume, gap))
            self._last[symbol], self._prices[symbol] = closed, close
            self._heard[symbol] = self.clock.monotonic()
        return found
