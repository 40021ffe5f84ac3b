"""Reports that wait for a quiet second, with a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import Clock

from tradingbot_operator.runtime.parking import FIRST_SECONDS, PATIENCE_SECONDS, QUIET_SECONDS, Parking


class Lot:
    """A parking with its clock, and what it released when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.released: list[tuple[str, float]] = []
        self.parking: Parking[str] = Parking(
            lambda key: self.released.append((key, self.clock.now)), clock=self.clock, call_later=self.clock.later
        )

    def park(self, key: str) -> bool:
        return self.parking.waits(key)


@pytest.fixture
def lot() -> Lot:
    return Lot()


def test_nothing_waits_when_nothing_is_being_brought_about(lot: Lot) -> None:
    assert not lot.park("a")
    lot.parking.written()
    lot.clock.advance(QUIET_SECONDS)
    assert not lot.park("a")
    assert len(lot.parking) == 0


def test_a_report_waits_for_exactly_one_quiet_second(lot: Lot) -> None:
    lot.parking.written()
    lot.clock.advance(0.4)
    assert lot.park("a")
    lot.clock.advance(0.59)
    assert lot.released == []
    lot.clock.advance(0.02)
    assert [key for key, _ in lot.released] == ["a"]
    assert lot.released[0][1] == pytest.approx(QUIET_SECONDS)
    lot.clock.advance(100)
    assert len(lot.released) == 1, "once"


def test_what_was_released_waits_no_more_although_others_are_written_again(lot: Lot) -> None:
    lot.parking.written()
    assert lot.park("a")
    lot.clock.advance(QUIET_SECONDS)
    lot.parking.written()
    assert not lot.park("a")
    lot.parking.leave("a")
    assert lot.park("a"), "its next report is another one"


def test_a_report_waits_on_while_others_are_written_and_not_for_ever(lot: Lot) -> None:
    lot.parking.written()
    assert lot.park("a")
    while lot.clock.now < PATIENCE_SECONDS - 0.5:
        lot.clock.advance(0.5)
        lot.parking.written()
        assert lot.released == []
        assert lot.park("a")
    for _ in range(4):
        lot.clock.advance(0.5)
        lot.parking.written()
    assert [key for key, _ in lot.released] == ["a"]
    assert lot.released[0][1] <= PATIENCE_SECONDS + QUIET_SECONDS


def test_a_report_that_was_made_is_not_asked_for_again(lot: Lot) -> None:
    lot.parking.written()
    assert lot.park("a")
    assert lot.park("b")
    lot.parking.leave("a")
    lot.clock.advance(10)
    assert [key for key, _ in lot.released] == ["b"]


def let_go(lot: Lot, *keys: str) -> None:
    """Park these and wait until they are released."""
    lot.parking.written()
    for key in keys:
        assert lot.park(key)
    lot.clock.advance(QUIET_SECONDS)
    assert [key for key, _ in lot.released] == list(keys)
    lot.released.clear()


def test_nobody_is_told_of_twice_while_what_was_let_go_is_being_told(lot: Lot) -> None:
    assert not lot.parking.waits_for_others("a"), "nothing was let go"
    let_go(lot, "a", "b", "c")
    lot.parking.leave("a")
    assert lot.parking.waits_for_others("a")
    lot.parking.leave("b")
    assert lot.released == []
    lot.parking.leave("c")
    assert [key for key, _ in lot.released] == ["a"], "the last of them was told of"
    assert not lot.parking.waits_for_others("a")


def test_its_own_first_report_is_none_that_a_second_waits_for(lot: Lot) -> None:
    let_go(lot, "a")
    assert not lot.parking.waits_for_others("a")


def test_a_second_report_does_not_wait_for_a_first_one_that_cannot_be_written(lot: Lot) -> None:
    let_go(lot, "a", "stuck")
    lot.parking.leave("a")
    assert lot.parking.waits_for_others("a")
    lot.clock.advance(FIRST_SECONDS - 0.01)
    assert lot.released == []
    lot.clock.advance(0.02)
    assert [key for key, _ in lot.released] == ["a"]
    assert not lot.parking.waits_for_others("a")


def test_a_report_that_waits_is_let_go_in_time_although_a_later_alarm_was_set(lot: Lot) -> None:
    let_go(lot, "a", "stuck")
    lot.parking.leave("a")
    assert lot.parking.waits_for_others("a")
    lot.parking.written()
    assert lot.park("b")
    lot.clock.advance(QUIET_SECONDS)
    assert [key for key, _ in lot.released] == ["b"]


def test_a_closed_one_releases_nothing(lot: Lot) -> None:
    lot.parking.written()
    assert lot.park("a")
    lot.parking.close()
    lot.clock.advance(10)
    assert lot.released == []
    assert lot.clock.calls == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.sampled_from([0.1, 0.5, 0.99, 1.0, 7.0])),
        st.tuples(st.sampled_from(["written", "park", "second", "leave"]), st.sampled_from(["a", "b", "c"])),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_waits_is_released_once_and_in_time(steps: list[tuple[str, object]]) -> None:
    lot = Lot()
    first: dict[str, float] = {}
    second: dict[str, float] = {}
    written = float("-inf")

    def collect() -> None:
        for key, when in lot.released:
            assert key in first or key in second, "released although it does not wait"
            quiet = when - written >= QUIET_SECONDS - 1e-9
            if key in first and (quiet or when - first[key] >= PATIENCE_SECONDS):
                assert when - first.pop(key) <= PATIENCE_SECONDS + QUIET_SECONDS
            else:
                assert when - second.pop(key) <= FIRST_SECONDS + 0.01
        lot.released.clear()

    for what, argument in steps:
        if what == "advance":
            assert isinstance(argument, float)
            lot.clock.advance(argument)
        elif what == "written":
            lot.parking.written()
            written = lot.clock.now
        elif what == "leave":
            first.pop(str(argument), None)
            second.pop(str(argument), None)
            lot.parking.leave(str(argument))
        elif what == "second":
            if lot.parking.waits_for_others(str(argument)):
                second.setdefault(str(argument), lot.clock.now)
        elif lot.park(str(argument)):
            first.setdefault(str(argument), lot.clock.now)
            assert lot.clock.now - written < QUIET_SECONDS, "never when it is quiet"
        collect()
    lot.clock.advance(PATIENCE_SECONDS + QUIET_SECONDS)
    collect()
    assert first == {}
    assert second == {}, "nothing is left waiting"
