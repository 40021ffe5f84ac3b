"""The protection of positions at its edges: exactly at a price, a size or a moment, and one step beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bot.harness import Bot, Scripted, buy, candle, config, flat
from tests.unit.bot.test_cover import (
    STOP,
    TARGET,
    bot_with_position,
    floors,
    refusing,
    roles,
    sent,
    stopped,
    unanswered,
)

from tradingbot.core import flattening, stops
from tradingbot.core.snapshot import Closing
from tradingbot.domain import events, ids
from tradingbot.domain.effects import Alarm, Cancel, OrderMoved, PositionMoved, Submit
from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.market import SECOND
from tradingbot.domain.orders import Ask, OrderState, Role
from tradingbot.domain.states import State
from tradingbot.ports.venue import Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot.domain.orders import Order

BTC_USD = "BTC/USD"


def asked_for(stop: float = STOP, target: float = TARGET) -> Bot:
    """A bot whose entry rests at the venue, at a price of 100."""
    return Bot(lambda: Scripted({1: buy(stop, target)}), settings=config(targets_rest=False)).show(flat(1, 100))


def filled(bot: Bot, *parts: str) -> Bot:
    """Let the entry execute in these parts, and no further."""
    entry = bot.engine.desk.entries()[0].intent
    bot.venue.state.positions[BTC_USD] = entry.quantity
    for number, part in enumerate(parts):
        now = bot.engine.state.now
        bot.step(Fill(now, entry.client_id, f"x.{number}", Decimal(part), Decimal(100), Decimal(0), Liquidity.TAKER))
    return bot


def stop_sizes(bot: Bot) -> list[Decimal]:
    return [e.approved.item.quantity for e in bot.of(Submit) if e.approved.item.role is Role.STOP]


def the_stop(bot: Bot) -> Order:
    return next(order for order in bot.engine.desk.live() if order.intent.role is Role.STOP)


def later(bot: Bot, seconds: float) -> None:
    bot.take(bot.engine.tend(bot.engine.state.now + round(seconds * SECOND)))


def gone(bot: Bot, order: Order) -> None:
    """Somebody else takes an order back, and the venue says so."""
    bot.venue.state.orders.pop(order.intent.client_id, None)
    bot.step(events.Closed(bot.engine.state.now, order.intent.client_id, events.End.CANCELED, "taken back"))


@pytest.mark.parametrize(
    ("parts", "covered"),
    [(["0.5"], ["0.5"]), (["0.0625"], ["0.0625"]), (["0.0624"], []), (["3", "0.0624"], ["3"])],
    ids=["less than one", "just what the venue takes", "too little", "too little beside the rest"],
)
def test_what_the_venue_takes_is_covered_and_what_it_would_not_take_is_not_sent(
    parts: Sequence[str], covered: Sequence[str]
) -> None:
    """The venue takes orders of 5 USD and more, and the stop is at 80."""
    bot = filled(asked_for(80.0, 200.0), *parts)
    assert stop_sizes(bot) == [Decimal(size) for size in covered]


@pytest.mark.parametrize(("close", "left"), [(129.5, [Role.STOP]), (130.0, []), (130.5, [])])
def test_the_profit_is_taken_at_the_target_itself(close: float, left: list[Role]) -> None:
    bot = bot_with_position().show(candle(3, (120, close, 120, close)))
    bot.show(flat(4, close, 1e5))
    assert roles(bot) == left


@pytest.mark.parametrize(("price", "taken"), [("100.5", False), ("100", True), ("99.5", True)])
def test_the_profit_of_a_short_position_is_taken_at_the_target_or_below_it(price: str, taken: bool) -> None:
    bot = filled(asked_for(), "0.5")
    position = bot.engine.state.book.positions[BTC_USD]
    position.quantity, position.take_profit = -position.quantity, Decimal(100)
    cover = bot.engine.desk.cover
    assert cover is not None
    cover.watch(BTC_USD, Decimal(price))
    assert bot.engine.desk.closing(BTC_USD) is taken


# -- a stop that is refused, and taken again ---------------------------------------------------------------------------


def refused_twice(bot: Bot) -> Bot:
    really = bot.venue.submit
    bot.venue.submit = refusing(bot, Role.STOP, "REDUCE_ONLY")  # type: ignore[method-assign]
    gone(bot, the_stop(bot))
    later(bot, 10)
    assert bot.engine.state.refusals == {BTC_USD: 2}
    bot.venue.submit = really  # type: ignore[method-assign]
    return bot


def test_refusals_count_in_a_row_and_a_stop_that_is_taken_begins_the_count_anew() -> None:
    bot = refused_twice(bot_with_position())
    later(bot, 100)
    assert roles(bot) == [Role.STOP]
    assert bot.engine.state.refusals == {}
    refused_twice(bot)
    assert Role.EXIT not in sent(bot)


def test_a_stop_that_was_taken_is_placed_again_without_the_pauses_from_before() -> None:
    bot = refused_twice(bot_with_position())
    later(bot, 100)
    bot.venue.submit = refusing(bot, Role.STOP, "OVERLOADED")  # type: ignore[method-assign]
    gone(bot, the_stop(bot))
    before = len(stop_sizes(bot))
    later(bot, 4)
    assert len(stop_sizes(bot)) == before + 1, "two seconds doubled once, not what it had grown to"


def test_a_position_that_was_closed_for_its_refusals_leaves_no_count_to_the_next_one() -> None:
    bot = Bot(lambda: Scripted({1: buy(STOP, TARGET)}), settings=config(targets_rest=False))
    bot.venue.submit = refusing(bot, Role.STOP, "WOULD_TRIGGER")  # type: ignore[method-assign]
    bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5))
    assert Role.EXIT in sent(bot)
    assert bot.engine.state.refusals == {}


@pytest.mark.parametrize(("seconds", "tries"), [(1.999999, 0), (2.0, 1)])
def test_a_stop_is_tried_again_after_two_seconds(seconds: float, tries: int) -> None:
    bot = bot_with_position()
    bot.venue.submit = refusing(bot, Role.STOP, "MARKET_CLOSED")  # type: ignore[method-assign]
    stop = the_stop(bot)
    cover = bot.engine.desk.cover
    assert cover is not None
    cover._tried[BTC_USD] = bot.engine.state.now
    stop.state = OrderState.CANCELED
    before = len(stop_sizes(bot))
    later(bot, seconds)
    assert len(stop_sizes(bot)) == before + tries


# -- a close that waits for its stop to be gone ------------------------------------------------------------------------


def waiting() -> tuple[Bot, list[str]]:
    """The stop makes room for a sale, and its cancel is not answered. Every cancel is noted."""
    bot, asked = bot_with_position(), []

    async def cancel(client_id: str, symbol: str) -> Any:
        asked.append(client_id)
        return await unanswered(client_id, symbol)

    bot.venue.cancel = cancel  # type: ignore[method-assign]
    bot.show(candle(3, (120, 131, 120, 131)))
    assert len(asked) == 1
    return bot, asked


def test_a_cancel_that_failed_is_asked_for_again_and_one_that_is_under_way_is_not() -> None:
    bot, asked = waiting()
    later(bot, 1)
    assert len(asked) == 1
    bot.step(events.CancelFailed(bot.engine.state.now, the_stop(bot).intent.client_id, "time-out"))
    the_stop(bot).ask = Ask.NONE
    later(bot, 1)
    assert len(asked) == 2


def test_a_stop_of_which_nobody_knows_is_not_cancelled_before_it_is_known() -> None:
    bot, asked = waiting()
    stop = the_stop(bot)
    stop.ask, stop.state = Ask.NONE, OrderState.UNKNOWN
    later(bot, 1)
    assert len(asked) == 1
    assert Role.EXIT not in sent(bot)


def test_a_close_whose_stop_is_gone_is_sent_though_nobody_told_so() -> None:
    """As after a restart: what was committed says that the position is being closed, and no stop lives."""
    bot = bot_with_position()
    the_stop(bot).state = OrderState.CANCELED
    bot.engine.state.closings[BTC_USD] = Closing(Role.EXIT, "told to")
    later(bot, 1)
    assert sent(bot)[-1] is Role.EXIT


def test_what_no_stop_covers_is_not_sold_ahead_of_the_rest() -> None:
    """Six dollars' worth have no stop; they wait for the stop of the others and go in the same order."""
    bot = filled(asked_for(80.0, 200.0), "3", "0.0624")
    bot.venue.cancel = unanswered  # type: ignore[method-assign]
    bot.engine.desk.close_position(BTC_USD, Role.EXIT, "told to")
    later(bot, 1)
    assert Role.EXIT not in sent(bot)
    bot.step(events.Closed(bot.engine.state.now, the_stop(bot).intent.client_id, events.End.CANCELED, ""))
    (sale,) = (e.approved.item for e in bot.of(Submit) if e.approved.item.role is Role.EXIT)
    assert sale.quantity == Decimal("3.0624")


