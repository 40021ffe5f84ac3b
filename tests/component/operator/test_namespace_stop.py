"""One annotation stops every bot of a namespace: those that are there, and those that come."""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

STOP = "tradingbots.dev/emergency-stop"
CLOSE = "tradingbots.dev/close-positions"
ANSWER = {"state": "ACTIVE", "role": "trading", "ready": True, "positions": 0, "open_orders": 0, "stop": None}


def annotate(world: World, **annotations: str) -> None:
    """Write the annotations of the namespace, and of another one."""
    named = {f"tradingbots.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    for name, found in ((NAMESPACE, named), ("elsewhere", {})):
        known = ("Namespace", "", name) in world.kube.objects
        if known:
            world.kube.edit("Namespace", "", name, lambda whole, found=found: _set(whole, found))  # type: ignore[misc]
        else:
            world.kube.put("Namespace", {"metadata": {"name": name, "namespace": "", "annotations": found}})


def _set(whole: dict[str, Any], annotations: dict[str, str]) -> None:
    whole["metadata"]["annotations"] = annotations


def stop_of(world: World, name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = world.status(name).get("emergencyStop")
    return found


async def two_bots() -> World:
    world = World(polled=True)
    annotate(world)
    for name in ("a", "b"):
        await world.converged(name)
        world.pod(name, ready=True)
        world.bots.reports[Key(NAMESPACE, name)] = BotReport(ANSWER)
    await world.settle()
    return world


async def say(world: World, name: str, **fields: Any) -> None:
    key = Key(NAMESPACE, name)
    world.bots.reports[key] = BotReport(ANSWER | fields)
    world.queue.add(key)
    await world.settle()


def lifted(stop: str, at: str = "2026-11-21T11:00:00Z") -> dict[str, Any]:
    return {"stop": None, "last_stop": {"id": stop, "resumed_at": at, "reason": "checked"}}


async def test_every_bot_of_the_namespace_stops_and_says_why() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true", emergency_stop_reason="the exchange is broken")
    await world.settle()
    for name in ("a", "b"):
        stop = stop_of(world, name)
        assert stop is not None
        assert (stop["source"], stop["standing"], stop["reason"]) == ("namespace", True, "the exchange is broken")
        assert world.condition("Suspended", name)["reason"] == "EmergencyStopped"
    assert stop_of(world, "a") != stop_of(world, "b"), "each has an id of its own, and is resumed by itself"


async def test_positions_are_closed_if_the_namespace_says_so_also_later() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    assert stop_of(world, "a")["closePositions"] is False  # type: ignore[index]
    annotate(world, emergency_stop="true", close_positions="true")
    await world.settle()
    assert stop_of(world, "a")["closePositions"] is True  # type: ignore[index]


@pytest.mark.parametrize("value", ["true", "True", "yes", "1", "on", "now!", "ture"])
async def test_in_doubt_it_stops(value: str) -> None:
    world = await two_bots()
    annotate(world, emergency_stop=value)
    await world.settle()
    assert stop_of(world, "a") is not None


@pytest.mark.parametrize("value", ["false", "no", "", "0"])
async def test_a_plain_no_stops_nothing(value: str) -> None:
    world = await two_bots()
    annotate(world, emergency_stop=value)
    await world.settle()
    assert stop_of(world, "a") is None


async def test_a_bot_that_is_created_in_a_stopped_namespace_is_stopped_before_it_has_a_pod() -> None:
    world = World()
    annotate(world, emergency_stop="true")
    world.deliver()
    at: list[int] = []
    world.kube.on_write = lambda verb, kind, _name: at.append(len(world.kube.writes)) if kind == "Deployment" else None
    await world.converged("new")
    first = next(index for index, write in enumerate(world.kube.writes, 1) if write[:2] == ("status", "TradingBot"))
    assert first < at[0], "the latch is written before the Deployment"
    stop = stop_of(world, "new")
    assert stop is not None
    assert stop["source"] == "namespace"


async def test_an_annotation_that_is_gone_a_moment_later_has_stopped_them_all() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    annotate(world)
    await world.settle()
    for name in ("a", "b"):
        stop = stop_of(world, name)
        assert stop is not None
        assert stop["standing"] is False


async def test_taking_the_annotation_off_resumes_nothing_and_each_bot_needs_its_own_resume() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    ids = {name: str(stop_of(world, name)["id"]) for name in ("a", "b")}  # type: ignore[index]
    annotate(world)
    await world.settle()
    assert stop_of(world, "a") is not None
    world.create("a", resume={"stopId": ids["a"], "reason": "checked"})
    await world.settle()
    await say(world, "a", **lifted(ids["a"]))
    assert stop_of(world, "a") is None
    assert stop_of(world, "b") is not None


@pytest.mark.parametrize("looked", [True, False], ids=["the operator works in between", "it does not"])
async def test_an_annotation_that_comes_for_a_moment_while_a_resume_is_under_way_is_a_stop(*, looked: bool) -> None:
    world = await two_bots()
    world.create("a", emergencyStop={"active": True})
    await world.settle()
    first = stop_of(world, "a")["id"]  # type: ignore[index]
    world.create("a", emergencyStop={"active": False}, resume={"stopId": first, "reason": "checked"})
    await world.settle()
    annotate(world, emergency_stop="true")
    if looked:
        await world.settle()
    annotate(world)
    await world.settle()
    await say(world, "a", **lifted(first))
    latched = stop_of(world, "a")
    assert latched is not None, "it was stopped after it was resumed"
    assert latched["id"] != first, "the bot has lifted that one, and would go on trading"
    assert stop_of(world, "b") is not None


async def test_positions_are_closed_also_when_the_namespace_says_so_for_a_moment() -> None:
    world = await two_bots()
    world.create("a", emergencyStop={"active": True})
    await world.settle()
    annotate(world, emergency_stop="true", close_positions="true")
    annotate(world)
    await world.settle()
    for name in ("a", "b"):
        assert stop_of(world, name)["closePositions"] is True  # type: ignore[index]


async def test_while_the_annotation_stands_a_resume_ends_nothing() -> None:
    """Even if a bot lifts its latch all the same, it is stopped anew, under another id."""
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    first = str(stop_of(world, "a")["id"])  # type: ignore[index]
    world.create("a", resume={"stopId": first, "reason": "checked"})
    await world.settle()
    await say(world, "a", **lifted(first))
    stop = stop_of(world, "a")
    assert stop is not None
    assert stop["id"] != first
    assert stop["standing"] is True


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_resume_that_is_written_while_the_namespace_is_stopped_never_counts(*, restarted: bool) -> None:
    """It stays in the spec where no policy refuses it, and must not take effect when the annotation goes."""
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    stop = str(stop_of(world, "a")["id"])  # type: ignore[index]
    world.create("a", resume={"stopId": stop, "reason": "checked"})
    if restarted:
        # Nobody saw it come: it is there, and the namespace is not stopped any more.
        annotate(world)
        await world.restart()
    await world.settle()
    annotate(world)
    await world.settle()
    assert world.condition("Suspended", "a")["reason"] == "ResumeRefused"
    assert "another reason" in world.condition("Suspended", "a")["message"]
    await say(world, "a", **lifted(stop))
    again = str(stop_of(world, "a")["id"])  # type: ignore[index]
    assert again != stop, "even if a bot goes by it: it would not be stopped by the id that it has lifted"
    await world.restart()
    await world.settle()
    assert stop_of(world, "a") is not None
    world.create("a", resume={"stopId": again, "reason": "the exchange is back"})
    await world.settle()
    await say(world, "a", **lifted(again))
    assert stop_of(world, "a") is None


async def test_a_resume_that_came_too_early_is_the_same_one_when_it_was_taken_away_and_written_again() -> None:
    """Whoever puts an old file back resumes nothing with it; another reason is another resume."""
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    stop = str(stop_of(world, "a")["id"])  # type: ignore[index]
    resume = {"stopId": stop, "reason": "checked"}
    world.create("a", resume=resume)
    await world.settle()
    annotate(world)
    world.create("a")
    await world.settle()
    world.create("a", resume=resume)
    await world.settle()
    assert "another reason" in world.condition("Suspended", "a")["message"]
    world.create("a", resume=resume | {"reason": "the exchange is back"})
    await world.settle()
    await say(world, "a", **lifted(stop))
    assert stop_of(world, "a") is None


async def test_the_annotation_comes_back_while_a_resume_is_under_way() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    first = str(stop_of(world, "a")["id"])  # type: ignore[index]
    annotate(world)
    world.create("a", resume={"stopId": first, "reason": "checked"})
    await world.settle()
    annotate(world, emergency_stop="true")
    await say(world, "a", **lifted(first))
    stop = stop_of(world, "a")
    assert stop is not None
    assert stop["id"] != first
    annotate(world)
    await world.settle()
    await say(world, "a", **lifted(first))
    assert stop_of(world, "a")["id"] == stop["id"], "the old resume does not end the new stop"  # type: ignore[index]


async def test_a_bot_of_another_namespace_is_not_touched() -> None:
    world = await two_bots()
    world.kube.edit("Namespace", "", "elsewhere", lambda whole: _set(whole, {STOP: "true", CLOSE: "true"}))
    await world.settle()
    assert stop_of(world, "a") is None


async def test_a_restarted_operator_sees_the_annotation_and_writes_nothing_twice() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.settle()
    before = {name: stop_of(world, name) for name in ("a", "b")}
    writes = len(world.kube.writes)
    await world.restart()
    await world.settle()
    assert {name: stop_of(world, name) for name in ("a", "b")} == before
    assert world.kube.writes[writes:] == []


async def test_a_namespace_that_was_stopped_while_the_operator_was_down() -> None:
    world = await two_bots()
    annotate(world, emergency_stop="true")
    await world.restart()
    await world.settle()
    assert stop_of(world, "a") is not None
    assert stop_of(world, "b") is not None
