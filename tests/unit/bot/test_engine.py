from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import CAPITAL, Bot, Scripted, buy, candle, config, flat, leave

from tradingbot.core import stops
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.market import DAY, MINUTE, Event
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.risk.latch import Board
from tradingbot.risk.limits import Limits, OnBreach

ENTRY = buy(990, 1040)


class Stranger(Event, frozen=True):
    """Nobody told the engine of it."""


def bot(script: dict[int, Any], **arguments: Any) -> Bot:
    return Bot(lambda: Scripted(script), **arguments)


def roles(robot: Bot) -> list[str]:
    return [order.intent.role.value for order in robot.engine.desk.live()]


def codes(robot: Bot) -> list[str]:
    return [decision.code or "approved" for decision in robot.decisions]


def test_an_entry_fills_and_its_protection_rests_at_the_venue() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0))
    position = robot.engine.state.book.position("BTC/USD")
    assert position is not None
    assert (position.stop_loss, position.take_profit) == (Decimal(990), Decimal(1040))
    assert roles(robot) == ["stop", "target"]
    assert set(robot.venue.state.orders) == {order.intent.client_id for order in robot.engine.desk.live()}
    assert robot.engine.state.book.balance("held", "USD") == 0


@pytest.mark.parametrize(("prices", "role"), [((1000, 1000, 980, 985), "stop"), ((1000, 1045, 1000, 1041), "target")])
def test_stop_and_target_close_the_position_and_take_each_other_back(prices: Any, role: str) -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0), candle(2, prices), flat(3, 1000.0))
    assert [trade.role.value for trade in robot.trades] == ["entry", role]
    assert robot.engine.state.book.position("BTC/USD") is None
    assert robot.engine.desk.live() == []
    assert robot.venue.state.orders == {}


def test_the_stop_protects_from_the_candle_on_in_which_the_entry_fills() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), candle(1, (1000, 1000, 980, 981)))
    assert [trade.role.value for trade in robot.trades] == ["entry", "stop"]


def test_a_strategy_that_leaves_takes_the_protection_with_it() -> None:
    robot = bot({1: ENTRY, 3: leave()}).show(*(flat(n, 1000.0) for n in range(5)))
    assert [trade.role.value for trade in robot.trades] == ["entry", "exit"]
    assert robot.engine.desk.live() == []
    assert codes(robot) == ["approved", "approved"]


def test_a_partial_entry_is_protected_as_a_whole() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0, volume=10.0))
    (stop,) = [order for order in robot.engine.desk.live() if order.intent.role is Role.STOP]
    held = robot.engine.state.book.positions["BTC/USD"].quantity
    assert held == Decimal(1)
    assert stop.intent.quantity > held
    robot.show(candle(2, (1000, 1000, 980, 980), volume=1000.0), flat(3, 980.0))
    assert robot.engine.state.book.position("BTC/USD") is None
    assert robot.engine.desk.live() == []
    assert robot.engine.state.book.balance("held", "USD") == 0


def test_an_entry_beyond_the_collar_costs_nothing() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1100.0))
    assert robot.trades == []
    assert robot.engine.state.book.balance("available", "USD") == CAPITAL
    assert robot.engine.state.orders[next(iter(robot.engine.state.orders))].state.value == "EXPIRED"


@pytest.mark.parametrize("state", [State.PAUSED, State.REDUCING, State.HALTED, State.KILLED])
def test_a_restriction_takes_entries_back_and_leaves_protection_alone(state: State) -> None:
    robot = bot({1: ENTRY, 3: ENTRY}).show(flat(0, 1000.0))
    assert roles(robot) == ["entry"]
    robot.step(events.Hold(60_000_000, "spec", state, "test"))
    assert roles(robot) == []
    assert robot.venue.state.orders == {}
    robot = bot({1: ENTRY, 3: ENTRY, 4: leave()}).show(flat(0, 1000.0), flat(1, 1000.0))
    robot.step(events.Hold(120_000_000, "spec", state, "test"))
    robot.show(flat(2, 1000.0), flat(3, 1000.0))
    leaving = ["approved"] if state is not State.KILLED else ["STATE_BLOCKS_EXITS"]
    assert codes(robot) == ["approved", "STATE_BLOCKS_ENTRIES", *leaving]
    assert "stop" in roles(robot)


