"""Market data that cannot be: each is answered, none of it touches what is open.

What a file may hold is in test_feeds (not a number, prices of zero, duplicates, wrong order) and in test_ticks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, CAPITAL, Bot, Scripted, buy, candle, flat, leave
from tests.unit.bot.test_feeds import NAN, feed, rows, write
from tests.unit.bot.test_ticks import on_ticks, tick

from tradingbot.backtest.run import Backtest
from tradingbot.backtest.setup import Options, market
from tradingbot.backtest.setup import settings as backtest_settings
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import DAY, MINUTE, SECOND, Candle
from tradingbot.domain.states import State
from tradingbot.ports.clock import SteadyClock
from tradingbot.runtime.clock import Pacer

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = buy(990, 1040)


def holding(script: dict[int, Any]) -> Bot:
    """A bot with a position, its stop and its target at the venue."""
    robot = Bot(lambda: Scripted({1: ENTRY, **script})).show(flat(0, 1000.0), flat(1, 1000.0))
    assert len(robot.venue.state.orders) == 2
    return robot


def untouched(robot: Bot) -> None:
    position = robot.engine.state.book.position("BTC/USD")
    assert position is not None
    assert (position.stop_loss, position.take_profit) == (Decimal(990), Decimal(1040))
    assert {order.intent.role.value for order in robot.engine.desk.live()} == {"stop", "target"}
    assert len(robot.venue.state.orders) == 2


def alarms(robot: Bot) -> list[str]:
    from tradingbot.domain import effects as fx

    return [alarm.code for alarm in robot.of(fx.Alarm)]


def test_after_a_gap_nothing_is_opened_and_what_is_open_stays_protected() -> None:
    robot = Bot(lambda: Scripted({3: ENTRY, 5: ENTRY}))
    robot.show(flat(0, 1000.0), flat(1, 1000.0), candle(20, (1000, 1000, 1000, 1000), gap=18))
    assert robot.decisions[-1].code == "DATA_STALE"
    assert robot.decisions[-1].facts == (("missing_candles", "18"),)
    robot.show(flat(21, 1000.0), flat(22, 1000.0))
    assert robot.decisions[-1].code == ""
    open_one = holding({}).show(candle(40, (1000, 1000, 1000, 1000), gap=38))
    untouched(open_one)
    assert open_one.show(candle(60, (950, 950, 950, 950), gap=19)).trades[-1].price < Decimal(951)


def test_a_position_can_be_left_after_a_gap() -> None:
    robot = holding({3: leave()})
    robot.show(candle(40, (1000, 1000, 1000, 1000), gap=38), flat(41, 1000.0))
    assert [trade.role.value for trade in robot.trades] == ["entry", "exit"]


@pytest.mark.parametrize("price", [0, -1])
def test_what_is_not_a_price_is_not_looked_at(price: int) -> None:
    robot = holding({3: leave()})
    before = msgspec.json.encode(robot.engine.state.book), robot.engine.equity
    bad = msgspec.structs.replace(flat(2, 1000.0), close=price)
    robot.step(bad)
    untouched(robot)
    assert (msgspec.json.encode(robot.engine.state.book), robot.engine.equity) == before
    assert alarms(robot) == ["BAD_PRICE"]
    assert robot.board.state is State.ACTIVE
    # The strategy was not shown it: what it wants on its third candle comes with the next one.
    robot.show(flat(3, 1000.0), flat(4, 1000.0))
    assert robot.trades[-1].role.value == "exit"


def test_a_tick_without_a_price_is_not_looked_at_either() -> None:
    robot = on_ticks({2: leave()})
    robot.step(tick(1, 1000))
    robot.step(tick(2, 0))
    robot.step(tick(3, 1000))
    assert alarms(robot) == ["BAD_PRICE"]
    assert [decision.ts for decision in robot.decisions] == [3_000_000]


def test_an_older_price_never_takes_the_place_of_a_newer_one() -> None:
    robot = holding({})
    robot.step(tick(150, 1010))
    value = robot.engine.equity
    robot.step(flat(1, 900.0))
    assert robot.engine.price("BTC/USD") == Decimal(1010)
    assert robot.engine.equity == value
    assert robot.board.state is State.ACTIVE
    untouched(robot)


def test_the_same_candle_twice_is_one_order() -> None:
    robot = Bot(lambda: Scripted({1: ENTRY, 2: ENTRY}))
    robot.step(flat(0, 1000.0))
    robot.engine.state.asked.clear()
    robot.step(flat(0, 1000.0))
    assert len(robot.venue.state.orders) == 1
    assert robot.decisions[-1].code in ("DUPLICATE_INTENT", "POSITION_EXISTS")


def test_while_a_market_is_closed_orders_wait() -> None:
    robot = Bot(lambda: Scripted({1: ENTRY})).show(flat(0, 1000.0))
    robot.show(*(flat(minute, 1000.0, volume=0.0) for minute in range(1, 200)))
    assert robot.trades == []
    assert len(robot.engine.desk.live()) == 1
    assert robot.show(flat(200, 1000.0)).trades[0].quantity > 0
    closed = holding({}).show(*(candle(minute, (900, 900, 900, 900), volume=0.0) for minute in range(2, 50)))
    assert closed.engine.state.book.position("BTC/USD") is not None
    assert closed.show(candle(50, (900, 900, 900, 900))).trades[-1].role.value == "stop"


@pytest.mark.parametrize("days", [1, 400, 40_000])
def test_a_market_time_that_jumps_ahead_denies_entries_and_keeps_what_is_open(days: int) -> None:
    robot = holding({})
    late = flat(days * 1440, 1000.0)
    robot.show(msgspec.structs.replace(late, gap=days * 1440 - 2))
    untouched(robot)
    guard = robot.engine.state.guard
    assert guard is not None
    assert guard.day == days
    assert guard.peak == CAPITAL
    fresh = Bot(lambda: Scripted({1: ENTRY}))
    fresh.show(msgspec.structs.replace(late, gap=days * 1440))
    assert fresh.decisions[-1].code == "DATA_STALE"


def test_a_row_from_the_future_takes_no_file_with_it_silently(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rows cannot be used") as error:
        feed(write(tmp_path, [*rows(50), (10**6, 100.0, 101.0, 99.0, 100.5, 2.0), *rows(50, first=50)]))
    assert "older than the row before it" in error.value.message


def test_bad_rows_change_nothing_of_what_is_traded(tmp_path: Path) -> None:
    """The ledger over a file with rows that cannot be is the one over the file without them."""
    base = datetime(2022, 1, 1, tzinfo=UTC)
    good = [(n, 100 + 5 * ((n // 37) % 2) + n % 5 * 0.5, 112.0, 98.0, 100 + n % 9 * 0.5, 50.0) for n in range(600)]
    bad = [*good[:300], (299, *good[299][1:]), (100, *good[100][1:]), (300, NAN, NAN, NAN, NAN, 1.0), *good[300:]]
    hashes = []
    for name, table in (("clean", good), ("bad", bad)):
        folder = write(tmp_path / name, table)
        options = Options(data=str(folder), strategy="mean-reversion", parameters=("cooldown=0",))
        wanted = backtest_settings(options, {})
        found = market(wanted, options)
        backtest = Backtest(wanted, found)
        backtest.run()
        found.source.close()
        hashes.append((backtest.record.ledger.hexdigest(), backtest.engine.equity))
        assert found.begin == int(base.timestamp()) * 1_000_000
    assert hashes[0] == hashes[1]


class Clock:
    """Wall time and monotonic time, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = datetime(2024, 1, 1, tzinfo=UTC), 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        self.steady += seconds


