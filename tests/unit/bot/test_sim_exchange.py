from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.bot.harness import BTC, CAPITAL, FUTURES, candle, flat, run_now

from tradingbot.domain.events import Closed, Fill, Liquidity
from tradingbot.domain.market import MINUTE, Candle
from tradingbot.domain.money import mul
from tradingbot.domain.orders import Approved, Intent, OrderType, Role, Side
from tradingbot.ports.venue import Absent, Accepted, Found, Refused
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

FREE = SimRules(commission=Decimal(0), slippage=Decimal(0), spread=Decimal(0), latency=0, latency_jitter=0)
REAL = SimRules(latency=100_000, latency_jitter=0)


def order(number: int, side: Side = Side.BUY, kind: OrderType = OrderType.MARKET, **changes: Any) -> Approved[Intent]:
    values: dict[str, Any] = {
        "client_id": f"o{number}",
        "bot": "test/bot",
        "epoch": 1,
        "seq": number,
        "symbol": "BTC/USD",
        "side": side,
        "type": kind,
        "role": Role.ENTRY,
        "quantity": Decimal("0.1"),
        "strategy": "s",
        "reason": "r",
        "ts": 0,
    }
    return Approved(Intent(**{**values, **changes}))


def venue(rules: SimRules = FREE, instrument: Any = BTC) -> SimExchange:
    return SimExchange(rules, {"BTC/USD": instrument}, {"USD": CAPITAL})


def match(exchange: SimExchange, one: Candle) -> list[Any]:
    return list(exchange.match(one))


def submit(exchange: SimExchange, approved: Approved[Intent]) -> Any:
    return run_now(exchange.submit(approved))


def holding(exchange: SimExchange, quantity: str = "0.1") -> SimExchange:
    assert isinstance(submit(exchange, order(900, quantity=Decimal(quantity))), Accepted)
    match(exchange, flat(0, 1000.0))
    return exchange


def test_a_market_order_pays_spread_slippage_and_commission() -> None:
    exchange = venue(REAL)
    submit(exchange, order(1))
    (fill,) = match(exchange, flat(0, 1000.0))
    assert isinstance(fill, Fill)
    # Half the spread and slippage are a basis point each, a little more for its share of the volume: up to the tick.
    assert fill.price == Decimal("1000.5")
    assert fill.fee == mul(Decimal("100.05"), Decimal("0.001"))
    assert fill.liquidity is Liquidity.TAKER
    assert exchange.state.balances == {"BTC": Decimal("0.1"), "USD": CAPITAL - Decimal("100.05") - fill.fee}


def test_an_order_that_travels_misses_the_candle_that_is_over_before_it_arrives() -> None:
    exchange = venue(SimRules(latency=MINUTE + 1, latency_jitter=0))
    submit(exchange, order(1))
    assert match(exchange, flat(0, 1000.0)) == []
    (fill,) = match(exchange, flat(1, 1100.0))
    assert fill.ts == MINUTE + 1


def test_fills_are_limited_by_the_volume_that_all_orders_share() -> None:
    exchange = venue()
    submit(exchange, order(1, quantity=Decimal("0.7")))
    submit(exchange, order(2, quantity=Decimal("0.7")))
    first = match(exchange, flat(0, 1000.0, volume=10.0))
    assert [(f.client_id, f.quantity) for f in first if isinstance(f, Fill)] == [
        ("o1", Decimal("0.7")),
        ("o2", Decimal("0.3")),
    ]
    assert match(exchange, flat(0, 1000.0, volume=10.0)) == []
    (rest,) = match(exchange, flat(1, 1010.0, volume=10.0))
    assert isinstance(rest, Fill)
    assert (rest.quantity, rest.price, rest.trade_id) == (Decimal("0.4"), Decimal(1010), "o2.2")


def test_without_volume_nothing_is_filled() -> None:
    exchange = venue()
    submit(exchange, order(1))
    assert (match(exchange, flat(0, 1000.0, volume=0.0))) == []


def test_a_stop_behind_a_gap_fills_at_the_open_not_at_its_price() -> None:
    exchange = holding(venue())
    submit(exchange, order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True, role=Role.STOP))
    assert (match(exchange, candle(1, (1000, 1001, 990.5, 1000)))) == []
    (fill,) = match(exchange, candle(2, (950, 960, 940, 955)))
    assert fill.price == Decimal(950)


def test_a_stop_inside_a_candle_fills_at_its_price() -> None:
    exchange = holding(venue())
    submit(exchange, order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True, role=Role.STOP))
    (fill,) = match(exchange, candle(1, (1000, 1001, 980, 1000)))
    assert fill.price == Decimal(990)


def test_a_limit_order_fills_only_when_the_price_goes_through_it() -> None:
    exchange = holding(venue())
    submit(exchange, order(1, Side.SELL, OrderType.LIMIT, limit_price=Decimal(1010), reduce_only=True))
    assert (match(exchange, candle(1, (1000, 1010, 1000, 1005)))) == []
    (fill,) = match(exchange, candle(2, (1000, 1010.5, 1000, 1005)))
    assert (fill.price, fill.liquidity) == (Decimal(1010), Liquidity.MAKER)