def test_an_emergency_stop_before_the_order_is_sent_means_it_is_never_sent() -> None:
    robot = bot({1: ENTRY})
    effects = robot.engine.step(flat(0, 1000.0))
    (submit,) = [effect for effect in effects if isinstance(effect, fx.Submit)]
    robot.engine.step(events.EmergencyStop(60_000_000, "u-1", "spec", "fire", close_positions=False))
    robot.take(effects)
    assert robot.venue.state.orders == {}
    order = robot.engine.state.orders[submit.approved.item.client_id]
    assert (order.state.value, order.note) == ("EXPIRED", "not sent: emergency stop: fire")
    assert robot.engine.state.book.balance("available", "USD") == CAPITAL


def test_an_emergency_stop_keeps_positions_with_their_stops_and_says_so() -> None:
    robot = bot({1: ENTRY, 3: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0))
    robot.step(events.EmergencyStop(120_000_000, "u-1", "spec", "fire", close_positions=False))
    robot.step(events.Hold(120_000_000, "spec", State.ACTIVE, ""))
    robot.show(flat(2, 1000.0))
    assert robot.board.state is State.KILLED
    assert roles(robot) == ["stop", "target"]
    outcome = stops.outcome(robot.engine)
    assert outcome is not None
    assert (outcome["state"], outcome["positions_left"], outcome["orders_cancelled"]) == ("CANCELLED", 1, 0)
    assert outcome["orders"] == []
    (position,) = outcome["positions"]
    assert (position["symbol"], position["state"], position["requested"]) == ("BTC/USD", "KEPT", "0")
    assert Decimal(position["residual"]) == robot.engine.state.book.open_positions()[0].quantity
    robot.show(candle(3, (1000, 1000, 980, 980)))
    assert [trade.role.value for trade in robot.trades] == ["entry", "stop"]


def test_an_emergency_stop_with_closing_ends_flat() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0))
    robot.step(events.EmergencyStop(120_000_000, "u-1", "api", "fire", close_positions=True))
    outcome = stops.outcome(robot.engine)
    assert outcome is not None
    assert outcome["state"] == "PENDING"
    robot.show(flat(2, 1000.0))
    outcome = stops.outcome(robot.engine)
    assert outcome is not None
    assert outcome["state"] == "FLAT"
    (position,) = outcome["positions"]
    assert (position["state"], position["residual"], position["reason"]) == ("FLAT", "0", "")
    assert Decimal(position["requested"]) == sum(trade.quantity for trade in robot.trades if trade.role is Role.ENTRY)
    assert [trade.role.value for trade in robot.trades] == ["entry", "flatten"]
    assert robot.venue.state.orders == {}


def test_cancelled_entries_of_a_stop_are_counted() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0))
    robot.step(events.EmergencyStop(60_000_000, "u-1", "spec", "fire", close_positions=False))
    outcome = stops.outcome(robot.engine)
    assert outcome is not None
    assert (outcome["state"], outcome["orders_cancelled"]) == ("CANCELLED", 1)
    (order,) = outcome["orders"]
    assert (order["client_id"], order["symbol"], order["state"]) == (
        robot.engine.state.stop_orders[0], "BTC/USD", "CANCELLED",
    )  # fmt: skip


