"""Spot: the exchange locks what a resting order would sell, so the stop rests and the bot watches the target."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.bot.harness import Bot, Scripted, buy, candle, config, flat, leave

from tradingbot.core import flattening, stops
from tradingbot.domain import events, ids
from tradingbot.domain.effects import Alarm, Submit
from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.orders import OrderState, Role
from tradingbot.domain.states import State

STOP, TARGET = 95.0, 130.0


def bot_with_position(**script: Any) -> Bot:
    """Bought at about 100, stop at 95, target at 130; the stop rests."""
    wishes = {1: buy(STOP, TARGET), **{int(number[1:]): wish for number, wish in script.items()}}
    bot = Bot(lambda: Scripted(wishes), settings=config(targets_rest=False))
    return bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5))


def roles(bot: Bot) -> list[Role]:
    return [order.intent.role for order in bot.engine.desk.live()]


def sent(bot: Bot) -> list[Role]:
    return [effect.approved.item.role for effect in bot.of(Submit)]


def test_only_the_stop_rests() -> None:
    bot = bot_with_position()
    assert bot.engine.state.book.position("BTC/USD") is not None
    assert roles(bot) == [Role.STOP]


def test_at_the_target_the_stop_is_cancelled_before_the_sale_is_sent() -> None:
    bot = bot_with_position()
    bot.show(candle(3, (120, 131, 120, 131)))
    first = next(o for o in bot.engine.state.orders.values() if o.intent.role is Role.STOP)
    assert first.state is OrderState.CANCELED
    assert sent(bot) == [Role.ENTRY, Role.STOP, Role.EXIT]
    bot.show(flat(4, 131, 1e5))
    assert bot.engine.state.book.position("BTC/USD") is None
    assert roles(bot) == []


def test_below_the_target_nothing_happens() -> None:
    bot = bot_with_position().show(candle(3, (120, 129.5, 120, 129.5)))
    assert roles(bot) == [Role.STOP]


def test_a_sale_that_is_refused_leaves_the_position_with_a_stop_again() -> None:
    bot = bot_with_position()
    bot.venue.submit = refusing(bot, Role.EXIT)  # type: ignore[method-assign]
    bot.show(candle(3, (120, 131, 120, 131)))
    assert sent(bot) == [Role.ENTRY, Role.STOP, Role.EXIT, Role.STOP]
    assert roles(bot) == [Role.STOP]


def test_the_sale_does_not_leave_while_the_stop_may_still_live() -> None:
    bot = bot_with_position()
    stop = bot.engine.desk.live()[0]
    bot.venue.cancel = unanswered  # type: ignore[method-assign]
    bot.show(candle(3, (120, 131, 120, 131)))
    assert sent(bot) == [Role.ENTRY, Role.STOP]
    assert bot.engine.desk.closing("BTC/USD")
    bot.step(events.CancelFailed(bot.engine.state.now, stop.intent.client_id, "time-out"))
    bot.take(bot.engine.tend(bot.engine.state.now))
    assert sent(bot) == [Role.ENTRY, Role.STOP]
    bot.step(events.Closed(bot.engine.state.now, stop.intent.client_id, events.End.CANCELED, ""))
    assert sent(bot) == [Role.ENTRY, Role.STOP, Role.EXIT]


def test_a_stop_that_filled_meanwhile_ends_the_matter() -> None:
    bot = bot_with_position()
    stop = bot.engine.desk.live()[0]
    bot.venue.cancel = unanswered  # type: ignore[method-assign]
    bot.show(candle(3, (120, 131, 120, 131)))
    quantity = stop.intent.quantity
    fill = Fill(bot.engine.state.now, stop.intent.client_id, "x.1", quantity, Decimal(95), Decimal(0), Liquidity.TAKER)
    bot.step(fill)
    assert sent(bot) == [Role.ENTRY, Role.STOP]
    assert not bot.engine.desk.closing("BTC/USD")
    assert bot.engine.state.book.position("BTC/USD") is None


def test_an_emergency_stop_that_comes_between_keeps_the_position_and_its_protection() -> None:
    """The strategy's sale was on its way when everything was stopped: it does not go out, the stop rests again."""
    bot = bot_with_position()
    stop = bot.engine.desk.live()[0]
    bot.venue.cancel = unanswered  # type: ignore[method-assign]
    bot.show(candle(3, (120, 131, 120, 131)))
    bot.step(events.EmergencyStop(bot.engine.state.now, "s-1", "api", "test", close_positions=False))
    bot.step(events.Closed(bot.engine.state.now, stop.intent.client_id, events.End.CANCELED, ""))
    assert sent(bot) == [Role.ENTRY, Role.STOP, Role.STOP]
    assert bot.board.state is State.KILLED


