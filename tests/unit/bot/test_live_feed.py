"""A market as it happens: finished candles only, each once, in order, with what is missing said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tradingbot.domain.instrument import Instrument
from tradingbot.domain.market import MINUTE, SECOND
from tradingbot.feeds.live import LiveFeed
from tradingbot.ports.feed import Row
from tradingbot.ports.venue import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

BTC = Instrument("BTC/USDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"), Decimal(5))


class Exchange:
    """Tells the candles that a test gives it, as far as the time of the clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.rows: dict[int, Row] = {}
        self.away = ""
        self.asked: list[int] = []

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def trade(self, minute: int, at: Any = 100, **changes: Any) -> None:
        price = Decimal(at)
        values = {"open": price, "high": price, "low": price, "close": price, "volume": Decimal(1), **changes}
        self.rows[minute] = Row(minute * MINUTE, **values)

    async def candles(self, symbol: str, timeframe: str, since: int, count: int) -> Sequence[Row] | Unavailable:
        assert (symbol, timeframe) == ("BTC/USDT", "1m")
        self.asked.append(since)
        if self.away:
            return Unavailable(self.away)
        found = [row for _, row in sorted(self.rows.items()) if since <= row.opened <= self.seconds * SECOND]
        return found[:count]


@pytest.fixture
def exchange() -> Exchange:
    made = Exchange()
    made.seconds = 600.0
    for minute in range(11):
        made.trade(minute, 100 + minute)
    return made


def follow(exchange: Exchange) -> LiveFeed:
    return LiveFeed(exchange, {BTC.symbol: BTC}, ("1m", MINUTE), exchange, lambda: None)


async def look(feed: LiveFeed) -> list[int]:
    """The minutes of the candles that are new."""
    await feed._look(BTC.symbol)
    return [candle.opened // MINUTE for candle in feed.take()]


async def test_history_is_what_is_finished_and_the_present_follows_it(exchange: Exchange) -> None:
    feed = follow(exchange)
    found = await feed.history(BTC.symbol, 0, 4)
    assert [candle.opened // MINUTE for candle in found] == [6, 7, 8, 9]
    assert feed.prices() == {BTC.symbol: 11_000}, "the unfinished candle has a price all the same"
    assert await look(feed) == []
    exchange.seconds = 661.0
    exchange.trade(11)
    assert await look(feed) == [10]


async def test_a_candle_without_a_successor_is_finished_a_moment_after_its_end(exchange: Exchange) -> None:
    feed = follow(exchange)
    await feed.history(BTC.symbol, 0, 4)
    exchange.seconds = 661.0
    assert await look(feed) == []
    exchange.seconds = 662.0
    assert await look(feed) == [10]


async def test_each_candle_comes_once_however_often_it_is_told(exchange: Exchange) -> None:
    feed = follow(exchange)
    exchange.seconds = 662.0
    assert [await look(feed) for _ in range(3)] == [[9, 10], [], []]


async def test_what_is_missing_is_said(exchange: Exchange) -> None:
    feed = follow(exchange)
    await feed.history(BTC.symbol, 0, 4)
    exchange.trade(14)
    exchange.seconds = 15 * 60 + 2.0
    await feed._look(BTC.symbol)
    gaps = {candle.opened // MINUTE: candle.gap for candle in feed.take()}
    assert gaps == {10: 0, 14: 3}


@pytest.mark.parametrize(
    "flaw",
    [{"high": Decimal(1)}, {"low": Decimal(0), "open": Decimal(0)}, {"volume": Decimal(-1)}, {"close": Decimal(-5)}],
)
async def test_a_row_that_makes_no_sense_is_left_out(exchange: Exchange, flaw: dict[str, Decimal]) -> None:
    feed = follow(exchange)
    await feed.history(BTC.symbol, 0, 4)
    exchange.trade(10, 100, **flaw)
    exchange.trade(11)
    exchange.seconds = 725.0
    assert await look(feed) == [11]
    assert feed.guards[BTC.symbol].left_out == 1


async def test_silence_makes_prices_stale_and_an_answer_makes_them_good_again(exchange: Exchange) -> None:
    feed = follow(exchange)
    await look(feed)
    assert feed.stale() == ""
    exchange.away = "HTTP 503"
    exchange.seconds += 200
    assert await look(feed) == []
    assert feed.stale() == "no candle of BTC/USDT has come for 200 s: HTTP 503"
    exchange.away = ""
    for minute in range(11, 15):
        exchange.trade(minute)
    assert await look(feed) == [10, 11, 12]
    assert feed.stale() == ""


async def test_what_was_missed_while_nobody_answered_is_asked_for(exchange: Exchange) -> None:
    feed = follow(exchange)
    await look(feed)
    exchange.seconds += 3600
    for minute in range(11, 70):
        exchange.trade(minute)
    await look(feed)
    assert exchange.asked[-1] == 10 * MINUTE


async def test_a_row_of_the_future_is_none_and_those_that_follow_are_heard(exchange: Exchange) -> None:
    """Believed once, it would make every later candle older than the last one."""
    feed = follow(exchange)
    await look(feed)
    exchange.rows[10_000] = Row(10_000 * MINUTE, *(Decimal(1),) * 5)

    async def all_at_once(symbol: str, timeframe: str, since: int, count: int) -> Sequence[Row]:
        del symbol, timeframe, since, count
        return [row for _, row in sorted(exchange.rows.items())] + [Row(20_000 * MINUTE, *(Decimal(1),) * 5)]

    feed.source.candles = all_at_once  # type: ignore[method-assign]
    exchange.seconds = 662.0
    assert await look(feed) == [10]
    assert feed.prices() == {BTC.symbol: 11_000}


async def test_old_candles_that_keep_coming_are_as_stale_as_none(exchange: Exchange) -> None:
    feed = follow(exchange)
    await look(feed)
    for minute in range(11, 100):
        exchange.trade(minute)
    exchange.seconds += 1000
    real = exchange.candles

    async def late(symbol: str, timeframe: str, since: int, count: int) -> Sequence[Row] | Unavailable:
        rows = await real(symbol, timeframe, since, count)
        return rows if isinstance(rows, Unavailable) else rows[:2]

    feed.source.candles = late  # type: ignore[method-assign]
    assert await look(feed) == [10, 11]
    assert feed.stale() == "no candle of BTC/USDT has come for 880 s"


@pytest.mark.parametrize(("wall", "steady"), [(3600.0, 0.0), (-3600.0, 0.0), (0.0, 3600.0)])
async def test_a_clock_that_jumps_finishes_no_candle_and_makes_nothing_stale_for_good(
    exchange: Exchange, wall: float, steady: float
) -> None:
    now, monotonic = exchange.now, exchange.monotonic
    feed = follow(exchange)
    await look(feed)
    exchange.now = lambda: now() + timedelta(seconds=wall)  # type: ignore[method-assign]
    exchange.monotonic = lambda: monotonic() + steady  # type: ignore[method-assign]
    exchange.seconds = 630.0
    assert await look(feed) == [], "the one of this minute is not finished"
    exchange.seconds = 662.0
    exchange.trade(11)
    assert await look(feed) == [10]
    assert feed.stale() == ""
