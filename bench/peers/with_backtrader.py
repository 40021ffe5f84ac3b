"""backtrader over the bars of the comparison. Runs in an environment of its own."""

from __future__ import annotations

import datetime as dt
import gc
import json
import sys
import time
from pathlib import Path

import backtrader as bt
from data import read
from signal_sma import FAST, SLOW

CAPITAL = 1_000_000.0


class Bars(bt.feed.DataBase):
    """The rows of the file, already in memory."""

    params = (("rows", ()),)

    def start(self) -> None:
        """Begin anew."""
        super().start()
        self.left = iter(self.p.rows)

    def _load(self) -> bool:
        row = next(self.left, None)
        if row is None:
            return False
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = row
        lines.volume[0] = 1000.0
        lines.openinterest[0] = 0.0
        return True


class OneUnit(bt.Strategy):
    """Long one unit while the fast average is above the slow one, flat otherwise."""

    def __init__(self) -> None:
        self.fast = bt.ind.SMA(self.data.close, period=FAST)
        self.slow = bt.ind.SMA(self.data.close, period=SLOW)
        self.filled = 0

    def notify_order(self, order: bt.Order) -> None:
        """Count."""
        if order.status == order.Completed:
            self.filled += 1

    def next(self) -> None:
        """Order where the averages changed sides."""
        if self.fast[0] > self.slow[0]:
            if not self.position:
                self.buy(size=1)
        elif self.fast[0] < self.slow[0] and self.position:
            self.sell(size=1)


def main(folder: Path) -> dict[str, object]:
    """Trade; the clock runs over cerebro's run, which reads the rows from memory."""
    rows = [
        (
            bt.date2num(dt.datetime.fromtimestamp(ts + 60, dt.UTC).replace(tzinfo=None)),
            *(price / 100 for price in prices),
        )
        for ts, *prices in read(folder / "bars.csv")
    ]
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Bars(rows=rows, timeframe=bt.TimeFrame.Minutes))
    cerebro.addstrategy(OneUnit)
    cerebro.broker.setcash(CAPITAL)
    cerebro.broker.setcommission(commission=0.001)
    gc.collect()
    begun = time.process_time()
    (strategy,) = cerebro.run()
    spent = time.process_time() - begun
    return {
        "events": len(rows),
        "cpu_seconds": spent,
        "orders": strategy.filled,
        "final_equity": repr(cerebro.broker.getvalue()),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
