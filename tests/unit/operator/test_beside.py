"""What counts as put beside the bot, in a template and in a pod, and what the cluster fills in by itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.operator.helpers import bot

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.desired.config import BuildConfig
from tradingbot_operator.desired.preflight import preflight
from tradingbot_operator.desired.tradingbot import build
from tradingbot_operator.policy.beside import altered, beside

CONFIG = BuildConfig(bot_image="b:1")
TEMPLATE = build(bot(), Mode.LIVE, CONFIG).manifests[-1]["spec"]["template"]["spec"]
POD = preflight(bot(exchange={"credentialsSecretRef": {"name": "keys"}}), CONFIG, "1")[1]["spec"]["template"]["spec"]


def scheduled(spec: dict[str, Any]) -> dict[str, Any]:
    """What admission, scheduler and defaults make of a pod: as seen on a real cluster with a LimitRange."""
    pod = copy.deepcopy(spec)
    pod |= {
        "serviceAccount": pod["serviceAccountName"],
        "nodeName": "node-1",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "bots"},
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        ],
    }
    pod.setdefault("restartPolicy", "Always")
    pod["securityContext"]["seLinuxOptions"] = {"level": "s0:c1"}
    container = pod["containers"][0]
    container |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    container["imagePullPolicy"] = "Always"
    container["resources"]["limits"]["ephemeral-storage"] = "1Gi"
    pod["volumes"][0]["configMap"]["defaultMode"] = 420
    return pod


@pytest.mark.parametrize("spec", [TEMPLATE, POD], ids=["template", "pod"])
def test_what_a_cluster_fills_in_is_nothing(spec: dict[str, Any]) -> None:
    assert beside(spec, scheduled(spec)) == []


def test_the_operators_own_pod_is_believed() -> None:
    assert altered(POD, POD) == []
    assert altered(POD, scheduled(POD)) == []


ADDITIONS: dict[str, Any] = {
    "containers[proxy]": lambda pod, bot: pod["containers"].append({"name": "proxy"}),
    "initContainers[init]": lambda pod, bot: pod.update(initContainers=[{"name": "init"}]),
    "ephemeralContainers[debugger]": lambda pod, bot: pod.update(ephemeralContainers=[{"name": "debugger"}]),
    "hostAliases": lambda pod, bot: pod.update(hostAliases=[{"ip": "198.51.100.9", "hostnames": ["x"]}]),
    "hostNetwork": lambda pod, bot: pod.update(hostNetwork=True),
    "shareProcessNamespace": lambda pod, bot: pod.update(shareProcessNamespace=True),
    "dnsPolicy": lambda pod, bot: pod.update(dnsPolicy="None"),
    "dnsConfig": lambda pod, bot: pod.update(dnsConfig={"nameservers": ["198.51.100.9"]}),
    "runtimeClassName": lambda pod, bot: pod.update(runtimeClassName="other"),
    "securityContext.sysctls": lambda pod, bot: pod["securityContext"].update(sysctls=[{"name": "x"}]),
    "containers[bot].env[LD_PRELOAD]": lambda pod, bot: bot["env"].append({"name": "LD_PRELOAD", "value": "/x"}),
    "containers[bot].env[TRADING_MODE]": lambda pod, bot: bot["env"].insert(0, {"name": "TRADING_MODE", "value": "x"}),
    "containers[bot].envFrom": lambda pod, bot: bot.update(envFrom=[{"secretRef": {"name": "x"}}]),
    "containers[bot].args": lambda pod, bot: bot.update(args=["--help"]),
    "containers[bot].lifecycle": lambda pod, bot: bot.update(lifecycle={"postStart": {}}),
    "containers[bot].workingDir": lambda pod, bot: bot.update(workingDir="/tmp"),
    "containers[bot].terminationMessagePath": lambda pod, bot: bot.update(terminationMessagePath="/etc/x"),
    "containers[bot].volumeMounts[/usr]": lambda pod, bot: bot["volumeMounts"].append(
        {"name": "tmp", "mountPath": "/usr"}
    ),
    "containers[bot].securityContext.privileged": lambda pod, bot: bot["securityContext"].update(privileged=True),
    "containers[bot].securityContext.capabilities.add": lambda pod, bot: bot["securityContext"]["capabilities"].update(
        add=["SYS_ADMIN"]
    ),
}
CHANGES: dict[str, Any] = {
    "containers[bot].image": lambda pod, bot: bot.update(image="other"),
    "containers[bot].command": lambda pod, bot: bot.update(command=["sh", "-c", "echo"]),
    "containers[bot].env[TRADING_MODE].value": lambda pod, bot: bot["env"][1].update(value="x"),
    "containers[bot].env[EXCHANGE_API_KEY].valueFrom.secretKeyRef.name": lambda pod, bot: bot["env"][3]["valueFrom"][
        "secretKeyRef"
    ].update(name="mine"),
    "volumes[config].configMap.name": lambda pod, bot: pod["volumes"][0]["configMap"].update(name="mine"),
    "serviceAccountName": lambda pod, bot: pod.update(serviceAccountName="default"),
    "securityContext.runAsUser": lambda pod, bot: pod["securityContext"].update(runAsUser=0),
    "containers[bot].securityContext.readOnlyRootFilesystem": lambda pod, bot: bot["securityContext"].update(
        readOnlyRootFilesystem=False
    ),
}


@pytest.mark.parametrize("spec", [TEMPLATE, POD], ids=["template", "pod"])
@pytest.mark.parametrize("what", ADDITIONS)
def test_whatever_is_added_is_named(spec: dict[str, Any], what: str) -> None:
    pod = scheduled(spec)
    ADDITIONS[what](pod, pod["containers"][0])
    assert beside(spec, pod) == [what]


@pytest.mark.parametrize("what", ADDITIONS | CHANGES)
def test_a_pod_with_anything_added_or_changed_is_another_pod(what: str) -> None:
    pod = scheduled(POD)
    (ADDITIONS | CHANGES)[what](pod, pod["containers"][0])
    assert what in altered(POD, pod)