@pytest.mark.parametrize(("code", "times"), [("REDUCE_ONLY", 3), ("WOULD_TRIGGER", 1)])
def test_a_stop_that_is_refused_is_tried_again_and_then_the_position_is_closed(code: str, times: int) -> None:
    bot = Bot(lambda: Scripted({1: buy(STOP, TARGET)}), settings=config(targets_rest=False))
    bot.venue.submit = refusing(bot, Role.STOP, code)  # type: ignore[method-assign]
    bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5))
    for second in range(3, 10):
        bot.take(bot.engine.tend(bot.engine.state.now + second * 1_000_000))
    assert sent(bot) == [Role.ENTRY, *[Role.STOP] * times, Role.EXIT]


@pytest.mark.parametrize("code", ["RATE_BUDGET", "BANNED", "OVERLOADED"])
def test_a_venue_that_has_no_time_is_asked_again_ever_less_often_and_nothing_is_sold_for_it(code: str) -> None:
    bot = Bot(lambda: Scripted({1: buy(STOP, TARGET)}), settings=config(targets_rest=False))
    really = bot.venue.submit
    bot.venue.submit = refusing(bot, Role.STOP, code)  # type: ignore[method-assign]
    bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5))
    begun = bot.engine.state.now
    for second in range(1, 121):
        bot.take(bot.engine.tend(begun + second * 1_000_000))
    assert Role.EXIT not in sent(bot)
    assert 5 <= sent(bot).count(Role.STOP) <= 9
    bot.venue.submit = really  # type: ignore[method-assign]
    bot.take(bot.engine.tend(begun + 200 * 1_000_000))
    assert roles(bot) == [Role.STOP]


def test_an_entry_that_fills_in_parts_is_covered_by_what_is_held_and_no_more() -> None:
    bot = Bot(lambda: Scripted({1: buy(STOP, TARGET)}), settings=config(targets_rest=False))
    bot.show(flat(1, 100))
    entry = bot.engine.desk.entries()[0].intent
    half = bot.engine.desk.instrument("BTC/USD").quantity_down(entry.quantity / 2)
    bot.venue.state.positions["BTC/USD"] = entry.quantity
    for number, part in enumerate((half, entry.quantity - half)):
        now = bot.engine.state.now
        bot.step(Fill(now, entry.client_id, f"x.{number}", part, Decimal(100), Decimal(0), Liquidity.TAKER))
    stops = [order.intent.quantity for order in bot.engine.desk.live() if order.intent.role is Role.STOP]
    assert stops == [half, entry.quantity - half]


def test_a_fee_taken_in_what_was_bought_is_booked_exactly_and_the_rest_is_written_off_after_the_sale() -> None:
    bot = Bot(lambda: Scripted({1: buy(STOP, TARGET), 3: leave()}), settings=config(targets_rest=False))
    bot.show(flat(1, 100))
    entry = bot.engine.desk.entries()[0].intent
    fee = entry.quantity * Decimal("0.00100003")
    now = bot.engine.state.now
    bot.venue.state.positions["BTC/USD"] = entry.quantity
    worth = (fee * 100).quantize(Decimal("0.00000001"))
    bot.step(Fill(now, entry.client_id, "x.1", entry.quantity, Decimal(100), worth, Liquidity.TAKER, "BTC", fee))
    book = bot.engine.state.book
    position = book.position("BTC/USD")
    assert position is not None
    assert position.quantity == entry.quantity - fee
    assert book.cash("BTC") == entry.quantity - fee
    assert book.cash("USD") == 10_000 - entry.quantity * 100
    assert book.fees("BTC") == fee
    stop = bot.engine.desk.live()[-1].intent
    assert stop.role is Role.STOP
    assert stop.quantity == bot.engine.desk.instrument("BTC/USD").quantity_down(position.quantity)
    bot.step(Fill(now, stop.client_id, "x.2", stop.quantity, Decimal(95), Decimal(0), Liquidity.TAKER))
    assert book.position("BTC/USD") is None, "dust takes no slot"
    assert book.cash("BTC") == entry.quantity - fee - stop.quantity > 0
    assert [alarm.code for alarm in bot.of(Alarm)] == ["DUST"]


