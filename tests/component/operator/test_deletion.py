"""Deleting a bot: held only where something at an exchange must be undone, and never for ever."""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.operator.fake_kube import CrashedError
from tests.component.operator.live_world import KEY, SIMULATES, LiveWorld
from tests.component.operator.world import NAMESPACE

from tradingbot_operator.kube.errors import ForbiddenError
from tradingbot_operator.status.observation import BotReport

FINALIZER = "tradingbots.dev/exchange"
LIVE = SIMULATES | {"mode": "live", "account": "k1", "positions": 1, "open_orders": 2}


def finalizers(world: LiveWorld) -> list[str]:
    return list(world.bot()["metadata"].get("finalizers") or [])


def stop_of(world: LiveWorld) -> dict[str, Any]:
    found: dict[str, Any] = world.status().get("emergencyStop") or {}
    return found


async def delete(world: LiveWorld) -> None:
    """Do what the API server does with an object that has a finalizer."""
    stamp = world.time.isoformat().replace("+00:00", "Z")

    def going(whole: dict[str, Any]) -> None:
        whole["metadata"] |= {"deletionTimestamp": stamp, "generation": whole["metadata"]["generation"] + 1}

    world.kube.edit("TradingBot", NAMESPACE, "a", going)
    await world.settle()


async def answers(world: LiveWorld, state: str, *, confirmed: bool | None = True) -> None:
    """The bot has seen the stop in its object's status, and says what the exchange confirmed."""
    stop = stop_of(world)
    said = {"id": stop["id"], "since": stop["since"], "close_positions": stop["closePositions"]}
    outcome = {"state": state, "message": f"it is {state}", "orders_cancelled": 2}
    outcome |= {} if confirmed is None else {"confirmed": confirmed}
    world.bots.reports[KEY] = BotReport(LIVE | {"state": "KILLED", "stop": said | {"outcome": outcome}})
    await world.again()


async def annotate(world: LiveWorld, value: str) -> None:
    note = {"tradingbots.dev/force-delete": value}
    world.kube.edit("TradingBot", NAMESPACE, "a", lambda whole: whole["metadata"].update(annotations=note))
    await world.settle()


def jobs(world: LiveWorld) -> list[dict[str, Any]]:
    return [job for job in world.kube.of("Job") if "-kill-" in job["metadata"]["name"]]


@pytest.mark.parametrize("policy", ["Retain", "CancelOrders", "Flatten"])
async def test_a_simulation_is_never_held(policy: str) -> None:
    world = await LiveWorld().simulating()
    await world.apply(deletionPolicy=policy)
    assert finalizers(world) == []
    assert not [write for write in world.kube.writes if write[1] == "TradingBot" and write[0] == "apply"]


async def test_a_live_bot_whose_orders_are_to_stay_is_not_held() -> None:
    world = await LiveWorld().live()
    assert finalizers(world) == []
    await delete(world)
    assert stop_of(world) == {}


@pytest.mark.parametrize("reverted", [True, False], ids=["taken back before", "still asked for"])
async def test_a_stop_that_is_to_close_positions_does_so_although_the_bot_is_deleted_at_once(*, reverted: bool) -> None:
    """The deletion is a stop of its own, and asks for less."""
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    world.create(**world.spec, emergencyStop={"active": True, "closePositions": True})
    if reverted:
        world.create(**world.spec, emergencyStop={"active": False})
    await delete(world)
    assert stop_of(world)["closePositions"] is True
    assert stop_of(world)["source"] == "spec", "it came first"


async def test_a_live_bot_is_held_before_it_trades() -> None:
    world = await LiveWorld().asking(deletionPolicy="CancelOrders")
    assert finalizers(world) == []
    world.kube.writes.clear()
    await world.approve()
    kinds = [(verb, kind) for verb, kind, _ in world.kube.writes]
    assert kinds.index(("apply", "TradingBot")) < kinds.index(("apply", "Deployment"))
    assert finalizers(world) == [FINALIZER]


async def test_it_is_let_go_of_when_the_policy_or_the_mode_needs_it_no_longer() -> None:
    world = await LiveWorld().live(deletionPolicy="Flatten")
    assert finalizers(world) == [FINALIZER]
    await world.apply(deletionPolicy="Retain")
    assert finalizers(world) == []
    await world.apply(deletionPolicy="CancelOrders")
    assert finalizers(world) == [FINALIZER]


