"""A bot that answers and does not stop: it does not see its object, and is killed like one that is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.operator.test_kill import ANSWER, KEY, jobs, look, replicas, trading

from tradingbot_operator.status.observation import BotReport

if TYPE_CHECKING:
    from tests.component.operator.world import World

DEAF: dict[str, Any] = ANSWER | {"stop": None, "last_stop": None}


async def answers(world: World, seconds: float, **said: Any) -> None:
    """Let the bot answer each second for so long."""
    world.bots.reports[KEY] = BotReport(DEAF | said)
    for _ in range(int(seconds)):
        await look(world)


async def stopped() -> World:
    world = await trading()
    world.bots.reports[KEY] = BotReport(DEAF)
    world.create(emergencyStop={"active": True})
    await world.settle()
    return world


@pytest.mark.parametrize("state", ["ACTIVE", "PAUSED", "HALTED"])
async def test_a_bot_that_answers_and_knows_of_no_stop_is_killed(state: str) -> None:
    """Its rights were taken away, or it is cut off from the API server and not from the operator."""
    world = await stopped()
    await answers(world, 28, state=state)
    assert jobs(world) == []
    await answers(world, 4, state=state)
    assert len(jobs(world)) == 1
    assert replicas(world) == 0
    assert "does not see its TradingBot" in world.status()["emergencyStop"]["kill"]["reason"]


async def test_one_that_has_taken_the_stop_in_is_left_to_carry_it_out() -> None:
    world = await stopped()
    stop = world.status()["emergencyStop"]
    await answers(world, 20)
    held = {"id": stop["id"], "since": stop["since"], "outcome": {"state": "PENDING"}}
    await answers(world, 60, state="KILLED", stop=held)
    assert jobs(world) == []
    await answers(world, 20)
    assert jobs(world) == [], "it is counted anew"


async def test_one_of_an_image_that_does_not_say_is_left_alone() -> None:
    world = await stopped()
    world.bots.reports[KEY] = BotReport(ANSWER)
    for _ in range(60):
        await look(world)
    assert jobs(world) == []


async def test_one_that_has_just_lifted_it_is_not_killed() -> None:
    world = await stopped()
    stop = world.status()["emergencyStop"]["id"]
    world.create(emergencyStop={"active": False}, resume={"stopId": stop, "reason": "checked"})
    lifted = {"last_stop": {"id": stop, "resumed_at": "2026-11-21T11:00:00Z", "reason": "checked"}}
    await answers(world, 60, **lifted)
    assert jobs(world) == []
    assert "emergencyStop" not in world.status()
