from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradingbot.domain.states import State
from tradingbot.risk.latch import EMERGENCY, Board, StopRecord

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
