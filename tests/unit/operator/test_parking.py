"""Reports that wait for a quiet second, with a clock that the test moves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import Clock

from tradingbot_operator.runtime.parking import PATIENCE_SECONDS, QUIET_SECONDS, Parking


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
        st.tuples(st.sampled_from(["written", "park", "leave"]), st.sampled_from(["a", "b", "c"])),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_waits_is_released_once_and_in_time(steps: list[tuple[str, object]]) -> None:
    lot = Lot()
    waiting: dict[str, float] = {}
    written = float("-inf")
    expected: Counter[str] = Counter()

    def collect() -> None:
        for key, when in lot.released:
            assert key in waiting, "released although it does not wait"
            held = when - waiting.pop(key)
            assert held <= PATIENCE_SECONDS + QUIET_SECONDS
            assert when - written >= QUIET_SECONDS - 1e-9 or held >= PATIENCE_SECONDS
            expected[key] += 1
        lot.released.clear()

    for what, argument in steps:
        if what == "advance":
            assert isinstance(argument, float)
            lot.clock.advance(argument)
            collect()
        elif what == "written":
            lot.parking.written()
            written = lot.clock.now
        elif what == "leave":
            lot.parking.leave(str(argument))
            waiting.pop(str(argument), None)
        elif lot.park(str(argument)):
            waiting.setdefault(str(argument), lot.clock.now)
            assert lot.clock.now - written < QUIET_SECONDS, "never when it is quiet"
    lot.clock.advance(PATIENCE_SECONDS + QUIET_SECONDS)
    collect()
    assert waiting == {}, "nothing is left waiting"
