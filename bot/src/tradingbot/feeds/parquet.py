"""Reading Parquet, in a process of its own: pyarrow costs 60 MiB that a trading bot should not carry for ever.

Run as `python -m tradingbot.feeds.parquet FILE TICK LOT VOLUME`, it writes rows of six little-endian 64-bit integers
to its standard output: time of the open in microseconds, open, high, low, close in ticks, volume in lots. The first
row is a header: rows kept, then how many were left out, by kind.
"""

from __future__ import annotations

import struct
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, BinaryIO

from tradingbot.feeds.guard import Flaw, Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW = struct.Struct("<6q")
BATCH = 4096
COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]


def rows(path: str) -> Iterator[tuple[int, tuple[float, float, float, float], float]]:
    """Yield time (microseconds), prices and volume of each row of a Parquet file."""
    import pyarrow.parquet as pq
    from pyarrow import int64, timestamp

    with pq.ParquetFile(path, memory_map=True) as file:
        missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise SystemExit(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
        for batch in file.iter_batches(batch_size=BATCH, columns=COLUMNS):
            columns = {name: batch.column(name) for name in COLUMNS}
            moments = columns["timestamp"].cast(timestamp("us", tz="UTC")).cast(int64()).to_pylist()
            values = [columns[name].to_pylist() for name in COLUMNS[1:]]
            for moment, opened, high, low, close, volume in zip(moments, *values, strict=True):
                prices = (_number(opened), _number(high), _number(low), _number(close))
                yield moment if moment is not None else 0, prices, _number(volume)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def convert(path: str, tick: Decimal, lot: Decimal, *, quote_volume: bool, out: BinaryIO) -> Guard:
    """Write the rows that may enter, in whole ticks and lots, the header first."""
    guard = Guard()
    tick_size, lot_size = float(tick), float(lot)
    packed = bytearray()
    for ts, prices, volume in rows(path):
        if guard.judge(ts, prices, volume) is not None:
            continue
        base = volume / prices[3] if quote_volume else volume
        packed += ROW.pack(ts, *(round(price / tick_size) for price in prices), int(base / lot_size))
    flaws = [guard.flaws.get(flaw, 0) for flaw in Flaw]
    out.write(ROW.pack(guard.kept, *flaws))
    out.write(packed)
    return guard


def main(arguments: list[str]) -> None:
    """Convert one file to standard output."""
    path, tick, lot, volume = arguments
    convert(path, Decimal(tick), Decimal(lot), quote_volume=volume == "quote", out=sys.stdout.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
