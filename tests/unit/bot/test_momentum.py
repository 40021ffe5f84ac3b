from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bot.harness import FUTURES, RULES, Bot, candle, config

from tradingbot.domain.errors import ConfigurationError
from tradingbot.risk.limits import Limits
from tradingbot.strategy import registry
from tradingbot.strategy.builtin.momentum import RateOfChange

if TYPE_CHECKING:
    from tradingbot.domain.market import Candle

NAME = "momentum"
QUICK = {"lookback": 2, "threshold": "0.02", "exit_threshold": "0", "trend": 4, "atr_period": 2, "cooldown": 0}


def closes(*prices: float) -> list[Candle]:
    """Candles that close at these prices, each with a range of 10 USD."""
    return [candle(minute, (price, price + 5, price - 5, price)) for minute, price in enumerate(prices)]


def bot(parameters: dict[str, Any], **kwargs: Any) -> Bot:
    return Bot(registry.factory(NAME, parameters), **kwargs)


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=80), st.integers(1, 20))
def test_the_rate_of_change_is_the_one_computed_anew(values: list[int], size: int) -> None:
    change = RateOfChange(size)
    for index, value in enumerate(values):
        found = change.update(value)
        assert found == ((value - values[index - size]) / values[index - size] if index >= size else None)


def test_it_buys_on_the_candle_on_which_the_threshold_is_reached_and_not_again() -> None:
    made = bot(QUICK).show(*closes(1000, 1000, 1000, 1000, 1010))
    assert made.decisions == []
    made.show(*closes(1000, 1000, 1000, 1000, 1010, 1025, 1045)[5:])
    (decision,) = made.decisions
    assert (decision.action, decision.side, decision.approved) == ("enter", "buy", True)
    assert decision.ts == 6 * 60_000_000
    assert decision.reason == "rose 2% or more in 2 candles, above the 4-candle average"


def test_a_rise_below_the_trend_is_left_alone() -> None:
    falling = (1200, 1200, 1200, 1000, 1000, 1025, 1030)
    assert bot({**QUICK, "trend": 6}).show(*closes(*falling)).decisions == []
    assert bot({**QUICK, "trend": 2}).show(*closes(*falling)).decisions != []


def test_it_leaves_when_the_momentum_is_gone() -> None:
    made = bot(QUICK).show(*closes(1000, 1000, 1000, 1000, 1010, 1025, 1025, 1030))
    assert [decision.action for decision in made.decisions] == ["enter"]
    made.show(*closes(1000, 1000, 1000, 1000, 1010, 1025, 1025, 1030, 1024)[8:])
    left = made.decisions[-1]
    assert (left.action, left.approved, left.reason) == ("exit", True, "the 2-candle rate of change turned")


def test_stop_and_target_hold_the_risk_reward_rule_after_costs() -> None:
    made = bot({**QUICK, "stop_atr": 3}).show(*closes(1000, 1000, 1000, 1000, 1010, 1025))
    (decision,) = made.decisions
    facts = dict(decision.facts)
    price, cost = Decimal(1025), Decimal(1025) * RULES.cost * 2
    stop, target = Decimal(facts["stop_loss"]), Decimal(facts["take_profit"])
    assert (target - price - cost) / (price - stop + cost) >= 3
    atr = made.engine.strategies["BTC/USD"].state.atr.value
    assert float(price - stop) == pytest.approx(3 * atr * 0.5, abs=2)  # a tick is 0.5 USD


def test_a_short_position_is_the_mirror_image_where_the_market_permits_it() -> None:
    prices = (1000, 1000, 1000, 1000, 990, 975, 975, 980)
    assert bot(QUICK, instrument=FUTURES).show(*closes(*prices)).decisions == []
    made = bot({**QUICK, "allow_short": True}, instrument=FUTURES).show(*closes(*prices))
    assert [(d.action, d.side.value, d.approved) for d in made.decisions] == [
        ("enter", "sell", True),
        ("exit", "buy", True),
    ]


@pytest.mark.parametrize(
    ("parameters", "field", "hint"),
    [
        ({"lookback": 0}, "strategy.parameters.lookback", "greater than or equal to 1 (given: 0)"),
        ({"lokback": 5}, "strategy.parameters.lokback", "did you mean lookback?"),
        ({"threshold": -0.01}, "strategy.parameters.threshold", "greater than 0"),
        ({"threshold": "Infinity"}, "strategy.parameters.threshold", "finite"),
        ({"threshold": "0.01", "exit_threshold": "0.02"}, "exit_threshold (0.02)", "less than threshold (0.01)"),
        ({"trend": 1}, "strategy.parameters.trend", "greater than or equal to 2"),
        ({"stop_atr": 0}, "strategy.parameters.stop_atr", "greater than 0"),
        ({"allow_short": "perhaps"}, "strategy.parameters.allow_short", "valid boolean"),
    ],
)
def test_refused_parameters_name_the_field(parameters: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        registry.factory(NAME, parameters)
    assert field in caught.value.message
    assert hint in caught.value.message


@given(st.lists(st.integers(950, 1050), min_size=20, max_size=60), st.integers(1, 59))
def test_restored_half_way_it_decides_the_same(prices: list[int], at: int) -> None:
    candles = closes(*prices)
    at = min(at, len(candles) - 1)
    limits = Limits(cost=RULES.cost, commission=RULES.commission, max_drawdown=Decimal(1), daily_loss_limit=Decimal(1))
    whole = bot(QUICK, settings=config(limits)).show(*candles)
    first = bot(QUICK, settings=config(limits)).show(*candles[:at])
    second = bot(QUICK, settings=config(limits), saved=first.save()).show(*candles[at:])
    assert first.decisions + second.decisions == whole.decisions
    assert msgspec.json.encode(second.engine.strategies["BTC/USD"].state) == msgspec.json.encode(
        whole.engine.strategies["BTC/USD"].state
    )
