"""No limit that a user sets is lost on its way to the bot."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.trading import Risk, Simulation
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
from tradingbot_operator.desired.configfile import config_values

SPEC = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
    "database": {"secretRef": {"name": "trading-database"}},
    "risk": {"maxOrderValue": 5000.5},
    "simulation": {"feed": {"type": "Recorded", "dataset": "recorded"}},
}
CONFIG = config_values(
    parse(
        TradingBot,
        {
            "apiVersion": "tradingbots.dev/v1alpha1",
            "kind": "TradingBot",
            "metadata": {"name": "a", "namespace": "b", "uid": "c"},
            "spec": SPEC,
        },
    ),
    Mode.SIMULATION,
)


@pytest.mark.parametrize("field", sorted(Risk.model_fields))
def test_every_limit_reaches_the_bot(field: str) -> None:
    assert field in CONFIG["risk"]


@pytest.mark.parametrize("field", sorted(Simulation.model_fields))
def test_every_setting_of_the_simulation_reaches_the_bot(field: str) -> None:
    assert field in CONFIG["simulation"]


def test_a_limit_arrives_digit_for_digit() -> None:
    assert Decimal(str(CONFIG["risk"]["max_order_value"])) == Decimal("5000.5")