# -- what is left of a position ----------------------------------------------------------------------------------------


def left(quantity: str) -> Bot:
    """Nothing but so much of a position is left, at a price of 100, and no order."""
    bot = stopped(filled(asked_for(80.0, 200.0), quantity))
    for order in bot.engine.desk.live():
        order.state = OrderState.CANCELED
    bot.engine.state.closings[BTC_USD] = Closing(Role.FLATTEN, "stop")
    cover = bot.engine.desk.cover
    assert cover is not None
    cover.sweep(BTC_USD)
    bot.take(bot.engine.tend(bot.engine.state.now))
    return bot


@pytest.mark.parametrize("quantity", ["0.05", "0.5"], ids=["just what can be sold", "less than one coin"])
def test_what_can_be_sold_is_not_written_off(quantity: str) -> None:
    bot = left(quantity)
    assert bot.engine.state.book.position(BTC_USD) is not None
    assert "DUST" not in [alarm.code for alarm in bot.of(Alarm)]


def test_without_a_price_nothing_is_written_off_for_its_value() -> None:
    bot = filled(asked_for(80.0, 200.0), "0.01")
    for order in bot.engine.desk.live():
        order.state = OrderState.CANCELED
    bot.engine.state.marks.clear()
    cover = bot.engine.desk.cover
    assert cover is not None
    cover.sweep(BTC_USD)
    assert bot.engine.state.book.position(BTC_USD) is not None