@pytest.mark.parametrize("action", list(OnBreach))
def test_a_drawdown_halts_for_good_and_the_peak_is_not_re_based(action: OnBreach) -> None:
    limits = Limits(max_drawdown=Decimal("0.01"), on_breach=action, max_position_size=Decimal(1),
                    risk_per_trade=Decimal("0.5"))  # fmt: skip
    entry = buy(600, 2500)
    robot = bot({1: entry, 5: entry}, settings=config(limits)).show(
        flat(0, 1000.0, 1e5), flat(1, 1000.0, 1e5), flat(2, 980.0, 1e5), flat(3, 980.0, 1e5), flat(4, 1000.0, 1e5)
    )
    assert robot.board.state is State.HALTED
    (latch,) = robot.of(fx.Latch)
    assert (latch.source, latch.state) == ("drawdown", State.HALTED)
    assert robot.engine.state.guard is not None
    assert robot.engine.state.guard.peak == CAPITAL
    assert codes(robot)[-1] == "STATE_BLOCKS_ENTRIES"
    closed = ["entry", "flatten"] if action is OnBreach.FLATTEN else ["entry"]
    assert [trade.role.value for trade in robot.trades] == closed


def test_the_daily_loss_counts_from_midnight() -> None:
    limits = Limits(daily_loss_limit=Decimal("0.01"), max_position_size=Decimal(1), risk_per_trade=Decimal("0.5"))
    per_day = DAY // 60_000_000
    robot = bot({1: buy(600, 2500)}, settings=config(limits))
    robot.show(flat(0, 1000.0, 1e5), flat(1, 1000.0, 1e5), flat(2, 993.0, 1e5), flat(per_day, 993.0, 1e5))
    robot.show(flat(per_day + 1, 986.0, 1e5))
    assert robot.board.state is State.ACTIVE
    robot.show(flat(per_day + 2, 980.0, 1e5))
    assert [entry.source for entry in robot.board.restrictions()] == ["daily_loss"]


def test_a_strategy_that_raises_halts_the_bot_and_never_the_process() -> None:
    robot = bot({2: ZeroDivisionError("oops"), 3: ENTRY}).show(*(flat(n, 1000.0) for n in range(4)))
    assert robot.board.state is State.HALTED
    (entry,) = robot.board.restrictions()
    assert entry.source == "strategy"
    assert "ZeroDivisionError: oops" in entry.reason
    assert codes(robot) == ["STATE_BLOCKS_ENTRIES"]


def test_a_fill_that_comes_twice_is_booked_once() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0))
    (fill,) = robot.venue.match(flat(1, 1000.0))
    robot.step(fill)
    before = robot.ledger_hash()
    robot.step(fill)
    assert robot.ledger_hash() == before


def test_a_fill_after_the_end_is_booked_and_raises_an_alarm() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0))
    (client_id,) = robot.engine.state.orders
    robot.step(events.Closed(60_000_000, client_id, events.End.CANCELED, "test"))
    (fill,) = robot.venue.match(flat(1, 1000.0))
    robot.step(fill)
    assert robot.engine.state.book.position("BTC/USD") is not None
    assert [alarm.code for alarm in robot.of(fx.Alarm)] == ["LATE_REPORT"]
    assert "stop" in roles(robot)


def test_a_position_whose_stop_is_refused_is_closed_at_once() -> None:
    robot = bot({1: ENTRY}).show(flat(0, 1000.0), flat(1, 1000.0))
    (stop,) = [order for order in robot.engine.desk.live() if order.intent.role is Role.STOP]
    robot.venue.state.orders.pop(stop.intent.client_id)
    robot.step(events.Closed(120_000_000, stop.intent.client_id, events.End.CANCELED, "lost"))
    assert [alarm.code for alarm in robot.of(fx.Alarm)] == ["UNPROTECTED"]
    robot.take(robot.engine.resume())
    assert sorted(roles(robot)) == ["stop", "target"]


def test_what_nobody_knows_is_an_alarm_and_changes_nothing() -> None:
    robot = bot({}).show(flat(0, 1000.0))
    before = robot.save()
    robot.step(events.Accepted(60_000_000, "stranger", "v"))
    assert [alarm.code for alarm in robot.of(fx.Alarm)] == ["UNKNOWN_ORDER"]
    assert robot.save() == before


