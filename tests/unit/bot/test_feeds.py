from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, candle, flat

from tradingbot.core.mux import merge
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.market import MINUTE, SECOND, Candle, Tick
from tradingbot.feeds import catalogue
from tradingbot.feeds.candles import from_ticks, longer, with_gaps
from tradingbot.feeds.guard import Flaw, Guard
from tradingbot.feeds.recorded import RecordedFeed
from tradingbot.feeds.synthetic import BEGIN, SyntheticFeed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradingbot.ports.feed import Feed

START = datetime(2022, 1, 1, tzinfo=UTC)
NAN = float("nan")


def write(folder: Path, rows: list[tuple[Any, ...]], symbol: str = "BTC-USD", timeframe: str = "1m") -> Path:
    """Write rows of (minute, open, high, low, close, volume) where the catalogue finds them."""
    target = folder / "candles" / "test" / symbol
    target.mkdir(parents=True, exist_ok=True)
    columns = list(zip(*rows, strict=True))
    names = ["open", "high", "low", "close", "volume"]
    table = {name: pa.array(column, pa.float64()) for name, column in zip(names, columns[1:], strict=True)}
    moments = [START + timedelta(minutes=minute) for minute in columns[0]]
    pq.write_table(
        pa.table({"timestamp": pa.array(moments, pa.timestamp("ms", "UTC")), **table}), target / f"{timeframe}.parquet"
    )
    (target / "instrument.json").write_text('{"tick": "0.5", "lot": "0.0001", "min_notional": "5"}')
    return folder


def rows(count: int, first: int = 0) -> list[tuple[Any, ...]]:
    return [(first + n, 100.0 + n, 101.0 + n, 99.0 + n, 100.5 + n, 2.0) for n in range(count)]


def feed(
    folder: Path, *, loop: bool = False, timeframe: str = "1m", symbols: tuple[str, ...] = ("BTC/USD",)
) -> RecordedFeed:
    found = [catalogue.find([folder], "test", symbol, timeframe, MarketType.SPOT) for symbol in symbols]
    return RecordedFeed(found, int(timeframe[:-1]) * MINUTE, loop=loop)


def shown(market: Feed, symbol: str, after: int) -> Iterator[Candle]:
    """Stream a market that has nothing but candles."""
    for event in market.stream(symbol, after):
        assert isinstance(event, Candle)
        yield event


def test_recorded_candles_come_as_they_were_recorded(tmp_path: Path) -> None:
    market = feed(write(tmp_path, rows(3)))
    first, *_, last = shown(market, "BTC/USD", 0)
    assert first.opened == int(START.timestamp()) * SECOND
    assert first.ts == first.opened + MINUTE
    assert (first.open, first.high, first.low, first.close) == (200, 202, 198, 201)
    assert market.instruments["BTC/USD"].quantity(first.volume) == Decimal(2)
    assert last.close == 205


def test_a_market_that_starts_over_never_goes_back_in_time(tmp_path: Path) -> None:
    market = feed(write(tmp_path, rows(5)), loop=True)
    seen = list(itertools.islice(shown(market, "BTC/USD", 0), 23))
    assert [b.ts - a.ts for a, b in itertools.pairwise(seen)] == [MINUTE] * 22
    assert [one.close for one in seen[:5]] * 4 == [one.close for one in seen[:20]]
    assert not any(one.gap for one in seen)


@pytest.mark.parametrize("loop", [True, False])
def test_a_market_can_be_entered_after_any_candle(tmp_path: Path, loop: bool) -> None:
    market = feed(write(tmp_path, rows(7)), loop=loop)
    whole = list(itertools.islice(shown(market, "BTC/USD", 0), 20 if loop else 7))
    for number, one in enumerate(whole[:-1]):
        assert next(shown(market, "BTC/USD", one.ts)) == whole[number + 1]


def test_history_is_what_came_before(tmp_path: Path) -> None:
    market = feed(write(tmp_path, rows(7)))
    whole = list(shown(market, "BTC/USD", 0))
    assert market.history("BTC/USD", whole[4].ts, 3) == whole[2:5]
    assert market.history("BTC/USD", whole[1].ts, 10) == whole[:2]


