from __future__ import annotations

import statistics
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.bot.harness import FUTURES, RULES, Bot, candle, config

from tradingbot.domain.errors import ConfigurationError
from tradingbot.risk.limits import Limits
from tradingbot.strategy import registry
from tradingbot.strategy.builtin.mean_reversion import Bollinger, Rsi

if TYPE_CHECKING:
    from tradingbot.domain.market import Candle

NAME = "mean-reversion"
VALUES = st.lists(st.integers(1, 1_000_000), min_size=1, max_size=80)
SIZE = st.integers(2, 20)
QUICK = {"period": 5, "deviations": "1.5", "atr_period": 2, "cooldown": 0, "min_stop": "0.01"}
QUICK_RSI = {"signal": "rsi", "rsi_period": 3, "atr_period": 2, "cooldown": 0}


def closes(*prices: float) -> list[Candle]:
    """Candles that close at these prices, each with a range of 10 USD."""
    return [candle(minute, (price, price + 5, price - 5, price)) for minute, price in enumerate(prices)]


def bot(parameters: dict[str, Any], **kwargs: Any) -> Bot:
    return Bot(registry.factory(NAME, parameters), **kwargs)


@given(VALUES, SIZE)
def test_the_bands_are_those_computed_anew(values: list[int], size: int) -> None:
    bands = Bollinger(size)
    for end, value in enumerate(values, 1):
        found = bands.update(value)
        if end < size:
            assert found is None
            continue
        window = values[end - size : end]
        assert found == pytest.approx((statistics.fmean(window), statistics.pstdev(window)), rel=1e-9, abs=1e-9)


@given(VALUES, SIZE)
@example([129, 129, 129, 524_287], 3)
def test_the_rsi_follows_wilder(values: list[int], size: int) -> None:
    rsi, gain, loss = Rsi(size), 0.0, 0.0
    for end, value in enumerate(values):
        found = rsi.update(value)
        if end < size:
            assert found is None
            continue
        changes = [values[i] - values[i - 1] for i in range(1, end + 1)]
        if end == size:
            gain = sum(max(change, 0) for change in changes) / size
            loss = sum(max(-change, 0) for change in changes) / size
        else:
            gain = (gain * (size - 1) + max(changes[-1], 0)) / size
            loss = (loss * (size - 1) + max(-changes[-1], 0)) / size
        expected = 50.0 if gain + loss < 1e-9 else 100 - 100 / (1 + gain / loss) if loss else 100.0
        assert found is not None
        assert 0 <= found <= 100
        if gain + loss > 1e-9:
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_it_buys_when_the_price_comes_back_into_its_bands_and_not_while_it_falls() -> None:
    made = bot(QUICK)
    made.show(*closes(1000, 1001, 999, 1000, 1000, 960))
    assert made.decisions == []  # outside: a falling price is not caught
    made.show(*closes(1000, 1001, 999, 1000, 1000, 960, 985)[6:])
    (decision,) = made.decisions
    assert (decision.action, decision.side, decision.approved) == ("enter", "buy", True)
    assert decision.reason == "turned up from outside the 5-candle Bollinger bands"


def test_it_leaves_at_the_mean() -> None:
    made = bot(QUICK)
    made.show(*closes(1000, 1001, 999, 1000, 1000, 960, 985, 985, 1000))
    entered, left = made.decisions
    assert (left.action, left.approved, left.reason) == ("exit", True, "the price is back at its mean")
    assert entered.approved


def test_without_exit_at_mean_only_stop_and_target_end_a_position() -> None:
    made = bot({**QUICK, "exit_at_mean": False})
    made.show(*closes(1000, 1001, 999, 1000, 1000, 960, 985, 985, 1000, 1005))
    assert [decision.action for decision in made.decisions] == ["enter"]
    roles = {order.intent.role.value for order in made.engine.desk.live()}
    assert roles == {"stop", "target"}


def test_stop_and_target_hold_the_risk_reward_rule_after_costs() -> None:
    made = bot(QUICK)
    made.show(*closes(1000, 1001, 999, 1000, 1000, 960, 985))
    (decision,) = made.decisions
    facts = dict(decision.facts)
    price, cost = Decimal(985), Decimal(985) * RULES.cost * 2
    risk, reward = price - Decimal(facts["stop_loss"]) + cost, Decimal(facts["take_profit"]) - price - cost
    assert reward / risk >= 3
    assert decision.approved  # the gate computed the same