def test_where_a_candle_hits_stop_and_target_the_stop_is_what_happened() -> None:
    exchange = holding(venue())
    submit(exchange, order(1, Side.SELL, OrderType.LIMIT, limit_price=Decimal(1010), reduce_only=True))
    submit(exchange, order(2, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True))
    fill, closed = match(exchange, candle(1, (1000, 1020, 980, 1000)))
    assert isinstance(fill, Fill)
    assert fill.client_id == "o2"
    assert isinstance(closed, Closed)
    assert closed.client_id == "o1"
    assert exchange.state.positions["BTC/USD"] == 0


def test_what_reduces_never_executes_more_than_is_held() -> None:
    exchange = holding(venue())
    stop = order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True, quantity=Decimal(5))
    submit(exchange, stop)
    fill, closed = [*match(exchange, candle(1, (980, 981, 979, 980))), *match(exchange, flat(2, 980.0))]
    assert fill.quantity == Decimal("0.1")
    assert isinstance(closed, Closed)


def test_a_stop_that_was_triggered_without_volume_goes_on_at_market() -> None:
    exchange = holding(venue(), "0.5")
    submit(
        exchange,
        order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True, quantity=Decimal("0.5")),
    )
    (part,) = match(exchange, candle(1, (1000, 1000, 985, 985), volume=2.0))
    assert part.quantity == Decimal("0.2")
    (rest,) = match(exchange, candle(2, (1005, 1006, 1004, 1005)))
    assert (rest.quantity, rest.price) == (Decimal("0.3"), Decimal(1005))


def test_the_collar_ends_an_entry_whose_price_ran_away() -> None:
    exchange = venue()
    submit(exchange, order(1, limit_price=Decimal(1050)))
    (closed,) = match(exchange, flat(0, 1050.5))
    assert isinstance(closed, Closed)
    assert "beyond the collar" in closed.note
    assert exchange.state.balances == {"USD": CAPITAL}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": Decimal("0.00005")}, "LOT_SIZE"),
        ({"quantity": Decimal(0)}, "LOT_SIZE"),
        ({"limit_price": Decimal("1000.25")}, "TICK_SIZE"),
        ({"limit_price": Decimal(49)}, "MIN_NOTIONAL"),
        ({"symbol": "ETH/USD"}, "UNKNOWN_SYMBOL"),
        ({"side": Side.SELL}, "INSUFFICIENT_BALANCE"),
        ({"side": Side.SELL, "reduce_only": True}, "REDUCE_ONLY"),
    ],
)
def test_what_an_exchange_would_refuse_is_refused(changes: dict[str, Any], code: str) -> None:
    outcome = submit(venue(), order(1, **changes))
    assert isinstance(outcome, Refused)
    assert outcome.code == code


def test_the_same_id_is_never_taken_twice() -> None:
    exchange = holding(venue())
    for _ in range(2):
        assert submit(exchange, order(900)).code == "DUPLICATE_ORDER_ID"


def test_an_entry_that_cannot_be_paid_is_ended_and_costs_nothing() -> None:
    exchange = venue()
    submit(exchange, order(1, quantity=Decimal("9.9999")))
    (closed,) = match(exchange, flat(0, 1000.5, volume=1000.0))
    assert isinstance(closed, Closed)
    assert exchange.state.balances == {"USD": CAPITAL}


def test_short_positions_where_the_market_has_them() -> None:
    exchange = venue(instrument=FUTURES)
    submit(exchange, order(1, Side.SELL))
    match(exchange, flat(0, 1000.0))
    assert exchange.state.positions["BTC/USD"] == Decimal("-0.1")
    submit(exchange, order(2, Side.BUY, OrderType.STOP, stop_price=Decimal(1010), reduce_only=True))
    (fill,) = match(exchange, candle(1, (1020, 1021, 1019, 1020)))
    assert fill.price == Decimal(1020)


def test_cancelling_looking_up_and_reporting() -> None:
    exchange = venue()
    assert isinstance(run_now(exchange.look_up("o1", "BTC/USD")), Absent)
    submit(exchange, order(1))
    assert run_now(exchange.look_up("o1", "BTC/USD")) == Found("sim-o1", live=True, filled=Decimal(0))
    assert isinstance(run_now(exchange.cancel("o1", "BTC/USD")), Accepted)
    assert run_now(exchange.cancel("o1", "BTC/USD")).code == "ORDER_NOT_FOUND"
    assert run_now(exchange.look_up("o1", "BTC/USD")) == Found("sim-o1", live=False, filled=Decimal(0))
    report = run_now(exchange.report(0))
    assert (report.orders, report.fills, report.balances) == ((), (), {"USD": CAPITAL})


def test_the_state_survives_a_restart_to_the_byte() -> None:
    exchange = holding(venue(REAL))
    submit(exchange, order(1, Side.SELL, OrderType.STOP, stop_price=Decimal(990), reduce_only=True))
    again = venue(REAL)
    again.load(exchange.save())
    assert again.save() == exchange.save()
    one, other = match(exchange, candle(2, (950, 951, 949, 950))), match(again, candle(2, (950, 951, 949, 950)))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


def test_latency_is_a_function_of_seed_and_order() -> None:
    rules = SimRules(seed=7)
    assert rules.delay("a") == rules.delay("a")
    assert len({rules.delay(f"o{n}") for n in range(50)}) > 40
    assert all(50_000 <= rules.delay(f"o{n}") < 150_000 for n in range(50))
