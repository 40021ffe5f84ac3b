"""One test per denial code: it fires one unit beyond its limit, and not at what is permitted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, FUTURES, RULES

from tradingbot.domain.denial import MEANING, DenialCode, Denied
from tradingbot.domain.fills import Position
from tradingbot.domain.money import mul
from tradingbot.domain.orders import Approved, Intent, OrderType, Role, Side
from tradingbot.domain.states import State
from tradingbot.risk import gate
from tradingbot.risk.budget import RateBudget
from tradingbot.risk.limits import Limits
from tradingbot.risk.view import RiskView
from tradingbot.strategy.base import Enter

LIMITS = Limits(cost=Decimal("0.001"), commission=Decimal("0.001"))
DRAFT = gate.Draft("test/bot", 1, 1, "id-1", "s", 0)
# Price 1000, stop 10 away, costs of 2 in all: risk 12, so a reward of 36 after costs lies 38 away.
PROPOSAL = Enter(Side.BUY, Decimal(990), Decimal(1038), "test")
SHORT = Enter(Side.SELL, Decimal(1010), Decimal(962), "test")


def view(**changes: Any) -> RiskView:
    values: dict[str, Any] = {
        "state": State.ACTIVE,
        "now": 10_000_000_000,
        "instrument": BTC,
        "price": Decimal(1000),
        "price_ts": 10_000_000_000,
        "gap": 0,
        "equity": Decimal(10_000),
        "available": Decimal(10_000),
        "peak": Decimal(10_000),
        "day_start": Decimal(10_000),
        "position": Decimal(0),
        "entry_pending": False,
        "exit_pending": False,
        "open_positions": 0,
        "orders_left": 1,
        "duplicate": False,
    }
    return RiskView(**{**values, **changes})


def judge(proposal: Enter = PROPOSAL, limits: Limits = LIMITS, **changes: Any) -> str:
    found = gate.entry(proposal, view(**changes), limits, DRAFT)
    return found.code.value if isinstance(found, Denied) else "approved"


def changed(**changes: Any) -> Enter:
    return msgspec.structs.replace(PROPOSAL, **changes)


FREE = msgspec.structs.replace(BTC, min_notional=Decimal(0))
"""A market that takes orders of any value."""


def limits(**changes: Any) -> Limits:
    return msgspec.structs.replace(LIMITS, **changes)


NAN, INFINITE = Decimal("NaN"), Decimal("Infinity")
CASES: list[tuple[DenialCode, dict[str, Any], dict[str, Any]]] = [
    # code, what is still permitted, what is denied
    (DenialCode.STATE_BLOCKS_ENTRIES, {"state": State.ACTIVE}, {"state": State.PAUSED}),
    (DenialCode.STATE_BLOCKS_ENTRIES, {}, {"state": State.KILLED}),
    (DenialCode.UNKNOWN_SYMBOL, {}, {"instrument": None}),
    (DenialCode.DATA_INVALID, {}, {"price": None}),
    (DenialCode.DATA_INVALID, {}, {"price": NAN}),
    (DenialCode.DATA_INVALID, {}, {"price": Decimal(0)}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(stop_loss=NAN)}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(take_profit=INFINITE)}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(stop_loss=Decimal(-1))}),
    (DenialCode.DATA_INVALID, {}, {"equity": NAN}),
    (DenialCode.DATA_INVALID, {}, {"equity": Decimal(0)}),
    (DenialCode.DATA_STALE, {"price_ts": 10_000_000_000 - 180_000_000}, {"price_ts": 10_000_000_000 - 180_000_001}),
    (DenialCode.DATA_STALE, {}, {"price_ts": 10_000_000_001}),
    (DenialCode.DATA_STALE, {"gap": 5}, {"gap": 6}),
    (
        DenialCode.SHORT_NOT_POSSIBLE,
        {"proposal": Enter(Side.SELL, Decimal(1010), Decimal(962), "x"), "instrument": FUTURES},
        {"proposal": Enter(Side.SELL, Decimal(1010), Decimal(962), "x")},
    ),
    (DenialCode.SHORT_NOT_POSSIBLE, {"shorts": False}, {"proposal": SHORT, "instrument": FUTURES, "shorts": False}),
    (DenialCode.STOP_ON_WRONG_SIDE, {"proposal": SHORT, "instrument": FUTURES},
     {"proposal": msgspec.structs.replace(SHORT, stop_loss=Decimal(1000)), "instrument": FUTURES}),
    (DenialCode.STOP_ON_WRONG_SIDE, {"proposal": SHORT, "instrument": FUTURES},
     {"proposal": msgspec.structs.replace(SHORT, take_profit=Decimal(1000)), "instrument": FUTURES}),
    (DenialCode.STOP_ON_WRONG_SIDE, {}, {"proposal": changed(stop_loss=Decimal(1000))}),
    (DenialCode.STOP_ON_WRONG_SIDE, {}, {"proposal": changed(take_profit=Decimal(1000))}),
    (
        DenialCode.STOP_ON_WRONG_SIDE,
        {},
        {"proposal": Enter(Side.SELL, Decimal(990), Decimal(1038), "x"), "instrument": FUTURES},
    ),
    (DenialCode.DRAWDOWN_LIMIT, {"peak": Decimal("11764.70")}, {"peak": Decimal("11764.71")}),
    (DenialCode.DRAWDOWN_LIMIT, {"equity": Decimal("8500.01"), "day_start": Decimal(8500)},
     {"equity": Decimal(8500), "day_start": Decimal(8500)}),
    (DenialCode.DAILY_LOSS_LIMIT, {"equity": Decimal("9700.01")}, {"equity": Decimal(9700)}),
    (DenialCode.DAILY_LOSS_LIMIT, {"day_start": Decimal("10309.27")}, {"day_start": Decimal("10309.28")}),
    (DenialCode.POSITION_EXISTS, {}, {"position": Decimal("0.0001")}),
    (DenialCode.POSITION_EXISTS, {}, {"entry_pending": True}),
    (DenialCode.MAX_OPEN_POSITIONS, {"open_positions": 4}, {"open_positions": 5}),
    (DenialCode.PRICE_COLLAR, {"proposal": changed(take_profit=Decimal(9000), stop_loss=Decimal(500))},
     {"proposal": changed(take_profit=Decimal(9000), stop_loss=Decimal("499.5"))}),
    (DenialCode.PRICE_COLLAR, {"limits": limits(max_stop_distance=Decimal("0.01"))},
     {"limits": limits(max_stop_distance=Decimal("0.0099"))}),
    (DenialCode.PRICE_COLLAR, {"proposal": changed(worst_price=Decimal(1050))},
     {"proposal": changed(worst_price=Decimal("1050.5"))}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(worst_price=NAN)}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(worst_price=Decimal(0))}),
    (DenialCode.PRICE_COLLAR, {}, {"proposal": changed(worst_price=Decimal("0.5"))}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(quantity=Decimal(0))}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(quantity=NAN)}),
    (DenialCode.RISK_PER_TRADE,
     {"proposal": changed(quantity=Decimal("0.8333")), "limits": limits(risk_per_trade=Decimal("0.001"))},
     {"proposal": changed(quantity=Decimal("0.8334")), "limits": limits(risk_per_trade=Decimal("0.001"))}),
    (DenialCode.ORDER_VALUE,
     {"proposal": changed(quantity=Decimal("0.1")), "limits": limits(max_order_value=Decimal(100))},
     {"proposal": changed(quantity=Decimal("0.1001")), "limits": limits(max_order_value=Decimal(100))}),
    (DenialCode.INSUFFICIENT_FUNDS, {"proposal": changed(quantity=Decimal("0.1")), "available": Decimal(106)},
     {"proposal": changed(quantity=Decimal("0.1")), "available": Decimal(100)}),
    (DenialCode.ORDER_TOO_SMALL, {"proposal": changed(quantity=Decimal("0.005"))},
     {"proposal": changed(quantity=Decimal("0.0049"))}),
    (DenialCode.ORDER_TOO_SMALL, {}, {"proposal": changed(quantity=Decimal("0.00501"))}),
    (DenialCode.RISK_REWARD_TOO_LOW, {}, {"proposal": changed(take_profit=Decimal("1037.5"))}),
    (DenialCode.RISK_REWARD_TOO_LOW, {"limits": limits(max_target_distance=Decimal("0.038"))},
     {"limits": limits(max_target_distance=Decimal("0.0379"))}),
    (DenialCode.LOW_CONFIDENCE,
     {"proposal": changed(confidence=Decimal("0.6")), "limits": limits(min_confidence=Decimal("0.6"))},
     {"proposal": changed(confidence=Decimal("0.5999")), "limits": limits(min_confidence=Decimal("0.6"))}),
    (DenialCode.LOW_CONFIDENCE, {"limits": limits(min_confidence=None)}, {"limits": limits(min_confidence=Decimal(0))}),
    (DenialCode.DATA_INVALID, {"proposal": changed(confidence=Decimal(1))},
     {"proposal": changed(confidence=Decimal("1.01"))}),
    (DenialCode.DATA_INVALID, {"proposal": changed(confidence=Decimal(0))},
     {"proposal": changed(confidence=Decimal("-0.01"))}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(confidence=NAN)}),
    (DenialCode.DATA_INVALID, {}, {"proposal": changed(confidence=0.9)}),
    (DenialCode.ORDER_RATE, {"orders_left": 1}, {"orders_left": 0}),
    (DenialCode.DUPLICATE_INTENT, {"duplicate": False}, {"duplicate": True}),
    (DenialCode.ORDER_TOO_SMALL, {"limits": limits(max_order_value=Decimal(5))},
     {"limits": limits(max_order_value=Decimal("4.9"))}),
    (DenialCode.INSUFFICIENT_FUNDS, {"available": Decimal("5.3")}, {"available": Decimal("5.2")}),
    (DenialCode.INSUFFICIENT_FUNDS, {"limits": limits(max_order_value=Decimal(5))},
     {"limits": limits(max_order_value=Decimal(5)), "available": Decimal(0)}),
    (DenialCode.ORDER_TOO_SMALL, {"instrument": FREE},
     {"instrument": FREE, "limits": limits(max_order_value=Decimal("0.01"))}),
    (DenialCode.INSUFFICIENT_FUNDS, {"instrument": FREE}, {"instrument": FREE, "available": Decimal("0.01")}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "permitted", "denied"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_a_code_fires_beyond_its_limit_and_not_at_it(
    code: DenialCode, permitted: dict[str, Any], denied: dict[str, Any]
) -> None:
    assert judge(**permitted) == "approved"
    assert judge(**denied) == code.value


@given(most=st.decimals("0.0001", 1, places=4), side=st.sampled_from(Side), far=st.integers(1, 800))
def test_a_take_profit_is_never_further_away_than_is_permitted_and_never_moved_away(
    most: Decimal, side: Side, far: int
) -> None:
    """Where nothing else is asked of it; on the tick, so that an exchange takes it."""
    wish = Enter(side, Decimal(1000 - 10 * side.sign), Decimal(1000 + far * side.sign), "x")
    wide = limits(max_target_distance=most, min_risk_reward_ratio=Decimal(0))
    found = gate.entry(wish, view(instrument=FUTURES), wide, DRAFT)
    if isinstance(found, Denied):
        assert found.code in (DenialCode.STOP_ON_WRONG_SIDE, DenialCode.RISK_REWARD_TOO_LOW)
        return
    target = found.item.take_profit
    assert target is not None
    assert abs(target - 1000) <= min(1000 * most, Decimal(far))
    assert target == wish.take_profit or abs(target - 1000) > 1000 * most - FUTURES.tick
    assert target % FUTURES.tick == 0


def test_every_code_has_a_meaning_and_a_test() -> None:
    assert set(MEANING) == set(DenialCode)
    confirmations = {  # tests/unit/bot/test_confirm.py
        DenialCode.CONFIRMATION_REQUIRED,
        DenialCode.CONFIRMATION_EXPIRED,
        DenialCode.CONFIRMATION_REFUSED,
    }
    elsewhere = {DenialCode.STATE_BLOCKS_EXITS, DenialCode.NO_POSITION, DenialCode.ORDER_VALUE, *confirmations}
    assert {case[0] for case in CASES} | elsewhere == set(DenialCode)


def test_a_denial_reads_as_code_and_figures() -> None:
    found = gate.entry(PROPOSAL, view(open_positions=5), LIMITS, DRAFT)
    assert isinstance(found, Denied)
    assert found.text() == "MAX_OPEN_POSITIONS: open=5 limit=5"


def test_order_value_is_checked_whoever_computed_the_size() -> None:
    from tradingbot.risk.checks.size import order_value

    assert order_value(Decimal("2.5"), view(), LIMITS) is None
    denied = order_value(Decimal("2.5001"), view(), LIMITS)
    assert denied is not None
    assert denied.code is DenialCode.ORDER_VALUE


PRICES = st.integers(200, 200_000).map(BTC.price)


@settings(max_examples=300)
@given(
    price=PRICES,
    distance=st.integers(1, 2000),
    reward=st.integers(1, 20_000),
    equity=st.decimals(min_value=1, max_value=10**7, places=2),
    available=st.decimals(min_value=0, max_value=10**7, places=2),
    side=st.sampled_from(Side),
    sizes=st.tuples(
        st.decimals(min_value="0.001", max_value=1, places=3), st.decimals(min_value="0.001", max_value=1, places=3)
    ),
)
def test_whatever_is_proposed_what_is_approved_keeps_every_limit(
    price: Decimal,
    distance: int,
    reward: int,
    equity: Decimal,
    available: Decimal,
    side: Side,
    sizes: tuple[Decimal, Decimal],
) -> None:
    bounds = limits(max_position_size=sizes[0], risk_per_trade=sizes[1], cost=RULES.cost, commission=RULES.commission)
    sign = Decimal(side.sign)
    stop, target = price - sign * BTC.price(distance), price + sign * BTC.price(reward)
    picture = view(price=price, equity=equity, available=available, peak=equity, day_start=equity, instrument=FUTURES)
    found = gate.entry(Enter(side, stop, target, "x"), picture, bounds, DRAFT)
    if isinstance(found, Denied):
        return
    intent = found.item
    value = mul(intent.quantity, price)
    costs = mul(mul(price, bounds.cost), Decimal(2))
    assert intent.quantity % FUTURES.lot == 0
    assert FUTURES.min_notional <= value <= mul(equity, bounds.max_position_size)
    assert mul(intent.quantity, abs(price - stop) + costs) <= mul(equity, bounds.risk_per_trade)
    assert intent.hold <= available
    assert abs(target - price) - costs >= (abs(price - stop) + costs) * bounds.min_risk_reward_ratio
    assert intent.limit_price is not None
    assert abs(intent.limit_price - price) <= mul(price, bounds.price_collar)
    assert (intent.stop_loss, intent.take_profit, intent.role) == (stop, target, Role.ENTRY)


def test_leaving_is_permitted_in_every_state_but_killed() -> None:
    for state in State:
        denied = gate.leave(Decimal(1), state, pending=False, repeated=False)
        assert (denied is None) == (state is not State.KILLED)
    assert gate.leave(Decimal(1), State.KILLED, pending=False, repeated=False) == Denied(
        DenialCode.STATE_BLOCKS_EXITS, (("state", "KILLED"),)
    )


@pytest.mark.parametrize(("held", "pending"), [(Decimal(0), False), (Decimal(1), True)])
def test_there_is_nothing_to_leave_twice(held: Decimal, pending: bool) -> None:
    denied = gate.leave(held, State.ACTIVE, pending=pending, repeated=False)
    assert denied is not None
    assert denied.code is DenialCode.NO_POSITION


def test_what_closes_a_position_only_reduces() -> None:
    position = Position("BTC/USD", Decimal("-0.2"), stop_loss=Decimal(1010), take_profit=Decimal(900))
    made = {role: gate.closing(position, FUTURES, role, "x", DRAFT) for role in Role if role is not Role.ENTRY}
    for role, approved in made.items():
        assert isinstance(approved, Approved)
        intent = approved.item
        assert (intent.reduce_only, intent.side, intent.quantity, intent.role) == (True, Side.BUY, Decimal("0.2"), role)
    kinds = {role: approved.item.type for role, approved in made.items() if approved is not None}
    assert kinds[Role.STOP] is OrderType.STOP
    assert kinds[Role.TARGET] is OrderType.LIMIT
    assert kinds[Role.EXIT] is OrderType.MARKET
    assert gate.closing(Position("BTC/USD"), FUTURES, Role.EXIT, "x", DRAFT) is None


def test_only_what_reduces_can_be_enlarged() -> None:
    found = gate.entry(PROPOSAL, view(), LIMITS, DRAFT)
    assert isinstance(found, Approved)
    with pytest.raises(ValueError, match="cannot be enlarged"):
        gate.enlarged(found, Decimal(1))


def test_the_rate_budget_keeps_a_share_for_exits() -> None:
    budget = RateBudget()
    for second in range(48):
        assert budget.left_for_entries(second * 1_000_000, 60) == 48 - second
        budget.count(second * 1_000_000)
    assert budget.left_for_entries(48_000_000, 60) == 0
    budget.count(48_000_000)
    assert budget.left_for_entries(60_000_000, 60) == 0
    assert budget.left_for_entries(61_000_000, 60) == 1
    assert len(budget.times) == 47


def test_intents_are_values() -> None:
    found = gate.entry(PROPOSAL, view(), LIMITS, DRAFT)
    assert isinstance(found, Approved)
    again = gate.entry(PROPOSAL, view(), LIMITS, DRAFT)
    assert found == again
    assert msgspec.json.decode(msgspec.json.encode(found.item), type=Intent) == found.item
