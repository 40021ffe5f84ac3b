"""What the command line makes of a bot's answers."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tradingbot.cli import remote_show


@pytest.mark.parametrize(("count", "said"), [(None, "not known"), (0, "0"), (3, "3")])
def test_what_a_bot_does_not_know_is_not_shown_as_none(count: int | None, said: str) -> None:
    answer: dict[str, Any] = {
        "bot": "trading/btc",
        "mode": "live",
        "role": "standby",
        "state": "ACTIVE",
        "strategy": {"name": "breakout", "symbols": ["BTC/USD"], "timeframe": "1m"},
        "positions": count,
        "open_orders": count,
    }
    out = io.StringIO()
    remote_show.status(answer, Console(file=out, width=120))
    lines = [line.split(maxsplit=1) for line in out.getvalue().splitlines()]
    assert ["positions", said] in [[word.strip() for word in line] for line in lines]
    assert f"open orders {said}" in " ".join(out.getvalue().split())
