"""A resume counts only if nothing asked for a stop when it was written, and only for the stop that it names."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.unit.bot.test_resume import Process, Rows, _rest, _spec

from tradingbot.domain.states import State

STOP = {"active": True}
FIRST = "1f0c2a9b-7"


def wish(reason: str = "checked") -> dict[str, str]:
    return {"stopId": FIRST, "reason": reason}


async def stopped() -> tuple[Rows, Process]:
    rows = Rows()
    bot = Process(rows)
    await bot.start()
    _spec(bot, 7, emergencyStop=STOP)
    await _rest()
    assert [row.id for row in rows.held] == [FIRST]
    return rows, bot


async def settled(bot: Process) -> None:
    await _rest()
    if bot.control.resume.waiting:
        await bot.control.resume.settle(cast("Any", bot.driver))
    await _rest()


async def test_a_resume_that_was_written_while_a_stop_was_asked_for_never_counts() -> None:
    rows, bot = await stopped()
    _spec(bot, 8, emergencyStop=STOP, resume=wish())
    await settled(bot)
    _spec(bot, 9, resume=wish())
    await settled(bot)
    assert ([row.id for row in rows.held], bot.control.board.state) == ([FIRST], State.KILLED)
    assert "so it does not count: write it again, with another reason" in bot.control.resume.complaint()
    _spec(bot, 10, resume=wish("looked at it once more"))
    await settled(bot)
    assert (rows.held, bot.trading) == ([], True)


async def later_stop(**more: bool) -> tuple[Rows, Process]:
    """A person resumes, and stops again before the database could be told of either."""
    rows, bot = await stopped()
    rows.up = False
    _spec(bot, 8, resume=wish())
    await _rest()
    _spec(bot, 9, resume=wish(), emergencyStop={**STOP, **more})
    await _rest()
    return rows, bot


async def back(rows: Rows, bot: Process) -> None:
    rows.up = True
    bot.clock.ring()
    await settled(bot)


@pytest.mark.parametrize("reverted", [False, True])
async def test_a_stop_that_came_after_the_resume_takes_the_place_of_the_one_that_is_lifted(reverted: bool) -> None:
    rows, bot = await later_stop()
    if reverted:
        _spec(bot, 10, resume=wish())
        await _rest()
    await back(rows, bot)
    assert [row.id for row in rows.held] == ["1f0c2a9b-9"]
    assert [row.id for row in rows.rows if row.cleared_at is not None] == [FIRST]
    assert (bot.control.board.state, bot.trading) == (State.KILLED, False)


async def test_that_the_later_stop_is_to_close_positions_is_kept_whatever_comes_after_it() -> None:
    rows, bot = await later_stop(closePositions=True)
    _spec(bot, 10, resume=wish(), emergencyStop=STOP)
    await _rest()
    await back(rows, bot)
    (held,) = rows.held
    assert (held.id, held.close_positions) == ("1f0c2a9b-9", True)


async def test_a_later_stop_learns_that_positions_are_to_be_closed() -> None:
    rows, bot = await later_stop()
    _spec(bot, 10, resume=wish(), emergencyStop={**STOP, "closePositions": True})
    await _rest()
    await back(rows, bot)
    (held,) = rows.held
    assert (held.id, held.close_positions) == ("1f0c2a9b-9", True)


async def test_a_second_look_at_the_same_stop_is_no_later_stop() -> None:
    rows, bot = await stopped()
    rows.up = False
    _spec(bot, 8, resume=wish())
    await _rest()
    assert bot.control.stop is not None
    bot.control.resume.stop_seen(bot.control.stop)
    await back(rows, bot)
    assert (rows.held, bot.trading) == ([], True)


async def test_a_stop_that_comes_while_the_resume_names_another_one_begins_nothing_new() -> None:
    """It is the stop that is latched that counts; the resume of something else lifts nothing."""
    rows, bot = await stopped()
    _spec(bot, 8, resume={"stopId": "1f0c2a9b-3", "reason": "old"})
    _spec(bot, 9, resume={"stopId": "1f0c2a9b-3", "reason": "old"}, emergencyStop=STOP)
    await settled(bot)
    assert [row.id for row in rows.held] == [FIRST]
    _spec(bot, 10, resume=wish())
    await settled(bot)
    assert (rows.held, bot.trading) == ([], True)


async def test_a_stop_that_is_named_by_the_time_never_has_the_id_of_one_that_was_resumed_or_is_about_to_be() -> None:
    """The clock may go back: the resume that is in the object already must not lift the new stop."""
    _, bot = await stopped()
    resume = bot.control.resume
    assert resume.unused("api-1") == "api-1"
    _spec(bot, 8, resume=wish())
    await settled(bot)
    assert resume.unused(FIRST) == f"{FIRST}-2"
    _spec(bot, 9, resume={"stopId": "api-1", "reason": "checked"})
    assert resume.unused("api-1") == "api-1-2"
    assert resume.unused(FIRST) == f"{FIRST}-2", "resumed last"
