"""No limit that a user sets is lost on its way to the bot."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradingbot.config.model import FaultsSection, RiskSection
from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.trading import Faults, Risk, Simulation
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
from tradingbot_operator.desired.configfile import config_values

SPEC = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
    "database": {"secretRef": {"name": "trading-database"}},
    "risk": {
        "maxOrderValue": 5000.5,
        "maxStopDistance": 0.05,
        "maxTargetDistance": 0.5,
        "minConfidence": 0.6,
        "autonomous": False,
        "maxPriceJump": 0.5,
    },
    "simulation": {
        "feed": {"type": "Recorded", "dataset": "recorded"},
        "faults": {"timeout": 0.05, "lateFill": 0.1, "lateSeconds": 7},
    },
}
BOT = parse(
    TradingBot,
    {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {"name": "a", "namespace": "b", "uid": "c"},
        "spec": SPEC,
    },
)
CONFIG = config_values(BOT, Mode.SIMULATION)


@pytest.mark.parametrize("field", sorted(Risk.model_fields))
def test_every_limit_reaches_the_bot(field: str) -> None:
    assert field in CONFIG["risk"]


def test_the_bot_reads_the_limits_as_the_object_says_them() -> None:
    theirs = RiskSection.model_validate(CONFIG["risk"])
    assert theirs.model_dump() == BOT.spec.risk.model_dump()


def test_a_limit_that_is_not_set_is_not_written() -> None:
    """An image from before there was such a limit refuses to start with its name."""
    plain = BOT.model_copy(update={"spec": BOT.spec.model_copy(update={"risk": Risk()})})
    written = config_values(plain, Mode.SIMULATION)
    assert not set(written["risk"]) & {
        "max_order_value",
        "max_stop_distance",
        "max_target_distance",
        "min_confidence",
        "autonomous",
        "max_price_jump",
    }
    assert "order_confirmation_seconds" not in written["exchange"]
    assert CONFIG["exchange"]["order_confirmation_seconds"] == BOT.spec.exchange.order_confirmation_seconds


@pytest.mark.parametrize("field", sorted(Simulation.model_fields))
def test_every_setting_of_the_simulation_reaches_the_bot(field: str) -> None:
    assert field in CONFIG["simulation"]


def test_every_fault_reaches_a_simulation_and_none_a_live_bot() -> None:
    faults = CONFIG["simulation"]["faults"]
    assert set(faults) == set(Faults.model_fields)
    assert (str(faults["timeout"]), str(faults["late_seconds"]), str(faults["reject"])) == ("0.05", "7", "0")
    live = config_values(BOT, Mode.LIVE)
    assert "faults" not in live["simulation"]
    assert {**CONFIG["simulation"], "faults": None} == {**live["simulation"], "faults": None}


def test_the_bot_knows_the_same_faults() -> None:
    """Two packages that know nothing of each other: only a test can hold them together."""
    ours = {name: (field.default, field.is_required()) for name, field in Faults.model_fields.items()}
    theirs = {name: (field.default, field.is_required()) for name, field in FaultsSection.model_fields.items()}
    assert ours == theirs


def test_a_limit_arrives_digit_for_digit() -> None:
    assert Decimal(str(CONFIG["risk"]["max_order_value"])) == Decimal("5000.5")