def test_rows_that_cannot_be_are_left_out_and_counted(tmp_path: Path) -> None:
    good = rows(200)
    bad = [
        (50, NAN, 101.0, 99.0, 100.0, 1.0),
        (51, 100.0, 101.0, 99.0, 0.0, 1.0),
        (52, 100.0, 99.0, 98.0, 100.0, 1.0),
        (49, 100.0, 101.0, 99.0, 100.0, 1.0),
        (40, 100.0, 101.0, 99.0, 100.0, 1.0),
        (53, None, 101.0, 99.0, 100.0, 1.0),
    ]
    market = feed(write(tmp_path, [*good[:50], *bad, *good[60:]]))
    assert market.flaws == {
        "BTC/USD": {"not a number": 2, "price of zero or less": 1, "high and low do not enclose open and close": 1,
                    "time stamp came before": 1, "older than the row before it": 1}
    }  # fmt: skip
    gaps = [one.gap for one in shown(market, "BTC/USD", 0)]
    assert sum(gaps) == 10
    assert gaps[50] == 10


def test_a_file_that_is_mostly_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rows cannot be used") as error:
        feed(write(tmp_path, [*rows(20), *[(n, NAN, NAN, NAN, NAN, NAN) for n in range(30, 40)]]))
    assert error.value.reason == "DataNotFound"


def test_a_file_that_is_not_parquet_is_refused_with_its_name(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    (tmp_path / "candles/test/BTC-USD/1m.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ConfigurationError, match=r"1m\.parquet: .*[Pp]arquet"):
        feed(tmp_path)


def test_what_is_missing_is_named_with_what_there_is(tmp_path: Path) -> None:
    write(tmp_path, rows(3))
    cases = [
        (("other", "BTC/USD", "1m"), "DataNotFound", "no dataset 'other'; known are test"),
        (("test", "ETH/USD", "1m"), "UnknownSymbol", "no ETH/USD; it has BTC/USD"),
        (("test", "BTC/USD", "30s"), "DataNotFound", "30s of BTC/USD cannot be made; dataset test has 1m"),
    ]
    for arguments, reason, text in cases:
        with pytest.raises(ConfigurationError, match=text) as error:
            catalogue.find([tmp_path], *arguments, MarketType.SPOT)
        assert error.value.reason == reason


def test_longer_candles_are_made_of_shorter_ones(tmp_path: Path) -> None:
    market = feed(write(tmp_path, rows(15)), timeframe="5m")
    seen = list(shown(market, "BTC/USD", 0))
    assert [(one.open, one.high, one.low, one.close) for one in seen[:1]] == [(200, 210, 198, 209)]
    assert [one.ts - one.opened for one in seen] == [5 * MINUTE] * 3
    assert next(shown(market, "BTC/USD", seen[0].ts)) == seen[1]


def test_the_recording_that_comes_with_the_bot_is_whole() -> None:
    found = catalogue.find([catalogue.PACKAGED], "recorded", "BTC/USD", "1m", MarketType.SPOT)
    market = RecordedFeed([found], MINUTE, loop=False)
    seen = list(shown(market, "BTC/USD", 0))
    assert len(seen) == 45_031
    assert market.flaws == {}
    assert not any(one.gap for one in seen)
    assert market.instruments["BTC/USD"].price(seen[0].open) == Decimal(46_319)
    assert market.instruments["BTC/USD"].price(seen[-1].close) == Decimal(38_544)


def test_the_synthetic_market_can_be_entered_anywhere() -> None:
    market = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 7)
    whole = list(itertools.islice(shown(market, "BTC/USD", 0), 3000))
    assert whole[0].opened == BEGIN
    assert [b.ts - a.ts for a, b in itertools.pairwise(whole)] == [MINUTE] * 2999
    for number in (0, 17, 1438, 1439, 1440, 2998):
        assert next(shown(market, "BTC/USD", whole[number].ts)) == whole[number + 1]
    assert list(market.history("BTC/USD", whole[1500].ts, 100)) == whole[1401:1501]
    again = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 7)
    assert list(itertools.islice(shown(again, "BTC/USD", 0), 50)) == whole[:50]
    other = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 8)
    assert list(itertools.islice(shown(other, "BTC/USD", 0), 50)) != whole[:50]
    assert min(one.low for one in whole) > 0


