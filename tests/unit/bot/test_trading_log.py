"""The log says what was traded: whoever looks at an incident has symbol, side and reason in each line."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs
from tests.unit.bot.harness import Bot, Scripted, buy, flat

from tradingbot.domain.effects import Alarm, Cancel, Decide, Submit, Traded
from tradingbot.domain.orders import Side
from tradingbot.observe import trading
from tradingbot.strategy.base import Enter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.effects import Effect


def lines(effects: Iterable[Effect]) -> list[dict[str, Any]]:
    with capture_logs() as said:
        for effect in effects:
            trading.tell(effect)
    # As JSON: a value that is none would be written as whatever `str` makes of it.
    return [json.loads(json.dumps(line)) for line in said]


def traded() -> list[Effect]:
    """A position that is opened, protected, and whose second wish is denied."""
    wish = Enter(Side.BUY, Decimal(990), Decimal(1040), "a signal", confidence=Decimal("0.7"))
    robot = Bot(lambda: Scripted({1: wish, 3: buy(990, 1040)})).show(*(flat(n, 1000.0) for n in range(5)))
    return list(robot.effects)


def test_each_decision_order_and_execution_is_a_line_with_its_symbol_and_side() -> None:
    effects = traded()
    shown = lines(effects)
    wanted = {
        "approved": sum(isinstance(one, Decide) and one.decision.approved for one in effects),
        "denied": sum(isinstance(one, Decide) and not one.decision.approved for one in effects),
        "order": sum(isinstance(one, Submit) for one in effects),
        "executed": sum(isinstance(one, Traded) for one in effects),
    }
    assert all(wanted.values())
    assert {name: sum(line["event"] == name for line in shown) for name in wanted} == wanted
    for line in shown:
        assert (line["symbol"], line["log_level"]) == ("BTC/USD", "info")
        assert line["side"] in ("buy", "sell")


def test_the_lines_say_what_and_why_and_lead_to_each_other() -> None:
    shown = lines(traded())
    approved = next(line for line in shown if line["event"] == "approved")
    assert (approved["confidence"], approved["reason"], approved["side"]) == ("0.7", "a signal", "buy")
    order = next(line for line in shown if line["event"] == "order" and line["role"] == "entry")
    executed = next(line for line in shown if line["event"] == "executed")
    assert approved["client_id"] == order["client_id"] == executed["client_id"] != ""
    assert Decimal(executed["quantity"]) <= Decimal(order["quantity"])
    stop = next(line for line in shown if line["event"] == "order" and line["role"] == "stop")
    assert (stop["stop_price"], stop["side"]) == ("990", "sell")
    denied = next(line for line in shown if line["event"] == "denied")
    assert (denied["code"], denied["confidence"]) == ("POSITION_EXISTS", None)


def test_a_cancel_is_a_line_and_what_has_lines_of_its_own_is_none() -> None:
    assert [line["event"] for line in lines([Cancel("id-1", "BTC/USD"), Alarm("X", "x", 1)])] == ["cancel"]
