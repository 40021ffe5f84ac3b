"""Recorded candles or trades as a market that can be entered at any moment and starts over without time going back."""

from __future__ import annotations

import bisect
import mmap
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, cast

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import Candle, Tick
from tradingbot.feeds.candles import longer, with_candles, with_gaps
from tradingbot.feeds.guard import Flaw
from tradingbot.feeds.parquet import HEADER, ROW, TRADE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.market import MarketEvent
    from tradingbot.feeds.catalogue import Recording

WORST = 0.05
"""A file of which more than this part has to be left out is not used at all."""


class Table:
    """The rows of one file, in a temporary file that the kernel may drop from memory at any time."""

    kind = "candles"
    row = ROW
    lasts = True
    """Rows stand for a stretch of time, not for a moment."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        instrument = recording.instrument
        volume = "quote" if recording.quote_volume else "base"
        command = [sys.executable, "-m", "tradingbot.feeds.parquet", self.kind, str(recording.path)]
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
            size = os.fstat(file.fileno()).st_size
            self.count, *flaws = HEADER.unpack(os.pread(file.fileno(), HEADER.size, 0).ljust(HEADER.size, b"\0"))
            if size < HEADER.size + self.count * self.row.size or not size:
                text = f"{recording.path.name}: its rows do not fit into {tempfile.gettempdir()}: make room there, "
                raise ConfigurationError("DataNotFound", f"{text}or set TMPDIR to another folder")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.flaws = {flaw.value: number for flaw, number in zip(Flaw, flaws, strict=True) if number}
        left_out = sum(flaws)
        if self.count < 2 or left_out > WORST * (self.count + left_out):
            text = f"{recording.path.name}: {left_out} of {self.count + left_out} rows cannot be used: {self.flaws}"
            raise ConfigurationError("DataNotFound", text)

    def fields(self, index: int) -> tuple[int, ...]:
        """Return the numbers of a row."""
        return self.row.unpack_from(self._map, HEADER.size + index * self.row.size)

    def begins(self, index: int) -> int:
        """Return the moment at which a row begins."""
        return self.fields(index)[0]

    def ends(self, index: int) -> int:
        """Return the moment at which a row is complete."""
        return self.begins(index) + (self.recording.length if self.lasts else 0)

    def event(self, index: int, shift: int) -> MarketEvent:
        """Return a row as a candle, `shift` microseconds later than it was recorded."""
        ts, opened, high, low, close, volume = self.fields(index)
        ts += shift
        symbol = self.recording.instrument.symbol
        return Candle(ts + self.recording.length, symbol, ts, opened, high, low, close, volume)

    def first_after(self, moment: int) -> int:
        """Return the index of the first row that is complete after a moment."""
        return bisect.bisect_right(range(self.count), moment, key=self.ends)

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


class Trades(Table):
    """The trades of one file."""

    kind = "trades"
    row = TRADE
    lasts = False

    def event(self, index: int, shift: int) -> Tick:
        """Return a row as a tick, `shift` microseconds later than it was recorded."""
        ts, price, volume, side = self.fields(index)
        return Tick(ts + shift, self.recording.instrument.symbol, price, volume, side)


class RecordedFeed:
    """A recorded market of some symbols. `ports.feed.Feed` says what each method promises."""

    def __init__(self, recordings: Sequence[Recording], length: int, *, loop: bool) -> None:
        self.length, self.loop = length, loop
        self._tables: dict[str, Table] = {
            recording.instrument.symbol: (Table if recording.length else Trades)(recording) for recording in recordings
        }
        tables = list(self._tables.values())
        start = min(table.begins(0) for table in tables)
        # Trades begin anywhere inside a candle; candles are where they are, on whatever grid they were recorded.
        self.start = start if all(table.lasts for table in tables) else start - start % length
        end = max(table.ends(table.count - 1) for table in tables)
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

    def stream(self, symbol: str, after: int) -> Iterator[MarketEvent]:
        """Yield what happens after a moment, oldest first: candles, or trades and the candles made of them."""
        table = self._tables[symbol]
        if isinstance(table, Trades):
            # A candle is made of all its trades, also of those before the moment.
            ticks = self._rows(table, after - after % self.length - 1)
            events = with_candles(symbol, cast("Iterator[Tick]", ticks), self.length)
            return (event for event in events if event.ts > after)
        candles = cast("Iterator[Candle]", self._rows(table, after))
        if table.recording.length != self.length:
            candles = longer(candles, self.length)
        return with_gaps(candles, self.length)

    def history(self, symbol: str, until: int, count: int) -> Sequence[Candle]:
        """Return at most `count` candles that close at or before a moment."""
        found = []
        for event in self.stream(symbol, until - count * self.length):
            if event.ts > until:
                break
            if isinstance(event, Candle):
                found.append(event)
        return found

    def _rows(self, table: Table, after: int) -> Iterator[MarketEvent]:
        turn = max(0, (after - self.start) // self.span)
        while True:
            shift = turn * self.span
            for index in range(table.first_after(after - shift), table.count):
                yield table.event(index, shift)
            if not self.loop:
                return
            turn += 1

    def close(self) -> None:
        """Give files and memory back."""
        for table in self._tables.values():
            table.close()
