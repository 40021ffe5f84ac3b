"""A live order above a value waits for a person; a yes is judged again, and never becomes more than was shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.unit.bot.harness import Bot, Scripted, buy, config, flat

from tradingbot.core import picture
from tradingbot.domain import events
from tradingbot.domain.effects import Submit
from tradingbot.domain.market import MINUTE
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State

WITHIN = 300 * 1_000_000
WISH = buy(95, 130)


def bot_that_asks(threshold: int = 500, script: dict[int, Any] | None = None, **more: Any) -> Bot:
    settings = config(confirm_above=Decimal(threshold), confirm_within=WITHIN, targets_rest=False)
    return Bot(lambda: Scripted(script or {1: WISH}), settings=settings, **more).show(flat(1, 100, 1e5))


def codes(bot: Bot) -> list[str]:
    return [decision.code or "approved" for decision in bot.decisions]


def waiting(bot: Bot) -> str:
    found = list(bot.engine.state.waiting)
    assert len(found) == 1
    return found[0]


def say(bot: Bot, client_id: str, *, yes: bool = True, later: int = 0) -> None:
    bot.step(events.Confirmation(bot.engine.state.now + later, client_id, yes, "alice"))


def test_what_waits_is_no_order_and_is_shown() -> None:
    bot = bot_that_asks()
    assert bot.of(Submit) == []
    assert bot.engine.desk.live() == []
    assert bot.engine.state.book.balance("held", "USD") == 0
    assert codes(bot) == ["CONFIRMATION_REQUIRED"]
    shown = picture.take(bot.engine).waiting[0]
    assert shown.value > 500
    assert bot.decisions[0].client_id == shown.client_id


def test_below_the_threshold_nothing_waits() -> None:
    bot = bot_that_asks(threshold=100_000)
    assert codes(bot) == ["approved"]
    assert [effect.approved.item.role for effect in bot.of(Submit)] == [Role.ENTRY]


def test_a_yes_sends_it_under_the_id_that_was_shown() -> None:
    bot = bot_that_asks()
    client_id, size = waiting(bot), next(iter(bot.engine.state.waiting.values())).quantity
    say(bot, client_id)
    assert [effect.approved.item.client_id for effect in bot.of(Submit)] == [client_id]
    assert bot.of(Submit)[0].approved.item.quantity == size
    assert codes(bot) == ["CONFIRMATION_REQUIRED", "approved"]
    assert ("confirmed_by", "alice") in bot.decisions[-1].facts
    assert bot.engine.state.waiting == {}


def test_a_yes_counts_once() -> None:
    bot = bot_that_asks()
    client_id = waiting(bot)
    say(bot, client_id)
    say(bot, client_id)
    assert len(bot.of(Submit)) == 1


def test_a_no_ends_it() -> None:
    bot = bot_that_asks()
    client_id = waiting(bot)
    say(bot, client_id, yes=False)
    say(bot, client_id)
    assert bot.of(Submit) == []
    assert codes(bot)[-1] == "CONFIRMATION_REFUSED"


def test_nobody_said_anything_in_time() -> None:
    bot = bot_that_asks()
    bot.take(bot.engine.tend(bot.engine.state.now + WITHIN - 1))
    assert bot.engine.state.waiting
    bot.take(bot.engine.tend(bot.engine.state.now + 1))
    assert codes(bot)[-1] == "CONFIRMATION_EXPIRED"
    assert bot.engine.state.waiting == {}


def test_a_yes_that_comes_too_late_is_none() -> None:
    bot = bot_that_asks()
    say(bot, waiting(bot), later=WITHIN)
    assert bot.of(Submit) == []
    assert codes(bot)[-1] == "CONFIRMATION_EXPIRED"


def test_the_gate_judges_the_price_of_the_moment_of_the_yes() -> None:
    bot = bot_that_asks().show(flat(2, 94, 1e5))
    say(bot, waiting(bot))
    assert bot.of(Submit) == []
    assert codes(bot)[-1] == "STOP_ON_WRONG_SIDE"


def test_it_never_becomes_larger_than_what_was_confirmed() -> None:
    """Nearer to its stop, the same risk would allow more."""
    bot = bot_that_asks()
    size = next(iter(bot.engine.state.waiting.values())).quantity
    bot.show(flat(2, 97, 1e5))
    say(bot, waiting(bot))
    assert bot.of(Submit)[0].approved.item.quantity == size


def test_it_becomes_smaller_where_the_limits_allow_less_by_then() -> None:
    bot = bot_that_asks()
    size = next(iter(bot.engine.state.waiting.values())).quantity
    bot.show(flat(2, 101, 1e5))
    say(bot, waiting(bot))
    assert bot.of(Submit)[0].approved.item.quantity < size


def test_an_emergency_stop_ends_what_waits_for_good() -> None:
    bot = bot_that_asks()
    client_id = waiting(bot)
    bot.step(events.EmergencyStop(bot.engine.state.now, "s-1", "api", "test", close_positions=False))
    assert codes(bot)[-1] == "STATE_BLOCKS_ENTRIES"
    bot.step(events.Resumed(bot.engine.state.now, "emergency_stop"))
    say(bot, client_id)
    assert bot.of(Submit) == []


def test_while_entries_are_blocked_a_yes_is_denied() -> None:
    bot = bot_that_asks()
    bot.step(events.Hold(bot.engine.state.now, "approval", State.REDUCING, "it ran out"))
    say(bot, waiting(bot))
    assert bot.of(Submit) == []
    assert codes(bot)[-1] == "STATE_BLOCKS_ENTRIES"


def test_a_second_wish_in_the_same_symbol_does_not_wait_beside_the_first() -> None:
    bot = bot_that_asks(script={1: WISH, 2: WISH}).show(flat(2, 100, 1e5))
    assert codes(bot) == ["CONFIRMATION_REQUIRED", "POSITION_EXISTS"]


def test_what_waited_when_the_process_ended_cannot_be_confirmed_afterwards() -> None:
    bot = bot_that_asks()
    client_id = waiting(bot)
    settings = config(confirm_above=Decimal(500), confirm_within=WITHIN, targets_rest=False, epoch=2)
    again = Bot(lambda: Scripted({}), settings=settings, saved=bot.save())
    say(again, client_id)
    assert again.of(Submit) == []
    assert codes(again) == ["CONFIRMATION_EXPIRED"]
    assert MINUTE < WITHIN
