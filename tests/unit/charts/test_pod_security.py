"""The checker itself: each violation alone is found."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.support.pod_security import pod_specs, shortcomings, violations

GOOD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "c",
            "resources": {"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"memory": "1Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place: Any = spec
    for part in parents:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    if value is None:
        place.pop(last)
    else:
        place[int(last) if last.isdigit() else last] = value
    return spec


def test_a_good_pod_is_good() -> None:
    assert violations(GOOD) == []
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hostNetwork", True),
        ("hostPID", True),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}]),
        ("securityContext.runAsUser", 0),
        ("securityContext.runAsNonRoot", None),
        ("securityContext.runAsNonRoot", False),
        ("securityContext.seccompProfile", None),
        ("securityContext.seccompProfile.type", "Unconfined"),
        ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
        ("securityContext.seLinuxOptions", {"user": "root"}),
        ("securityContext.appArmorProfile", {"type": "Unconfined"}),
        ("containers.0.securityContext.runAsUser", 0),
        ("containers.0.securityContext.runAsNonRoot", False),
        ("containers.0.securityContext.privileged", True),
        ("containers.0.securityContext.allowPrivilegeEscalation", None),
        ("containers.0.securityContext.capabilities.drop", ["NET_RAW"]),
        ("containers.0.securityContext.capabilities.add", ["SYS_ADMIN"]),
        ("containers.0.securityContext.procMount", "Unmasked"),
        ("containers.0.ports", [{"containerPort": 80, "hostPort": 80}]),
        ("containers.0.livenessProbe", {"httpGet": {"host": "169.254.169.254", "port": 80}}),
        ("initContainers", [{"name": "i"}]),
    ],
)
def test_each_violation_is_found(path: str, value: Any) -> None:
    assert violations(changed(path, value)) != []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("automountServiceAccountToken", None),
        ("enableServiceLinks", None),
        ("securityContext.runAsUser", None),
        ("containers.0.resources.limits", None),
        ("containers.0.resources.requests", {"cpu": "1"}),
        ("containers.0.securityContext.readOnlyRootFilesystem", False),
    ],
)
def test_each_shortcoming_is_found(path: str, value: Any) -> None:
    assert shortcomings(changed(path, value)) != []


def test_pods_are_found_wherever_they_are() -> None:
    cronjob = {
        "kind": "CronJob",
        "metadata": {"name": "x"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": GOOD}}}},
    }
    assert [spec for _, spec in pod_specs(cronjob)] == [GOOD]
