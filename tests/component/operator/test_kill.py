"""A stopped bot that does not answer: a kill Job takes its place, once, whatever dies in between."""

from __future__ import annotations

from typing import Any

import pytest
from tests.component.operator.fake_kube import CrashedError
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

KEY = Key(NAMESPACE, "a")
ANSWER = {"state": "ACTIVE", "role": "trading", "ready": True, "positions": 1, "open_orders": 2}


async def trading(**spec: Any) -> World:
    """A bot that has traded for an hour."""
    world = World(polled=True)
    await world.converged(**spec)
    world.pod(ready=True)
    world.bots.reports[KEY] = BotReport(ANSWER)
    await world.settle()
    world.later(3600)
    return world


async def look(world: World, seconds: float = 1.0) -> None:
    """Let time pass, and the operator look again."""
    world.later(seconds)
    world.queue.add(KEY)
    await world.settle()


async def silent(world: World, failures: int = 2) -> None:
    world.bots.reports[KEY] = BotReport(ANSWER, failures)
    await look(world)


async def killed(**stop: Any) -> World:
    """A bot that was stopped, did not answer, and is being killed."""
    world = await trading()
    world.create(emergencyStop={"active": True, **stop})
    await world.settle()
    await silent(world)
    return world


def jobs(world: World) -> list[dict[str, Any]]:
    return world.kube.of("Job")


def replicas(world: World) -> int:
    return int(world.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]["spec"]["replicas"])


def command(job: dict[str, Any]) -> list[str]:
    found: list[str] = job["spec"]["template"]["spec"]["containers"][0]["command"]
    return found


async def test_a_bot_that_answers_is_left_to_stop_itself() -> None:
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()
    for failures in (0, 1, 0, 1, 0):
        await silent(world, failures)
    assert jobs(world) == []
    assert replicas(world) == 1
    assert world.requeues[KEY] == 1.0, "it is looked at every second until the exchange has confirmed"


def told(world: World) -> list[tuple[str, str, str]]:
    """The Events about kill Jobs: type, reason, note."""
    events = [event for event in world.kube.of("Event") if event["reason"].startswith("KillJob")]
    events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["type"], event["reason"], event["note"]) for event in events]


async def test_what_the_job_cancelled_closed_and_left_is_told_once() -> None:
    world = await killed(closePositions=True)
    job, stop = jobs(world)[0]["metadata"]["name"], world.status()["emergencyStop"]["id"]
    begun = ("Warning", "KillJobStarted", f"Kill Job {job} stands in for the bot, stop {stop}: ")
    assert [(*found[:2], found[2][: len(begun[2])]) for found in told(world)] == [begun]
    position = {"symbol": "BTC/USDT", "requested": "0.02", "residual": "0", "state": "FLAT"}
    world.end_kill(state="FLAT", orders_cancelled=2, positions=[position], message="all of it is sold")
    await world.settle()
    await look(world)
    said = f"Kill Job {job} ended, stop {stop}: FLAT. Orders cancelled: 2. Closed: BTC/USDT 0.02. all of it is sold"
    assert told(world)[1:] == [("Normal", "KillJobDone", said)]
    await world.restart()
    await look(world)
    assert len(told(world)) == 2, "a new operator does not tell it again"


