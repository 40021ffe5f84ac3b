"""A price that is alone is believed by nobody; one that a second price confirms counts, one event late.

What must never happen: a strategy sees an absurd price, or sells because of it; it halts a bot by its drawdown, or
makes a peak that was none; the same market leads to something else after a restart, or in a backtest.
"""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bot.harness import Bot, ScriptedParams, buy, candle, config, flat, leave
from tests.unit.bot.test_ticks import tick

from tradingbot.core import jumps
from tradingbot.domain.effects import Alarm, Latch, Submit
from tradingbot.domain.market import MINUTE, Candle
from tradingbot.domain.orders import Role
from tradingbot.risk.limits import Limits
from tradingbot.runtime.link import Live
from tradingbot.strategy.base import Context, Proposal, Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot.domain.market import Tick

BTC_USD = "BTC/USD"
WIDE = Limits(max_drawdown=Decimal(1), daily_loss_limit=Decimal(1))


class Timid(Strategy[ScriptedParams, Any]):
    """Buys at first and leaves when the price is below 90. Remembers what it saw."""

    Params = ScriptedParams

    def __init__(self) -> None:
        super().__init__(ScriptedParams())
        self.saw: list[float] = []

    def on_tick(self, ctx: Context, tick: Tick) -> Iterable[Proposal]:
        self.saw.append(tick.price * 0.5)
        return self._wish(ctx)

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        self.saw.append(candle.close * 0.5)
        return self._wish(ctx)

    def _wish(self, ctx: Context) -> Iterable[Proposal]:
        if ctx.position is not None:
            return (leave(),) if ctx.price < 90 else ()
        return (buy(80.0, 200.0),) if len(self.saw) == 1 else ()


def bot_with(strategy: Timid, limits: Limits = WIDE, **changes: Any) -> Bot:
    return Bot(lambda: strategy, settings=config(limits, strategy_interval=0, **changes))


def alarms(bot: Bot) -> list[str]:
    return [alarm.code for alarm in bot.of(Alarm)]


def exits(bot: Bot) -> int:
    return sum(1 for effect in bot.of(Submit) if effect.approved.item.role is Role.EXIT)


def held(bot: Bot) -> bool:
    return BTC_USD in bot.engine.state.held


def invested(strategy: Timid, limits: Limits = WIDE) -> Bot:
    bot = bot_with(strategy, limits).show(tick(1, 100), tick(2, 100), tick(3, 100))
    assert bot.engine.state.book.position(BTC_USD) is not None
    return bot


@pytest.mark.parametrize("absurd", [1, 10, 79.5, 120.5, 190, 1_000, 1e9])
def test_one_price_far_from_the_market_before_and_after_it_leads_to_nothing(absurd: float) -> None:
    strategy = Timid()
    bot = invested(strategy, Limits(max_drawdown=Decimal("0.01"), daily_loss_limit=Decimal("0.01")))
    bot.venue.state.orders.clear()  # what rests at the exchange is the exchange's affair
    equity, peak = bot.engine.equity, bot.engine.state.guard
    assert peak is not None
    before = peak.peak
    bot.step(tick(4, absurd))
    assert held(bot)
    assert bot.engine.equity == equity
    assert bot.engine.price(BTC_USD) == 100
    bot.step(tick(5, 100))
    assert not held(bot)
    assert absurd not in strategy.saw
    assert exits(bot) == 0
    assert (bot.of(Latch), peak.peak) == ([], before)
    assert alarms(bot) == ["PRICE_JUMP"]


def test_a_market_that_has_really_moved_counts_with_the_second_price_and_the_strategy_has_seen_both() -> None:
    strategy = Timid()
    bot = invested(strategy)
    bot.step(tick(4, 70))
    assert exits(bot) == 0
    assert bot.engine.price(BTC_USD) == 100
    bot.step(tick(5, 71))
    assert exits(bot) == 1
    assert bot.engine.price(BTC_USD) == 71
    assert strategy.saw == [100, 100, 100, 70, 71]
    bot.step(tick(6, 72))
    assert strategy.saw[-1] == 72, "there the market is now"


@pytest.mark.parametrize(("second", "counts"), [(48, True), (47.5, False), (72, True), (72.5, False)])
def test_the_second_price_confirms_within_the_same_distance(second: float, counts: bool) -> None:
    bot = invested(Timid())
    bot.step(tick(4, 60))
    bot.step(tick(5, second))
    assert (bot.engine.price(BTC_USD) == second) is counts


