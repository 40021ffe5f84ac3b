"""The name of a kill Job is no secret: who makes a Job under it first keeps no stop from being carried out."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.component.operator.test_kill import command, jobs, killed, look, silent, trading
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
from tradingbot_operator.desired.naming import labels
from tradingbot_operator.desired.tradingbot import owner_reference
from tradingbot_operator.kube.errors import ForbiddenError
from tradingbot_operator.policy.kill import job_of


def name_of_the_next(world: World) -> str:
    """Guess it, as everybody may who reads the TradingBot: the stop is named after its next generation."""
    meta = world.bot()["metadata"]
    stop = f"{meta['uid'][:8]}-{meta['generation'] + 1}"
    return job_of("a", EmergencyStopStatus(id=stop, since=world.time))


def forge(world: World, name: str, *, like: str) -> str:
    """Make a Job that has ended, and a pod of it that says that all is done; return the Job's uid."""
    marks = labels("a", "kill") if like != "nothing" else {}
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    meta: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "labels": marks}
    if like == "the bot's":
        meta["ownerReferences"] = [owner_reference("a", world.bot()["metadata"]["uid"])]
    made = world.kube.put("Job", {"metadata": meta, "spec": {}, "status": done})
    uid: str = made["metadata"]["uid"]
    said = {"kind": "kill", "stop_id": f"{world.bot()['metadata']['uid'][:8]}-2", "state": "FLAT", "confirmed": True}
    owner: dict[str, Any] = {"kind": "Job", "name": name, "uid": uid, "controller": True}
    world.kube.put(
        "Pod",
        {
            "metadata": {
                "name": f"{name}-forged",
                "namespace": NAMESPACE,
                "labels": labels("a", "kill"),
                "ownerReferences": [owner],
            },
            "spec": {"containers": [{"name": "bot"}]},
            "status": {
                "containerStatuses": [{"name": "bot", "state": {"terminated": {"message": json.dumps(said)}}}],
            },
        },
    )
    return uid


@pytest.mark.parametrize("like", ["nothing", "one with the bot's labels", "the bot's"])
async def test_a_job_that_somebody_made_first_is_removed_and_its_words_count_for_nothing(like: str) -> None:
    world = await trading()
    name = name_of_the_next(world)
    forged = forge(world, name, like=like)
    world.create(emergencyStop={"active": True})
    await world.settle()
    await silent(world)
    assert world.status()["emergencyStop"]["kill"]["job"] == name, "it was guessed right"
    await look(world)
    (job,) = jobs(world)
    assert job["metadata"]["uid"] != forged
    assert job["metadata"]["ownerReferences"][0]["kind"] == "TradingBot"
    assert "outcome" not in world.status()["emergencyStop"]
    world.end_kill(state="CANCELLED", orders_cancelled=1)
    await world.settle()
    assert world.status()["emergencyStop"]["outcome"]["ordersCancelled"] == 1


Change = Any


def pod_of_the_job(world: World, name: str, change: Change = None, **said: Any) -> None:
    """Make a pod as the Job controller does, or nearly: whoever may make pods writes the Job's uid into it, too."""
    (job,) = jobs(world)
    report = {"kind": "kill", "stop_id": world.status()["emergencyStop"]["id"], "confirmed": True} | said
    owner = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}
    template = copy.deepcopy(job["spec"]["template"])
    terminated = {"terminated": {"message": json.dumps(report)}}
    pod: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
        "status": {"containerStatuses": [{"name": "bot", "state": terminated}]},
    }
    made = world.kube.put("Pod", pod)
    if change is not None:
        change(made)
        world.kube.put("Pod", made)


def ended(world: World) -> None:
    (job,) = jobs(world)
    done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    world.kube.edit("Job", NAMESPACE, job["metadata"]["name"], lambda whole: whole.update(done))


def outcome(world: World) -> tuple[str, str]:
    found = world.status()["emergencyStop"]["outcome"]
    return found["state"], found.get("message", "")