def test_an_event_that_the_engine_does_not_know_is_a_broken_invariant() -> None:
    with pytest.raises(BrokenInvariantError, match="does not know events of type"):
        bot({}).step(Stranger(0))


MOVES = st.lists(st.tuples(st.integers(-60, 60), st.integers(0, 40), st.integers(0, 40)), min_size=6, max_size=60)
SCRIPTS = st.dictionaries(st.integers(1, 60), st.sampled_from(["enter", "leave"]), max_size=25)


@settings(max_examples=60, deadline=None)
@given(moves=MOVES, script=SCRIPTS, volume=st.sampled_from([3.0, 40.0, 10_000.0]), cut=st.integers(1, 59))
def test_whatever_the_market_does_the_books_agree_with_the_venue_and_a_restart_changes_nothing(
    moves: list[tuple[int, int, int]], script: dict[int, str], volume: float, cut: int
) -> None:
    candles, price = [], 1000.0
    for number, (change, up, down) in enumerate(moves):
        opened, price = price, max(100.0, price + change / 2)
        candles.append(
            candle(number, (opened, max(opened, price) + up / 2, min(opened, price) - down / 2, price), volume)
        )
    levels = [one.close / 2 for one in candles]
    wanted = {
        number: leave() if what == "leave" else buy(levels[number - 1] - 10, levels[number - 1] + 45)
        for number, what in script.items()
        if number <= len(candles)
    }
    whole = bot(wanted).show(*candles)
    check(whole)
    cut = min(cut, len(candles))
    first = bot(wanted).show(*candles[:cut])
    second = Bot(lambda: skip(wanted, cut), saved=first.save(), board=Board())
    second.show(*candles[cut:])
    check(second)
    first.effects.extend(second.effects)
    assert first.ledger_hash() == whole.ledger_hash()


def skip(script: dict[int, Any], count: int) -> Scripted:
    strategy = Scripted(script)
    strategy.count = count
    return strategy


def check(robot: Bot) -> None:
    state, venue = robot.engine.state, robot.venue.state
    for asset in ("USD", "BTC"):
        assert sum((assets.get(asset, Decimal(0)) for assets in state.book.balances.values()), Decimal(0)) == 0
        assert state.book.cash(asset) == venue.balances.get(asset, Decimal(0))
    position = state.book.positions.get("BTC/USD")
    assert (position.quantity if position else 0) == venue.positions.get("BTC/USD", 0)
    assert {order.intent.client_id for order in robot.engine.desk.live()} == set(venue.orders)
    held = state.book.balance("held", "USD")
    assert held == sum((order.held for order in robot.engine.desk.live()), Decimal(0))
    if position is not None and position.open:
        assert any(order.intent.role in (Role.STOP, Role.EXIT) for order in robot.engine.desk.live())


def test_a_strategy_sees_every_candle_and_is_heard_once_per_interval() -> None:
    robot = bot({1: leave(), 2: ENTRY, 3: ENTRY}, settings=config(strategy_interval=3 * MINUTE))
    robot.show(*(flat(n, 1000.0) for n in range(5)))
    strategy = robot.engine.strategies["BTC/USD"]
    assert isinstance(strategy, Scripted)
    assert strategy.count == 5
    assert codes(robot) == ["NO_POSITION"]


def test_a_strategy_whose_memory_has_another_shape_begins_anew() -> None:
    from tradingbot.strategy.builtin.breakout import Breakout, BreakoutParams

    saved = bot({}).show(flat(0, 1000.0)).save()
    other = Bot(lambda: Breakout(BreakoutParams()), saved=saved)
    assert other.engine.restored == set()
    again = Bot(lambda: Breakout(BreakoutParams()), saved=other.save())
    assert again.engine.restored == {"BTC/USD"}