async def test_finalizers_of_others_are_left_alone() -> None:
    world = await LiveWorld().live()

    def theirs(whole: dict[str, Any]) -> None:
        whole["metadata"]["finalizers"] = ["example.com/theirs"]

    world.kube.edit("TradingBot", NAMESPACE, "a", theirs)
    await world.settle()
    assert finalizers(world) == ["example.com/theirs"]


@pytest.mark.parametrize(
    ("policy", "states"),
    [("CancelOrders", ["PENDING", "UNKNOWN", "CANCELLED"]), ("Flatten", ["PENDING", "CANCELLED", "RESIDUAL", "FLAT"])],
)
async def test_the_deletion_is_a_stop_and_waits_until_the_exchange_has_confirmed_it(
    policy: str, states: list[str]
) -> None:
    world = await LiveWorld().live(deletionPolicy=policy)
    await delete(world)
    stop = stop_of(world)
    assert (stop["source"], stop["closePositions"]) == ("deletion", policy == "Flatten")
    assert world.condition("Progressing")["reason"] == "Deleting"
    for state in states[:-1]:
        await answers(world, state)
        assert finalizers(world) == [FINALIZER], state
        assert f"It said {state}" in world.condition("Progressing")["message"]
    await answers(world, states[-1])
    assert finalizers(world) == []


@pytest.mark.parametrize(("policy", "state"), [("CancelOrders", "CANCELLED"), ("Flatten", "FLAT")])
@pytest.mark.parametrize("confirmed", [None, False], ids=["of an older image", "not confirmed"])
async def test_what_a_bot_says_by_its_ledger_alone_lets_nothing_go(
    policy: str, state: str, confirmed: bool | None
) -> None:
    """Orders that the ledger lacks would be left open for ever, with nobody to know of them."""
    world = await LiveWorld().live(deletionPolicy=policy)
    await delete(world)
    await answers(world, state, confirmed=confirmed)
    assert finalizers(world) == [FINALIZER]
    assert "by the bot's own ledger" in world.condition("Progressing")["message"]
    world.later(301)
    await answers(world, state, confirmed=confirmed)
    assert world.condition("Degraded")["reason"] == "DeletionBlocked"
    await answers(world, state)
    # Once somebody else asks the exchange in its place, its own word is from before.
    assert finalizers(world) == ([FINALIZER] if confirmed is None else [])


@pytest.mark.parametrize(("policy", "state"), [("CancelOrders", "CANCELLED"), ("Flatten", "FLAT")])
async def test_the_exchange_is_asked_for_a_bot_of_an_older_image_by_the_kill_job_of_that_image(
    policy: str, state: str
) -> None:
    """It has cancelled what its ledger knows, and never says more: nobody has to wait, and nobody to force it."""
    world = await LiveWorld().live(deletionPolicy=policy)
    image = world.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]["spec"]["template"]["spec"]["containers"][0]
    world.later(3600)
    await delete(world)
    await answers(world, "PENDING", confirmed=None)
    assert jobs(world) == [], "it is still at it"
    await answers(world, state, confirmed=None)
    (job,) = jobs(world)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == image["image"]
    assert "older than the question" in stop_of(world)["kill"]["reason"]
    assert f"the kill Job {job['metadata']['name']} asks the exchange" in world.condition("Progressing")["message"]
    assert finalizers(world) == [FINALIZER]
    world.end_kill("Failed", state="UNKNOWN")
    await world.settle()
    assert finalizers(world) == [FINALIZER], "the exchange did not answer"
    world.kube.remove("Pod", NAMESPACE, f"{job['metadata']['name']}-x")
    world.kube.remove("Job", NAMESPACE, job["metadata"]["name"])
    await world.settle()
    world.end_kill(state=state)
    await world.settle()
    assert finalizers(world) == []


@pytest.mark.parametrize("how", ["Retain", "forced", "not deleted"])
async def test_a_bot_of_an_older_image_that_waits_for_nothing_is_not_killed(how: str) -> None:
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    if how == "not deleted":
        await world.apply(deletionPolicy="CancelOrders", emergencyStop={"active": True})
    else:
        if how == "forced":
            await annotate(world, "true")
        else:
            await world.apply(deletionPolicy="Retain")
        await delete(world)
    if stop_of(world):
        await answers(world, "CANCELLED", confirmed=None)
    assert jobs(world) == []


