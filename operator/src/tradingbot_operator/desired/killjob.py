"""The kill Job: the bot's own pod, as it was made last, with another command.

It is made from the Deployment and not from the spec: what has to be stopped is what ran, whatever the spec says now.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.desired.kinds import JOB
from tradingbot_operator.desired.naming import KILL_COMPONENT, STOP_ANNOTATION, job_pod_metadata, labels
from tradingbot_operator.desired.tradingbot import owner_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_operator.api.v1alpha1.safety import EmergencyStopStatus

Manifest = dict[str, Any]

WORK_SECONDS: Final = 120
"""How long one attempt works at the exchange."""
DEADLINE_SECONDS: Final = 900
"""When Kubernetes ends the Job with all its attempts."""
ATTEMPTS: Final = 4
_NOT_FOR_A_JOB: Final = ("ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle")


def kill_job(
    name: str, namespace: str, uid: str, stop: EmergencyStopStatus, job: str, template: Mapping[str, Any]
) -> Manifest:
    """Build the Job from the pod template of the bot's Deployment (live or simulation, with what that one has)."""
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": job,
            "namespace": namespace,
            "labels": labels(name, KILL_COMPONENT),
            "annotations": {STOP_ANNOTATION: stop.id},
            "ownerReferences": [owner_reference(name, uid)],
        },
        "spec": {
            "backoffLimit": ATTEMPTS,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "completions": 1,
            "parallelism": 1,
            "template": {
                "metadata": job_pod_metadata(name, KILL_COMPONENT),
                "spec": _pod(template["spec"], stop),
            },
        },
    }


def _pod(spec: Mapping[str, Any], stop: EmergencyStopStatus) -> Manifest:
    pod: Manifest = copy.deepcopy(dict(spec))
    pod["restartPolicy"] = "Never"
    pod["terminationGracePeriodSeconds"] = 30
    container = next(c for c in pod["containers"] if c["name"] == "bot")
    for key in _NOT_FOR_A_JOB:
        container.pop(key, None)
    command = ["tradingbot", "kill", "--stop-id", stop.id, "--deadline", str(WORK_SECONDS)]
    container["command"] = [*command, "--close-positions"] if stop.close_positions else command
    container.pop("args", None)
    pod["containers"] = [container]
    return pod
