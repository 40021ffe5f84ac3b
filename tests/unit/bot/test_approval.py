"""A live bot checks its approval by itself: taken back, given to something else, or run out means REDUCING."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tradingbot.domain.states import State
from tradingbot.risk.latch import Board
from tradingbot.runtime.approval import Approval
from tradingbot.runtime.watchdog import Watchdog

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DIGEST = "sha256:aaaa"


class Control:
    """What approval and watchdog need of a control."""

    def __init__(self) -> None:
        self.time, self.board = NOON, Board()
        self.clock = SimpleNamespace(now=lambda: self.time)
        self.health = SimpleNamespace(stuck=False, step_age=0.0)
        self.runner: Any = object()
        self.said: list[str] = []

    def hold(self, source: str, state: State, reason: str) -> None:
        self.said.append(reason)
        self.board.hold(source, state, reason)


def state_of(control: Control) -> State:
    return control.board.state


def given(expires: datetime | None = NOON + timedelta(hours=1)) -> tuple[Approval, Control]:
    control = Control()
    return Approval(cast("Any", control), DIGEST, expires), control


def spec(**changes: Any) -> dict[str, Any]:
    return {"digest": DIGEST, "expiresAt": "2026-11-25T13:00:00Z", **changes}


def test_while_it_holds_nothing_is_restricted() -> None:
    approval, control = given()
    approval.see(spec())
    assert state_of(control) is State.ACTIVE
    assert approval.told() == {"digest": DIGEST, "expires_at": "2026-11-25T13:00:00Z", "valid": True}


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (None, "taken back"),
        ({}, "taken back"),
        (spec(digest="sha256:bbbb"), "sha256:bbbb"),
        (spec(expiresAt="2026-11-25T11:59:59Z"), "ran out"),
        (spec(expiresAt="soon"), "no time"),
    ],
    ids=["missing", "empty", "other digest", "expired", "no time"],
)
def test_what_does_not_hold_reduces_and_what_holds_again_lets_go(told: Any, word: str) -> None:
    approval, control = given()
    approval.see(told)
    assert state_of(control) is State.REDUCING
    assert word in control.said[-1]
    assert approval.told()["valid"] is False
    approval.see(spec())
    assert state_of(control) is State.ACTIVE


def test_it_runs_out_to_the_second_without_anybody_saying_so() -> None:
    approval, control = given()
    control.time = NOON + timedelta(minutes=59, seconds=59)
    approval.check()
    assert state_of(control) is State.ACTIVE
    control.time += timedelta(seconds=1)
    approval.check()
    assert state_of(control) is State.REDUCING


@pytest.mark.parametrize("told", [spec(), None, spec(digest="sha256:bbbb")])
def test_another_build_than_the_approved_one_reduces_whatever_is_said_later(told: Any) -> None:
    control = Control()
    approval = Approval(cast("Any", control), DIGEST, NOON + timedelta(hours=1), foreign="ANOTHER_BUILD: not this one")
    approval.check()
    assert state_of(control) is State.REDUCING
    approval.see(told)
    approval.check()
    assert state_of(control) is State.REDUCING
    assert approval.told()["valid"] is False
    assert control.said == ["ANOTHER_BUILD: not this one"]


def test_it_says_so_once() -> None:
    approval, control = given(NOON)
    for _ in range(3):
        approval.check()
    assert len(control.said) == 1


def test_a_time_without_a_zone_is_utc() -> None:
    approval, control = given()
    approval.see(spec(expiresAt="2026-11-25T12:00:00"))
    assert state_of(control) is State.REDUCING


def test_a_loop_that_does_not_turn_halts_trading_until_it_does() -> None:
    control = Control()
    watchdog = Watchdog(cast("Any", control))
    watchdog.check()
    assert state_of(control) is State.ACTIVE
    control.health.stuck, control.health.step_age = True, 9.0
    watchdog.check()
    watchdog.check()
    assert state_of(control) is State.HALTED
    assert control.said == ["the limits were not looked at for 9 s"]
    control.health.stuck = False
    watchdog.check()
    assert state_of(control) is State.ACTIVE


def test_a_clock_that_is_set_back_does_not_give_back_an_approval_that_has_ended() -> None:
    approval, control = given()
    control.time = NOON + timedelta(hours=2)
    approval.check()
    control.time = NOON
    approval.check()
    assert state_of(control) is State.REDUCING
    approval.see(spec(expiresAt="2026-11-25T14:00:00Z"))
    assert state_of(control) is State.ACTIVE, "another end is another approval"
