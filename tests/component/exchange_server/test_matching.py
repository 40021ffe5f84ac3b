"""Corners of the matching core that random use seldom meets."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.exchange_server.clock import ManualClock
from tests.exchange_server.errors import ApiError
from tests.exchange_server.instruments import Instrument
from tests.exchange_server.matching import Engine
from tests.exchange_server.orders import NewOrder, Order

if TYPE_CHECKING:
    from tests.exchange_server.matching import FeeMode

pytestmark = pytest.mark.component
SYMBOL = "BTCUSDT"


def engine_with(mode: FeeMode = "received", **balances: str) -> Engine:
    engine = Engine(
        ManualClock(),
        [Instrument("BTC", "USDT")],
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.002"),
        fee_mode=mode,
    )
    for asset, amount in balances.items():
        engine.deposit("main", asset, Decimal(amount))
    return engine


def place(engine: Engine, name: str, **asked: Any) -> Order:
    amounts = {"price", "quantity", "stop_price"}
    numbers: dict[str, Any] = {key: Decimal(value) if key in amounts else value for key, value in asked.items()}
    return engine.place(NewOrder(account="main", symbol=SYMBOL, client_id=name, **numbers))


def book(engine: Engine, bid: str, ask: str, size: str) -> None:
    engine.set_book(SYMBOL, [(Decimal(bid), Decimal(size))], [(Decimal(ask), Decimal(size))])


def test_two_resting_orders_share_what_comes_the_better_price_first() -> None:
    engine = engine_with(USDT="10000")
    low = place(engine, "low", side="BUY", type="LIMIT", price="100", quantity="2")
    high = place(engine, "high", side="BUY", type="LIMIT", price="101", quantity="2")
    book(engine, "98", "99", "3")
    assert (high.executed, low.executed) == (Decimal(2), Decimal(1))
    assert engine.market(SYMBOL).asks == []
    engine.print_trade(SYMBOL, Decimal(100), Decimal("0.25"))
    assert low.executed == Decimal("1.25")


def test_orders_of_one_price_fill_in_the_order_of_their_arrival() -> None:
    engine = engine_with(BTC="4")
    first, second = (place(engine, name, side="SELL", type="LIMIT", price="100", quantity="2") for name in ("a", "b"))
    engine.print_trade(SYMBOL, Decimal(100), Decimal(3))
    assert (first.executed, second.executed) == (Decimal(2), Decimal(1))


def test_a_market_order_beyond_the_money_is_refused_as_a_whole() -> None:
    engine = engine_with(USDT="199", BTC="1")
    book(engine, "99", "100", "5")
    for side, quantity in (("BUY", "2"), ("SELL", "1.5")):
        with pytest.raises(ApiError, match="insufficient balance"):
            place(engine, side, side=side, type="MARKET", quantity=quantity)
    assert engine.fills == []


def test_a_stop_that_gaps_beyond_the_money_buys_what_it_can_pay() -> None:
    engine = engine_with(USDT="200")
    stop = place(engine, "stop", side="BUY", type="STOP_LOSS", stop_price="100", quantity="2")
    book(engine, "159", "160", "5")
    engine.print_trade(SYMBOL, Decimal(160), Decimal(1))
    assert (stop.status, stop.executed) == ("EXPIRED", Decimal("1.25"))
    assert engine.ledger.free("main", "USDT") == 0


@pytest.mark.parametrize(("money", "accepted"), [("200.4", True), ("200.3", False)])
def test_with_fees_in_quote_the_lock_covers_the_dearer_fee(money: str, accepted: bool) -> None:
    engine = engine_with("quote", USDT=money)
    book(engine, "99", "100", "5")
    if accepted:
        place(engine, "x", side="BUY", type="LIMIT", price="100", quantity="2")
        assert engine.ledger.total("main", "USDT") == 0
    else:
        with pytest.raises(ApiError, match="insufficient balance"):
            place(engine, "x", side="BUY", type="LIMIT", price="100", quantity="2")


def test_amounts_are_exact_whatever_their_size() -> None:
    engine = engine_with(USDT="99999999999999999999.00000001")
    engine.deposit("main", "USDT", Decimal("0.00000001"))
    assert engine.ledger.total("main", "USDT") == Decimal("99999999999999999999.00000002")