async def test_a_job_that_fails_says_what_is_left_and_each_attempt_is_told_of() -> None:
    world = await killed(closePositions=True)
    job = jobs(world)[0]["metadata"]["name"]
    positions = [
        {"symbol": "BTC/USDT", "requested": "0.02", "residual": "0.01", "state": "RESIDUAL", "reason": "a thin book"},
        {"symbol": "ETH/USDT", "requested": "1", "residual": "0.0001", "state": "FLAT_WITH_DUST"},
    ]
    orders = [
        {"client_id": "tb1", "symbol": "BTC/USDT", "state": "CANCELLED"},
        {"client_id": "tb2", "symbol": "BTC/USDT", "state": "UNKNOWN"},
    ]
    world.end_kill("Failed", state="RESIDUAL", orders_cancelled=1, orders=orders, positions=positions)
    await world.settle()
    kind, reason, note = told(world)[1]
    assert (kind, reason) == ("Warning", "KillJobFailed")
    assert note.endswith(
        ": RESIDUAL. Orders cancelled: 1. Closed: ETH/USDT 1 but 0.0001. "
        "Left: order tb2 BTC/USDT UNKNOWN, BTC/USDT 0.01 RESIDUAL."
    )
    # A person deletes the Job, which is another attempt.
    world.kube.remove("Pod", NAMESPACE, f"{job}-x")
    world.kube.remove("Job", NAMESPACE, job)
    await world.settle()
    world.later(60)
    world.end_kill(state="FLAT", orders_cancelled=1)
    await world.settle()
    assert [found[1] for found in told(world)] == ["KillJobStarted", "KillJobFailed", "KillJobDone"]