def test_the_rsi_buys_when_it_rises_back_and_leaves_at_its_exit_level() -> None:
    made = bot(QUICK_RSI)
    made.show(*closes(1000, 1001, 1000, 1001, 990, 980, 979, 984))
    (entered,) = made.decisions
    assert (entered.action, entered.side) == ("enter", "buy")
    assert entered.reason == "turned up from outside an RSI of 30"
    made.show(*closes(1000, 1001, 1000, 1001, 990, 980, 979, 984, 986, 990)[8:])
    assert made.decisions[-1].action == "exit"


def test_a_short_position_is_the_mirror_image_where_the_market_permits_it() -> None:
    prices = (1000, 1001, 999, 1000, 1000, 1040, 1015, 1015, 1000)
    spot = bot({**QUICK, "allow_short": True}).show(*closes(*prices[:7]))
    assert [decision.code for decision in spot.decisions] == ["SHORT_NOT_POSSIBLE"]
    made = bot({**QUICK, "allow_short": True}, instrument=FUTURES).show(*closes(*prices))
    assert [(d.action, d.side.value, d.approved) for d in made.decisions] == [
        ("enter", "sell", True),
        ("exit", "buy", True),
    ]


def test_it_waits_after_a_position() -> None:
    prices = (1000, 1001, 999, 1000, 1000, 960, 985, 985, 1000, 1000, 1000, 960, 985)
    for cooldown, entries in ((0, 2), (50, 1)):
        made = bot({**QUICK, "cooldown": cooldown}).show(*closes(*prices))
        assert sum(decision.action == "enter" for decision in made.decisions) == entries


@pytest.mark.parametrize(
    ("parameters", "field", "hint"),
    [
        ({"signal": "macd"}, "strategy.parameters.signal", "'bollinger' or 'rsi'"),
        ({"period": 1}, "strategy.parameters.period", "greater than or equal to 2 (given: 1)"),
        ({"period": "many"}, "strategy.parameters.period", "valid integer"),
        ({"deviations": 0}, "strategy.parameters.deviations", "greater than 0"),
        ({"deviations": "NaN"}, "strategy.parameters.deviations", "finite"),
        ({"deviation": 2}, "strategy.parameters.deviation", "did you mean deviations?"),
        ({"signal": "rsi", "oversold": 100}, "strategy.parameters.oversold", "less than 100"),
        ({"signal": "rsi", "oversold": 70, "overbought": 60}, "oversold (70)", "less than rsi_exit (55)"),
        ({"signal": "rsi", "oversold": 40, "overbought": 35}, "oversold (40)", "less than overbought (35)"),
        ({"oversold": 20}, "oversold belongs to signal rsi", "signal is bollinger"),
        ({"signal": "rsi", "deviations": 2}, "deviations belongs to signal bollinger", "signal is rsi"),
        ({"min_stop": 1}, "strategy.parameters.min_stop", "less than 1"),
        ({"cooldown": -1}, "strategy.parameters.cooldown", "greater than or equal to 0"),
    ],
)
def test_refused_parameters_name_the_field(parameters: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.factory(NAME, parameters)
    assert field in caught.value.message
    assert hint in caught.value.message


@given(
    st.lists(st.integers(900, 1100), min_size=20, max_size=60),
    st.integers(1, 59),
    st.sampled_from([QUICK, QUICK_RSI]),
)
def test_restored_half_way_it_decides_the_same(prices: list[int], at: int, parameters: dict[str, Any]) -> None:
    candles = closes(*prices)
    at = min(at, len(candles) - 1)
    limits = Limits(cost=RULES.cost, commission=RULES.commission, max_drawdown=Decimal(1), daily_loss_limit=Decimal(1))
    whole = bot(parameters, settings=config(limits)).show(*candles)
    first = bot(parameters, settings=config(limits)).show(*candles[:at])
    second = bot(parameters, settings=config(limits), saved=first.save()).show(*candles[at:])
    assert first.decisions + second.decisions == whole.decisions
    assert msgspec.json.encode(second.engine.strategies["BTC/USD"].state) == msgspec.json.encode(
        whole.engine.strategies["BTC/USD"].state
    )