def test_money_that_came_or_went_is_no_profit_and_no_loss() -> None:
    bot = bot_with_position()
    before = bot.engine.equity
    guard = bot.engine.state.guard
    assert guard is not None
    lost = guard.peak - before
    bot.step(events.CapitalMoved(bot.engine.state.now, "USD", Decimal(-6000), "taken out"))
    assert bot.engine.equity == before - 6000
    assert guard.peak - bot.engine.equity == lost
    bot.show(flat(3, 100))
    assert bot.board.state is State.ACTIVE


def refusing(bot: Bot, role: Role, code: str = "FILTER") -> Any:
    """A venue that refuses orders of one role."""
    from tradingbot.ports.venue import Refused

    really = bot.venue.submit

    async def submit(approved: Any) -> Any:
        return Refused(code, "no") if approved.item.role is role else await really(approved)

    return submit


async def unanswered(client_id: str, symbol: str) -> Any:
    from tradingbot.ports.venue import Unknown

    del client_id, symbol
    return Unknown("time-out")


def stopped(bot: Bot) -> Bot:
    """Pull the plug and ask for positions to be closed."""
    bot.step(events.EmergencyStop(bot.engine.state.now, "u-1", "spec", "fire", close_positions=True))
    return bot


def floors(bot: Bot) -> list[Decimal | None]:
    return [e.approved.item.limit_price for e in bot.of(Submit) if e.approved.item.role is Role.FLATTEN]


def tended(bot: Bot, minute: int, price: float) -> Bot:
    bot.show(flat(minute, price, 1e5))
    bot.take(bot.engine.tend(bot.engine.state.now))
    return bot


def test_a_flattening_sells_within_the_collar_and_steps_to_its_maximum() -> None:
    bot = Bot(lambda: Scripted({1: buy(80.0, 200.0)}), settings=config(targets_rest=False))
    bot = stopped(bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5)))
    for minute, price in enumerate((90, 90, 90, 90, 90), start=3):
        bot = tended(bot, minute, price)
    reference = bot.engine.state.flattening["BTC/USD"].reference
    shares = (Decimal("0.125"), Decimal("0.25"), Decimal("0.5"), Decimal(1), Decimal(1))
    steps = [reference * (1 - Decimal("0.05") * share) for share in shares]
    assert len(floors(bot)) >= 5
    for found, step in zip(floors(bot), steps, strict=False):
        assert found is not None
        assert 0 <= found - step < bot.engine.desk.instrument("BTC/USD").tick
    assert bot.engine.state.book.position("BTC/USD") is not None
    assert roles(bot)[-1:] == [Role.FLATTEN] or roles(bot) == [Role.STOP]
    bot = tended(tended(bot, 8, 96), 9, 96)
    assert bot.engine.state.book.position("BTC/USD") is None


def test_what_nobody_buys_within_the_collar_stays_with_its_stop_and_is_said_to() -> None:
    bot = Bot(lambda: Scripted({1: buy(80.0, 200.0)}), settings=config(targets_rest=False))
    bot = stopped(bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5)))
    for minute in range(3, 2 + flattening.ATTEMPTS):
        assert said(bot)["state"] == "PENDING"
        bot = tended(bot, minute, 90)
    assert len(floors(bot)) == flattening.ATTEMPTS
    assert roles(bot)[-1:] == [Role.FLATTEN]
    assert said(bot)["state"] == "PENDING", "the last attempt is on its way"
    bot.show(flat(20, 90, 1e5))
    assert roles(bot) == [Role.STOP]
    assert said(bot)["state"] == "RESIDUAL"
    (position,) = said(bot)["positions"]
    assert position["residual"] == position["requested"] != "0"
    assert position["reason"] == (
        "nobody buys at 95 or above; offered again every minute, its stop-loss rests; "
        "a restart of the bot begins anew, at the price of then"
    )


def said(bot: Bot) -> dict[str, Any]:
    outcome = stops.outcome(bot.engine)
    assert outcome is not None
    return outcome


