"""The restricted profile of the Pod Security Standards, and what this project asks for beyond it.

The API server enforces the first on namespaces that carry its label; this finds a violation before there is a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}


def containers(spec: Spec) -> list[Spec]:
    """All containers of a pod spec, of every kind."""
    return [
        container
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(kind) or []
    ]


def pod_specs(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Spec]]:
    """Every pod spec in a manifest of whatever kind, with its place."""

    def walk(value: Any, place: str) -> Iterator[tuple[str, Spec]]:
        if isinstance(value, Mapping):
            if isinstance(value.get("containers"), list):
                yield place, value
            for key, inner in value.items():
                yield from walk(inner, f"{place}.{key}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from walk(inner, f"{place}[{index}]")

    if manifest.get("kind") != "CustomResourceDefinition":
        yield from walk(manifest, f"{manifest.get('kind')}/{manifest.get('metadata', {}).get('name')}")


def violations(spec: Spec) -> list[str]:
    """What the restricted profile forbids in this pod spec, one sentence each."""
    return [*_of_pod(spec), *(found for container in containers(spec) for found in _of_container(container, spec))]


def _of_pod(spec: Spec) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is true"
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds - VOLUMES))}"
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"sysctl {sysctl['name']} is set"
    yield from _of_either(context, "pod")


def _of_either(context: Spec, who: str) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield f"{who}: runAsUser is 0"
    if context.get("runAsNonRoot") is False:
        yield f"{who}: runAsNonRoot is false"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{who}: seLinuxOptions are set"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{who}: hostProcess is true"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield f"{who}: AppArmor is off"


def _of_container(container: Spec, spec: Spec) -> Iterator[str]:
    name = container.get("name")
    pod = spec.get("securityContext") or {}
    context = container.get("securityContext") or {}
    yield from _of_either(context, f"container {name}")
    if context.get("privileged"):
        yield f"container {name}: privileged is true"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"container {name}: allowPrivilegeEscalation is not false"
    if context.get("procMount") not in {None, "Default"}:
        yield f"container {name}: procMount is set"
    if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield f"container {name}: runAsNonRoot is not true, neither here nor in the pod"
    seccomp = context.get("seccompProfile") or pod.get("seccompProfile") or {}
    if seccomp.get("type") not in PROFILES:
        yield f"container {name}: seccompProfile is not RuntimeDefault, neither here nor in the pod"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"container {name}: capabilities are not dropped"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"container {name}: capabilities are added"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"container {name}: hostPort {port['hostPort']}"
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(field) or {}
        if any((probe.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
            yield f"container {name}: {field} names a host"


def shortcomings(spec: Spec) -> list[str]:
    """What this project asks for beyond the profile: fixed users, read-only roots, bounded memory, a stated token."""
    found = []
    pod = spec.get("securityContext") or {}
    if "automountServiceAccountToken" not in spec:
        found.append("automountServiceAccountToken is not stated")
    if spec.get("enableServiceLinks") is not False:
        found.append("enableServiceLinks is not false: the addresses of all Services would be in the environment")
    for container in containers(spec):
        name = container.get("name")
        context = container.get("securityContext") or {}
        resources = container.get("resources") or {}
        if context.get("readOnlyRootFilesystem") is not True:
            found.append(f"container {name}: readOnlyRootFilesystem is not true")
        if not isinstance(context.get("runAsUser", pod.get("runAsUser")), int):
            found.append(f"container {name}: runAsUser is not fixed")
        if not {"cpu", "memory"} <= set(resources.get("requests") or {}):
            found.append(f"container {name}: no requests for cpu and memory")
        if "memory" not in (resources.get("limits") or {}):
            found.append(f"container {name}: no memory limit")
    return found
