"""The kill Job on a real API server, with an operator that is killed at any moment."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import eventually

from tradingbot_contract.stops import stop_id
from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus
from tradingbot_operator.desired.naming import labels
from tradingbot_operator.desired.tradingbot import owner_reference
from tradingbot_operator.policy.kill import job_of

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api
POLLS = {"TBO_BOT_POLL_SECONDS": "1", "TBO_BOT_POLL_TIMEOUT_SECONDS": "1"}
MOMENTS = (0.0, 0.02, 0.1, 0.4, 1.0, 2.0, 3.0)
"""Seconds from the stop to the death of the operator: before it is latched, while it is polled, while it is killed."""


def is_killed(namespace: Namespace, bot: str) -> dict[str, Any] | None:
    """Return the kill Job, once it is there and the Deployment has no pods."""
    jobs = namespace.list("Job", f"tradingbots.dev/bot={bot}")
    assert len(jobs) <= 1, "one stop, one Job"
    deployment = namespace.get("Deployment", f"tradingbot-{bot}")
    held_down = deployment is not None and deployment["spec"]["replicas"] == 0
    return jobs[0] if jobs and held_down else None


def _another(job: dict[str, Any] | None, than: str) -> dict[str, Any] | None:
    return job if job is not None and job["metadata"]["uid"] != than else None


@pytest.mark.long
def test_a_bot_that_does_not_answer_is_killed_once_whenever_the_operator_dies(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    operator = start_operator(**POLLS)
    bots = [f"b{number}" for number in range(len(MOMENTS))]
    for bot in bots:
        namespace.bot(bot)
        namespace.wait_for_children(bot)
        namespace.kubelet(namespace.pod(bot), ready=True)
    for bot, moment in zip(bots, MOMENTS, strict=True):
        namespace.edit("TradingBot", bot, {"spec": {"emergencyStop": {"active": True}}})
        time.sleep(moment)
        operator.kill()
        operator = start_operator(**POLLS)
    for bot in bots:
        job = eventually(lambda bot=bot: is_killed(namespace, bot), f"{bot} is killed")  # type: ignore[misc]
        stop = namespace.status(bot)["emergencyStop"]
        assert stop["kill"]["job"] == job["metadata"]["name"]
        assert stop["id"] in job["spec"]["template"]["spec"]["containers"][0]["command"]
    operator.idle()
    before = operator.writes()
    operator.kill()
    again = start_operator(**POLLS)
    again.idle()
    assert again.writes() == {}, f"a restart over killed bots writes nothing; the one before wrote {before}"


def test_a_bot_that_hangs_in_its_first_minute_is_not_taken_for_one_that_starts(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    start_operator(**POLLS)
    namespace.bot()
    namespace.wait_for_children()
    namespace.kubelet(namespace.pod(), ready=False, started=True)
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": {"active": True}}})
    eventually(lambda: is_killed(namespace, "a"), "it is killed, although its pod is young and not ready", seconds=50)


def test_what_the_job_says_is_in_the_status_and_the_bot_comes_back_only_with_its_resume(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    """Somebody has guessed its name, and made a Job of that name first, as the bot's own: that one is removed."""
    start_operator(**POLLS)
    bot = namespace.bot()
    namespace.wait_for_children()
    namespace.kubelet(namespace.pod(), ready=True)
    guessed = EmergencyStopStatus(id=stop_id(bot["metadata"]["uid"], 2), since=datetime.now(UTC))
    image = {"restartPolicy": "Never", "containers": [{"name": "bot", "image": "example/forged"}]}
    taken = job_of("a", guessed)
    owner = owner_reference("a", bot["metadata"]["uid"])
    meta = {"name": taken, "labels": labels("a", "kill"), "ownerReferences": [owner]}
    forged = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}
    theirs = namespace.create(forged | {"spec": {"template": {"spec": image}}})["metadata"]["uid"]
    of_theirs = f"batch.kubernetes.io/controller-uid={theirs}"
    eventually(lambda: namespace.list("Pod", of_theirs), "its pod")
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": {"active": True}}})
    job = eventually(lambda: is_killed(namespace, "a"), "the bot is killed")
    stop = namespace.status()["emergencyStop"]["id"]
    assert (stop, job["metadata"]["name"]) == (guessed.id, taken), "it was guessed right"
    job = eventually(lambda: _another(is_killed(namespace, "a"), theirs), "a Job of the operator's own")
    eventually(lambda: namespace.status()["emergencyStop"]["kill"].get("uid") == job["metadata"]["uid"], "it is known")
    eventually(lambda: not namespace.list("Pod", of_theirs), "what the forged one has started is gone with it")
    pod = eventually(
        lambda: next(iter(namespace.list("Pod", f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}")), None),
        "a pod of the kill Job",
    )
    said = f'{{"kind": "kill", "stop_id": "{stop}", "state": "CANCELLED", "orders_cancelled": 3, "message": "gone"}}'
    started = eventually(lambda: namespace.told("KillJobStarted"), "the Event that it was begun")
    assert started["type"] == "Warning"
    assert started["note"].startswith(f"Kill Job {job['metadata']['name']} stands in for the bot, stop {stop}: ")
    namespace.edit(
        "Pod",
        pod["metadata"]["name"],
        {
            "status": {
                "phase": "Succeeded",
                "containerStatuses": [
                    {
                        "name": "bot",
                        "ready": False,
                        "restartCount": 0,
                        "image": "bot",
                        "imageID": "",
                        "state": {"terminated": {"exitCode": 0, "message": said}},
                    }
                ],
            }
        },
        "status",
    )
    outcome = eventually(lambda: namespace.status()["emergencyStop"].get("outcome"), "the outcome")
    assert (outcome["state"], outcome["ordersCancelled"], outcome["source"]) == ("CANCELLED", 3, "kill")
    eventually(lambda: namespace.status()["emergencyStop"]["kill"].get("finished"), "the Job has ended")
    done = eventually(lambda: namespace.told("KillJobDone"), "the Event of what came of it")
    note = f"Kill Job {job['metadata']['name']} ended, stop {stop}: CANCELLED. Orders cancelled: 3. gone"
    assert (done["type"], done["note"], done["regarding"]["name"]) == ("Normal", note, "a")
    namespace.edit("TradingBot", "a", {"spec": {"emergencyStop": {"active": False}, "logLevel": "DEBUG"}})
    time.sleep(1)
    assert is_killed(namespace, "a"), "neither a reverted spec nor a new configuration brings the pod back"
    namespace.edit("TradingBot", "a", {"spec": {"resume": {"stopId": stop, "reason": "checked"}}})

    def is_back() -> bool:
        deployment = namespace.get("Deployment", "tradingbot-a")
        return deployment is not None and deployment["spec"]["replicas"] == 1

    eventually(is_back, "the pod may come back: it is the bot that lifts the latch")
    assert namespace.status()["emergencyStop"]["id"] == stop