FORGED = {
    "another image": lambda pod: pod["spec"]["containers"][0].update(image="mallory/kill:1"),
    "another command": lambda pod: pod["spec"]["containers"][0].update(command=["sh", "-c", "echo done"]),
    "another address of the database": lambda pod: pod["spec"]["containers"][0]["env"].append(
        {"name": "DB_URL", "value": "postgresql://mallory"}
    ),
    "a container beside it": lambda pod: pod["spec"]["containers"].append({"name": "x", "image": "mallory/x"}),
    "a host name": lambda pod: pod["spec"].update(
        hostAliases=[{"ip": "198.18.0.66", "hostnames": ["api.binance.com"]}]
    ),
    "a change after it was made": lambda pod: pod["metadata"].update(generation=2),
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_pod_that_names_the_real_job_and_is_another_one_is_not_believed(what: str) -> None:
    world = await killed(closePositions=True)
    pod_of_the_job(world, "forged", FORGED[what], state="FLAT")
    await world.settle()
    assert "outcome" not in world.status()["emergencyStop"], "the Job has not ended"
    ended(world)
    await world.settle()
    state, message = outcome(world)
    assert state == "UNKNOWN"
    assert "is not what the operator asked for, and is not believed" in message
    assert message.endswith("Look at the exchange yourself.")


async def test_beside_a_forged_pod_the_jobs_own_is_believed_also_by_an_operator_that_was_started_anew() -> None:
    world = await killed(closePositions=True)
    pod_of_the_job(world, "real", state="RESIDUAL", orders_cancelled=1)
    pod_of_the_job(world, "then-forged", FORGED["another image"], state="FLAT")
    ended(world)
    await world.settle()
    assert outcome(world)[0] == "RESIDUAL"
    await world.restart()
    await world.settle()
    assert outcome(world)[0] == "RESIDUAL"


@pytest.mark.parametrize("how", ["other content", "not immutable", "gone", "put back in time for the operator"])
async def test_with_another_configuration_the_jobs_own_pod_is_not_believed(how: str) -> None:
    """It says which exchange is asked."""
    world = await killed()
    (job,) = jobs(world)
    name = job["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    found = copy.deepcopy(world.kube.objects["ConfigMap", NAMESPACE, name])
    world.kube.refuse = lambda _verb, kind, _: ForbiddenError("no") if kind == "ConfigMap" else None
    world.kube.remove("ConfigMap", NAMESPACE, name)
    if how != "gone":
        text = "exchange: {api_url: http://mallory}" if how == "other content" else found["data"]["config.yaml"]
        changed = {"data": {"config.yaml": text}, "immutable": how != "not immutable"}
        world.kube.put("ConfigMap", found | changed)
        late = {"creationTimestamp": "2026-11-21T10:00:01Z"} if how.startswith("put back") else {}
        world.kube.edit("ConfigMap", NAMESPACE, name, lambda whole: whole["metadata"].update(late))
    pod_of_the_job(world, "real", state="CANCELLED")
    ended(world)
    await world.settle()
    state, message = outcome(world)
    assert state == "UNKNOWN"
    assert f"the ConfigMap {name}" in message


async def test_a_job_whose_making_was_not_written_down_is_made_again() -> None:
    """Nobody can tell it from one that somebody else has made meanwhile; running it twice does no harm."""
    world = await killed()
    (first,) = jobs(world)
    await world.restart()
    await world.settle()
    assert jobs(world)[0]["metadata"]["uid"] == first["metadata"]["uid"], "it is written down"

    def forgotten(obj: dict[str, Any]) -> None:
        del obj["status"]["emergencyStop"]["kill"]["uid"]

    world.kube.edit("TradingBot", NAMESPACE, "a", forgotten)
    await world.restart()
    await look(world)
    await look(world)
    (second,) = jobs(world)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert world.status()["emergencyStop"]["kill"]["uid"] == second["metadata"]["uid"]


async def test_what_somebody_put_into_the_deployment_is_not_in_the_kill_job() -> None:
    """The same moment: the pod is replaced, does not answer, and its template becomes that of the Job."""
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()

    def tampered(whole: dict[str, Any]) -> None:
        whole["spec"]["template"]["spec"]["containers"][0]["image"] = "mallory/bot:1"

    world.kube.edit("Deployment", NAMESPACE, "tradingbot-a", tampered)
    await silent(world)
    (job,) = jobs(world)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "bot:1"
    assert command(job)[:2] == ["tradingbot", "kill"]


async def test_a_stop_whose_kill_job_cannot_be_made_says_so_and_is_carried_out_when_it_can() -> None:
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()
    world.kube.refuse = lambda _verb, kind, _: ForbiddenError("exceeded quota: no-jobs") if kind == "Job" else None
    await silent(world)
    await look(world)
    stop = world.status()["emergencyStop"]
    assert stop["outcome"]["state"] == "UNKNOWN"
    assert "exceeded quota: no-jobs. Nobody works at the exchange for the bot" in stop["outcome"]["message"]
    told = [event["note"] for event in world.kube.of("Event") if event["reason"] == "KillJobFailed"]
    assert told == [f"Kill Job {stop['kill']['job']} cannot be made: exceeded quota: no-jobs"]
    world.kube.refuse = None
    await look(world)
    assert len(jobs(world)) == 1
    world.end_kill(state="CANCELLED", orders_cancelled=1)
    await world.settle()
    assert world.status()["emergencyStop"]["outcome"]["state"] == "CANCELLED"
