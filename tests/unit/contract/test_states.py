"""The states and their table: what must hold of it whatever a row says."""

from __future__ import annotations

from pathlib import Path

from tradingbot.domain.states import State as BotsState
from tradingbot_contract import document
from tradingbot_contract.states import BY_EVENT, TABLE, BotState, Entries, EntryOrders, Event, Exits, State, Stops
from tradingbot_operator.api.v1alpha1.safety import BotState as OperatorsState

ROOT = Path(__file__).parents[3]


def test_bot_and_operator_have_the_same_states() -> None:
    assert BotsState is State
    assert OperatorsState is BotState
    assert [state.name for state in State] == [state.value for state in BotState]
    assert [state.rank for state in BotState] == list(State)


def test_a_larger_state_never_allows_more() -> None:
    allowed = [(state.entries_allowed, state.exits_allowed) for state in State]
    assert allowed == sorted(allowed, reverse=True)
    assert allowed[0] == (True, True)
    assert allowed[-1] == (False, False)


def test_every_event_has_one_row() -> None:
    assert [row.event for row in TABLE] == list(Event)
    assert set(BY_EVENT) == set(Event)


def test_whatever_restricts_blocks_entries_and_takes_entry_orders_back() -> None:
    for row in TABLE:
        if row.state is not None and row.state is not State.ACTIVE:
            assert row.entries in {Entries.BLOCKED, Entries.BLOCKED_FIRST}, row
            assert row.entry_orders in {EntryOrders.CANCELLED, EntryOrders.VERIFIED}, row


def test_nothing_takes_a_protective_stop_away_and_leaves_the_position_open() -> None:
    for row in TABLE:
        if row.stops is Stops.REPLACED:
            assert row.exits is Exits.FLATTEN, row
        assert row.stops is not Stops.BY_POLICY or row.event is Event.DELETED, row


def test_a_stop_is_verified_at_the_exchange_and_latched() -> None:
    for event in (Event.STOP, Event.STOP_AND_CLOSE):
        row = BY_EVENT[event]
        assert (row.state, row.latched, row.entry_orders) == (State.KILLED, True, EntryOrders.VERIFIED)


def test_the_document_says_what_the_table_says(tmp_path: Path) -> None:
    committed = ROOT / "docs" / "states.md"
    assert document.main([str(committed), "--check"]) == 0
    stale = tmp_path / "states.md"
    stale.write_text(document.render().replace("KILLED", "STOPPED"), encoding="utf-8")
    assert document.main([str(stale), "--check"]) == 1
    assert document.main([str(stale)]) == 0
    assert document.main([str(stale), "--check"]) == 0
