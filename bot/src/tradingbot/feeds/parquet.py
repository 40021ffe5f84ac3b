"""Reading Parquet, in a process of its own: pyarrow costs 60 MiB that a trading bot should not carry for ever.

Run as `python -m tradingbot.feeds.parquet KIND FILE TICK LOT VOLUME`, it writes rows of little-endian 64-bit integers
to its standard output. KIND `candles`: time of the open in microseconds, open, high, low, close in ticks, volume in
lots. KIND `trades`: time in microseconds, price in ticks, volume in lots, side of the taker (1 buy, -1 sell, 0 not
known). A header stands before them: rows kept, then how many were left out, by kind.
"""

from __future__ import annotations

import struct
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from tradingbot.domain.market import SECOND
from tradingbot.feeds.guard import Flaw, Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = struct.Struct("<6q")
ROW = struct.Struct("<6q")
TRADE = struct.Struct("<4q")
BATCH = 4096
COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]
TRADE_COLUMNS = ["timestamp", "price", "quantity", "side"]
ROUNDING = 1e-6
"""What a quantity may lack of a whole lot because it was written in binary: 0.000311 is stored as 0.000310999…"""
SIDES = {"buy": 1, "sell": -1}


def _columns(path: str, names: list[str]) -> Iterator[tuple[list[int | None], list[list[Any]]]]:
    """Yield, batch by batch, the times in microseconds and the other columns."""
    import pyarrow.parquet as pq
    from pyarrow import int64, timestamp

    with pq.ParquetFile(path, memory_map=True) as file:
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise SystemExit(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(names)}")
        for batch in file.iter_batches(batch_size=BATCH, columns=names):
            moments = batch.column(names[0]).cast(timestamp("us", tz="UTC")).cast(int64()).to_pylist()
            yield moments, [batch.column(name).to_pylist() for name in names[1:]]


def rows(path: str) -> Iterator[tuple[int, tuple[float, float, float, float], float]]:
    """Yield time (microseconds), prices and volume of each row of a Parquet file."""
    for moments, values in _columns(path, COLUMNS):
        for moment, opened, high, low, close, volume in zip(moments, *values, strict=True):
            prices = (_number(opened), _number(high), _number(low), _number(close))
            yield moment if moment is not None else 0, prices, _number(volume)


def trades(path: str) -> Iterator[tuple[int, float, float, int]]:
    """Yield time (microseconds), price, quantity and the taker's side of each row of a Parquet file."""
    for moments, values in _columns(path, TRADE_COLUMNS):
        for moment, price, quantity, side in zip(moments, *values, strict=True):
            yield moment if moment is not None else 0, _number(price), _number(quantity), SIDES.get(side, 0)


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
        opened, high, low, close = prices
        ticks = (round(opened / tick_size), round(high / tick_size), round(low / tick_size), round(close / tick_size))
        packed += ROW.pack(ts, *ticks, int((volume / close if quote_volume else volume) / lot_size))
    return _write(guard, packed, out)


def convert_trades(path: str, tick: Decimal, lot: Decimal, out: BinaryIO) -> Guard:
    """Write the trades that may enter, the header first.

    Trades of the same moment are set a microsecond apart, and none stands on a full second: so each has a time of its
    own, and none coincides with the end of a candle.
    """
    guard = Guard()
    tick_size, lot_size = float(tick), float(lot)
    packed = bytearray()
    last = 0
    for ts, price, quantity, side in trades(path):
        if guard.judge_trade(ts, price, quantity) is not None:
            continue
        last = max(ts, last + 1)
        last += last % SECOND == 0
        packed += TRADE.pack(last, round(price / tick_size), int(quantity / lot_size + ROUNDING), side)
    return _write(guard, packed, out)


def _write(guard: Guard, packed: bytearray, out: BinaryIO) -> Guard:
    flaws = [guard.flaws.get(flaw, 0) for flaw in Flaw]
    out.write(HEADER.pack(guard.kept, *flaws))
    out.write(packed)
    out.flush()
    return guard


def main(arguments: list[str]) -> None:
    """Convert one file to standard output."""
    kind, path, tick, lot, volume = arguments
    if kind == "trades":
        convert_trades(path, Decimal(tick), Decimal(lot), sys.stdout.buffer)
    else:
        convert(path, Decimal(tick), Decimal(lot), quote_volume=volume == "quote", out=sys.stdout.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
