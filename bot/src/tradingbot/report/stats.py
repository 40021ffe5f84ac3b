"""Figures of a run: pure functions, each with its source. None means that a figure is not defined, never 0 instead.

Returns are those of UTC days: the equity at the end of a day over that at the end of the day before (the first one
over the capital), minus 1. The first and the last day count even where they are not whole. A year has 365 days, as the
market never closes; the risk-free rate is 0. Fractions are fractions (0.15 is 15 %), times are microseconds.
Money of single trades is Decimal; what is made of many days is float, as it is an estimate and not money.
"""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain.market import DAY, SECOND, day_of
from tradingbot.domain.money import WIDE, ZERO, ratio, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

YEAR_DAYS = 365
"""Days of a year in which the market never closes."""


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The deepest fall of a series from its peak so far."""

    depth: float = 0.0
    """As a fraction of the peak."""
    peak_ts: int = 0
    trough_ts: int = 0
    recovered_ts: int | None = None
    """When the peak was reached again, None when it was not."""


def total_return(first: float, last: float) -> float | None:
    """Return last / first - 1 (simple holding period return; CFA Institute, GIPS 2020)."""
    return last / first - 1.0 if first > 0 else None


def cagr(first: float, last: float, days: float) -> float | None:
    """Return the compound annual growth rate, (last / first) ** (365 / days) - 1; None below one day.

    Of a few weeks it says little: a month's luck to the power of twelve.
    """
    if first <= 0 or last <= 0 or days < 1:
        return None
    exponent = math.log(last / first) * YEAR_DAYS / days
    return math.expm1(exponent) if exponent < 700 else None


def daily_closes(times: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Return the last value of each UTC day (days since 1970-01-01) of a series in order of time."""
    # A point at midnight is the end of the day before: candles are stamped with their close.
    return {day_of(ts - 1): value for ts, value in zip(times, values, strict=True)}


def daily_returns(capital: float, closes: dict[int, float]) -> dict[int, float]:
    """Return the return of each UTC day; a day without any value is left out, and the next one covers both."""
    returns, before = {}, capital
    for day, value in closes.items():
        returns[day] = value / before - 1.0 if before > 0 else 0.0
        before = value
    return returns


def monthly_returns(capital: float, closes: dict[int, float]) -> dict[str, float]:
    """Return the return of each calendar month in UTC, by `YYYY-MM`; the first and last may not be whole."""
    ends: dict[str, float] = {}
    for day, value in closes.items():
        ends[datetime.fromtimestamp(day * DAY // SECOND, UTC).strftime("%Y-%m")] = value
    returns, before = {}, capital
    for month, value in ends.items():
        returns[month] = value / before - 1.0 if before > 0 else 0.0
        before = value
    return returns


def sharpe(returns: Sequence[float]) -> float | None:
    """Return mean / sample standard deviation of daily returns, times sqrt(365) (Sharpe 1994, risk-free rate 0)."""
    if len(returns) < 2:
        return None
    deviation = statistics.stdev(returns)
    return statistics.fmean(returns) / deviation * math.sqrt(YEAR_DAYS) if deviation > 0 else None


def sortino(returns: Sequence[float]) -> float | None:
    """Return mean / downside deviation of daily returns, times sqrt(365) (Sortino & Price 1994, target 0).

    The downside deviation is the root of the mean of min(r, 0) squared over all days, not only over the bad ones.
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(math.fsum(min(value, 0.0) ** 2 for value in returns) / len(returns))
    return statistics.fmean(returns) / downside * math.sqrt(YEAR_DAYS) if downside > 0 else None


def max_drawdown(times: Sequence[int], values: Sequence[float]) -> Drawdown:
    """Return the deepest fall from a peak so far, (peak - value) / peak (Magdon-Ismail & Atiya 2004)."""
    peak, peak_ts = -math.inf, 0
    found = Drawdown()
    level = math.inf
    for ts, value in zip(times, values, strict=True):
        if value >= level and found.recovered_ts is None and found.depth:
            found = msgspec.structs.replace(found, recovered_ts=ts)
        if value > peak:
            peak, peak_ts = value, ts
        depth = (peak - value) / peak if peak > 0 else 0.0
        if depth > found.depth:
            found = Drawdown(depth=depth, peak_ts=peak_ts, trough_ts=ts)
            level = peak
    return found


def longest_under_water(times: Sequence[int], values: Sequence[float]) -> int:
    """Return the longest time without a new peak: from a peak until it is reached again, or the series ends."""
    longest, peak, since = 0, -math.inf, times[0] if times else 0
    under = False
    for ts, value in zip(times, values, strict=True):
        if value >= peak:
            if under:
                longest = max(longest, ts - since)
            peak, since, under = value, ts, False
        else:
            under = True
            longest = max(longest, ts - since)
    return longest


def drawdown_series(values: Iterable[float]) -> list[float]:
    """Return for each value how far it is below the peak so far, as a fraction of that (0 at a peak)."""
    peak, series = -math.inf, []
    for value in values:
        peak = max(peak, value)
        series.append((peak - value) / peak if peak > 0 else 0.0)
    return series


def calmar(growth: float | None, depth: float) -> float | None:
    """Return the annual growth rate over the maximum drawdown (Young 1991, here over the whole run)."""
    return growth / depth if growth is not None and depth > 0 else None


def profit_factor(profits: Sequence[Decimal]) -> Decimal | None:
    """Return gross profit over gross loss of finished trades, fees included (Schwager); None without a loss."""
    lost = -total(value for value in profits if value < 0)
    return ratio(total(value for value in profits if value > 0), lost) if lost else None


def win_rate(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the part of finished trades that earned more than their fees."""
    return ratio(Decimal(sum(value > 0 for value in profits)), Decimal(len(profits))) if profits else None


def expectancy(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the mean result of a finished trade in quote currency, fees included (Tharp 1998)."""
    return ratio(total(profits), Decimal(len(profits))) if profits else None


def mean_of(profits: Sequence[Decimal], sign: int) -> Decimal | None:
    """Return the mean of the winners (`sign` 1) or losers (-1) in quote currency."""
    chosen = [value for value in profits if value * sign > 0]
    return ratio(total(chosen), Decimal(len(chosen))) if chosen else None


def exposure(spans: Iterable[tuple[int, int]], begin: int, end: int) -> float:
    """Return the part of the time from `begin` to `end` in which at least one position was open."""
    if end <= begin:
        return 0.0
    covered, reached = 0, begin
    for opened, closed in sorted(spans):
        start, stop = max(opened, reached), min(closed, end)
        if stop > start:
            covered += stop - start
            reached = stop
    return covered / (end - begin)


def slippage(price: Decimal, reference: Decimal, quantity: Decimal, sign: int) -> Decimal:
    """Return what a fill cost more than at its reference price, in quote currency (Perold 1988).

    `sign` is +1 for a purchase. The reference of a market order is the price at which it was decided on, that of a
    stop its stop price, that of a limit order its limit. Below zero: the fill was better than that.
    """
    return WIDE.multiply(WIDE.multiply(WIDE.subtract(price, reference), quantity), Decimal(sign))


def rounded(value: Decimal | None, digits: int = 8) -> Decimal | None:
    """Cut the endless digits of a division for display; money of the ledger never passes here."""
    return None if value is None else value.quantize(Decimal(1).scaleb(-digits)) + ZERO
