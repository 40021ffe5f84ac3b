"""The result as one document: what `backtest.json` holds and what the report draws.

Money is in quote currency and exact (as text in JSON), fractions are fractions, times are microseconds of market time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot import __version__
from tradingbot.backtest.setup import InputFile, iso
from tradingbot.domain.denial import MEANING, DenialCode
from tradingbot.domain.market import DAY
from tradingbot.domain.money import ZERO, ratio
from tradingbot.report import stats
from tradingbot.report.trips import RoundTrip, Totals, round_trips

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.backtest.run import Backtest
    from tradingbot.domain.orders import Order

FORMAT = "tradingbot-backtest/1"
CURVE_POINTS = 1500
"""The curves are thinned out to about this many points; figures are computed of all of them."""


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures. `report.stats` says how each is computed."""

    days: float
    capital: Decimal
    final_equity: Decimal
    total_return: float | None
    buy_and_hold: float | None
    """Mean over the symbols of last close / first close - 1, without costs."""
    cagr: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: stats.Drawdown
    longest_under_water: int
    calmar: float | None
    trades: int
    """Round trips that ended; a position that is open at the end is not among them."""
    win_rate: Decimal | None
    profit_factor: Decimal | None
    expectancy: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    exposure: float
    fees: Decimal
    slippage: Decimal
    turnover: Decimal
    """Value of all fills."""
    orders: int
    fills: int


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order with its end."""

    client_id: str
    ts: int
    symbol: str
    side: str
    type: str
    role: str
    state: str
    quantity: Decimal
    filled: Decimal
    average_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    fees: Decimal
    note: str


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """How often the gate said no for one reason, and what it said last."""

    code: str
    count: int
    meaning: str
    last_ts: int
    last_facts: dict[str, str]


class Ledger(msgspec.Struct, frozen=True):
    """sha256 of all postings in plain digits: the same for the same data, seed and configuration."""

    sha256: str
    postings: int


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the result is a function of."""

    version: str
    strategy: str
    parameters: dict[str, str]
    """All of them, the defaults too."""
    symbols: tuple[str, ...]
    timeframe: str
    quote: str
    dataset: str
    """Name of the recorded dataset, empty for the synthetic market."""
    begin: str
    end: str
    seed: int
    candles: int
    config_sha256: str
    files: tuple[InputFile, ...]
    risk: dict[str, Any]
    simulation: dict[str, Any]


class Curve(msgspec.Struct, frozen=True):
    """Thinned-out series, one value per point; `ts` in microseconds."""

    ts: list[int]
    equity: list[float]
    drawdown: list[float]


class PriceCurve(msgspec.Struct, frozen=True):
    """Prices of one symbol in quote currency, thinned out: extremes and last close of each stretch."""

    ts: list[int]
    high: list[float]
    low: list[float]
    close: list[float]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything."""

    format: str
    inputs: Inputs
    metrics: Metrics
    ledger: Ledger
    halts: list[dict[str, str]]
    """Why and when trading ended before the data did."""
    alarms: list[dict[str, str]]
    open_positions: list[dict[str, Any]]
    denials: list[Denial]
    round_trips: list[RoundTrip]
    orders: list[OrderRow]
    daily_returns: dict[str, float]
    monthly_returns: dict[str, float]
    curve: Curve
    prices: dict[str, PriceCurve]


def build(backtest: Backtest) -> Result:
    """Make the document of a finished run."""
    record, engine, market = backtest.record, backtest.engine, backtest.market
    trips, totals = round_trips(record.trades, record.references, record.decided)
    times, values = record.equity_ts, record.equity
    capital = float(engine.config.capital)
    closes = stats.daily_closes(times, values)
    returns = stats.daily_returns(capital, closes)
    return Result(
        format=FORMAT,
        inputs=_inputs(backtest),
        metrics=_metrics(backtest, trips, totals, list(returns.values())),
        ledger=Ledger(record.ledger.hexdigest(), record.ledger.postings),
        halts=[{"ts": iso(latch.ts), "source": latch.source, "reason": latch.reason} for latch in record.latches]
        + _failed(backtest),
        alarms=[{"ts": iso(alarm.ts), "code": alarm.code, "text": alarm.text} for alarm in record.alarms],
        open_positions=[_position(backtest, position.symbol) for position in engine.state.book.open_positions()],
        denials=_denials(backtest),
        round_trips=trips,
        orders=[_order(order) for order in record.orders.values()],
        daily_returns={iso(day * DAY)[:10]: value for day, value in returns.items()},
        monthly_returns=stats.monthly_returns(capital, closes),
        curve=_curve([market.begin, *times], [capital, *values]),
        prices={symbol: _prices(backtest, symbol) for symbol in record.prices},
    )


def encode(result: Result) -> bytes:
    """Write the document; the same result gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(result, order="deterministic"), indent=1) + b"\n"


