"""A stop ends in one way only: a person names it, and the bot says that it lifted this very one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

KEY = Key(NAMESPACE, "a")


def report(**fields: Any) -> BotReport:
    return BotReport({"state": "ACTIVE", "role": "trading", "ready": True, "positions": 0, "open_orders": 0} | fields)


async def stopped() -> tuple[World, str]:
    """A bot whose stop is latched, in the status and with the bot, and is no longer in the spec."""
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = report()
    await world.settle()
    world.create(emergencyStop={"active": True})
    await world.settle()
    stop = str(world.status()["emergencyStop"]["id"])
    said = {"id": stop, "since": "2026-11-21T09:00:00Z", "source": "spec", "reason": "", "close_positions": False}
    world.bots.reports[KEY] = report(state="KILLED", stop=said, last_stop=None)
    world.create()
    await world.settle()
    assert world.condition("Suspended")["reason"] == "EmergencyStopped"
    return world, stop


async def answer(world: World, **fields: Any) -> None:
    world.bots.reports[KEY] = report(**fields)
    world.queue.add(KEY)
    await world.settle()


def lifted(stop: str) -> dict[str, Any]:
    return {"stop": None, "last_stop": {"id": stop, "resumed_at": "2026-11-21T10:00:00Z", "reason": "checked"}}


async def test_a_stop_that_was_named_and_lifted_is_over() -> None:
    world, stop = await stopped()
    world.create(resume={"stopId": stop, "reason": "checked"})
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == stop, "the bot has not said so yet"
    await answer(world, **lifted(stop))
    assert "emergencyStop" not in world.status()
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("Suspended")["status"] == "False"


@pytest.mark.parametrize(
    ("resume", "said"),
    [
        (None, True),
        ("another-1", True),
        ("this", False),
    ],
    ids=["nobody named it", "another one was named", "the bot has not lifted it"],
)
async def test_anything_less_does_not_end_it(resume: str | None, *, said: bool) -> None:
    world, stop = await stopped()
    if resume:
        world.create(resume={"stopId": stop if resume == "this" else resume, "reason": "checked"})
    await answer(world, **(lifted(stop) if said else {"stop": None, "last_stop": None}))
    latched = world.status()["emergencyStop"]["id"]
    assert (latched != stop) is said, "one that the bot has lifted stops it only under another name"
    assert world.condition("Suspended")["status"] == "True"
    await answer(world, **(lifted(stop) if said else {"stop": None, "last_stop": None}))
    assert world.status()["emergencyStop"]["id"] == latched


async def test_a_status_from_before_a_resume_stops_the_bot_and_does_not_only_say_so() -> None:
    """The cluster was restored from a backup: its status has a stop that the bot knows as lifted, so it trades."""
    world, stop = await stopped()
    before = dict(world.status())
    world.create(resume={"stopId": stop, "reason": "checked"})
    await answer(world, **lifted(stop))
    assert "emergencyStop" not in world.status()

    def restored(obj: dict[str, Any]) -> None:
        obj["status"] = before
        del obj["spec"]["resume"]

    world.kube.edit("TradingBot", NAMESPACE, "a", restored)
    await world.restart()
    await answer(world, **lifted(stop))
    again = world.status()["emergencyStop"]["id"]
    assert again not in ("", stop)
    world.create(resume={"stopId": again, "reason": "after the restore"})
    await answer(world, **lifted(again))
    assert "emergencyStop" not in world.status()


async def test_an_old_resume_does_not_end_a_newer_stop() -> None:
    world, stop = await stopped()
    resume = {"stopId": stop, "reason": "checked"}
    world.create(resume=resume)
    await answer(world, **lifted(stop))
    world.create(resume=resume, emergencyStop={"active": True})
    await world.settle()
    newer = world.status()["emergencyStop"]["id"]
    assert newer != stop
    world.create(resume=resume)
    await answer(world, **lifted(stop))
    assert world.status()["emergencyStop"]["id"] == newer


async def test_a_stop_that_is_still_asked_for_is_not_lifted() -> None:
    world, stop = await stopped()
    world.create(resume={"stopId": stop, "reason": "checked"}, emergencyStop={"active": True})
    await answer(world, **lifted(stop))
    assert world.condition("Suspended")["status"] == "True"


async def test_a_restart_forgets_neither_the_stop_nor_its_end() -> None:
    world, stop = await stopped()
    await world.restart()
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == stop
    world.create(resume={"stopId": stop, "reason": "checked"})
    await answer(world, **lifted(stop))
    await world.restart()
    await world.settle()
    assert "emergencyStop" not in world.status()


async def test_of_many_new_bots_the_children_come_first_and_each_is_reported_once() -> None:
    world = World()
    for name in ("a", "b", "c"):
        world.create(name)
    await world.settle()
    kinds = [kind for _, kind, _ in world.kube.writes]
    assert kinds.count("TradingBot") == 3
    assert kinds[-3:] == ["TradingBot"] * 3


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"resume": {"stopId": "another-1", "reason": "x"}}, "names another-1, and the stop that holds is"),
        ({"emergencyStop": {"active": True}, "resume": {"stopId": "this", "reason": "x"}}, "active is still true"),
    ],
    ids=["another stop", "still asked for"],
)
async def test_a_resume_that_resumes_nothing_says_so(spec: dict[str, Any], says: str) -> None:
    world, stop = await stopped()
    if spec["resume"]["stopId"] == "this":
        spec["resume"]["stopId"] = stop
    world.create(**spec)
    await world.settle()
    suspended = world.condition("Suspended")
    assert (suspended["status"], suspended["reason"]) == ("True", "ResumeRefused")
    assert says in suspended["message"]


async def test_the_resume_of_an_earlier_stop_is_no_mistake() -> None:
    world, stop = await stopped()
    resume = {"stopId": stop, "reason": "checked"}
    world.create(resume=resume)
    await answer(world, **lifted(stop))
    assert world.status()["lastStop"]["id"] == stop
    world.create(emergencyStop={"active": True}, resume=resume)
    await world.settle()
    assert world.condition("Suspended")["reason"] == "EmergencyStopped"


@pytest.mark.parametrize("seen", [True, False], ids=["at rest", "a moment later"])
async def test_a_resume_that_was_written_while_the_stop_was_asked_for_never_counts(*, seen: bool) -> None:
    """Whoever takes the stop back then (a GitOps tool, an old file) resumes nothing with it."""
    world, stop = await stopped()
    resume = {"stopId": stop, "reason": "checked"}
    world.create(resume=resume, emergencyStop={"active": True})
    if seen:
        await world.settle()
    world.create(resume=resume)
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == stop
    assert "another reason" in world.condition("Suspended")["message"]
    world.create(resume=None)
    await world.settle()
    world.create(resume=resume)
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == stop
    assert "another reason" in world.condition("Suspended")["message"], "also when it was gone in between"
    await world.restart()
    await world.settle()
    assert world.status()["emergencyStop"]["id"] == stop
    world.create(resume=resume | {"reason": "looked at it again"})
    await answer(world, **lifted(stop))
    assert "emergencyStop" not in world.status()


async def test_a_crd_that_cannot_keep_which_resume_came_too_early_does_not_make_it_count() -> None:
    """Nor is the status written again and again for what the server drops."""
    world, stop = await stopped()
    refusal = ".status.emergencyStop.voidResume: field not declared in schema"
    world.kube.undeclared.learn({"status": {"emergencyStop": {"voidResume": "x"}}}, refusal)
    resume = {"stopId": stop, "reason": "checked"}
    world.create(resume=resume, emergencyStop={"active": True})
    await world.settle()
    world.create(resume=resume)
    await world.settle()
    assert "voidResume" not in world.status()["emergencyStop"]
    assert "another reason" in world.condition("Suspended")["message"]
    before = list(world.kube.writes)
    for _ in range(3):
        world.queue.add(KEY)
        await world.settle()
    assert world.kube.writes == before
    await answer(world, **lifted(stop))
    assert world.status()["state"] == "KILLED", "whatever a bot says"


# --- another stop while a resume is carried out


def held(stop: str, **more: Any) -> dict[str, Any]:
    return {
        "id": stop,
        "since": "2026-11-21T11:00:00Z",
        "source": "spec",
        "reason": "",
        "close_positions": False,
    } | more


def generation(world: World) -> str:
    meta = world.bot()["metadata"]
    return f"{meta['uid'][:8]}-{meta['generation']}"


async def test_the_stop_that_the_bot_holds_takes_the_place_of_the_one_that_it_has_lifted() -> None:
    world, first = await stopped()
    world.create(resume={"stopId": first, "reason": "checked"})
    await world.settle()
    world.create(resume={"stopId": first, "reason": "checked"}, emergencyStop={"active": True})
    second = generation(world)
    await answer(world, **lifted(first) | {"state": "KILLED", "stop": held(second, close_positions=True)})
    latched = world.status()["emergencyStop"]
    assert (latched["id"], latched["closePositions"]) == (second, True)
    assert world.status()["lastStop"]["id"] == first
    world.create(resume={"stopId": second, "reason": "again"})
    await answer(world, **lifted(second))
    assert "emergencyStop" not in world.status()


@pytest.mark.parametrize("operator", ["runs", "is started anew"])
@pytest.mark.parametrize("asked", ["still", "for a moment"])
async def test_a_stop_that_only_the_operator_has_seen_is_told_the_bot_under_another_id(
    operator: str, asked: str
) -> None:
    """The bot has lifted the first one and missed the second: with the id of the first it would go on trading."""
    world, first = await stopped()
    resume = {"stopId": first, "reason": "checked"}
    world.create(resume=resume)
    await world.settle()
    world.create(resume=resume, emergencyStop={"active": True})
    second = generation(world)
    await world.settle()
    if asked == "for a moment":
        world.create(resume=resume)
        await world.settle()
    if operator == "is started anew":
        await world.restart()
    assert world.status()["emergencyStop"]["id"] == first, "the bot has not said that it has lifted it"
    await answer(world, **lifted(first))
    latched = world.status()["emergencyStop"]["id"]
    assert latched != first
    assert world.status()["state"] == "KILLED"
    if operator == "runs":
        assert latched == second, "the bot gives it the same name, when it sees it after all"
    await answer(world, **lifted(first))
    assert world.status()["emergencyStop"]["id"] == latched, "and it stays"
    world.create(resume={"stopId": latched, "reason": "again"})
    await answer(world, **lifted(latched))
    assert "emergencyStop" not in world.status()
