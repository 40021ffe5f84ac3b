"""Recorded candles as a market that can be entered at any moment and starts over without time going back."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import Candle
from tradingbot.feeds.candles import longer, with_gaps
from tradingbot.feeds.guard import Flaw
from tradingbot.feeds.parquet import ROW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.feeds.catalogue import Recording

WORST = 0.05
"""A file of which more than this part has to be left out is not used at all."""


class Table:
    """The rows of one file, in a temporary file that the kernel may drop from memory at any time."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        instrument = recording.instrument
        volume = "quote" if recording.quote_volume else "base"
        command = [sys.executable, "-m", "tradingbot.feeds.parquet", str(recording.path)]
        with tempfile.TemporaryFile() as file:
            done = subprocess.run(  # noqa: S603 - this very package, with paths of the configuration
                [*command, str(instrument.tick), str(instrument.lot), volume],
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
                timeout=600,
            )
            if done.returncode:
                last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
                raise ConfigurationError("DataNotFound", f"{recording.path.name}: {' '.join(last) or 'cannot be read'}")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.count, *flaws = ROW.unpack_from(self._map, 0)
        self.flaws = {flaw.value: number for flaw, number in zip(Flaw, flaws, strict=True) if number}
        left_out = sum(flaws)
        if self.count < 2 or left_out > WORST * (self.count + left_out):
            text = f"{recording.path.name}: {left_out} of {self.count + left_out} rows cannot be used: {self.flaws}"
            raise ConfigurationError("DataNotFound", text)

    def opened(self, index: int) -> int:
        """Return the moment of a row's open."""
        moment: int = ROW.unpack_from(self._map, (index + 1) * ROW.size)[0]
        return moment

    def candle(self, index: int, shift: int) -> Candle:
        """Return a row as a candle, `shift` microseconds later than it was recorded."""
        ts, opened, high, low, close, volume = ROW.unpack_from(self._map, (index + 1) * ROW.size)
        ts += shift
        symbol = self.recording.instrument.symbol
        return Candle(ts + self.recording.length, symbol, ts, opened, high, low, close, volume)

    def first_after(self, moment: int) -> int:
        """Return the index of the first row that closes after a moment."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.opened(middle) + self.recording.length > moment:
                high = middle
            else:
                low = middle + 1
        return low

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


class RecordedFeed:
    """Recorded candles of some symbols. `ports.feed.Feed` says what each method promises."""

    def __init__(self, recordings: Sequence[Recording], length: int, *, loop: bool) -> None:
        self.length, self.loop = length, loop
        self._tables = {recording.instrument.symbol: Table(recording) for recording in recordings}
        tables = list(self._tables.values())
        self.start = min(table.opened(0) for table in tables)
        end = max(table.opened(table.count - 1) + table.recording.length for table in tables)
        # Each round is shifted by whole candles, so their grid stays the same.
        self.span = -(-(end - self.start) // length) * length

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by symbol."""
        return {symbol: table.recording.instrument for symbol, table in self._tables.items()}

    @property
    def flaws(self) -> Mapping[str, Mapping[str, int]]:
        """Return by symbol how many rows were left out, by kind."""
        return {symbol: table.flaws for symbol, table in self._tables.items() if table.flaws}

    def stream(self, symbol: str, after: int) -> Iterator[Candle]:
        """Yield the candles that close after a moment, oldest first."""
        candles = self._rows(self._tables[symbol], after)
        if self._tables[symbol].recording.length != self.length:
            candles = longer(candles, self.length)
        return with_gaps(candles, self.length)

    def history(self, symbol: str, until: int, count: int) -> Sequence[Candle]:
        """Return at most `count` candles that close at or before a moment."""
        found = []
        for candle in self.stream(symbol, until - count * self.length):
            if candle.ts > until:
                break
            found.append(candle)
        return found

    def _rows(self, table: Table, after: int) -> Iterator[Candle]:
        turn = max(0, (after - self.start) // self.span)
        while True:
            shift = turn * self.span
            for index in range(table.first_after(after - shift), table.count):
                yield table.candle(index, shift)
            if not self.loop:
                return
            turn += 1

    def close(self) -> None:
        """Give files and memory back."""
        for table in self._tables.values():
            table.close()
