"""Rounding never buys more, never crosses a limit, never fires a stop later; what is not exact is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.domain.events import Liquidity
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.money import plain
from tradingbot.domain.orders import Intent, OrderType, Role, Side
from tradingbot.ports.venue import Refused
from tradingbot.venues.ccxt import mapping
from tradingbot.venues.ccxt.mapping import Collar, MalformedError, Rules, Ticket

STEPS = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.001", "0.05", "0.5", "1", "25")])
AMOUNTS = st.decimals("0.00000001", "1000000", places=10, allow_nan=False, allow_infinity=False)


def intent(**more: Any) -> Intent:
    whole: dict[str, Any] = {
        "client_id": "tb00-1-1",
        "bot": "b",
        "epoch": 1,
        "seq": 1,
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "role": Role.ENTRY,
        "quantity": Decimal("0.01"),
        "strategy": "s",
        "reason": "r",
        "ts": 0,
        "limit_price": Decimal(50_000),
        **more,
    }
    return Intent(**whole)


def terms(tick: str = "0.01", lot: str = "0.00001", notional: str = "5", **more: Any) -> Rules:
    instrument = Instrument("BTC/USDT", "BTC", "USDT", Decimal(tick), Decimal(lot), Decimal(notional))
    return Rules(instrument=instrument, market_id="BTCUSDT", **{"stops": True, **more})


def same(_: str, value: str) -> str:
    """A ccxt that agrees."""
    return value


def written(wanted: Intent, rules: Rules) -> Ticket | Refused:
    return mapping.ticket(wanted, rules, wanted.quantity, same, same)


@given(st.sampled_from(Side), AMOUNTS, AMOUNTS, STEPS, STEPS)
def test_rounding_never_adds_and_never_crosses(
    side: Side, quantity: Decimal, price: Decimal, tick: Decimal, lot: Decimal
) -> None:
    wanted = intent(side=side, quantity=quantity, limit_price=price)
    found = written(wanted, terms(str(tick), str(lot), "0"))
    if isinstance(found, Refused):
        assert quantity < lot or price < tick
        return
    amount, limit = Decimal(found.amount), Decimal(found.price or "")
    assert 0 < amount <= quantity
    assert quantity - amount < lot
    assert limit <= price if side is Side.BUY else limit >= price
    assert abs(limit - price) < tick
    assert amount % lot == 0
    assert limit % tick == 0


@given(st.sampled_from(Side), AMOUNTS, STEPS)
def test_a_stop_fires_no_later(side: Side, price: Decimal, tick: Decimal) -> None:
    stop = mapping.stop_price(side, price, terms(str(tick)).instrument)
    assert stop >= price if side is Side.SELL else stop <= price
    assert abs(stop - price) < tick


@given(st.sampled_from(Side), AMOUNTS, AMOUNTS)
def test_less_than_the_account_has_is_closed_never_more(side: Side, quantity: Decimal, free: Decimal) -> None:
    found = mapping.ticket(intent(side=side, quantity=quantity), terms(notional="0"), free, same, same)
    assert isinstance(found, Refused) or Decimal(found.amount) <= min(quantity, free)


def test_what_ccxt_would_cut_further_is_refused() -> None:
    found = mapping.ticket(intent(), terms(), Decimal("0.01"), lambda _, value: value[:-1], same)
    assert isinstance(found, Refused)
    assert found.code == "PRECISION"


def test_a_market_order_with_a_collar_is_a_limit_order_that_does_not_rest() -> None:
    found = written(intent(type=OrderType.MARKET, limit_price=Decimal("50000.009")), terms())
    expected = {"clientOrderId": "tb00-1-1", "timeInForce": "IOC"}
    assert found == Ticket("BTC/USDT", "limit", "buy", "0.01", "50000", expected)


def test_a_market_order_and_a_stop() -> None:
    plain_market = written(intent(type=OrderType.MARKET, limit_price=None), terms())
    assert plain_market == Ticket("BTC/USDT", "market", "buy", "0.01", None, {"clientOrderId": "tb00-1-1"})
    stop = written(
        intent(type=OrderType.STOP, side=Side.SELL, limit_price=None, stop_price=Decimal("48000.001")), terms()
    )
    expected = {"clientOrderId": "tb00-1-1", "stopLossPrice": "48000.01"}
    assert stop == Ticket("BTC/USDT", "market", "sell", "0.01", None, expected)


@pytest.mark.parametrize(
    ("more", "rules", "code"),
    [
        ({"client_id": "a b"}, {}, "PARAMETER"),
        ({"client_id": "x" * 37}, {}, "PARAMETER"),
        ({"quantity": Decimal("0.000001")}, {}, "LOT_SIZE"),
        ({"quantity": Decimal("0.0005")}, {"min_quantity": Decimal("0.001")}, "LOT_SIZE"),
        ({"quantity": Decimal(11)}, {"max_quantity": Decimal(10)}, "LOT_SIZE"),
        (
            {"quantity": Decimal(6), "type": OrderType.MARKET, "limit_price": None},
            {"max_quantity": Decimal(10), "max_market_quantity": Decimal(5)},
            "LOT_SIZE",
        ),
        ({"limit_price": Decimal(400)}, {}, "MIN_NOTIONAL"),
        ({"limit_price": Decimal(60_000)}, {"max_price": Decimal(55_000)}, "TICK_SIZE"),
        ({"limit_price": None}, {}, "PARAMETER"),
        ({"type": OrderType.STOP, "stop_price": None}, {}, "STOP_NOT_SUPPORTED"),
        ({"type": OrderType.STOP, "stop_price": Decimal(4_000_000)}, {"stops": False}, "STOP_NOT_SUPPORTED"),
    ],
)
def test_what_the_exchange_would_refuse_is_not_sent(more: dict[str, Any], rules: dict[str, Any], code: str) -> None:
    found = written(intent(**more), terms(**rules))
    assert isinstance(found, Refused)
    assert found.code == code


def test_a_collar() -> None:
    rules = terms(bid=Collar(Decimal("0.2"), Decimal("1.1")), ask=Collar(Decimal("0.9"), Decimal(5)))
    assert rules.within_collar(Side.BUY, Decimal(110), Decimal(100))
    assert not rules.within_collar(Side.BUY, Decimal("110.01"), Decimal(100))
    assert not rules.within_collar(Side.SELL, Decimal("89.99"), Decimal(100))
    assert terms().within_collar(Side.BUY, Decimal(1_000_000), Decimal(1))


MARKET = {
    "symbol": "BTC/USDT",
    "id": "BTCUSDT",
    "base": "BTC",
    "quote": "USDT",
    "precision": {"price": "0.01000000", "amount": "0.00001000"},
    "limits": {"cost": {"min": "5.00000000"}, "amount": {"min": "0.00001000", "max": "9000.00000000"}},
    "info": {
        "orderTypes": ["LIMIT", "STOP_LOSS"],
        "filters": [{"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2"}],
    },
}


def test_a_market() -> None:
    found = mapping.rules(MARKET, mapping.TICK_SIZE)
    assert (found.instrument.tick, found.instrument.lot) == (Decimal("0.01"), Decimal("0.00001"))
    assert (found.instrument.min_notional, found.max_quantity, found.stops) == (Decimal(5), Decimal(9000), True)
    assert found.bid == found.ask == Collar(Decimal("0.2"), Decimal(5))
    places = {**MARKET, "precision": {"price": "2", "amount": "5"}}
    assert mapping.rules(places, mapping.DECIMAL_PLACES).instrument == found.instrument


@pytest.mark.parametrize("step", [None, 0.01, "0", "-1", "NaN", "Infinity", "x"])
def test_a_market_without_an_exact_step_is_refused(step: Any) -> None:
    with pytest.raises(MalformedError):
        mapping.rules({**MARKET, "precision": {"price": step, "amount": "0.1"}}, mapping.TICK_SIZE)


def trade(**more: Any) -> dict[str, Any]:
    fee = {"cost": "0.00001", "currency": "BTC"}
    whole = {"id": "5", "order": "7", "timestamp": 3, "amount": "0.01", "price": "50000.5", "takerOrMaker": "maker"}
    return {**whole, "fee": fee, **more}


def test_a_fee_is_valued_in_quote_currency_and_kept_as_it_was_taken() -> None:
    instrument = terms().instrument
    told = mapping.fill(trade(), "BTCUSDT", "USDT")
    assert (told.fee.asset, told.fee.amount) == ("BTC", Decimal("0.00001"))
    found = mapping.named(told, "mine", instrument, {})
    assert (found.trade_id, found.client_id, found.ts) == ("BTCUSDT.5", "mine", 3000)
    assert (found.fee, found.liquidity) == (Decimal("0.500005"), Liquidity.MAKER)
    other = mapping.fill(trade(fee={"cost": "0.01", "currency": "BNB"}), "BTCUSDT", "USDT")
    assert mapping.named(other, "mine", instrument, {"BNB": Decimal(600)}).fee == 6
    with pytest.raises(MalformedError, match="BNB"):
        mapping.named(other, "mine", instrument, {})


@pytest.mark.parametrize("broken", [{"id": None}, {"order": None}, {"timestamp": None}, {"amount": 0.01}])
def test_a_fill_that_cannot_be_read_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        mapping.fill(trade(**broken), "BTCUSDT", "USDT")


@pytest.mark.parametrize("answer", [None, [], "<html>", {}, {"id": None}, {"id": "7", "filled": "x"}])
def test_no_order_is_no_order(answer: Any) -> None:
    assert mapping.order(answer) is None


def test_an_open_order_that_cannot_be_read_is_not_forgotten() -> None:
    with pytest.raises(MalformedError):
        mapping.open_orders([{"id": "7", "symbol": "BTC/USDT", "filled": "0"}])


@given(AMOUNTS, AMOUNTS)
def test_balances_are_exact(free: Decimal, used: Decimal) -> None:
    whole, alone = mapping.balances({"BTC": {"free": plain(free), "used": plain(used)}}, ["BTC", "USDT"])
    assert whole == {"BTC": free + used, "USDT": 0}
    assert alone == {"BTC": free, "USDT": 0}