def test_one_absurd_price_after_another_confirms_neither() -> None:
    strategy = Timid()
    bot = invested(strategy)
    for second, price in enumerate((10, 1_000, 1, 500), start=4):
        bot.step(tick(second, price))
    bot.step(tick(9, 101))
    assert strategy.saw == [100, 100, 100, 101]
    assert alarms(bot) == ["PRICE_JUMP"], "people are told of it once in ten minutes"
    bot.step(tick(604, 10))
    assert alarms(bot) == ["PRICE_JUMP"] * 2


@pytest.mark.parametrize(("price", "far"), [(80, False), (79.5, True), (120, False), (120.5, True)])
def test_a_fifth_is_believed_at_once_and_a_tick_more_is_not(price: float, far: bool) -> None:
    bot = invested(Timid())
    bot.step(tick(4, price))
    assert held(bot) is far


def test_how_far_is_a_matter_of_the_configuration() -> None:
    bot = bot_with(Timid(), Limits(max_price_jump=Decimal("0.01")))
    for second, (price, far) in enumerate(((100, False), (101, False), (99.5, True), (101, False)), start=1):
        bot.step(tick(second, price))
        assert held(bot) is far, price


def test_a_trade_with_buyers_and_sellers_around_it_needs_no_second_one() -> None:
    bot = invested(Timid())
    bot.step(tick(4, 70, bid=139, ask=141))
    assert bot.engine.price(BTC_USD) == 70
    bot.step(tick(5, 200, bid=139, ask=401))
    assert held(bot), "the buyers are where they were"


def test_a_market_that_falls_in_small_steps_is_followed() -> None:
    strategy = Timid()
    bot = invested(strategy)
    price = 100.0
    for second in range(4, 40):
        price = round(price * 0.9 * 2) / 2
        bot.step(tick(second, price))
        assert bot.engine.price(BTC_USD) == Decimal(str(price))
    assert alarms(bot) == []


def test_a_target_that_is_watched_is_not_taken_at_a_price_that_is_alone() -> None:
    bot = Bot(Timid, settings=config(WIDE, strategy_interval=0, targets_rest=False))
    bot.show(tick(1, 100), tick(2, 100), tick(3, 100))
    bot.step(tick(4, 400))
    bot.step(tick(5, 100))
    assert exits(bot) == 0


def test_a_stop_that_rests_at_the_exchange_does_not_ask() -> None:
    bot = invested(Timid())
    bot.show(tick(4, 10), tick(5, 100))
    assert [trade.role for trade in bot.trades] == [Role.ENTRY, Role.STOP]


# -- candles -----------------------------------------------------------------------------------------------------------


def test_the_close_of_one_candle_is_confirmed_by_the_next() -> None:
    strategy = Timid()
    bot = bot_with(strategy)
    bot.show(flat(1, 100), flat(2, 100), flat(3, 10))
    assert (strategy.saw, held(bot)) == ([100, 100], True)
    bot.show(flat(4, 100))
    assert strategy.saw == [100, 100, 100]
    bot.show(flat(5, 70))
    assert strategy.saw == [100, 100, 100]
    bot.show(flat(6, 70))
    assert strategy.saw == [100, 100, 100, 70, 70], "also at the very same price: it is another candle"


def test_a_candle_does_not_confirm_the_trade_that_it_is_made_of() -> None:
    strategy = Timid()
    bot = bot_with(strategy).show(flat(0, 100))
    bot.step(tick(119, 10))
    bot.step(flat(1, 10))
    assert (held(bot), strategy.saw) == (True, [100])
    bot.step(tick(121, 100))
    assert (held(bot), strategy.saw) == (False, [100, 100])


def test_a_candle_whose_close_is_another_trade_confirms() -> None:
    bot = bot_with(Timid()).show(flat(0, 100))
    bot.step(tick(119, 70))
    bot.step(flat(1, 70.5))
    assert bot.engine.price(BTC_USD) == Decimal("70.5")


def test_a_candle_that_comes_after_the_trades_of_the_next_one_is_not_held_back() -> None:
    """Its price counts no more, and what it was near to is not known any more."""
    strategy = Timid()
    bot = bot_with(strategy)
    bot.step(tick(181, 100))
    bot.step(flat(1, 70))
    assert (strategy.saw, held(bot), alarms(bot)) == ([100, 70], False, [])
    assert bot.engine.price(BTC_USD) == 100


def test_a_price_of_the_same_moment_is_judged() -> None:
    bot = bot_with(Timid())
    bot.step(tick(120, 100))
    bot.step(flat(1, 10))
    assert held(bot)