def left_over() -> Bot:
    """A position of which nothing could be sold in so many attempts, with its stop."""
    bot = Bot(lambda: Scripted({1: buy(80.0, 200.0)}), settings=config(targets_rest=False))
    bot = stopped(bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5)))
    for minute in range(3, 3 + flattening.ATTEMPTS):
        bot = tended(bot, minute, 90)
    bot.show(flat(40, 90, 1e5))
    assert (said(bot)["state"], roles(bot)) == ("RESIDUAL", [Role.STOP])
    assert bot.of(Alarm) == [], "that its stop makes room for a sale is no news"
    return bot


def test_a_book_that_fills_again_takes_what_is_left_and_no_more() -> None:
    bot = left_over()
    held = bot.engine.state.book.open_positions()[0].quantity
    bot = tended(tended(bot, 42, 96), 43, 96)
    assert bot.engine.state.book.position("BTC/USD") is None
    assert roles(bot) == []
    assert sum(trade.quantity for trade in bot.trades if trade.role is Role.FLATTEN) == held
    assert said(bot)["state"] == "FLAT"
    before = len(bot.of(Submit))
    bot = tended(tended(bot, 45, 96), 50, 96)
    assert len(bot.of(Submit)) == before, "nothing is sold any more"


def test_where_something_was_sold_the_rest_is_offered_at_once_again() -> None:
    bot = left_over()
    position = bot.engine.state.book.open_positions()[0]
    bot.show(flat(42, 90, 1e5))
    bot.engine.state.flattening["BTC/USD"].left = position.quantity * 2
    bot.take(bot.engine.tend(bot.engine.state.now + 60_000_000))
    assert bot.engine.state.flattening["BTC/USD"].attempts == 1
    assert said(bot)["state"] == "PENDING"


def test_a_restart_begins_anew_at_the_price_of_then() -> None:
    bot = left_over()
    again = Bot(lambda: Scripted({}), settings=config(targets_rest=False, epoch=2), saved=bot.save(), board=bot.board)
    again = tended(tended(again, 42, 90), 43, 90)
    assert again.engine.state.book.position("BTC/USD") is None
    assert said(again)["state"] == "FLAT"
    assert again.engine.state.book.balance("available", "BTC") >= 0


def test_what_is_bought_while_the_stop_is_on_its_way_is_sold_as_well() -> None:
    bot = Bot(lambda: Scripted({1: buy(80.0, 200.0)}), settings=config(targets_rest=False)).show(flat(1, 100, 1e5))
    bot.venue.cancel = unanswered  # type: ignore[method-assign]
    bot = stopped(bot)
    del bot.venue.cancel
    bot = tended(tended(bot, 2, 100), 3, 100)
    assert bot.engine.state.book.position("BTC/USD") is None
    assert [trade.role for trade in bot.trades] == [Role.ENTRY, Role.FLATTEN]


def test_a_person_who_resumes_ends_the_flattening() -> None:
    bot = Bot(lambda: Scripted({1: buy(80.0, 200.0)}), settings=config(targets_rest=False))
    bot = tended(stopped(bot.show(flat(1, 100, 1e5), flat(2, 100, 1e5))), 3, 90)
    sent_before = len(floors(bot))
    bot.step(events.Resumed(bot.engine.state.now, "emergency_stop"))
    bot = tended(tended(tended(bot, 4, 90), 5, 90), 6, 90)
    assert len(floors(bot)) <= sent_before + 1


def test_what_a_kill_sold_in_our_place_is_booked_and_not_sold_again() -> None:
    bot = bot_with_position()
    (stop,) = bot.engine.desk.live()
    held = bot.engine.state.book.open_positions()[0].quantity
    now = bot.engine.state.now
    name = ids.kill_id("test/bot", 1_795_219_200_000, 1)
    before = len(bot.of(Submit))
    bot.step(events.Closed(now, stop.intent.client_id, events.End.CANCELED, "cancelled by the kill"))
    for again in range(2):
        bot.step(events.Adopted(now, name, "BTC/USD", held, Decimal(99)))
        bot.step(Fill(now, name, "BTCUSD.9", held, Decimal(99), Decimal(1), Liquidity.TAKER))
        assert bot.engine.state.book.position("BTC/USD") is None, again
    sale = bot.engine.state.orders[name]
    assert (sale.state, sale.intent.role, sale.filled) == (OrderState.FILLED, Role.FLATTEN, held)
    recorded = [effect.approved.item.client_id for effect in bot.of(Submit)[before:]]
    assert recorded.count(name) == 1
    assert name not in bot.venue.state.orders
