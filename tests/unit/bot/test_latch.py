from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot.domain.market import DAY
from tradingbot.domain.states import State
from tradingbot.risk.equity_guard import EquityGuard, loss_of
from tradingbot.risk.latch import EMERGENCY, Board, StopRecord
from tradingbot.risk.limits import Limits

SOURCES = st.sampled_from(["spec", "api", "database", "feed", "drawdown"])
MOVES = st.lists(st.tuples(SOURCES, st.sampled_from(State), st.booleans()), max_size=30)


@given(MOVES)
def test_the_most_restrictive_source_wins_and_a_latch_never_loosens(moves: list[tuple[str, State, bool]]) -> None:
    board = Board()
    mine: dict[str, tuple[State, bool]] = {}
    for source, state, latched in moves:
        board.hold(source, state, "because", latched=latched)
        before, was_latched = mine.get(source, (State.ACTIVE, False))
        if was_latched:
            mine[source] = (max(before, state), True)
        elif state is State.ACTIVE:
            mine.pop(source, None)
        else:
            mine[source] = (state, latched)
        assert board.state == max((held for held, _ in mine.values()), default=State.ACTIVE)
        assert {r.source: r.state for r in board.restrictions()} == {name: held for name, (held, _) in mine.items()}


@given(MOVES)
def test_no_source_can_undo_an_emergency_stop(moves: list[tuple[str, State, bool]]) -> None:
    board = Board()
    board.emergency(StopRecord("1f0c2a9b-7", "spec", "fire", close_positions=False))
    for source, state, latched in moves:
        board.hold(source, state, "because", latched=latched)
        board.hold(EMERGENCY, state, "because")
    assert board.state is State.KILLED
    assert (EMERGENCY, State.KILLED) in [(held.source, held.state) for held in board.restrictions()]


def test_the_first_stop_counts_and_can_only_ask_for_more() -> None:
    board = Board()
    assert board.emergency(StopRecord("a-1", "spec", "first", close_positions=False))
    assert not board.emergency(StopRecord("a-2", "api", "second", close_positions=False))
    assert board.emergency(StopRecord("a-3", "api", "third", close_positions=True))
    assert board.stop == StopRecord("a-1", "spec", "first", close_positions=True)
    assert not board.emergency(StopRecord("a-4", "spec", "fourth", close_positions=False))


def test_states_are_ordered_and_say_what_they_allow() -> None:
    assert State.ACTIVE < State.PAUSED < State.REDUCING < State.HALTED < State.KILLED
    assert [state.name for state in State if state.entries_allowed] == ["ACTIVE"]
    assert [state.name for state in State if not state.exits_allowed] == ["KILLED"]


def test_what_is_held_is_no_latch_unless_it_is_said_to_be_and_only_news_is_news() -> None:
    board = Board()
    assert board.hold("api", State.PAUSED, "lunch")
    assert [(held.latched, held.latch_id) for held in board.restrictions()] == [(False, "")]
    assert not board.hold("api", State.PAUSED, "lunch")
    assert board.hold("api", State.PAUSED, "a long lunch")
    assert board.hold("api", State.ACTIVE, "")
    assert not board.hold("api", State.ACTIVE, "")


def test_a_latch_is_news_once_keeps_its_first_reason_and_takes_the_name_that_the_database_gives_it() -> None:
    """News is recorded: a limit that is looked at every second must not become a row every second."""
    board = Board()
    assert board.hold("drawdown", State.HALTED, "first", latched=True)
    for state, reason, name in ((State.HALTED, "again", ""), (State.HALTED, "", "drawdown-1"), (State.ACTIVE, "", "")):
        assert not board.hold("drawdown", state, reason, latch_id=name)
    (held,) = board.restrictions()
    assert (held.state, held.reason, held.latched, held.latch_id) == (State.HALTED, "first", True, "drawdown-1")
    assert board.hold("drawdown", State.KILLED, "worse")
    (held,) = board.restrictions()
    assert (held.state, held.reason, held.latched, held.latch_id) == (State.KILLED, "worse", True, "drawdown-1")
    assert board.release("drawdown")
    assert not board.release("drawdown")


def test_only_the_release_of_an_emergency_stop_ends_it() -> None:
    board = Board()
    board.emergency(StopRecord("a-1", "spec", "fire", close_positions=False))
    board.hold("drawdown", State.HALTED, "lost", latched=True)
    board.release("drawdown")
    assert (board.state, board.stop is None) == (State.KILLED, False)
    board.release(EMERGENCY)
    assert (board.state, board.stop) == (State.ACTIVE, None)


@pytest.mark.parametrize(
    ("high", "equity", "loss"),
    [("1", "0.5", "0.5"), ("1", "2", "0"), ("0", "0", "1"), ("0", "5", "1"), ("-1", "5", "1")],
)
def test_where_there_was_nothing_everything_is_lost(high: str, equity: str, loss: str) -> None:
    assert loss_of(Decimal(high), Decimal(equity)) == Decimal(loss)


def test_a_day_begins_once_with_what_there_is_then_and_a_peak_is_kept() -> None:
    guard = EquityGuard(Decimal(100), Decimal(100), 5)
    moments = [(5 * DAY + 1, 110), (6 * DAY, 105), (5 * DAY + 2, 50)]
    expected = [(5, 100, 110), (6, 105, 110), (6, 105, 110)]
    for (ts, equity), kept in zip(moments, expected, strict=True):
        guard.update(ts, Decimal(equity))
        assert (guard.day, int(guard.day_start), int(guard.peak)) == kept


@pytest.mark.parametrize(
    ("equity", "sources"),
    [("97.01", []), ("97", ["daily_loss"]), ("85.01", ["daily_loss"]), ("85", ["drawdown", "daily_loss"])],
)
def test_a_limit_is_reached_at_the_limit_itself(equity: str, sources: list[str]) -> None:
    limits = Limits(max_drawdown=Decimal("0.15"), daily_loss_limit=Decimal("0.03"))
    guard = EquityGuard(Decimal(100), Decimal(100), 5)
    assert [breach.source for breach in guard.breaches(Decimal(equity), limits)] == sources