def _metrics(backtest: Backtest, trips: list[RoundTrip], totals: Totals, returns: list[float]) -> Metrics:
    record, engine, market = backtest.record, backtest.engine, backtest.market
    capital, final = engine.config.capital, engine.equity
    times, values = [market.begin, *record.equity_ts], [float(capital), *record.equity]
    days = (times[-1] - times[0]) / DAY
    fall = stats.max_drawdown(times, values)
    growth = stats.cagr(float(capital), float(final), days)
    profits = [trip.profit for trip in trips if trip.closed]
    spans = [(trip.opened, trip.closed or times[-1]) for trip in trips]
    held = [prices.close[-1] / prices.close[0] - 1.0 for prices in record.prices.values() if prices.close]
    return Metrics(
        days=round(days, 6),
        capital=capital,
        final_equity=final,
        total_return=stats.total_return(float(capital), float(final)),
        buy_and_hold=sum(held) / len(held) if held else None,
        cagr=growth,
        sharpe=stats.sharpe(returns),
        sortino=stats.sortino(returns),
        max_drawdown=fall,
        longest_under_water=stats.longest_under_water(times, values),
        calmar=stats.calmar(growth, fall.depth),
        trades=len(profits),
        win_rate=stats.rounded(stats.win_rate(profits), 6),
        profit_factor=stats.rounded(stats.profit_factor(profits), 6),
        expectancy=stats.rounded(stats.expectancy(profits)),
        average_win=stats.rounded(stats.mean_of(profits, 1)),
        average_loss=stats.rounded(stats.mean_of(profits, -1)),
        best=max(profits, default=None),
        worst=min(profits, default=None),
        exposure=stats.exposure(spans, times[0], times[-1]),
        fees=totals.fees,
        slippage=totals.slippage,
        turnover=totals.turnover,
        orders=len(record.orders),
        fills=len(record.trades),
    )


def _inputs(backtest: Backtest) -> Inputs:
    settings, engine, market = backtest.settings, backtest.engine, backtest.market
    strategy = next(iter(engine.strategies.values()))
    return Inputs(
        version=__version__,
        strategy=settings.strategy.name,
        parameters={name: str(value) for name, value in strategy.params.model_dump().items()},
        symbols=engine.config.symbols,
        timeframe=settings.strategy.timeframe,
        quote=engine.config.quote,
        dataset=settings.simulation.feed.dataset if market.files else "",
        begin=iso(market.begin),
        end=iso(backtest.record.equity_ts[-1]),
        seed=settings.simulation.seed,
        candles=backtest.record.candles,
        config_sha256=settings.config_hash,
        files=market.files,
        risk=settings.risk.model_dump(mode="json"),
        simulation=settings.simulation.model_dump(mode="json", exclude={"feed": {"speed", "loop"}}),
    )


def _failed(backtest: Backtest) -> list[dict[str, str]]:
    """Return the strategy's own failure: it halts trading without a latch that outlives the process."""
    end = iso(backtest.record.equity_ts[-1])
    known = {latch.source for latch in backtest.record.latches}
    moments = {alarm.text: iso(alarm.ts) for alarm in backtest.record.alarms}
    return [
        {"ts": moments.get(entry.reason, end), "source": entry.source, "reason": entry.reason}
        for entry in backtest.engine.board.restrictions()
        if entry.source not in known
    ]


def _position(backtest: Backtest, symbol: str) -> dict[str, Any]:
    book, price = backtest.engine.state.book, backtest.engine.price(symbol)
    position = book.positions[symbol]
    return {
        "symbol": symbol,
        "quantity": position.quantity,
        "cost": position.cost,
        "price": price,
        "unrealized": book.unrealized(symbol, price) if price is not None else ZERO,
        "stop_loss": position.stop_loss,
        "take_profit": position.take_profit,
        "opened": iso(position.opened),
    }


def _denials(backtest: Backtest) -> list[Denial]:
    last = {decision.code: decision for decision in backtest.record.denials}
    counts: Mapping[str, int] = backtest.record.denied
    return [
        Denial(
            code=code,
            count=counts[code],
            meaning=MEANING[DenialCode(code)],
            last_ts=last[code].ts,
            last_facts=dict(last[code].facts),
        )
        for code in sorted(counts, key=lambda code: (-counts[code], code))
    ]


def _order(order: Order) -> OrderRow:
    intent = order.intent
    average = stats.rounded(ratio(order.value, order.filled)) if order.filled else None
    return OrderRow(
        client_id=intent.client_id,
        ts=intent.ts,
        symbol=intent.symbol,
        side=intent.side.value,
        type=intent.type.value,
        role=intent.role.value,
        state=order.state.value,
        quantity=intent.quantity,
        filled=order.filled,
        average_price=average,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        fees=order.fees,
        note=order.note,
    )


def _curve(times: list[int], values: list[float]) -> Curve:
    """Keep of each stretch its first, lowest, highest and last point: no peak and no fall is lost."""
    falls = stats.drawdown_series(values)
    step = max(1, len(times) * 4 // CURVE_POINTS)
    kept: set[int] = set()
    for start in range(0, len(times), step):
        stretch = range(start, min(start + step, len(times)))
        lowest, highest = min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)
        kept.update((stretch[0], lowest, highest, stretch[-1]))
    chosen = sorted(kept)
    return Curve(
        [times[i] for i in chosen],
        [round(values[i], 8) for i in chosen],
        [round(falls[i], 8) for i in chosen],
    )


def _prices(backtest: Backtest, symbol: str) -> PriceCurve:
    prices, tick = backtest.record.prices[symbol], float(backtest.engine.state.instruments[symbol].tick)
    step = max(1, len(prices.ts) // CURVE_POINTS)
    starts = range(0, len(prices.ts), step)
    return PriceCurve(
        [prices.ts[min(start + step, len(prices.ts)) - 1] for start in starts],
        [round(max(prices.high[start : start + step]) * tick, 8) for start in starts],
        [round(min(prices.low[start : start + step]) * tick, 8) for start in starts],
        [round(prices.close[min(start + step, len(prices.ts)) - 1] * tick, 8) for start in starts],
    )
