"""The name of a kill Job is no secret: who makes a Job under it first keeps no stop from being carried out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.component.operator.test_kill import jobs, look, silent, trading
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
from tradingbot_operator.desired.naming import labels
from tradingbot_operator.kube.errors import ForbiddenError
from tradingbot_operator.policy.kill import job_of


def name_of_the_next(world: World) -> str:
    """Guess it, as everybody may who reads the TradingBot: the stop is named after its next generation."""
    meta = world.bot()["metadata"]
    stop = f"{meta['uid'][:8]}-{meta['generation'] + 1}"
    return job_of("a", EmergencyStopStatus(id=stop, since=world.time))


def forge(world: World, name: str, *, labelled: bool) -> str:
    """Make a Job that has ended, and a pod of it that says that all is done; return the Job's uid."""
    marks = labels("a", "kill") if labelled else {}
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    meta = {"name": name, "namespace": NAMESPACE, "labels": marks}
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


@pytest.mark.parametrize("labelled", [True, False], ids=["with the labels of the bot's", "without"])
async def test_a_job_that_somebody_made_first_is_removed_and_its_words_count_for_nothing(*, labelled: bool) -> None:
    world = await trading()
    name = name_of_the_next(world)
    forged = forge(world, name, labelled=labelled)
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