def test_what_is_written_off_is_recorded_told_and_no_part_of_the_account_any_more() -> None:
    bot = left("0.0499")
    state = bot.engine.state
    assert state.book.position(BTC_USD) is None
    assert [alarm.code for alarm in bot.of(Alarm)] == ["DUST"]
    assert bot.of(PositionMoved)[-1].symbol == BTC_USD
    assert state.closings == {}
    outcome = stops.outcome(bot.engine)
    assert outcome is not None
    assert outcome["positions"] == [
        {"symbol": BTC_USD, "requested": "0.0499", "residual": "0.0499", "state": "FLAT_WITH_DUST", "reason": DUST}
    ]
    assert bot.engine.equity == state.book.cash("USD")


DUST = "too little for an order"


# -- a position that is sold in a hurry --------------------------------------------------------------------------------


def test_every_position_that_was_bought_has_a_floor_and_no_other_has() -> None:
    bot = filled(asked_for(), "0.5")
    desk, positions = bot.engine.desk, bot.engine.state.book.positions
    assert flattening.floor(desk, BTC_USD, "stop") == Decimal("99.5"), "an eighth of five per cent, on the tick"
    positions[BTC_USD].quantity = Decimal("-0.5")
    assert flattening.floor(desk, BTC_USD, "stop") is None
    positions[BTC_USD].quantity = Decimal("0.5")
    bot.engine.state.marks.clear()
    assert flattening.floor(desk, BTC_USD, "stop") is None
    del positions[BTC_USD]
    assert flattening.floor(desk, BTC_USD, "stop") is None


@pytest.mark.parametrize(("seconds", "more"), [(1.999999, 0), (2.0, 1)])
def test_a_sale_is_tried_again_after_two_seconds(seconds: float, more: int) -> None:
    bot = filled(asked_for(80.0, 200.0), "0.5")
    bot.venue.submit = refusing(bot, Role.FLATTEN)  # type: ignore[method-assign]
    stopped(bot)
    assert sent(bot).count(Role.FLATTEN) == 1
    later(bot, seconds)
    assert sent(bot).count(Role.FLATTEN) == 1 + more


def test_a_closing_goes_on_until_it_has_had_its_attempts() -> None:
    bot = filled(asked_for(80.0, 200.0), "0.5")
    desk = bot.engine.desk
    assert not flattening.going_on(desk, BTC_USD)
    bot.venue.submit = refusing(bot, Role.FLATTEN)  # type: ignore[method-assign]
    stopped(bot)
    for attempt in range(1, flattening.ATTEMPTS):
        assert flattening.going_on(desk, BTC_USD), attempt
        later(bot, 2)
    assert not flattening.going_on(desk, BTC_USD)


@pytest.mark.parametrize(
    ("code", "lower"), [("RATE_LIMITED", False), ("BANNED", False), ("MARKET_CLOSED", False), ("FILTER", True)]
)
def test_a_venue_that_had_no_time_for_a_sale_is_asked_at_the_same_floor_again(code: str, lower: bool) -> None:
    bot = filled(asked_for(80.0, 200.0), "0.5")
    bot.venue.submit = refusing(bot, Role.FLATTEN, code)  # type: ignore[method-assign]
    stopped(bot)
    assert roles(bot) == [Role.STOP], "it is protected meanwhile, by an order that is newer than the sale"
    later(bot, 2)
    first, second = floors(bot)
    assert first is not None
    assert second is not None
    assert (second < first) is lower


