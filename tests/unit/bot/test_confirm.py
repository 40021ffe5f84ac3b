"""A live order above a value waits for a person; a yes is judged again, and never becomes more than was shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.bot.harness import Bot, Scripted, buy, config, flat

from tradingbot.core import picture
from tradingbot.domain import events
from tradingbot.domain.effects import Submit
from tradingbot.domain.market import MINUTE
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.risk.limits import Limits

WITHIN = 300 * 1_000_000
WISH = buy(95, 130)
SYMBOL = "BTC/USD"


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


def test_a_bot_that_is_not_autonomous_asks_for_every_entry_of_its_strategy_also_in_a_simulation() -> None:
    settings = config(confirm_within=WITHIN, limits=Limits(autonomous=False))
    bot = Bot(lambda: Scripted({1: WISH}), settings=settings).show(flat(1, 100, 1e5))
    assert codes(bot) == ["CONFIRMATION_REQUIRED"]
    assert bot.of(Submit) == []
    say(bot, waiting(bot))
    assert codes(bot)[-1] == "approved"
    assert [effect.approved.item.role for effect in bot.of(Submit)] == [Role.ENTRY]


def test_a_simulation_gives_up_what_nobody_confirmed_by_the_markets_time() -> None:
    settings = config(confirm_within=WITHIN, limits=Limits(autonomous=False))
    bot = Bot(lambda: Scripted({1: WISH}), settings=settings).show(flat(1, 100, 1e5))
    bot.show(flat(5, 100, 1e5))
    assert bot.engine.state.waiting
    bot.show(flat(6, 100, 1e5))
    assert bot.engine.state.waiting == {}
    assert codes(bot)[-1] == "CONFIRMATION_EXPIRED"


def test_a_persons_own_trade_needs_no_second_word_because_the_bot_is_not_autonomous() -> None:
    settings = config(confirm_within=WITHIN, limits=Limits(autonomous=False))
    bot = Bot(lambda: Scripted({}), settings=settings).show(flat(1, 100, 1e5))
    bot.step(events.ManualTrade(0, SYMBOL, "buy", Decimal(95), Decimal(130), None, None, "mine"))
    assert codes(bot) == ["approved"]


def test_taking_autonomy_away_counts_for_the_next_wish_and_giving_it_back_too() -> None:
    bot = Bot(lambda: Scripted({2: WISH, 3: WISH}), settings=config(confirm_within=WITHIN)).show(flat(1, 100, 1e5))
    bot.step(events.ChangeLimits(0, (("autonomous", "false"),), "with me"))
    bot.show(flat(2, 100, 1e5))
    assert codes(bot) == ["CONFIRMATION_REQUIRED"]
    say(bot, waiting(bot), yes=False)
    bot.step(events.ChangeLimits(0, (("autonomous", None),), "by itself"))
    bot.show(flat(3, 100, 1e5))
    assert codes(bot)[-1] == "approved"


def test_a_yes_is_held_against_the_confidence_that_was_stated_then() -> None:
    wish = msgspec.structs.replace(WISH, confidence=Decimal("0.6"))
    bot = bot_that_asks(script={1: wish})
    bot.step(events.ChangeLimits(0, (("min_confidence", "0.6"),), "sure enough"))
    say(bot, waiting(bot))
    assert codes(bot)[-1] == "approved"
    bot = bot_that_asks(script={1: wish})
    bot.step(events.ChangeLimits(0, (("min_confidence", "0.61"),), "surer"))
    say(bot, waiting(bot))
    assert codes(bot)[-1] == "LOW_CONFIDENCE"


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


def asked_near(script: dict[int, Any] | None = None) -> Bot:
    """A bot whose strategy asks for no more reward than the limit demands: without costs three times the risk."""
    limits = Limits(max_price_jump=Decimal(1))
    settings = config(confirm_above=Decimal(500), confirm_within=WITHIN, targets_rest=False, limits=limits)
    return Bot(lambda: Scripted({1: buy(95, 115)} if script is None else script), settings=settings).show(
        flat(1, 100, 1e5)
    )


def test_after_the_price_went_on_the_stop_is_what_was_shown_and_the_target_is_worth_the_risk_again() -> None:
    bot = asked_near().show(flat(2, 101, 1e5))
    say(bot, waiting(bot))
    order = bot.of(Submit)[0].approved.item
    assert (order.stop_loss, order.take_profit) == (95, 101 + 3 * 6)
    assert ("take_profit", "119") in bot.decisions[-1].facts


def test_where_the_price_came_back_nothing_moves() -> None:
    bot = asked_near().show(flat(2, 99, 1e5))
    say(bot, waiting(bot))
    order = bot.of(Submit)[0].approved.item
    assert (order.stop_loss, order.take_profit) == (95, 115)
    assert "take_profit" not in dict(bot.decisions[-1].facts)


@pytest.mark.parametrize(
    ("price", "code"), [(105, "approved"), (106, "PRICE_COLLAR"), (95, "approved"), (94, "PRICE_COLLAR")]
)
def test_a_yes_counts_for_prices_as_near_as_an_execution_must_be(price: int, code: str) -> None:
    bot = bot_that_asks(script={1: buy(90, 200)}).show(flat(2, price, 1e5))
    say(bot, waiting(bot))
    assert codes(bot)[-1] == code


def test_no_target_moves_beyond_what_is_permitted() -> None:
    bot = asked_near()
    bot.step(events.ChangeLimits(0, (("max_target_distance", "0.15"),), "not that far"))
    bot.show(flat(2, 101, 1e5))
    say(bot, waiting(bot))
    assert codes(bot)[-1] == "RISK_REWARD_TOO_LOW"


def test_a_persons_own_target_is_not_moved() -> None:
    bot = asked_near({})
    bot.step(events.ManualTrade(0, SYMBOL, "buy", Decimal(95), Decimal(115), None, None, "mine"))
    bot.show(flat(2, 101, 1e5))
    say(bot, waiting(bot))
    assert codes(bot)[-1] == "RISK_REWARD_TOO_LOW"


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
