"""A TradingBot for the unit tests of the operator."""

from __future__ import annotations

from typing import Any

from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1 import TradingBot

MINIMAL: dict[str, Any] = {
    "strategy": {"name": "breakout", "symbols": ["BTC/USD"], "parameters": {"entry_lookback": 20, "ratio": 0.15}},
    "database": {"secretRef": {"name": "db"}},
}


def bot(**spec: Any) -> TradingBot:
    """A valid TradingBot named btc-breakout in the namespace trading."""
    return parse(
        TradingBot,
        {
            "apiVersion": "tradingbots.dev/v1alpha1",
            "kind": "TradingBot",
            "metadata": {
                "name": "btc-breakout",
                "namespace": "trading",
                "uid": "1f0c2a9b-0000-4000-8000-000000000000",
                "generation": 7,
                "resourceVersion": "42",
            },
            "spec": MINIMAL | spec,
        },
    )
