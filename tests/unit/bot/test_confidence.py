"""How sure a strategy is: said with each signal, recorded with each decision, and held against what is required."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bot.golden import run
from tests.unit.bot.harness import Bot, Scripted, buy, config, flat

from tradingbot.core import commands
from tradingbot.domain import events
from tradingbot.domain.effects import Submit
from tradingbot.observe.metrics import Metrics
from tradingbot.risk.limits import Limits
from tradingbot.strategy import registry
from tradingbot.strategy.indicators import strength

if TYPE_CHECKING:
    from tradingbot.domain.market import Candle
    from tradingbot.strategy.base import Context, Enter

WISH = buy(95, 130)


class Always(Scripted):
    """Wishes the same at every candle."""

    def __init__(self, wish: Enter) -> None:
        super().__init__({})
        self.wish = wish

    def on_candle(self, ctx: Context, candle: Candle) -> list[Enter]:
        del ctx, candle
        return [self.wish]


def stated(bot: Bot) -> list[tuple[str, str]]:
    """By decision on an entry, its code and what was said of its confidence."""
    return [
        (made.code or "approved", dict(made.facts).get("confidence", ""))
        for made in bot.decisions
        if made.action == "enter"
    ]


def bot(confidence: str | None, **limits: Any) -> Bot:
    wish = msgspec.structs.replace(WISH, confidence=None if confidence is None else Decimal(confidence))
    return Bot(lambda: Scripted({1: wish}), settings=config(Limits(**limits))).show(flat(1, 100, 1e5))


def test_it_is_recorded_with_what_was_approved_and_with_what_was_denied() -> None:
    assert stated(bot("0.62")) == [("approved", "0.62")]
    assert stated(bot("0.62", min_risk_reward_ratio=Decimal(100))) == [("RISK_REWARD_TOO_LOW", "0.62")]
    assert stated(bot(None)) == [("approved", "")]


def test_a_signal_that_is_weaker_than_required_opens_nothing_and_says_both_figures() -> None:
    robot = bot("0.59", min_confidence=Decimal("0.6"))
    assert robot.of(Submit) == []
    assert robot.decisions[-1].code == "LOW_CONFIDENCE"
    assert dict(robot.decisions[-1].facts) == {"confidence": "0.59", "required": "0.6"}


def test_a_strategy_that_says_nothing_opens_nothing_while_something_is_required() -> None:
    robot = bot(None, min_confidence=Decimal("0.01"))
    assert dict(robot.decisions[-1].facts)["confidence"] == "none"
    assert robot.of(Submit) == []


@pytest.mark.parametrize("nonsense", [0.9, "very", Decimal("NaN"), Decimal(2), -1])
def test_what_is_no_confidence_is_denied_and_harms_nothing_else(nonsense: object) -> None:
    wish = msgspec.structs.replace(WISH, confidence=nonsense)
    robot = Bot(lambda: Scripted({1: wish, 2: WISH}), settings=config()).show(flat(1, 100, 1e5), flat(2, 100, 1e5))
    assert [code for code, _ in stated(robot)] == ["DATA_INVALID", "approved"]


def test_a_person_is_sure() -> None:
    robot = Bot(lambda: Scripted({}), settings=config(Limits(min_confidence=Decimal(1)))).show(flat(1, 100, 1e5))
    robot.step(events.ManualTrade(0, "BTC/USD", "buy", Decimal(95), Decimal(130), None, None, "mine"))
    assert robot.decisions[-1].approved


def test_what_would_be_decided_says_it_as_well() -> None:
    wish = msgspec.structs.replace(WISH, confidence=Decimal("0.4"))
    robot = Bot(lambda: Always(wish), settings=config(Limits(min_confidence=Decimal("0.5")))).show(flat(0, 100, 1e5))
    robot.step(events.ChangeLimits(0, (("min_confidence", "0.4"),), "enough"))
    (made,) = commands.preview(robot.engine, "BTC/USD")
    assert (made.approved, dict(made.facts)["confidence"]) == (True, "0.4")
    robot.step(events.ChangeLimits(0, (("min_confidence", "0.41"),), "more"))
    (made,) = commands.preview(robot.engine, "BTC/USD")
    assert (made.code, dict(made.facts)["confidence"]) == ("LOW_CONFIDENCE", "0.4")


# -- the strategies that come with the bot -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names())
def test_each_strategy_says_how_strong_its_signal_is(name: str) -> None:
    robot = run(name, 1)
    said = [Decimal(confidence) for _, confidence in stated(robot)]
    assert len(said) > 3
    assert all(0 <= value <= 1 for value in said)
    assert len(set(said)) > 2, "it is no constant"


@pytest.mark.parametrize("name", registry.names())
def test_requiring_more_trades_less_and_nothing_that_was_too_weak(name: str) -> None:
    robot = run(name, 1, Limits(min_confidence=Decimal("0.4")))
    decided = stated(robot)
    approved = [Decimal(confidence) for code, confidence in decided if code == "approved"]
    assert all(value >= Decimal("0.4") for value in approved)
    assert "LOW_CONFIDENCE" in dict(decided) or len(approved) == len(stated(run(name, 1)))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_further_beyond_the_threshold_is_stronger(one: float, other: float, unit: float) -> None:
    weak, strong = strength(min(one, other), unit), strength(max(one, other), unit)
    assert 0 <= weak <= strong <= 1
    assert strength(unit, unit) == Decimal("0.5")
    assert weak == round(weak, 4)


def test_without_a_unit_nothing_is_divided() -> None:
    assert (strength(0, 0), strength(1, 0), strength(-1, 5)) == (Decimal(0), Decimal(1), Decimal(0))


def test_the_metric_counts_every_signal_by_pair_and_action() -> None:
    metrics = Metrics("breakout", "Spot", "binance")
    robot = bot("0.5")
    denied = bot("0.25", min_confidence=Decimal("0.6"))
    for effect in itertools.chain(robot.effects, denied.effects, bot(None).effects):
        metrics.count(effect)
    value = metrics.registry.get_sample_value
    labels = {"asset_pair": "BTC/USD", "action": "buy"}
    assert value("decision_confidence_count", labels) == 2
    assert value("decision_confidence_sum", labels) == 0.75
