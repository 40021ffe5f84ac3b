"""The table in docs/metrics.md is what a bot exposes: names, types and labels."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from tradingbot.domain.states import State
from tradingbot.observe.metrics import Metrics
from tradingbot.ports import venue as answers
from tradingbot.risk.latch import Board

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def documented() -> dict[str, tuple[str, list[str]]]:
    section = PAGE.read_text(encoding="utf-8").partition("\n## Bot\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]
    assert all(len(row) == 5 and row[3] and row[4] for row in rows)
    names = [row[0].strip("|` ") for row in rows]
    assert len(names) == len(set(names))
    return {name: (row[1], re.findall(r"`(\w+)`", row[2])) for name, row in zip(names, rows, strict=True)}


def exposed() -> dict[str, tuple[str, list[str]]]:
    metrics = Metrics("breakout", "Spot", "binance")
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    described = {}
    for one in found:
        (family,) = one.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        described[name] = (family.type, list(one._labelnames))
    described["tradingbot_info"] = ("gauge", ["version", "strategy", "exchange", "mode"])
    families = {family.name for family in metrics.registry.collect() if not family.name.startswith("process_")}
    assert families == {name.removesuffix("_total") for name in described}
    return described


def test_the_documented_metrics_are_those_that_a_bot_exposes() -> None:
    assert documented() == exposed()


def test_a_service_that_does_not_answer_is_an_open_breaker_and_nothing_else_is() -> None:
    metrics, board = Metrics("s", "Spot", "x"), Board()

    def states(*, database: bool = True) -> dict[str, float]:
        metrics.restricted(board.restrictions(), database=database)
        return {service: metrics.breaker.labels(service)._value.get() for service in ("database", "exchange", "feed")}

    assert states() == {"database": 0, "exchange": 0, "feed": 0}
    assert states(database=False) == {"database": 1, "exchange": 0, "feed": 0}
    board.hold("exchange", State.HALTED, "no answer")
    board.hold("spec", State.HALTED, "a person wants it")
    assert states() == {"database": 0, "exchange": 1, "feed": 0}
    board.hold("exchange", State.ACTIVE, "")
    assert states() == {"database": 0, "exchange": 0, "feed": 0}


def test_answers_of_the_exchange_are_counted_by_what_they_say() -> None:
    metrics = Metrics("s", "Spot", "binance")
    for answer in (
        answers.Accepted("1", 1),
        answers.Accepted("2", 2),
        answers.Refused("X", "no"),
        answers.Unknown("time-out"),
    ):
        metrics.answered(answer)
    exposed = metrics.expose().decode()
    for status, count in (("accepted", 2), ("refused", 1), ("unknown", 1)):
        assert f'provider_requests_total{{provider="binance",status="{status}"}} {count}.0' in exposed


def test_what_is_counted_begins_with_zero() -> None:
    """Prometheus sees no increase in a series that begins with one: the first trade of a bot would be no activity."""
    exposed = Metrics("breakout", "Spot", "binance", symbols=["BTC/USD"]).expose().decode().splitlines()
    for first in (
        'trades_total{direction="long",strategy="breakout",symbol="BTC/USD"} 0.0',
        'provider_requests_total{provider="binance",status="unknown"} 0.0',
        'decision_confidence_count{action="buy",asset_pair="BTC/USD"} 0.0',
        'trade_pnl_count{asset_pair="BTC/USD"} 0.0',
    ):
        assert first in exposed


def test_a_live_bot_says_so() -> None:
    assert 'mode="live"' in Metrics("breakout", "Spot", "binance", mode="live").expose().decode()