async def test_a_job_that_ends_without_a_word_is_told_of_as_a_failure() -> None:
    world = await killed()
    job = jobs(world)[0]["metadata"]["name"]

    def failed(whole: dict[str, Any]) -> None:
        whole["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}

    world.kube.edit("Job", NAMESPACE, job, failed)
    await world.settle()
    kind, reason, note = told(world)[1]
    assert (kind, reason) == ("Warning", "KillJobFailed")
    assert note.endswith(f"UNKNOWN. The kill Job {job} ended without a word: look at the exchange yourself.")


async def test_a_bot_that_is_not_stopped_is_never_killed() -> None:
    world = await trading()
    for failures in range(10):
        await silent(world, failures)
    assert jobs(world) == []
    assert replicas(world) == 1


async def test_silence_brings_the_kill_job_and_takes_the_pod_away() -> None:
    world = await killed()
    stop = world.status()["emergencyStop"]
    job = jobs(world)[0]
    assert stop["kill"]["job"] == job["metadata"]["name"]
    assert "did not answer 2 times" in stop["kill"]["reason"]
    assert command(job) == ["tradingbot", "kill", "--stop-id", stop["id"], "--deadline", "120"]
    assert replicas(world) == 0
    assert f"the kill Job {stop['kill']['job']} runs" in world.condition("Suspended")["message"]


async def test_positions_are_closed_by_the_job_if_the_stop_says_so() -> None:
    world = await killed(closePositions=True)
    assert command(jobs(world)[0])[-1] == "--close-positions"


async def test_the_job_is_the_bots_pod_with_another_command() -> None:
    world = await killed()
    job, template = jobs(world)[0], world.kube.objects["Deployment", NAMESPACE, "tradingbot-a"]["spec"]["template"]
    mine, bots = job["spec"]["template"]["spec"], template["spec"]
    for key in ("serviceAccountName", "securityContext", "volumes", "automountServiceAccountToken"):
        assert mine[key] == bots[key]
    for key in ("image", "env", "securityContext", "resources", "volumeMounts"):
        assert mine["containers"][0][key] == bots["containers"][0][key]
    assert not {"livenessProbe", "readinessProbe", "startupProbe", "ports"} & mine["containers"][0].keys()
    assert mine["restartPolicy"] == "Never"
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "kill"
    assert job["metadata"]["ownerReferences"][0]["kind"] == "TradingBot"


async def test_what_ran_is_stopped_and_not_what_the_spec_says_now() -> None:
    world = await trading(image="bot:old")
    world.kube.refuse = lambda verb, kind, _: RuntimeError() if kind == "Job" else None  # nothing else may come first
    world.create(emergencyStop={"active": True}, image="bot:old", strategy={})
    await world.settle()
    world.kube.refuse = None
    await silent(world)
    assert jobs(world)[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "bot:old"
    assert replicas(world) == 0, "with a spec that cannot be built from, what ran stops all the same"


@pytest.mark.parametrize("state", ["CANCELLED", "FLAT", "FLAT_WITH_DUST"])
async def test_what_the_job_says_becomes_the_outcome(state: str) -> None:
    world = await killed()
    orders = [{"client_id": "tb-1", "symbol": "BTC/USD", "state": "CANCELLED", "reason": ""}]
    positions = [{"symbol": "BTC/USD", "requested": "0.5", "residual": "0", "state": "FLAT", "reason": ""}]
    world.end_kill(state=state, orders_cancelled=1, orders=orders, positions=positions, message="done")
    await world.settle()
    outcome = world.status()["emergencyStop"]["outcome"]
    assert (outcome["state"], outcome["source"], outcome["ordersCancelled"]) == (state, "kill", 1)
    assert outcome["orders"][0]["clientId"] == "tb-1"
    assert outcome["positions"][0]["requested"] == "0.5"
    assert world.status()["emergencyStop"]["kill"]["finished"] is True
    assert world.requeues[KEY] is None, "nothing is left to look at"
    assert replicas(world) == 0


async def test_a_job_that_ends_without_a_word_is_unknown_and_says_where_to_look() -> None:
    world = await killed()

    def ended(whole: dict[str, Any]) -> None:
        whole["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}

    world.kube.edit("Job", NAMESPACE, jobs(world)[0]["metadata"]["name"], ended)
    await world.settle()
    outcome = world.status()["emergencyStop"]["outcome"]
    assert outcome["state"] == "UNKNOWN"
    assert "look at the exchange" in outcome["message"]


async def test_the_words_of_another_stop_count_for_nothing() -> None:
    world = await killed()
    world.end_kill(stop_id="another-1")
    await world.settle()
    assert world.status()["emergencyStop"]["outcome"]["state"] == "UNKNOWN"


@pytest.mark.parametrize(
    "words", ["[" * 4096, '{"kind": "kill", "message": "\\ud800"}'], ids=["nested", "half a letter"]
)
async def test_words_that_no_parser_takes_are_no_words(words: str) -> None:
    world = await killed()
    world.end_kill()
    name = next(pod["metadata"]["name"] for pod in world.kube.of("Pod") if "-kill-" in pod["metadata"]["name"])

    def said(pod: dict[str, Any]) -> None:
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = words

    world.kube.edit("Pod", NAMESPACE, name, said)
    await world.settle()
    assert world.status()["emergencyStop"]["outcome"]["state"] == "UNKNOWN"


async def test_a_job_that_failed_is_tried_again_when_a_person_deletes_it() -> None:
    world = await killed()
    world.end_kill("Failed", state="UNKNOWN")
    await world.settle()
    name = jobs(world)[0]["metadata"]["name"]
    await look(world)
    assert len(jobs(world)) == 1
    for pod in world.kube.of("Pod"):
        if pod["metadata"]["name"].startswith(name):
            world.kube.remove("Pod", NAMESPACE, pod["metadata"]["name"])
    world.kube.remove("Job", NAMESPACE, name)
    await world.settle()
    assert [job["metadata"]["name"] for job in jobs(world)] == [name]


async def test_a_job_that_has_done_its_work_is_not_made_again() -> None:
    world = await killed()
    world.end_kill()
    await world.settle()
    world.kube.remove("Job", NAMESPACE, jobs(world)[0]["metadata"]["name"])
    await look(world)
    assert jobs(world) == []
    assert world.status()["emergencyStop"]["outcome"]["state"] == "CANCELLED"


async def test_a_stop_that_is_to_close_positions_as_well_gets_a_job_of_its_own() -> None:
    world = await killed()
    world.end_kill()
    await world.settle()
    world.create(emergencyStop={"active": True, "closePositions": True})
    await world.settle()
    assert [command(job)[-1] == "--close-positions" for job in jobs(world)].count(True) == 1
    assert len(jobs(world)) == 2
    assert world.status()["emergencyStop"]["closePositions"] is True
    assert world.status()["emergencyStop"]["kill"]["job"] in {job["metadata"]["name"] for job in jobs(world)}


async def test_no_pod_at_all_is_silence_too_after_five_seconds() -> None:
    world = await trading()
    world.kube.remove("Pod", NAMESPACE, world.kube.of("Pod")[0]["metadata"]["name"])
    world.deliver()
    world.bots.reports[KEY] = BotReport(ANSWER)
    world.create(emergencyStop={"active": True})
    await world.settle()
    await look(world, 4)
    assert jobs(world) == []
    await look(world, 2)
    assert len(jobs(world)) == 1


async def test_a_bot_that_is_just_starting_is_waited_for() -> None:
    """It reads every latch before it may trade, so nothing is lost."""
    world = World(polled=True)
    await world.converged(emergencyStop={"active": True})
    await look(world, 50)
    assert jobs(world) == []
    await look(world, 20)
    await look(world, 6)
    assert len(jobs(world)) == 1


async def test_a_stop_that_the_bot_has_carried_out_needs_no_job() -> None:
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()
    stop = {"id": world.status()["emergencyStop"]["id"], "since": "2026-11-21T10:00:00Z", "outcome": {"state": "FLAT"}}
    world.bots.reports[KEY] = BotReport(ANSWER | {"state": "KILLED", "stop": stop})
    await look(world)
    await silent(world, 0)
    world.bots.reports[KEY] = BotReport(ANSWER | {"state": "KILLED", "stop": stop}, 10)
    await look(world)
    assert jobs(world) == []
    assert replicas(world) == 1


async def test_reverting_the_spec_or_changing_it_does_not_bring_the_pod_back() -> None:
    world = await killed()
    for spec in ({}, {"logLevel": "DEBUG"}, {"resume": {"stopId": "another-1", "reason": "no"}}):
        world.create(**spec)
        await world.settle()
        assert replicas(world) == 0


async def test_the_bot_comes_back_with_the_resume_and_not_before_the_job_has_ended() -> None:
    world = await killed()
    stop = world.status()["emergencyStop"]["id"]
    world.create(emergencyStop={"active": False}, resume={"stopId": stop, "reason": "checked"})
    await world.settle()
    assert replicas(world) == 0, "the kill Job may still cancel orders"
    world.end_kill()
    await world.settle()
    assert replicas(world) == 1
    assert world.status()["emergencyStop"]["id"] == stop, "the bot has not lifted it yet"
    lifted = {"stop": None, "last_stop": {"id": stop, "resumed_at": "2026-11-21T11:00:00Z", "reason": "checked"}}
    world.bots.reports[KEY] = BotReport(ANSWER | lifted)
    await look(world)
    assert "emergencyStop" not in world.status()
    assert world.status()["lastStop"] == {"id": stop, "resumedAt": "2026-11-21T11:00:00Z", "reason": "checked"}
    assert replicas(world) == 1


async def test_a_resume_waits_for_a_job_that_cannot_end_for_twenty_minutes_and_no_longer() -> None:
    world = await killed()
    stop = world.status()["emergencyStop"]["id"]
    world.create(emergencyStop={"active": False}, resume={"stopId": stop, "reason": "checked"})
    await look(world, 1190)
    assert replicas(world) == 0
    await look(world, 20)
    assert replicas(world) == 1


@pytest.mark.parametrize("point", range(8))
async def test_an_operator_that_dies_at_any_write_goes_on_where_it_was(point: int) -> None:
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()
    world.bots.reports[KEY] = BotReport(ANSWER, 2)
    world.later(1)
    world.queue.add(KEY)
    world.kube.crash_after = len(world.kube.writes) + point
    try:
        await world.settle()
    except CrashedError:
        world.kube.crash_after = None
        await world.restart()
        await world.settle()
    world.kube.crash_after = None
    await look(world)
    assert len(jobs(world)) == 1
    assert jobs(world)[0]["metadata"]["name"] == world.status()["emergencyStop"]["kill"]["job"]
    assert replicas(world) == 0
    before = len(world.kube.writes)
    await world.restart()
    await world.settle()
    assert [write for write in world.kube.writes[before:] if write[1] != "Event"] == []


async def test_a_pass_that_finds_everything_done_writes_nothing() -> None:
    world = await killed()
    before = len(world.kube.writes)
    await look(world)
    assert world.kube.writes[before:] == []
