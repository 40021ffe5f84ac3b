"""Why a pod is not ready, in the reasons of the API and in a sentence with the way out.

Texts are the same as long as the cause is: no generated pod names, no counts, no alternating kubelet phrases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.said import json_object
from tradingbot_operator.desired.naming import BOT_COMPONENT, COMPONENT_LABEL, JOB_COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTAINER: Final = "bot"
CONFIGURATION_EXIT_CODE: Final = 78
OUT_OF_MEMORY_EXIT_CODE: Final = 137
TEXT_LENGTH: Final = 600

_BOT_REASONS: Final = {
    reason.value: reason
    for reason in (
        Reason.INVALID_CONFIGURATION,
        Reason.ANOTHER_ACCOUNT,
        Reason.UNKNOWN_STRATEGY,
        Reason.INVALID_STRATEGY_PARAMETERS,
        Reason.UNKNOWN_SYMBOL,
        Reason.DATA_NOT_FOUND,
        Reason.DATABASE_UNREACHABLE,
    )
}
_PULL: Final = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_SECRET: Final = re.compile(r'secret "([^"]+)" not found')
_SECRET_KEY: Final = re.compile(r"couldn't find key (\S+) in Secret [^/\s]+/(\S+)")
_CREDENTIALS: Final = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is in a pod's way."""

    reason: Reason
    message: str


def project_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a pod that are used here, so that the store stays small."""
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    keep = (
        *("name", "namespace", "uid", "resourceVersion", "generation"),
        *("labels", "ownerReferences", "creationTimestamp"),
    )
    containers = [c for c in status.get("containerStatuses", []) if c.get("name") == CONTAINER]
    container: Mapping[str, Any] = next((c for c in spec.get("containers", []) if c.get("name") == CONTAINER), {})
    return {
        "metadata": {key: meta[key] for key in (*keep, "deletionTimestamp") if key in meta},
        "spec": {
            "image": container.get("image"),
            "command": [*container.get("command", []), *container.get("args", [])],
            "configMap": next(
                (v["configMap"]["name"] for v in spec.get("volumes", []) if v.get("name") == "config"), None
            ),
            # Its words are believed, so all of it is compared.
            **({"whole": spec} if any(is_of(pod, component) for component in JOB_COMPONENTS) else {}),
        },
        "status": {
            "phase": status.get("phase"),
            "podIP": status.get("podIP"),
            "reason": status.get("reason"),
            "conditions": [
                {key: c.get(key) for key in ("type", "status", "reason", "message")}
                for c in status.get("conditions", [])
                if c.get("type") in {"Ready", "PodScheduled"}
            ],
            "container": {key: containers[0].get(key) for key in ("ready", "started", "state", "lastState", "imageID")}
            if containers
            else {},
        },
    }


def is_of(pod: Mapping[str, Any], component: str) -> bool:
    """Return whether a (projected) pod is of this component: the bot itself, or one of its Jobs."""
    return bool((pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL, BOT_COMPONENT) == component)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a (projected) pod is ready and stays."""
    return "deletionTimestamp" not in pod["metadata"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"]
    )


def has_started(pod: Mapping[str, Any]) -> bool:
    """Return whether the bot in a (projected) pod has answered its startup probe, whatever became of it then."""
    return bool((pod["status"].get("container") or {}).get("started"))


def problem_of(pod: Mapping[str, Any], namespace: str) -> Problem | None:
    """Return what keeps a (projected) pod from being ready, or None while nothing is known to be wrong."""
    if is_ready(pod) or "deletionTimestamp" in pod["metadata"]:
        return None
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Problem(
                Reason.UNSCHEDULABLE,
                f"No node takes the pod: {_clean(condition.get('message') or 'no reason given')} "
                "Lower spec.resources, change spec.scheduling, or add a node.",
            )
    container = pod["status"]["container"]
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in _PULL:
        return Problem(
            Reason.IMAGE_PULL_FAILED,
            f"The image {pod['spec']['image']} cannot be pulled: correct spec.image, or name the registry's account in "
            "spec.imagePullSecrets.",
        )
    if waiting.get("reason") == "CreateContainerConfigError":
        return _missing(str(waiting.get("message") or ""), namespace)
    ended = state.get("terminated") or last.get("terminated")
    return _ended(ended) if ended else None


def _missing(message: str, namespace: str) -> Problem:
    if found := _SECRET_KEY.search(message):
        key, name = found[1], found[2]
        return Problem(
            Reason.SECRET_NOT_FOUND,
            f'The Secret "{name}" has no key "{key}": add it (kubectl edit secret {name} --namespace {namespace}), '
            "or name another key in the spec.",
        )
    if found := _SECRET.search(message):
        name = found[1]
        return Problem(
            Reason.SECRET_NOT_FOUND,
            f'The Secret "{name}" does not exist: kubectl create secret generic {name} --namespace {namespace} '
            "--from-literal=KEY=VALUE, with the key that the spec names.",
        )
    return Problem(Reason.POD_REFUSED, f"The container cannot be created: {_clean(message)}")


def _ended(ended: Mapping[str, Any]) -> Problem:
    code = ended.get("exitCode")
    said = _last_words(str(ended.get("message") or ""))
    if said is not None:
        return said
    if ended.get("reason") == "OOMKilled":
        return Problem(
            Reason.CRASH_LOOPING,
            "The bot needs more memory than its limit and is killed: raise resources.limits.memory or take a larger "
            "profile.",
        )
    if code == CONFIGURATION_EXIT_CODE:
        return Problem(Reason.INVALID_CONFIGURATION, "The bot refuses its configuration: see kubectl logs.")
    return Problem(
        Reason.CRASH_LOOPING, f"The bot ends with exit code {code} and is started again: see kubectl logs --previous."
    )


def _last_words(message: str) -> Problem | None:
    """Read the JSON object that the bot leaves in its termination log."""
    said = json_object(message)
    if said is None:
        return None
    reason = _BOT_REASONS.get(str(said.get("reason")), Reason.CRASH_LOOPING)
    message = _clean(str(said.get("message") or reason.explanation))
    return Problem(reason, message if message.endswith((".", "!", "?")) else f"{message}.")


def _clean(text: str) -> str:
    """Bound a text from outside and mask what looks like a credential in an address."""
    line = " ".join(text.split())[:TEXT_LENGTH]
    return _CREDENTIALS.sub("://***@", line)
