"""A live bot holds itself back when nobody answers for it any more, and writes down who did and when that ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from tests.component.bot.sqlite_world import SqliteWorld
from tests.component.bot.store_contract import NOW

from tradingbot.domain.states import State
from tradingbot.observe import health
from tradingbot.observe.metrics import Metrics
from tradingbot.runtime.approval import Approval
from tradingbot.runtime.control import Control
from tradingbot.runtime.trail import Consent, Trail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIVE: dict[str, Any] = {"spec": {"mode": "live"}, "status": {"live": {"state": "Trading"}}}


class Desk:
    """One process with a real ledger and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.world = SqliteWorld(folder)
        self.store = self.world(mode="live")
        self.control = Control(self.store, self.world.clock, health.new(self.world.clock), Metrics("s", "Spot", "x"))

    def guard(self, **fields: Any) -> Trail:
        consent: dict[str, Any] = {
            "mode": "live",
            "subject": "s1",
            "digest": "sha256:d",
            "approved_by": "bob",
            "expires_at": NOW + timedelta(hours=1),
            "account": "k1",
            "holder": "pod",
        }
        self.control.trail = Trail(self.control, Consent(**consent | fields))
        return self.control.trail

    def state(self) -> State:
        return self.control.board.state

    async def trail(self) -> list[tuple[str, str, str]]:
        await self.control.settle(5)
        rows = await self.store.rows("audit", 100)
        return [(row["event"], row["from_mode"], row["to_mode"]) for row in rows[::-1]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    structlog.reset_defaults()  # another test may have sent the log into a file that is closed by now
    made = Desk(tmp_path)
    yield made
    await made.control.settle(5)
    await made.world.close()


async def test_the_end_of_an_approval_is_written_down_once_and_its_renewal_too(desk: Desk) -> None:
    guard = desk.guard()
    approval = desk.control.approval = Approval(desk.control, "sha256:d", NOW + timedelta(hours=1))
    for seconds in (3599, 3600, 3601):
        desk.world.clock.passed = seconds
        approval.check()
        guard.check()
        assert (desk.state() is State.REDUCING) is (seconds >= 3600)
    approval.see({"digest": "sha256:d", "expiresAt": "2026-11-22T09:00:00Z"})
    guard.check()
    assert desk.state() is State.ACTIVE
    assert await desk.trail() == [("reducing", "live", "live"), ("approved", "live", "live")]


@pytest.mark.parametrize(
    ("item", "state"),
    [
        ({"spec": {"mode": "simulation"}}, State.REDUCING),
        ({"spec": {}}, State.REDUCING),
        ({}, State.REDUCING),
        ({"spec": {"mode": "live"}, "status": {"live": {"state": "Reducing"}}}, State.REDUCING),
        ({"spec": {"mode": "live"}, "status": {"live": {"state": "Leaving"}}}, State.REDUCING),
        ({"spec": {"mode": "simulation"}, "status": {"live": {"state": "Trading"}}}, State.REDUCING),
        (LIVE, State.ACTIVE),
        ({"spec": {"mode": "live"}}, State.ACTIVE),
        ({"spec": {"mode": "live"}, "status": {"live": None}}, State.ACTIVE),
    ],
)
async def test_what_its_own_object_says(desk: Desk, item: dict[str, Any], state: State) -> None:
    desk.guard().see(item)
    assert desk.state() is state


async def test_an_object_that_says_trading_loosens_nothing_else(desk: Desk) -> None:
    guard = desk.guard()
    desk.control.hold("spec", State.PAUSED, "trading is Paused")
    guard.see({"spec": {"mode": "live"}, "status": {"live": {"state": "Reducing"}}})
    guard.see(LIVE)
    assert desk.state() is State.PAUSED


async def test_a_simulation_is_not_held_back_by_any_of_it(desk: Desk) -> None:
    guard = desk.guard(mode="simulation")
    guard.see({"spec": {"mode": "simulation"}})
    guard.check()
    assert desk.state() is State.ACTIVE
    assert await desk.trail() == []


async def test_the_trail_says_who_let_it_do_what_and_a_restart_adds_nothing(desk: Desk) -> None:
    guard = desk.guard()
    await guard.started()
    await guard.started()
    guard.see({"spec": {"mode": "live"}, "status": {"live": {"state": "Reducing"}}})
    await desk.control.settle(5)
    guard.see(LIVE)
    await desk.control.settle(5)
    guard.see({"spec": {"mode": "simulation"}})
    await desk.control.settle(5)
    again = desk.guard(digest="sha256:e", approved_by="carol")
    await again.started()
    assert await desk.trail() == [
        ("started", "simulation", "live"),
        ("reducing", "live", "live"),
        ("approved", "live", "live"),
        ("leaving", "live", "simulation"),
        ("started", "simulation", "live"),
    ]
    (row,) = await desk.store.rows("audit", 1)
    assert (row["digest"], row["approved_by"], row["account"], row["holder"]) == ("sha256:e", "carol", "k1", "pod")
    assert row["expires_at"] == NOW + timedelta(hours=1)