async def deleted_where_no_job_may_be_made(policy: str) -> LiveWorld:
    """Return a live bot that says nothing more when it is deleted."""
    world = await LiveWorld().live(deletionPolicy=policy)
    world.later(3600)
    world.kube.refuse = lambda _verb, kind, _: ForbiddenError("exceeded quota: no-jobs") if kind == "Job" else None
    await delete(world)
    world.bots.reports[KEY] = BotReport(LIVE, 2)
    await world.again()
    return world


async def test_a_namespace_that_lets_no_kill_job_be_made_is_told_of_and_holds_no_deletion_for_ever() -> None:
    """A quota on Jobs, or a policy: the finalizer is let go of all the same when a person says so."""
    world = await deleted_where_no_job_may_be_made("Flatten")
    await world.again()
    name = stop_of(world)["kill"]["job"]
    told = [event["note"] for event in world.kube.of("Event") if event["reason"] == "KillJobFailed"]
    assert told == [f"Kill Job {name} cannot be made: exceeded quota: no-jobs"]
    assert "exceeded quota" in world.condition("Progressing")["message"]
    assert world.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]["spec"]["replicas"] == 0
    world.later(301)
    await world.again()
    assert world.condition("Degraded")["reason"] == "DeletionBlocked"
    await annotate(world, "true")
    assert finalizers(world) == []


async def test_once_jobs_may_be_made_again_the_kill_goes_on() -> None:
    world = await deleted_where_no_job_may_be_made("CancelOrders")
    assert jobs(world) == []
    assert world.requeues[KEY] == 60.0, "asked again by itself"
    world.kube.refuse = None
    await world.again()
    assert len(jobs(world)) == 1
    world.end_kill(state="CANCELLED")
    await world.settle()
    assert finalizers(world) == []


async def test_a_live_bot_that_does_not_answer_is_killed_with_its_own_keys() -> None:
    world = await LiveWorld().live(deletionPolicy="Flatten")
    world.later(3600)
    await delete(world)
    world.bots.reports[KEY] = BotReport(LIVE, 2)
    await world.again()
    (job,) = jobs(world)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][-1] == "--close-positions"
    assert {entry["name"] for entry in container["env"]} >= {"EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"}
    assert finalizers(world) == [FINALIZER]


async def test_nothing_is_made_again_that_the_garbage_collector_takes_away() -> None:
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    world.kube.remove("Service", NAMESPACE, "tradingbot-a")
    await delete(world)
    assert world.kube.of("Service") == []


async def test_after_a_while_it_says_what_is_left_and_how_to_force_it() -> None:
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    await delete(world)
    await answers(world, "UNKNOWN")
    assert world.condition("Degraded")["reason"] != "DeletionBlocked"
    world.later(301)
    await answers(world, "UNKNOWN")
    blocked = world.condition("Degraded")
    assert (blocked["status"], blocked["reason"]) == ("True", "DeletionBlocked")
    assert "It said UNKNOWN" in blocked["message"]
    assert "kubectl annotate tbot a -n trading tradingbots.dev/force-delete=true" in blocked["message"]
    await annotate(world, "false")
    assert finalizers(world) == [FINALIZER]
    await annotate(world, "true")
    assert finalizers(world) == []


async def test_a_spec_that_cannot_be_read_does_not_hold_up_the_deletion() -> None:
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    await world.apply(strategy={"name": "breakout", "symbols": []})
    await delete(world)
    await answers(world, "CANCELLED")
    assert finalizers(world) == []


@pytest.mark.parametrize("point", range(6))
async def test_an_operator_that_dies_at_any_write_of_a_deletion_goes_on(point: int) -> None:
    world = await LiveWorld().live(deletionPolicy="CancelOrders")
    world.later(3600)
    world.kube.crash_after = len(world.kube.writes) + point
    world.bots.reports[KEY] = BotReport(LIVE, 2)
    try:
        await delete(world)
    except CrashedError:
        world.kube.crash_after = None
        await world.restart()
        await world.settle()
    world.kube.crash_after = None
    await world.again()
    assert len(jobs(world)) == 1
    assert finalizers(world) == [FINALIZER]
    world.bots.reports[KEY] = BotReport(LIVE)
    await annotate(world, "true")
    assert finalizers(world) == []
