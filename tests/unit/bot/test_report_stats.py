"""The figures against naive computations, against values worked out by hand, and where they are not defined."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tradingbot.domain.market import DAY
from tradingbot.report import stats

EQUITY = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60)
RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60)
PROFITS = st.lists(st.decimals(-1000, 1000, places=8), max_size=40)


@given(EQUITY)
def test_the_drawdown_is_the_deepest_of_all_pairs(values: list[float]) -> None:
    times = list(range(len(values)))
    found = stats.max_drawdown(times, values)
    pairs = [(high - low) / high for i, high in enumerate(values) for low in values[i:]]
    assert found.depth == pytest.approx(max(pairs))
    assert found.depth == pytest.approx(max(stats.drawdown_series(values)))
    if found.depth:
        assert found.peak_ts < found.trough_ts
        peak, trough = values[found.peak_ts], values[found.trough_ts]
        assert (peak - trough) / peak == pytest.approx(found.depth)
        back = [ts for ts in times if ts > found.trough_ts and values[ts] >= peak]
        assert found.recovered_ts == (back[0] if back else None)


@given(EQUITY)
def test_time_under_water_is_the_longest_stretch_between_peaks(values: list[float]) -> None:
    times = [7 * index for index in range(len(values))]
    longest = 0
    for start, value in enumerate(values):
        if value < max(values[: start + 1]):
            continue
        after = next((end for end in range(start + 1, len(values)) if values[end] >= value), None)
        end = after if after is not None else len(values) - 1
        if end > start + 1 or (after is None and end > start):
            longest = max(longest, times[end] - times[start])
    assert stats.longest_under_water(times, values) == longest


@given(RETURNS)
def test_sharpe_and_sortino_are_their_formulas(returns: list[float]) -> None:
    mean = sum(returns) / len(returns)
    deviation = statistics.stdev(returns)
    found = stats.sharpe(returns)
    assume(deviation == 0 or deviation > 1e-9)
    assert (found is None) == (deviation == 0)
    if found is not None:
        assert found == pytest.approx(mean / deviation * math.sqrt(365), rel=1e-6, abs=1e-6)
    downside = math.sqrt(sum(value**2 for value in returns if value < 0) / len(returns))
    assume(downside == 0 or downside > 1e-9)
    second = stats.sortino(returns)
    assert (second is None) == (downside == 0)
    if second is not None:
        assert second == pytest.approx(mean / downside * math.sqrt(365), rel=1e-6, abs=1e-6)


def test_values_worked_out_by_hand() -> None:
    assert stats.total_return(100, 110) == pytest.approx(0.1)
    assert stats.cagr(100, 121, 730) == pytest.approx(0.1)
    assert stats.cagr(100, 110, 365) == pytest.approx(0.1)
    assert stats.sharpe([0.01, 0.03]) == pytest.approx(0.02 / math.sqrt(0.0002) * math.sqrt(365))
    assert stats.sortino([0.03, -0.01]) == pytest.approx(0.01 / math.sqrt(0.00005) * math.sqrt(365))
    assert stats.calmar(0.3, 0.15) == pytest.approx(2.0)
    fall = stats.max_drawdown([1, 2, 3, 4, 5], [100, 120, 90, 119, 120])
    assert (fall.depth, fall.peak_ts, fall.trough_ts, fall.recovered_ts) == (0.25, 2, 3, 5)
    assert stats.longest_under_water([1, 2, 3, 4, 5], [100, 120, 90, 119, 120]) == 3
    profits = [Decimal(30), Decimal(-10), Decimal(-5), Decimal(0)]
    assert stats.profit_factor(profits) == 2
    assert stats.win_rate(profits) == Decimal("0.25")
    assert stats.expectancy(profits) == Decimal("3.75")
    assert stats.mean_of(profits, -1) == Decimal("-7.5")
    assert stats.slippage(Decimal(101), Decimal(100), Decimal(2), 1) == 2
    assert stats.slippage(Decimal(101), Decimal(100), Decimal(2), -1) == -2


def test_what_is_not_defined_is_none_and_not_zero() -> None:
    assert stats.cagr(100, 110, 0.5) is None
    assert stats.cagr(100, 0, 30) is None
    assert stats.cagr(1, 1e12, 1) is None  # more than a float can say
    assert stats.sharpe([0.01]) is None
    assert stats.sharpe([0.01, 0.01]) is None
    assert stats.sortino([0.01, 0.02]) is None
    assert stats.calmar(None, 0.1) is None
    assert stats.calmar(0.1, 0.0) is None
    assert stats.profit_factor([Decimal(1)]) is None
    assert stats.win_rate([]) is None
    assert stats.expectancy([]) is None
    assert stats.max_drawdown([], []).depth == 0
    assert stats.longest_under_water([], []) == 0


@given(PROFITS)
def test_trade_figures_fit_together_exactly(profits: list[Decimal]) -> None:
    rate, mean = stats.win_rate(profits), stats.expectancy(profits)
    if not profits:
        assert rate is mean is None
        return
    assert rate is not None
    assert mean is not None
    assert 0 <= rate <= 1
    assert abs(mean * len(profits) - sum(profits)) < Decimal("1e-30")
    factor = stats.profit_factor(profits)
    if factor is not None:
        assert (factor > 1) == (sum(profits) > 0)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=12), st.integers(1, 120))
def test_exposure_counts_each_moment_once(spans: list[tuple[int, int]], end: int) -> None:
    intervals = [(start, start + length) for start, length in spans]
    covered = sum(any(start <= moment < stop for start, stop in intervals) for moment in range(end))
    assert stats.exposure(intervals, 0, end) == pytest.approx(covered / end)


@given(
    st.lists(st.tuples(st.integers(1, 40 * 24), st.floats(50, 200)), min_size=1, max_size=60, unique_by=lambda p: p[0])
)
def test_days_and_months_multiply_to_the_whole(points: list[tuple[int, float]]) -> None:
    points.sort()
    closes = stats.daily_closes([hour * DAY // 24 for hour, _ in points], [value for _, value in points])
    assert list(closes.values())[-1] == points[-1][1]
    whole = points[-1][1] / 100.0
    for returns in (stats.daily_returns(100.0, closes), stats.monthly_returns(100.0, closes)):
        assert math.prod(1 + value for value in returns.values()) == pytest.approx(whole)


def test_a_candle_that_closes_at_midnight_belongs_to_the_day_before() -> None:
    assert stats.daily_closes([DAY, DAY + 1, 2 * DAY], [1.0, 2.0, 3.0]) == {0: 1.0, 1: 3.0}


def test_every_formula_names_its_unit_and_the_module_its_conventions() -> None:
    text = stats.__doc__ or ""
    assert "UTC days" in text
    assert "365 days" in text
    assert stats.YEAR_DAYS == 365
