"""Recorded candles that grow: rows are added to a Parquet file, which is whole at every moment, and gaps are found."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.feeds.catalogue import Specification
from tradingbot.feeds.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tradingbot.domain.instrument import Instrument
    from tradingbot.ports.feed import Row

Span = tuple[int, int]
"""A stretch of time in microseconds: first moment, and the moment after the last."""


class Archive:
    """The candles of one symbol and timeframe; times in microseconds."""

    def __init__(self, root: Path, dataset: str, instrument: Instrument, timeframe: str, length: int) -> None:
        folder = root / "candles" / dataset / f"{instrument.base}-{instrument.quote}"
        self.path, self.length = folder / f"{timeframe}.parquet", length
        self._instrument = instrument
        self._rows: dict[int, tuple[float, ...]] = {}
        self.left_out = 0
        """Rows that are no candle: NaN, zero, a high below the low, a time off the grid."""
        self.added = 0

    def load(self) -> None:
        """Read what is there."""
        from tradingbot.feeds.parquet import rows

        if self.path.exists():
            for opened, prices, volume in rows(str(self.path)):
                self._rows[opened] = (*prices, volume)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, candles: Iterable[Row], until: int) -> int:
        """Add candles that are finished at a moment; return how many were new."""
        new = 0
        guard = Guard()
        for row in candles:
            if row.opened + self.length > until or row.opened in self._rows:
                continue
            prices = (float(row.open), float(row.high), float(row.low), float(row.close))
            if row.opened % self.length or guard.judge(row.opened, prices, float(row.volume)) is not None:
                self.left_out += 1
                continue
            self._rows[row.opened] = (*prices, float(row.volume))
            new += 1
        self.added += new
        return new

    def missing(self, begin: int, end: int) -> list[Span]:
        """Return the stretches of a span of time for which there is no candle, oldest first."""
        first = begin + -begin % self.length
        last = end - end % self.length
        found: list[Span] = []
        at = first
        for opened in sorted(ts for ts in self._rows if first <= ts < last):
            if opened > at:
                found.append((at, opened))
            at = opened + self.length
        if at < last:
            found.append((at, last))
        return found

    def span(self) -> Span:
        """Return the first and the last candle's open."""
        return min(self._rows), max(self._rows)

    def write(self) -> None:
        """Write the file whole or not at all, and the instrument's steps beside it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path.parent.mkdir(parents=True, exist_ok=True)
        times = sorted(self._rows)
        columns: dict[str, object] = {"timestamp": pa.array(times, pa.timestamp("us", tz="UTC"))}
        for place, name in enumerate(("open", "high", "low", "close", "volume")):
            columns[name] = pa.array([self._rows[ts][place] for ts in times], pa.float64())
        part = self.path.with_name(f".{self.path.name}.part")
        pq.write_table(pa.table(columns), part, compression="zstd")
        part.replace(self.path)
        steps = self._instrument
        specification = Specification(steps.tick, steps.lot, steps.min_notional or Decimal(0), "base")
        beside = self.path.with_name("instrument.json")
        part = beside.with_name(".instrument.json.part")
        part.write_bytes(msgspec.json.encode(specification))
        part.replace(beside)
