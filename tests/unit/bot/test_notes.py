"""What people are told, and in what words."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from tests.unit.bot.harness import Bot, Scripted, buy, candle, flat

from tradingbot.config.load import load
from tradingbot.core import notes
from tradingbot.domain import effects as fx
from tradingbot.domain.notes import URGENT, Kind
from tradingbot.domain.states import State
from tradingbot.ports.store import LatchRow
from tradingbot.risk.latch import Board, StopRecord


def told(bot: Bot, *effects: fx.Effect) -> list[tuple[Kind, str]]:
    found = notes.compose(effects, bot.engine.state, "USD")
    return [(note.kind, f"{note.title}: {note.text}") for note in found]


def test_a_limit_an_alarm_and_an_unknown_order_are_told() -> None:
    bot = Bot(lambda: Scripted({}))
    text = "the exchange did not say what became of order c1 for BTC/USD; it is being asked"
    latch = fx.Latch("daily_loss", State.HALTED, "lost 3.1 %", 7)
    assert told(bot, latch, fx.Alarm("UNPROTECTED", "no stop", 8), fx.Query("c1", "BTC/USD")) == [
        (Kind.LIMIT, "HALTED: daily loss: lost 3.1 %"),
        (Kind.ALARM, "UNPROTECTED: no stop"),
        (Kind.UNKNOWN, f"order unknown: {text}"),
    ]
    assert {Kind.LIMIT, Kind.ALARM, Kind.UNKNOWN, Kind.STOP, Kind.HALT} == URGENT


def test_orders_that_wait_for_a_person_are_told_each_for_itself_and_for_an_hour_only() -> None:
    bot = Bot(lambda: Scripted({}))
    effects = [fx.Alarm("CONFIRMATION_REQUIRED", f"{symbol}: 5000 waits", 9) for symbol in ("BTC/USD", "ETH/USD")]
    found = notes.compose(effects, bot.engine.state, "USD")
    assert [note.kind for note in found] == [Kind.CONFIRMATION, Kind.CONFIRMATION]
    assert len({note.key for note in found}) == 2
    assert {note.seconds for note in found} == {3600.0}


def test_a_position_is_told_of_when_it_is_closed_and_not_before() -> None:
    bot = Bot(lambda: Scripted({1: buy(990, 1040)})).show(flat(0, 1000.0), flat(1, 1000.0))
    effects = [effect for effect in bot.effects if isinstance(effect, fx.Traded)]
    assert effects
    assert told(bot, *effects) == []
    before = len(effects)
    bot.show(candle(2, (1000, 1000, 980, 980)), flat(3, 980.0))
    effects = [effect for effect in bot.effects if isinstance(effect, fx.Traded)][before:]
    ((kind, text),) = told(bot, *effects)
    assert kind is Kind.TRADE
    assert text.startswith("BTC/USD closed, loss ")


def test_the_same_thing_has_the_same_key_and_another_one_another() -> None:
    bot = Bot(lambda: Scripted({}))
    keys = [
        notes.compose([fx.Alarm(code, "x", ts)], bot.engine.state, "USD")[0].key
        for code, ts in (("A", 1), ("A", 1), ("A", 2), ("B", 1))
    ]
    assert len(set(keys)) == 3
    assert keys[0] == keys[1]


def test_a_halt_without_a_latch_is_told_once_and_its_end_too() -> None:
    board = Board()
    board.hold("reconcile", State.HALTED, "order x is not ours")
    halted = notes.of_state(State.ACTIVE, board, "k")
    assert halted is not None
    assert (halted.kind, halted.text) == (Kind.HALT, "reconcile: order x is not ours")
    assert notes.of_state(State.HALTED, board, "k") is None
    board.hold("reconcile", State.ACTIVE, "")
    again = notes.of_state(State.HALTED, board, "k")
    assert again is not None
    assert again.title == "ACTIVE again"
    assert notes.of_state(State.ACTIVE, board, "k") is None


def test_what_has_a_note_of_its_own_is_not_told_twice() -> None:
    for source, latched in (("drawdown", True), ("shutdown", False)):
        board = Board()
        board.hold(source, State.HALTED, "x", latched=latched)
        assert notes.of_state(State.ACTIVE, board, "k") is None
    board = Board()
    board.replace(StopRecord("1f0c2a9b-7", "api", "fire", False))
    assert notes.of_state(State.ACTIVE, board, "k") is None


@pytest.mark.parametrize("state", ["CANCELLED", "FLAT", "FLAT_WITH_DUST", "RESIDUAL", "UNKNOWN"])
def test_a_stop_is_told_at_once_and_again_when_it_is_known_what_became_of_it(state: str) -> None:
    row = LatchRow(
        source="emergency_stop",
        state=State.KILLED,
        reason="fire",
        since=datetime(2026, 11, 25, tzinfo=UTC),
        stop_id="1f0c2a9b-7",
        origin="api",
    )
    first = notes.of_stop(row)
    assert first is not None
    assert first.title == "EMERGENCY STOP"
    assert "1f0c2a9b-7" in first.text
    assert notes.of_stop(msgspec.structs.replace(row, outcome={"state": "PENDING"})) is None
    then = notes.of_stop(msgspec.structs.replace(row, outcome={"state": state, "message": "2 left"}))
    assert then is not None
    assert then.title == f"emergency stop: {state}"
    assert then.key != first.key
    assert "2 left" in then.text


def test_recipients_are_written_with_commas() -> None:
    settings = load({"SMTP_TO": "a@x.org, b@x.org,"}, defaults={"strategy": {"name": "breakout"}})
    assert settings.notifications.email is not None
    assert settings.notifications.email.recipients == ["a@x.org", "b@x.org"]
