"""A scripted market: its book, its last price, its public trades and its candles. Nothing moves by itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .amounts import ZERO, plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from .instruments import Instrument
    from .orders import Side

SECOND_MS = 1000
MINUTE_MS = 60_000
INTERVALS_MS = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}


@dataclass(slots=True)
class Level:
    """What is offered at one price; orders consume it."""

    price: Decimal
    quantity: Decimal


@dataclass(slots=True)
class Candle:
    """One interval."""

    open_ts: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0

    def merge(self, later: Candle) -> None:
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A print on the tape."""

    trade_id: int
    ts: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


class Market:
    """One instrument's public side."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids: list[Level] = []
        self.asks: list[Level] = []
        self.last = ZERO
        self.trades: deque[PublicTrade] = deque(maxlen=1000)
        self.candles: dict[int, Candle] = {}
        self.update_id = 0

    def set_book(self, bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]) -> None:
        """Replace all that others offer. Bids fall, asks rise, and they do not cross."""
        self.bids = sorted((Level(price, quantity) for price, quantity in bids), key=lambda level: -level.price)
        self.asks = sorted((Level(price, quantity) for price, quantity in asks), key=lambda level: level.price)
        for level in [*self.bids, *self.asks]:
            self.instrument.check_price(level.price)
        if self.bids and self.asks and self.bids[0].price >= self.asks[0].price:
            msg = f"{self.instrument.symbol}: bid {self.bids[0].price} is not below ask {self.asks[0].price}"
            raise ValueError(msg)
        self.update_id += 1

    def facing(self, side: Side) -> list[Level]:
        """Who can be hit by an order of this side."""
        return self.asks if side == "BUY" else self.bids

    def walk(
        self, side: Side, quantity: Decimal, *, limit: Decimal | None = None, budget: Decimal | None = None
    ) -> list[tuple[Decimal, Decimal]]:
        """Say at which prices a quantity (or as much as the budget pays for) would fill, and take nothing."""
        path: list[tuple[Decimal, Decimal]] = []
        for level in self.facing(side):
            if limit is not None and (level.price > limit if side == "BUY" else level.price < limit):
                break
            if budget is None:
                take = min(level.quantity, quantity)
                quantity -= take
            else:
                affordable = budget // (level.price * self.instrument.step) * self.instrument.step
                take = min(level.quantity, affordable)
                budget -= take * level.price
            if take == ZERO:
                break
            path.append((level.price, take))
        return path

    def consume(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Take from one level what an order took."""
        levels = self.facing(side)
        for level in levels:
            if level.price == price:
                level.quantity -= quantity
        levels[:] = [level for level in levels if level.quantity > ZERO]
        self.update_id += 1

    def record(self, trade: PublicTrade) -> None:
        """Put a print on the tape; it becomes the last price."""
        self.last = trade.price
        self.trades.append(trade)
        self.add_candle(
            Candle(
                trade.ts - trade.ts % SECOND_MS,
                trade.price,
                trade.price,
                trade.price,
                trade.price,
                trade.quantity,
                trade.quantity * trade.price,
                1,
            )
        )

    def add_candle(self, candle: Candle) -> None:
        """Merge a candle, or a part of one, into the history."""
        known = self.candles.get(candle.open_ts)
        if known is None:
            self.candles[candle.open_ts] = candle
        else:
            known.merge(candle)

    def candles_of(self, interval_ms: int) -> list[Candle]:
        """Candles of a longer interval, oldest first."""
        merged: dict[int, Candle] = {}
        for ts in sorted(self.candles):
            one = self.candles[ts]
            start = ts - ts % interval_ms
            part = Candle(start, one.open, one.high, one.low, one.close, one.volume, one.quote_volume, one.trades)
            if start in merged:
                merged[start].merge(part)
            else:
                merged[start] = part
        return list(merged.values())


def candle_json(candle: Candle, interval_ms: int) -> list[object]:
    return [
        candle.open_ts,
        plain(candle.open),
        plain(candle.high),
        plain(candle.low),
        plain(candle.close),
        plain(candle.volume),
        candle.open_ts + interval_ms - 1,
        plain(candle.quote_volume),
        candle.trades,
        plain(candle.volume / 2),
        plain(candle.quote_volume / 2),
        "0",
    ]
