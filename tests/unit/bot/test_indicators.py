from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.strategy.indicators import Atr, Extreme, Sma

VALUES = st.lists(st.integers(1, 1_000_000), min_size=1, max_size=120)
SIZE = st.integers(1, 25)


@given(VALUES, SIZE)
def test_the_running_average_is_the_one_computed_anew(values: list[int], size: int) -> None:
    sma = Sma(size)
    for end, value in enumerate(values, 1):
        found = sma.update(value)
        assert found == (sum(values[end - size : end]) / size if end >= size else None)


@given(VALUES, SIZE, st.sampled_from([1, -1]))
def test_the_running_extreme_is_the_one_computed_anew(values: list[int], size: int, sign: int) -> None:
    extreme = Extreme(size, sign)
    pick = max if sign > 0 else min
    for end, value in enumerate(values, 1):
        extreme.update(value)
        assert extreme.value == (pick(values[end - size : end]) if end >= size else None)


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=80), SIZE
)
def test_the_average_true_range_follows_wilder(rows: list[tuple[int, int, int]], size: int) -> None:
    atr, ranges, last = Atr(size), [], None
    expected = 0.0
    for close, up, down in rows:
        high, low = close + up, close - down
        reach = high - low if last is None else max(high - low, abs(high - last), abs(low - last))
        last = close
        ranges.append(reach)
        count = len(ranges)
        expected = sum(ranges) / count if count <= size else expected + (reach - expected) / size
        found = atr.update(high, low, close)
        assert found == (pytest.approx(expected, rel=1e-9, abs=1e-6) if count >= size else None)


@given(VALUES, SIZE)
def test_an_indicator_goes_on_where_it_was_saved(values: list[int], size: int) -> None:
    whole, split = Extreme(size, 1), Extreme(size, 1)
    for number, value in enumerate(values):
        if number == len(values) // 2:
            split = msgspec.json.decode(msgspec.json.encode(split), type=Extreme)
        whole.update(value)
        split.update(value)
        assert whole == split