def test_a_seam_between_days_is_no_jump() -> None:
    market = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 3)
    closes = [one.close for one in itertools.islice(shown(market, "BTC/USD", 0), 1600)]
    moves = [abs(b - a) / a for a, b in itertools.pairwise(closes)]
    assert moves[1439] < 10 * sorted(moves)[len(moves) // 2] + 0.02


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 500), st.integers(0, 9)), min_size=1, max_size=60))
def test_candles_of_ticks_enclose_every_tick(raw: list[tuple[int, int, int]]) -> None:
    ticks = [Tick(seconds * SECOND, "X/Y", price, volume) for seconds, price, volume in sorted(raw)]
    made = list(from_ticks("X/Y", [*ticks, Tick(10**12, "X/Y", 1, 0)], MINUTE))
    for one in made:
        inside = [tick for tick in ticks if one.opened <= tick.ts < one.ts]
        assert (one.open, one.close) == (inside[0].price, inside[-1].price)
        assert (one.high, one.low) == (max(t.price for t in inside), min(t.price for t in inside))
        assert one.volume == sum(tick.volume for tick in inside)
    assert sum(one.volume for one in made) == sum(tick.volume for tick in ticks)


def test_gaps_are_counted_where_they_end() -> None:
    seen = list(with_gaps([flat(0, 1.0), flat(1, 1.0), flat(5, 1.0)], MINUTE))
    assert [one.gap for one in seen] == [0, 0, 3]


def test_a_longer_candle_that_lacks_its_end_comes_when_the_next_one_begins() -> None:
    seen = list(longer([flat(0, 1.0), flat(1, 2.0), flat(5, 3.0), flat(10, 4.0)], 5 * MINUTE))
    assert [(one.opened // MINUTE, one.close) for one in seen] == [(0, 4), (5, 6)]


def test_the_order_of_many_sources_leaves_nothing_to_chance() -> None:
    def at(symbol: str, *minutes: int) -> list[Candle]:
        return [Candle((n + 1) * MINUTE, symbol, n * MINUTE, 1, 1, 1, 1, 1) for n in minutes]

    seen = merge([iter(at("A", 0, 1, 3)), iter(at("B", 0, 2, 3)), iter(at("C"))])
    assert [(one.symbol, one.opened // MINUTE) for one in seen] == [
        ("A", 0), ("B", 0), ("A", 1), ("B", 2), ("A", 3), ("B", 3),
    ]  # fmt: skip


def test_the_guard_keeps_the_last_good_time() -> None:
    guard = Guard()
    good = (1.0, 2.0, 0.5, 1.5)
    assert guard.judge(10, good, 1.0) is None
    assert guard.judge(20, (NAN, 2.0, 0.5, 1.5), 1.0) is Flaw.NOT_A_NUMBER
    assert guard.judge(20, good, -1.0) is Flaw.NOT_POSITIVE
    assert guard.judge(10, good, 1.0) is Flaw.DUPLICATE
    assert guard.judge(20, good, float("inf")) is Flaw.NOT_A_NUMBER
    assert guard.judge(20, good, 0.0) is None
    assert (guard.kept, guard.left_out) == (2, 4)


def test_two_symbols_loop_over_the_same_span(tmp_path: Path) -> None:
    write(tmp_path, rows(4))
    write(tmp_path, rows(2, first=1), symbol="ETH-USD")
    market = feed(tmp_path, loop=True, symbols=("BTC/USD", "ETH/USD"))
    btc = list(itertools.islice(shown(market, "BTC/USD", 0), 8))
    eth = list(itertools.islice(shown(market, "ETH/USD", 0), 4))
    assert [one.ts for one in eth] == [btc[1].ts, btc[2].ts, btc[5].ts, btc[6].ts]
    assert [one.gap for one in eth] == [0, 0, 2, 0]
    assert candle(0, (1, 1, 1, 1)).gap == 0
