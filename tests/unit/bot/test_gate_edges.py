"""What closes, sells and bounds: each against the change of its code that nothing else noticed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.bot.harness import BTC, FUTURES
from tests.unit.bot.test_gate import DRAFT, LIMITS, SHORT, changed, limits, view

from tradingbot.domain.denial import DenialCode, Denied
from tradingbot.domain.fills import Position
from tradingbot.domain.money import ZERO
from tradingbot.domain.orders import Approved, OrderType, Role, Side
from tradingbot.domain.states import State
from tradingbot.risk import gate
from tradingbot.risk.budget import RateBudget
from tradingbot.risk.limits import Limits, OnBreach, loosened

HELD = Position("BTC/USD", Decimal("0.2"), stop_loss=Decimal(990), take_profit=Decimal(1040))


def test_the_target_of_a_short_position_is_moved_up_to_where_it_may_be() -> None:
    near = limits(max_target_distance=Decimal("0.02"), min_risk_reward_ratio=ZERO)
    found = gate.entry(SHORT, view(instrument=FUTURES), near, DRAFT)
    assert isinstance(found, Approved)
    assert found.item.take_profit == 980


def test_a_denial_of_old_data_says_how_old() -> None:
    found = gate.entry(changed(), view(price_ts=10_000_000_000 - 200_000_000), LIMITS, DRAFT)
    assert isinstance(found, Denied)
    assert found.text() == "DATA_STALE: age_seconds=200"


@pytest.mark.parametrize(("available", "largest"), [("100", "0.0951"), ("-5", "0")])
def test_who_asks_for_too_much_is_told_how_much_there_may_be(available: str, largest: str) -> None:
    found = gate.entry(changed(quantity=Decimal("0.2")), view(available=Decimal(available)), LIMITS, DRAFT)
    assert isinstance(found, Denied)
    assert found.text() == f"INSUFFICIENT_FUNDS: quantity=0.2 largest={largest}"


def test_an_account_of_less_than_one_unit_of_money_is_an_account() -> None:
    dust = Decimal("0.5")
    found = gate.entry(changed(), view(equity=dust, peak=dust, day_start=dust), LIMITS, DRAFT)
    assert isinstance(found, Denied)
    assert found.code is DenialCode.ORDER_TOO_SMALL


@pytest.mark.parametrize(("collar", "worst"), [(Decimal(1), None), (Decimal("0.9995"), Decimal("0.5"))])
def test_a_short_entry_whose_collar_reaches_zero_has_no_limit_price(collar: Decimal, worst: Decimal | None) -> None:
    found = gate.entry(SHORT, view(instrument=FUTURES), limits(price_collar=collar), DRAFT)
    assert isinstance(found, Approved)
    assert found.item.limit_price == worst


def test_the_same_wish_to_leave_counts_once() -> None:
    denied = gate.leave(Decimal(1), State.ACTIVE, pending=False, repeated=True)
    assert denied is not None
    assert denied.code is DenialCode.DUPLICATE_INTENT


@pytest.mark.parametrize(("covered", "left"), [("0", "0.2"), ("0.15", "0.05"), ("0.1999", "0.0001")])
def test_what_is_covered_already_is_not_sold_twice(covered: str, left: str) -> None:
    found = gate.closing(HELD, BTC, Role.STOP, "x", DRAFT, Decimal(covered))
    assert isinstance(found, Approved)
    assert (found.item.quantity, found.item.side) == (Decimal(left), Side.SELL)


@pytest.mark.parametrize("covered", ["0.2", "0.3", "0.19995"])
def test_where_all_is_covered_there_is_no_order(covered: str) -> None:
    assert gate.closing(HELD, BTC, Role.STOP, "x", DRAFT, Decimal(covered)) is None


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET])
def test_a_position_without_a_price_for_its_protection_gets_no_order_without_a_price(role: Role) -> None:
    bare = Position("BTC/USD", Decimal("0.2"))
    assert gate.closing(bare, BTC, role, "x", DRAFT) is None
    assert gate.closing(bare, BTC, Role.EXIT, "x", DRAFT) is not None


def test_without_an_engine_it_is_sold_at_a_price_or_better_or_from_a_stop_on() -> None:
    at_once = gate.reducing(BTC, Decimal("0.20007"), DRAFT, "x", limit=Decimal(900))
    resting = gate.reducing(BTC, Decimal("0.2"), DRAFT, "x", stop=Decimal(950))
    assert at_once is not None
    assert resting is not None
    one, other = at_once.item, resting.item
    assert (one.type, one.role, one.limit_price, one.stop_price) == (OrderType.MARKET, Role.FLATTEN, Decimal(900), None)
    assert (other.type, other.role, other.limit_price, other.stop_price) == (
        OrderType.STOP,
        Role.STOP,
        None,
        Decimal(950),
    )
    for intent in (one, other):
        assert (intent.side, intent.quantity, intent.reduce_only) == (Side.SELL, Decimal("0.2"), True)


@pytest.mark.parametrize(
    ("quantity", "price", "there"),
    [("0.2", None, False), ("0.2", "0", False), ("0.2", "-1", False), ("0", "900", False), ("0.00009", "900", False),
     ("0.0001", "900", True), ("0.2", "0.5", True)],
)  # fmt: skip
def test_nothing_is_sold_without_a_price_and_nothing_where_there_is_nothing(
    quantity: str, price: str | None, there: bool
) -> None:
    at = None if price is None else Decimal(price)
    assert (gate.reducing(BTC, Decimal(quantity), DRAFT, "x", limit=at) is not None) == there
    assert (gate.reducing(BTC, Decimal(quantity), DRAFT, "x", stop=at) is not None) == there


def test_without_an_engine_nothing_is_sold_that_could_open_a_short_position() -> None:
    assert gate.reducing(FUTURES, Decimal("0.2"), DRAFT, "x", limit=Decimal(900)) is None


def test_to_hold_on_a_breach_is_looser_than_to_flatten() -> None:
    hold, flatten = Limits(on_breach=OnBreach.HOLD), Limits(on_breach=OnBreach.FLATTEN)
    assert loosened(flatten, hold) == ["on_breach"]
    assert loosened(hold, flatten) == []


def test_orders_of_long_ago_are_forgotten_although_nobody_asks() -> None:
    budget = RateBudget()
    for minute in range(100):
        budget.count(minute * 61_000_000)
    assert len(budget.times) == 1
