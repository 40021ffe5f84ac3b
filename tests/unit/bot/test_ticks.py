"""Every trade of the market: as events, as candles, and as what the simulated exchange executes on."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, FUTURES, Bot, ScriptedParams, buy, config, leave
from tests.unit.bot.test_feeds import START
from tests.unit.bot.test_sim_exchange import FREE, order, submit, venue

from tradingbot.backtest.run import Backtest
from tradingbot.backtest.setup import Options, market
from tradingbot.backtest.setup import settings as backtest_settings
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.events import Closed, Fill, Liquidity
from tradingbot.domain.instrument import MarketType
from tradingbot.domain.market import MINUTE, SECOND, Candle, MarketEvent, Tick
from tradingbot.domain.money import plain
from tradingbot.domain.orders import OrderType, Role, Side
from tradingbot.domain.states import State
from tradingbot.feeds import catalogue
from tradingbot.feeds.candles import from_ticks
from tradingbot.feeds.recorded import RecordedFeed
from tradingbot.feeds.synthetic import BEGIN, SyntheticFeed
from tradingbot.risk.limits import Limits
from tradingbot.strategy.base import Context, Proposal, Strategy
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tradingbot.venues.sim.exchange import SimExchange


def tick(second: float, price: float, volume: float = 1.0, **around: int) -> Tick:
    """Make a trade of BTC/USD at a moment, in USD and BTC."""
    return Tick(round(second * SECOND), "BTC/USD", round(price / 0.5), round(volume / 0.0001), **around)


def fills(exchange: SimExchange, *ticks: Tick) -> list[tuple[str, str, str]]:
    found = [event for one in ticks for event in exchange.match(one)]
    return [(event.client_id, plain(event.quantity), plain(event.price)) for event in found if isinstance(event, Fill)]


class OnTick(Strategy[ScriptedParams, Any]):
    """Proposes what the script says for the number of the tick; counts candles."""

    Params = ScriptedParams

    def __init__(self, script: dict[int, Proposal | Exception]) -> None:
        super().__init__(ScriptedParams())
        self.script, self.ticks, self.candles = script, 0, 0

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        del ctx, candle
        self.candles += 1
        return ()

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        assert (ctx.now, ctx.price) == (tick.ts, BTC.price(tick.price))
        self.ticks += 1
        found = self.script.get(self.ticks)
        if isinstance(found, Exception):
            raise found
        return (found,) if found is not None else ()


# -- the exchange ------------------------------------------------------------------------------------------------------


def test_a_market_order_fills_at_the_first_trade_after_it_arrived() -> None:
    exchange = venue(msgspec.structs.replace(FREE, latency=100_000))
    submit(exchange, order(1))
    assert fills(exchange, tick(0.05, 1000), tick(0.1, 1001)) == [("o1", "0.1", "1001")]
    assert exchange.state.now == 100_000


def test_a_taker_pays_the_best_price_of_the_other_side_where_the_feed_knows_it() -> None:
    exchange = venue(SimRules(latency=0, latency_jitter=0, slippage=Decimal(0), spread=Decimal("0.01")), FUTURES)
    submit(exchange, order(1))
    submit(exchange, order(2, Side.SELL))
    known = tick(1, 1000, bid=1990, ask=2004)
    assert fills(exchange, known) == [("o1", "0.1", "1002"), ("o2", "0.1", "995")]
    submit(exchange, order(3))
    assert fills(exchange, tick(2, 1000)) == [("o3", "0.1", "1005")]


def test_size_costs_and_what_the_book_does_not_hold_waits_for_the_next_trade() -> None:
    rules = SimRules(
        latency=0, latency_jitter=0, spread=Decimal(0), slippage=Decimal("0.01"), depth=Decimal(1000),
        commission=Decimal(0),
    )  # fmt: skip
    small, large = venue(rules), venue(rules)
    submit(small, order(1, quantity=Decimal("0.1")))
    submit(large, order(1, quantity=Decimal("2.5")))
    assert fills(small, tick(1, 1000)) == [("o1", "0.1", "1011")]
    assert fills(large, tick(1, 1000), tick(2, 1000), tick(3, 1000)) == [
        ("o1", "1", "1020"), ("o1", "1", "1020"), ("o1", "0.5", "1015"),
    ]  # fmt: skip


def test_a_stop_fills_at_the_trade_that_hit_it_behind_a_gap_too() -> None:
    exchange = venue()
    submit(exchange, order(900))
    fills(exchange, tick(0, 1000))
    submit(exchange, order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True, role=Role.STOP))
    assert fills(exchange, tick(1, 1000), tick(2, 990.5)) == []
    assert fills(exchange, tick(3, 950)) == [("o1", "0.1", "950")]


def test_a_limit_order_waits_for_a_trade_beyond_its_price_and_gets_its_share_of_it() -> None:
    exchange = venue()
    submit(exchange, order(900, quantity=Decimal("0.5")))
    fills(exchange, tick(0, 1000))
    submit(exchange, order(1, Side.SELL, OrderType.LIMIT, quantity=Decimal("0.5"), limit_price=Decimal(1010),
                           reduce_only=True))  # fmt: skip
    assert fills(exchange, tick(1, 1009.5), tick(2, 1010)) == []
    (first,) = exchange.match(tick(3, 1020, volume=3.0))
    assert isinstance(first, Fill)
    # A tenth of three is there for those that wait, at their own price.
    assert (first.quantity, first.price, first.liquidity) == (Decimal("0.3"), Decimal(1010), Liquidity.MAKER)
    assert fills(exchange, tick(3, 1020, volume=3.0), tick(4, 1005), tick(5, 1011, volume=9.0)) == [
        ("o1", "0.2", "1010"),
    ]  # fmt: skip
    assert exchange.state.orders == {}


def test_a_candle_that_was_made_of_ticks_executes_nothing_again() -> None:
    exchange = venue()
    submit(exchange, order(1))
    assert exchange.match(Candle(MINUTE, "BTC/USD", 0, 2000, 2000, 2000, 2000, 10_000, made=True)) == []
    assert exchange.state.orders
    assert exchange.state.now == MINUTE


@settings(max_examples=200)
@given(
    prices=st.lists(st.integers(1900, 2100), min_size=1, max_size=60),
    orders=st.lists(
        st.tuples(
            st.integers(0, 59), st.sampled_from(Side), st.sampled_from(OrderType), st.integers(1900, 2100),
            st.booleans(),
        ),
        max_size=12,
    ),
    latency=st.sampled_from([0, 1_500_000]),
)  # fmt: skip
def test_looking_away_changes_nothing(prices: list[int], orders: list[Any], latency: int) -> None:
    """The band that lets a tick pass unlooked-at against an exchange that looks at every order on every tick."""
    rules = msgspec.structs.replace(FREE, latency=latency)
    quick, careful = venue(rules, FUTURES), venue(rules, FUTURES)
    for number, price in enumerate(prices):
        one = Tick(number * SECOND + 1, "BTC/USD", price, 5_000)
        seen = []
        for exchange in (quick, careful):
            if exchange is careful:
                exchange._bands.clear()
                exchange._bands["BTC/USD"] = exchange._bands.get("BTC/USD") or everything()
            seen.append(msgspec.json.encode([list(exchange.match(one)), exchange.state], order="deterministic"))
            exchange.advance(one.ts)
            for key, (when, side, kind, level, reduce_only) in enumerate(orders):
                if when == number:
                    at = {OrderType.LIMIT: "limit_price", OrderType.STOP: "stop_price"}.get(kind)
                    changes = {at: BTC.price(level)} if at else {}
                    submit(exchange, order(key, side, kind, reduce_only=reduce_only, **changes))
        assert seen[0] == seen[1]


def everything() -> Any:
    from tradingbot.venues.sim.band import Band

    return Band(0, 1 << 62, -1)


# -- the engine --------------------------------------------------------------------------------------------------------


def on_ticks(script: dict[int, Any], **changes: Any) -> Bot:
    return Bot(
        lambda: OnTick(script), settings=config(strategy_interval=0, **changes), rules=SimRules(latency_jitter=0)
    )


def test_a_strategy_enters_and_leaves_on_ticks() -> None:
    robot = on_ticks({1: buy(990, 1050), 4: leave()})
    robot.show(*(tick(second, 1000 + second / 2) for second in range(1, 8)))
    assert [trade.role.value for trade in robot.trades] == ["entry", "exit"]
    assert [decision.ts for decision in robot.decisions] == [SECOND, 4 * SECOND]
    assert robot.engine.desk.live() == []


def test_wishes_between_candles_count_once_per_interval() -> None:
    robot = Bot(lambda: OnTick(dict.fromkeys(range(1, 200), leave())), settings=config(strategy_interval=MINUTE))
    robot.show(*(tick(second, 1000) for second in range(1, 131)))
    assert [decision.ts // SECOND for decision in robot.decisions] == [1, 61, 121]


def test_a_strategy_that_raises_on_a_tick_halts_the_bot() -> None:
    robot = on_ticks({2: ValueError("no")}).show(tick(1, 1000), tick(2, 1000))
    assert robot.board.state is State.HALTED
    assert "scripted raised ValueError" in robot.board.restrictions()[0].reason


@settings(max_examples=100)
@given(moves=st.lists(st.integers(-40, 40), min_size=3, max_size=80), size=st.sampled_from(["0.05", "0.9"]))
def test_the_value_of_the_account_is_exact_on_every_tick(moves: list[int], size: str) -> None:
    """Whole numbers against Decimals from scratch; peak and limits against those of an engine that always looks."""
    limits = Limits(
        cost=Decimal("0.0012"), commission=Decimal("0.001"), max_position_size=Decimal(size),
        risk_per_trade=Decimal(1), min_risk_reward_ratio=Decimal(0), max_drawdown=Decimal("0.02"),
        daily_loss_limit=Decimal("0.02"),
    )  # fmt: skip
    robot, looking = (on_ticks({1: buy(600, 1900), 40: leave()}, limits=limits) for _ in range(2))
    price = 1000.0
    for second, move in enumerate(moves, 1):
        price = max(700.0, price + move / 2)
        looking.engine._equity.due = 0
        for one in (robot, looking):
            one.show(tick(second, price))
        book = robot.engine.state.book
        held = sum((p.quantity * BTC.price(round(price / 0.5)) for p in book.open_positions()), Decimal(0))
        assert robot.engine.equity == book.cash("USD") + held
        assert robot.engine.state.guard == looking.engine.state.guard
        assert robot.board.restrictions() == looking.board.restrictions()
    assert robot.ledger_hash() == looking.ledger_hash()


def test_limits_that_are_tightened_count_from_the_next_tick_on() -> None:
    robot = on_ticks({1: buy(600, 1900)}, limits=Limits(risk_per_trade=Decimal(1), min_risk_reward_ratio=Decimal(0)))
    robot.show(tick(1, 1000), tick(2, 1000), tick(3, 990))
    assert robot.board.restrictions() == []
    tighter = msgspec.structs.replace(robot.engine.config.limits, daily_loss_limit=Decimal("0.002"))
    robot.engine.config = msgspec.structs.replace(robot.engine.config, limits=tighter)
    robot.show(tick(4, 990))
    assert robot.board.state is State.HALTED


# -- feeds -------------------------------------------------------------------------------------------------------------


def recorded(symbol: str, timeframe: int = MINUTE, *, loop: bool = False) -> RecordedFeed:
    found = catalogue.find_trades([catalogue.PACKAGED], "recorded", symbol, MarketType.SPOT)
    return RecordedFeed([found], timeframe, loop=loop)


@pytest.mark.parametrize(("symbol", "count"), [("BTC/USDT", 2001), ("XRP/ETH", 12_477)])
def test_the_recorded_trades_that_come_with_the_bot_are_whole(symbol: str, count: int) -> None:
    source = pq.read_table(
        catalogue.find_trades([catalogue.PACKAGED], "recorded", symbol, MarketType.SPOT).path
    ).to_pylist()
    feed = recorded(symbol)
    assert feed.flaws == {}
    ticks = [event for event in feed.stream(symbol, 0) if isinstance(event, Tick)]
    instrument = feed.instruments[symbol]
    assert len(ticks) == count == len(source)
    for one, row in zip(ticks, source, strict=True):
        assert instrument.price(one.price) == Decimal(str(row["price"]))
        assert instrument.quantity(one.volume) == round(Decimal(row["quantity"]), 6)
        assert one.side == {"buy": 1, "sell": -1}[row["side"]]
        assert 0 <= one.ts - int(row["timestamp"].timestamp() * SECOND) < 1000
    assert all(a.ts < b.ts for a, b in itertools.pairwise(ticks))


def strictly_ordered(events: list[MarketEvent]) -> bool:
    return all(a.ts < b.ts for a, b in itertools.pairwise(events))


@pytest.mark.parametrize("loop", [True, False])
def test_a_market_of_trades_can_be_entered_after_any_of_them(loop: bool) -> None:
    feed = recorded("BTC/USDT", 5 * SECOND, loop=loop)
    whole = list(itertools.islice(feed.stream("BTC/USDT", 0), 5000 if loop else 10_000))
    assert strictly_ordered(whole)
    assert len(whole) == (5000 if loop else 2001 + 9)
    for number in (0, 1, 2, 17, 399, 1200, 2008, *((2009, 2010, 2011, 4100) if loop else ())):
        assert next(feed.stream("BTC/USDT", whole[number].ts)) == whole[number + 1]


def test_candles_come_between_the_trades_that_they_are_made_of() -> None:
    feed = recorded("XRP/ETH", 60 * MINUTE)
    whole = list(feed.stream("XRP/ETH", 0))
    ticks = [event for event in whole if isinstance(event, Tick)]
    candles = [event for event in whole if isinstance(event, Candle)]
    assert [msgspec.structs.replace(one, made=False) for one in candles] == list(
        from_ticks("XRP/ETH", ticks, 60 * MINUTE)
    )
    assert all(one.made for one in candles)
    for one in candles:
        place = whole.index(one)
        before, after = whole[place - 1], whole[place + 1]
        assert before.ts < one.ts < after.ts
    assert feed.history("XRP/ETH", candles[5].ts, 3) == candles[3:6]


def test_trades_that_cannot_be_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "trades" / "test" / "BTC-USD"
    folder.mkdir(parents=True)
    good = [(second, 100.0, 1.0, "buy") for second in range(100)]
    bad = [(60, float("nan"), 1.0, "buy"), (60, 0.0, 1.0, "sell"), (60, 100.0, 0.0, "sell"), (3, 100.0, 1.0, "buy")]
    columns = list(zip(*[*good[:61], *bad, *good[61:]], strict=True))
    begin = int(START.timestamp())
    moments = pa.array([(begin + second) * 1000 for second in columns[0]], pa.timestamp("ms", "UTC"))
    names = ("price", "quantity", "side")
    pq.write_table(
        pa.table({"timestamp": moments, **dict(zip(names, map(pa.array, columns[1:]), strict=True))}),
        folder / "trades.parquet",
    )
    (folder / "instrument.json").write_text('{"tick": "0.5", "lot": "0.0001", "min_notional": "5"}')
    feed = RecordedFeed([catalogue.find_trades([tmp_path], "test", "BTC/USD", MarketType.SPOT)], MINUTE, loop=False)
    assert feed.flaws["BTC/USD"] == {
        "not a number": 1, "price of zero or less": 2, "older than the row before it": 1,
    }  # fmt: skip
    ticks = [event for event in feed.stream("BTC/USD", 0) if isinstance(event, Tick)]
    assert len(ticks) == 100
    # None of them stands where a candle ends.
    assert not any(one.ts % SECOND == 0 for one in ticks)


def test_a_dataset_without_trades_is_refused_with_what_there_is() -> None:
    cases = [
        (("none", "BTC/USDT"), "DataNotFound", "no dataset 'none' of trades; known are recorded"),
        (("recorded", "ETH/USD"), "UnknownSymbol", "recorded of trades has no ETH/USD; it has BTC/USDT, XRP/ETH"),
    ]
    for arguments, reason, text in cases:
        with pytest.raises(ConfigurationError, match=text) as error:
            catalogue.find_trades([catalogue.PACKAGED], *arguments, MarketType.SPOT)
        assert error.value.reason == reason


def test_the_synthetic_market_has_ticks_too() -> None:
    candles = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 7)
    ticks = SyntheticFeed([BTC], MINUTE, 5 * SECOND, 7, ticks=True)
    whole = list(itertools.islice(ticks.stream("BTC/USD", 0), 1300))
    assert strictly_ordered(whole)
    assert sum(isinstance(event, Tick) for event in whole) == 1200
    made = [msgspec.structs.replace(event, made=False) for event in whole if isinstance(event, Candle)]
    assert made == list(itertools.islice(candles.stream("BTC/USD", 0), len(made)))
    for number in (0, 12, 13, 14, 700):
        assert next(ticks.stream("BTC/USD", whole[number].ts)) == whole[number + 1]
    assert whole[0].ts == BEGIN + 1


# -- a whole run -------------------------------------------------------------------------------------------------------


def run(**changes: Any) -> Backtest:
    options = Options(ticks=True, symbols=("XRP/ETH",), strategy="moving-average-cross",
                      parameters=("fast=5", "slow=20", "min_stop=0.005"), **changes)  # fmt: skip
    wanted = backtest_settings(options, {})
    found = market(wanted, options)
    backtest = Backtest(wanted, found)
    backtest.run()
    found.source.close()
    return backtest


def test_a_strategy_of_candles_trades_on_recorded_trades() -> None:
    backtest = run()
    assert len(backtest.record.trades) > 4
    assert backtest.engine.strategies["XRP/ETH"].state.fast.window
    held = backtest.engine.state.book
    assert backtest.engine.equity == held.cash("ETH") + sum(
        (p.quantity * (backtest.engine.price(p.symbol) or 0) for p in held.open_positions()), Decimal(0)
    )
    assert run().record.ledger.hexdigest() == backtest.record.ledger.hexdigest()


def test_a_strategy_of_ticks_is_refused_a_market_of_candles(monkeypatch: pytest.MonkeyPatch) -> None:
    from tradingbot import wiring
    from tradingbot.config.model import Settings

    class TicksOnly(OnTick):
        on_candle = Strategy.on_candle

    monkeypatch.setattr("tradingbot.strategy.registry.factory", lambda name, parameters: lambda: TicksOnly({}))
    with pytest.raises(ConfigurationError, match=r"looks at ticks only: set simulation\.feed\.resolution to Ticks"):
        wiring.strategy_maker(Settings.model_validate({"strategy": {"name": "x"}}))
    ticks = {"strategy": {"name": "x"}, "simulation": {"feed": {"resolution": "Ticks"}}}
    assert wiring.strategy_maker(Settings.model_validate(ticks))().hears_ticks()


def test_an_order_that_cannot_be_paid_is_ended_on_a_tick_too() -> None:
    exchange = venue()
    submit(exchange, order(1, quantity=Decimal("9.9999")))
    (closed,) = exchange.match(tick(1, 1000.5))
    assert isinstance(closed, Closed)
