"""What somebody has put beside the bot: into the pod template of its Deployment, or into a pod of a Job of its.

An apply takes nothing away that it does not name, and injectors of sidecars are left alone; but beside a live bot's
keys everything is to be seen, and a pod whose words are to be believed has nothing that the operator did not ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.wording import first_of
from tradingbot_operator.policy.differences import SHOWN, differs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tradingbot_operator.desired.tradingbot import Desired

NOT_BELIEVED: Final = "the run's {what} is not what the operator asked for, and is not believed: {where}"
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_PLACE: Final = frozenset(
    {"nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName", "imagePullSecrets"}
    | {"terminationGracePeriodSeconds"}
)
"""Where and when a pod runs, and who may pull its image: the cluster adds to it, and it changes not what runs."""
_BY_THE_CLUSTER: Final[dict[str, Any]] = {
    **dict.fromkeys((*_PLACE, "nodeName", "schedulerName", "serviceAccount", "volumes", "priority", "overhead")),
    **dict.fromkeys(("preemptionPolicy", "restartPolicy", "hostname", "subdomain", "schedulingGates")),
    "dnsPolicy": "ClusterFirst",
}
"""Parts of a pod's spec that the cluster fills in, with the value that they then have where that matters."""
_OF_A_CONTAINER: Final[dict[str, Any]] = {
    "imagePullPolicy": None,
    "resources": None,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_SECURITY: Final[dict[str, Any]] = {"seLinuxOptions": None}


def beside(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return what the spec of a pod or of its template has that the operator did not put there."""
    return [
        *_others(wanted, found),
        *_more(wanted, found, _BY_THE_CLUSTER | dict.fromkeys(_CONTAINERS), ""),
        *_more(_part(wanted), _part(found), _SECURITY, "securityContext."),
        *(line for name in _names(wanted, "containers") for line in _in_container(wanted, found, name)),
    ]


def besides(wanted: Desired, live: Mapping[str, Any] | None) -> str:
    """Say what is beside a live bot in its pod template, or nothing."""
    if live is None:
        return ""
    mine = wanted.manifests[-1]["spec"]["template"]["spec"]
    found = beside(mine, live["spec"]["template"]["spec"])
    if not found:
        return ""
    return (
        f"The pod template of this live bot has what the operator did not put there: {first_of(found, SHOWN)}. "
        "It runs beside the keys of the exchange account: find out who added it "
        "(kubectl get deployment --output yaml --show-managed-fields)."
    )


def altered(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return all that makes a pod another one than the one of this template: what is missing, changed or beside it."""
    mine = {key: value for key, value in wanted.items() if key not in _PLACE}
    mine["containers"] = [{k: v for k, v in one.items() if k != "imagePullPolicy"} for one in wanted["containers"]]
    return [*differs(mine, found), *beside(wanted, found)]


def why_not_believed(wanted: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    """Return why the words of a Job's (projected) pod are not believed, or nothing.

    Whoever makes a pod may write the Job into it as its owner: what counts is what the pod has.
    """
    if pod["metadata"].get("generation", 1) > 1:
        return NOT_BELIEVED.format(what="pod", where="it was changed after it was made")
    where = altered(wanted, pod["spec"]["whole"])
    return NOT_BELIEVED.format(what="pod", where=first_of(where, SHOWN)) if where else ""


def _others(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for part in _CONTAINERS:
        for name in sorted(_names(found, part) - _names(wanted, part)):
            yield f"{part}[{name}]"


def _in_container(wanted: Mapping[str, Any], found: Mapping[str, Any], name: str) -> Iterator[str]:
    mine, theirs = _container(wanted, name), _container(found, name)
    where = f"containers[{name}]."
    yield from _more(mine, theirs, _OF_A_CONTAINER, where)
    yield from _more(_part(mine), _part(theirs), _SECURITY, f"{where}securityContext.")
    added = _part(_part(theirs), "capabilities").get("add")
    if added:
        yield f"{where}securityContext.capabilities.add"
    for part, key in (("env", "name"), ("volumeMounts", "mountPath"), ("ports", "containerPort")):
        have = [str(one.get(key)) for one in theirs.get(part) or []]
        twice = {value for value in have if have.count(value) > 1}
        for more in sorted((set(have) - _values(mine, part, key)) | twice):
            yield f"{where}{part}[{more}]"


def _more(wanted: Mapping[str, Any], found: Mapping[str, Any], harmless: Mapping[str, Any], at: str) -> Iterator[str]:
    for key, value in sorted(found.items()):
        if key in wanted or value in (None, "", [], {}, False):
            continue
        if key not in harmless or harmless[key] not in (None, value):
            yield f"{at}{key}"


def _container(spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in spec.get("containers") or [] if one.get("name") == name), {})


def _part(whole: Mapping[str, Any], name: str = "securityContext") -> Mapping[str, Any]:
    return whole.get(name) or {}


def _names(spec: Mapping[str, Any], part: str) -> set[str]:
    return _values(spec, part, "name")


def _values(spec: Mapping[str, Any], part: str, key: str) -> set[str]:
    return {str(one.get(key)) for one in spec.get(part) or []}