def test_the_candle_that_a_held_trade_is_in_is_seen_when_another_price_confirms_it() -> None:
    strategy = Timid()
    bot = bot_with(strategy).show(flat(0, 100))
    bot.step(tick(119, 70))
    bot.step(flat(1, 70))
    assert strategy.saw == [100]
    bot.step(tick(121, 71))
    assert strategy.saw == [100, 70, 70, 71]


def test_wicks_that_nothing_confirms_are_cut() -> None:
    seen: list[Candle] = []

    class Looks(Timid):
        def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
            del ctx
            seen.append(candle)
            return ()

    bot = bot_with(Looks())
    shown = [candle(1, (100, 1_000, 1, 100)), candle(2, (100, 500, 5, 110)), candle(3, (1, 119, 1, 110))]
    shown += [candle(4, (110, 112, 5, 110)), candle(5, (110, 900, 109, 110)), candle(6, (110, 110, 5, 110))]
    bot.show(*shown)
    as_money = [tuple(value * 0.5 for value in (c.open, c.high, c.low, c.close)) for c in seen]
    assert as_money == [
        (100, 1_000, 1, 100), (100, 132, 80, 110), (88, 119, 88, 110), (110, 112, 88, 110), (110, 132, 109, 110),
        (110, 110, 88, 110),
    ]  # fmt: skip
    assert all(c.low <= min(c.open, c.close) and c.high >= max(c.open, c.close) for c in seen[1:])
    assert seen[0] is shown[0], "before there was a price, nothing is known"


# -- the same, whatever happens to the process -------------------------------------------------------------------------

prices = st.lists(st.sampled_from([1, 10, 70, 71, 99, 100, 101, 130, 200, 210]), min_size=2, max_size=25)


@given(prices, st.integers(1, 24))
def test_a_restart_between_any_two_prices_changes_nothing(told: list[int], cut: int) -> None:
    whole, first, second = Timid(), Timid(), Timid()
    straight = bot_with(whole)
    for number, price in enumerate(told, start=1):
        straight.show(tick(number, price))
    killed = bot_with(first)
    for number, price in enumerate(told[:cut], start=1):
        killed.show(tick(number, price))
    again = Bot(lambda: second, settings=config(WIDE, strategy_interval=0), saved=killed.save(), board=killed.board)
    for number, price in enumerate(told[cut:], start=len(told[:cut]) + 1):
        second.saw = second.saw or first.saw
        again.show(tick(number, price))
    assert (second.saw or first.saw) == whole.saw
    assert again.engine.state.held == straight.engine.state.held
    assert again.engine.state.marks == straight.engine.state.marks


@given(st.lists(st.integers(1, 100_000), min_size=2, max_size=40), st.sampled_from(["0.01", "0.2", "0.5", "1"]))
def test_what_is_believed_without_a_look_would_have_been_believed_after_one(told: list[int], limit: str) -> None:
    """The prices between which nothing is judged leave out no jump."""
    bot = bot_with(Timid(), Limits(max_drawdown=Decimal(1), daily_loss_limit=Decimal(1), max_price_jump=Decimal(limit)))
    for number, price in enumerate(told, start=1):
        mark = bot.engine.state.marks.get(BTC_USD)
        last = mark.price if mark is not None else price
        before = bot.engine.state.held.get(BTC_USD)
        bot.step(tick(number, price * 0.5))
        expected = jumps.near(price, last, Decimal(limit)) or (
            before is not None and jumps.near(price, before.price, Decimal(limit))
        )
        assert held(bot) is not expected


def test_a_held_price_takes_no_time_from_the_clock() -> None:
    bot = invested(Timid())
    bot.step(tick(4, 1))
    assert bot.engine.state.now == 4_000_000 < MINUTE


# -- live: prices between the closes of candles ------------------------------------------------------------------------


async def test_a_price_that_is_read_once_more_is_no_second_one() -> None:
    """A live feed says the last price until there is another."""
    strategy = Timid()
    bot = invested(strategy)
    feed: dict[str, int] = {}
    shown: list[float] = []

    async def on_market(event: Tick) -> None:
        shown.append(event.price * 0.5)
        bot.step(event)

    runner = SimpleNamespace(engine=bot.engine, now=lambda: bot.engine.state.now + 1_000_000, on_market=on_market)
    link = SimpleNamespace(feed=SimpleNamespace(prices=lambda: feed))
    for price in (100, 10, 10, 10, 100, 100, 10, 70, 70, 71, 71):
        feed[BTC_USD] = price * 2
        await Live._between(cast("Any", link), cast("Any", runner))
    assert shown == [10, 100, 10, 70, 71]
    assert strategy.saw == [100, 100, 100, 100, 70, 71]
