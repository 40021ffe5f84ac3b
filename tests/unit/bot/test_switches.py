"""Feature flags that steer: each can only take something away, and what is off is remembered."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bot.harness import FUTURES, Bot, Scripted, buy, config, flat

from tradingbot.domain import events
from tradingbot.domain.effects import Alarm, Submit
from tradingbot.domain.flags import OFF
from tradingbot.domain.orders import Side
from tradingbot.domain.states import State
from tradingbot.risk.limits import Limits
from tradingbot.strategy.base import Enter

WITHIN = 300 * 1_000_000
SHORT = Enter(Side.SELL, Decimal(105), Decimal(70), "told to")
LIMITS = Limits()


def bot(script: dict[int, Enter] | None = None, saved: tuple[bytes, bytes] | None = None, *, flags: bool = True) -> Bot:
    settings = config(LIMITS, flags=flags, confirm_within=WITHIN)
    return Bot(lambda: Scripted(script or {}), settings=settings, instrument=FUTURES, saved=saved)  # type: ignore[arg-type]


def switched(*off: str, script: dict[int, Enter] | None = None) -> Bot:
    robot = bot(script)
    robot.step(events.SwitchFlags(0, off))
    return robot.show(flat(1, 100, 1e5))


def state(robot: Bot) -> State:
    return robot.board.state


def codes(robot: Bot) -> list[str]:
    return [made.code or "approved" for made in robot.decisions]


@pytest.mark.parametrize(
    ("off", "wish", "code"),
    [
        ("entries", buy(95, 130), "STATE_BLOCKS_ENTRIES"),
        ("short_selling", SHORT, "SHORT_NOT_POSSIBLE"),
        ("autonomous", buy(95, 130), "CONFIRMATION_REQUIRED"),
        ("autonomous", SHORT, "CONFIRMATION_REQUIRED"),
        ("short_selling", buy(95, 130), "approved"),
        ("manual_trades", buy(95, 130), "approved"),
        ("unheard_of", SHORT, "approved"),
    ],
)
def test_a_flag_that_is_off_takes_away_what_it_says(off: str, wish: Enter, code: str) -> None:
    assert codes(switched(off, script={1: wish})) == [code]
    assert codes(switched(script={1: wish})) == ["approved"]


def test_every_flag_of_the_list_is_told_apart_and_none_is_forgotten() -> None:
    assert set(OFF) == {"entries", "short_selling", "manual_trades", "autonomous"}


def test_switching_entries_off_takes_entry_orders_back_and_keeps_what_protects() -> None:
    robot = bot({1: buy(95, 130), 4: buy(95, 130)}).show(flat(1, 100, 1e5), flat(2, 100, 1e5))
    assert robot.engine.state.book.open_positions()
    protecting = {order.intent.client_id for order in robot.engine.desk.live()}
    robot.step(events.SwitchFlags(0, ("entries",)))
    assert {order.intent.client_id for order in robot.engine.desk.live()} == protecting
    assert state(robot) is State.PAUSED
    robot.step(events.SwitchFlags(0, ()))
    assert state(robot) is State.ACTIVE


def test_what_is_off_is_off_after_a_restart_and_gone_with_redis() -> None:
    robot = switched("entries", "autonomous")
    again = bot(saved=robot.save())
    assert again.engine.state.flags_off == ["autonomous", "entries"]
    assert again.board.state is State.PAUSED
    without = bot(saved=again.save(), flags=False)
    assert without.engine.state.flags_off == []
    assert without.board.state is State.ACTIVE


def test_it_is_told_once() -> None:
    robot = switched("entries")
    robot.step(events.SwitchFlags(0, ("entries",)))
    alarms = [effect.text for effect in robot.of(Alarm) if effect.code == "FLAGS_CHANGED"]
    assert len(alarms) == 1
    assert OFF["entries"] in alarms[0]


@given(st.sets(st.sampled_from([*OFF, "other"])), st.sampled_from([buy(95, 130), SHORT]))
def test_no_set_of_flags_permits_what_all_of_them_on_forbid(off: set[str], wish: Enter) -> None:
    """Whatever is off: what is sent is at most what would have been sent, and a stop stays a stop."""
    usual, robot = switched(script={1: wish}), switched(*sorted(off), script={1: wish})
    sent = [effect.approved.item for effect in robot.of(Submit)]
    assert sent in ([], [effect.approved.item for effect in usual.of(Submit)])
    robot.step(events.EmergencyStop(0, "s", "api", "x", close_positions=False))
    robot.step(events.SwitchFlags(0, ()))
    assert robot.board.state is State.KILLED