def test_what_is_left_is_offered_once_a_minute_and_what_is_said_of_it_does_not_waver() -> None:
    bot = filled(asked_for(80.0, 200.0), "0.5")
    bot.venue.submit = refusing(bot, Role.FLATTEN, "MARKET_CLOSED")  # type: ignore[method-assign]
    stopped(bot)
    for _ in range(1, flattening.ATTEMPTS):
        later(bot, 2)
    assert sent(bot).count(Role.FLATTEN) == flattening.ATTEMPTS
    later(bot, 59.999999)
    assert sent(bot).count(Role.FLATTEN) == flattening.ATTEMPTS
    del bot.venue.submit  # it goes through now, and is on its way
    later(bot, 0.000001)
    assert sent(bot).count(Role.FLATTEN) == flattening.ATTEMPTS + 1
    for _ in range(2):
        outcome = stops.outcome(bot.engine)
        assert outcome is not None
        assert outcome["state"] == "RESIDUAL"
        (position,) = outcome["positions"]
        assert (position["state"], position["residual"]) == ("RESIDUAL", "0.5")
        assert len(position["reason"]) <= 200
        later(bot, 1)


@pytest.mark.parametrize(("quantity", "known"), [("0.5", True), ("0", False)])
def test_what_a_kill_sold_is_recorded_with_an_alarm_and_a_sale_of_nothing_is_not(quantity: str, known: bool) -> None:
    bot = filled(asked_for(), "0.5")
    name = ids.kill_id("test/bot", 1_795_219_200_000, 1)
    bot.step(events.Adopted(bot.engine.state.now, name, BTC_USD, Decimal(quantity), Decimal(99)))
    assert (name in bot.engine.state.orders) is known
    assert ("ADOPTED" in [alarm.code for alarm in bot.of(Alarm)]) is known
    assert (name in [moved.client_id for moved in bot.of(OrderMoved)]) is known


# -- what should be gone -----------------------------------------------------------------------------------------------


async def no_time(client_id: str, symbol: str) -> Unknown:
    """A venue that has no time for a cancel."""
    del client_id, symbol
    return Unknown("RATE_LIMITED: ask again in 20.0 s")


def failed(bot: Bot) -> list[str]:
    """Let every cancel that is under way fail; return whose they were."""
    names = [order.intent.client_id for order in bot.engine.desk.live() if order.ask is Ask.CANCEL]
    for name in names:
        bot.step(events.CancelFailed(bot.engine.state.now, name, "RATE_LIMITED: ask again in 20.0 s"))
    return names


def test_an_entry_whose_cancel_failed_is_taken_back_again_for_as_long_as_entries_are_blocked() -> None:
    bot = asked_for()
    (entry,) = bot.engine.desk.entries()
    bot.venue.cancel = no_time  # type: ignore[method-assign]
    bot.step(events.EmergencyStop(bot.engine.state.now, "s-1", "api", "test", close_positions=False))
    for _ in range(3):
        assert failed(bot) == [entry.intent.client_id]
        later(bot, 1.999999)
        assert failed(bot) == [], "not at once: the venue has no time"
        later(bot, 0.000001)
    del bot.venue.cancel
    failed(bot)
    later(bot, 2)
    assert entry.state is OrderState.CANCELED
    before = len(bot.of(Cancel))
    later(bot, 10)
    assert len(bot.of(Cancel)) == before


def test_an_entry_is_left_alone_where_a_cancel_failed_and_entries_are_allowed_again() -> None:
    bot = asked_for()
    bot.venue.cancel = no_time  # type: ignore[method-assign]
    bot.step(events.Hold(bot.engine.state.now, "feed", State.HALTED, "no prices"))
    assert len(failed(bot)) == 1
    bot.step(events.Hold(bot.engine.state.now, "feed", State.ACTIVE, ""))
    later(bot, 10)
    assert failed(bot) == []


def test_a_stop_without_a_position_is_taken_back_until_it_is_gone() -> None:
    """On a spot market it would sell what somebody else has in the account."""
    bot = filled(asked_for(), "0.5")
    stop, position = the_stop(bot), bot.engine.state.book.positions[BTC_USD]
    later(bot, 10)
    assert stop.ask is Ask.NONE, "it protects a position"
    position.quantity = Decimal(0)
    bot.venue.cancel = no_time  # type: ignore[method-assign]
    later(bot, 2)
    assert failed(bot) == [stop.intent.client_id]
    del bot.venue.cancel
    later(bot, 2)
    assert stop.state is OrderState.CANCELED