def test_a_wall_clock_that_jumps_does_not_move_the_market() -> None:
    clock = Clock()
    pacer = Pacer(clock, Decimal(60))
    assert pacer.delay(0) == 0
    assert pacer.delay(MINUTE) == pytest.approx(1.0)
    for jump in (timedelta(days=400), timedelta(days=-800)):
        clock.wall += jump
        assert pacer.delay(MINUTE) == pytest.approx(1.0)
    clock.steady = 0.5
    assert pacer.delay(MINUTE) == pytest.approx(0.5)


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-800)])
def test_a_wall_clock_that_jumps_moves_no_time_that_passes(jump: timedelta) -> None:
    clock = Clock()
    steady = SteadyClock(clock)
    begun = steady.after(0)
    clock.wall += jump
    clock.steady += 2.0
    assert steady.after(0) == begun + 2 * SECOND


def test_a_market_that_is_ahead_of_our_clock_is_followed_and_its_time_passes_from_there() -> None:
    """Time that stood still until our clock came up to it would let whatever waits for two seconds wait for an hour."""
    clock = Clock()
    steady = SteadyClock(clock)
    ahead = steady.after(0) + 3600 * SECOND
    assert steady.after(ahead) == ahead
    clock.steady += 2.0
    assert steady.after(ahead) == ahead + 2 * SECOND


@settings(max_examples=80)
@given(
    stream=st.lists(
        st.tuples(st.integers(-3, 30), st.integers(-1, 2200), st.integers(0, 9), st.integers(0, 5)), max_size=60
    ),
    wishes=st.dictionaries(st.integers(1, 60), st.sampled_from(["enter", "leave"]), max_size=20),
)
def test_whatever_the_market_data_say_the_books_stay_whole(
    stream: list[tuple[int, int, int, int]], wishes: dict[int, str]
) -> None:
    """Time that goes back and jumps, prices of nothing, gaps: no error, and the ledger equals the venue."""
    robot = Bot(lambda: Scripted({n: ENTRY if wish == "enter" else leave() for n, wish in wishes.items()}))
    minute = 0
    for step, price, volume, gap in stream:
        minute = max(0, minute + step)
        one = Candle((minute + 1) * MINUTE, "BTC/USD", minute * MINUTE, price, price, price, price, volume * 1000, gap)
        if price > 0:
            robot.show(one)
        else:
            robot.step(one)
    book, venue = robot.engine.state.book, robot.venue.state
    for asset in ("USD", "BTC"):
        assert sum((assets.get(asset, Decimal(0)) for assets in book.balances.values()), Decimal(0)) == 0
        assert book.cash(asset) == venue.balances.get(asset, Decimal(0))
    assert {order.intent.client_id for order in robot.engine.desk.live()} == set(venue.orders)
    position = book.position("BTC/USD")
    last = robot.engine.price("BTC/USD") or Decimal(0)
    held = position.quantity * last if position is not None else Decimal(0)
    assert robot.engine.equity == book.cash("USD") + held
    assert robot.engine.state.now < 10**6 * DAY
    assert BTC.tick == Decimal("0.5")
