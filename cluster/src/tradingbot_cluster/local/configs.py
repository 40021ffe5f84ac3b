"""The components' configuration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tradingbot_cluster import kubeconfig
from tradingbot_cluster.files import write_if_changed
from tradingbot_cluster.local.cgroups import SHIMS
from tradingbot_cluster.prerequisites import cni_directory

if TYPE_CHECKING:
    from tradingbot_cluster.local.components import Instance


def write_control_plane(instance: Instance) -> None:
    """Write what the control plane's components read, and the kubeconfig of the person."""
    pki, name = instance.layout.pki, f"tradingbot-{instance.layout.instance}"
    kubeconfig.write(instance.layout.kubeconfig, name, instance.server, pki, "admin")
    for component in ("controller-manager", "scheduler", "proxy", "kubelet", "coredns"):
        kubeconfig.write(instance.kubeconfig(component), name, instance.server, pki, component)
    _write_yaml(instance.layout.config / "audit-policy.yaml", audit_policy())


def write_node(instance: Instance, snapshotter: str, pause_image: str) -> None:
    """Write what the node's components read."""
    config = instance.layout.config
    write_if_changed(config / "containerd.toml", containerd(instance, snapshotter, pause_image))
    (config / "cni").mkdir(exist_ok=True)
    write_if_changed(config / "cni" / "10-tradingbot.conflist", json.dumps(cni(instance), indent=2) + "\n")
    write_if_changed(config / "resolv.conf", f"nameserver {instance.plan.dns_service_ip}\n")
    write_if_changed(config / "Corefile", corefile(instance))
    _write_yaml(config / "kubelet.yaml", kubelet(instance))
    _write_yaml(config / "kube-proxy.yaml", kube_proxy(instance))


def _write_yaml(path: Path, document: dict[str, Any]) -> None:
    write_if_changed(path, yaml.safe_dump(document, sort_keys=False))


def audit_policy() -> dict[str, Any]:
    """Return the policy that notes what ServiceAccounts ask for: the test of the chart's RBAC reads it."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            # the control plane's own controllers are ServiceAccounts too, but not what anybody asks about
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            {"level": "None"},
        ],
    }


def containerd(instance: Instance, snapshotter: str, pause_image: str) -> str:
    """Return containerd's configuration: its directories and sockets are its own, a system's is not disturbed."""
    data, run, config = instance.layout.data, instance.layout.run, instance.layout.config
    return f"""version = 2
root = "{data}/containerd"
state = "{run}/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{instance.containerd_socket}"

[ttrpc]
  address = "{instance.containerd_socket}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{data}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Without it every sandbox fails on a machine whose root lacks CAP_SYS_RESOURCE ("can't get final child's PID").
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = false

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
  # The containers' supervisors outlive containerd. In a control group of ours they are found again without it.
  ShimCgroup = "/{instance.cgroup}/{SHIMS}"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni_directory()}"
  conf_dir = "{config}/cni"
"""


def cni(instance: Instance) -> dict[str, Any]:
    """Return the pods' network: routed pairs of devices, no bridge, so that no answer bypasses conntrack."""
    return {
        "cniVersion": "0.4.0",
        "name": f"tradingbot-{instance.layout.key}",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(instance.layout.data / "cni"),
                    "ranges": [[{"subnet": str(instance.plan.pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def kubelet(instance: Instance) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    pki, data = instance.layout.pki, instance.layout.data
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
        "address": instance.plan.node_ip,
        "port": instance.ports["kubelet"],
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": instance.ports["kubelet-health"],
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "clusterDomain": "cluster.local",
        "clusterDNS": [instance.plan.dns_service_ip],
        "resolvConf": str(instance.layout.config / "resolv.conf"),
        "maxPods": 250,
        "podLogsDir": str(data / "pod-logs"),
        "volumePluginDir": str(data / "kubelet-volume-plugins"),
        # The images are imported, nobody could pull them again: never collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "nodeStatusUpdateFrequency": "5s",
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
    }


def kube_proxy(instance: Instance) -> dict[str, Any]:
    """Return kube-proxy's configuration: it leaves the machine's conntrack settings and its loopback alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(instance.kubeconfig("proxy"))},
        "hostnameOverride": instance.node,
        "clusterCIDR": str(instance.plan.pods),
        "healthzBindAddress": f"127.0.0.1:{instance.ports['proxy-health']}",
        "metricsBindAddress": f"127.0.0.1:{instance.ports['proxy-metrics']}",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"localhostNodePorts": False},
    }


def corefile(instance: Instance) -> str:
    """Return CoreDNS's configuration. Names outside the cluster go to the machine's own servers, where it has some."""
    forward = "\n    forward . /etc/resolv.conf" if _has_nameserver() else ""
    return f""".:53 {{
    bind {instance.plan.node_ip}
    errors
    health 127.0.0.1:{instance.ports["coredns-health"]}
    ready 127.0.0.1:{instance.ports["coredns-ready"]}
    cache 30
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {instance.kubeconfig("coredns")} tradingbot-{instance.layout.instance}
        pods insecure
        fallthrough in-addr.arpa
        ttl 5
    }}{forward}
}}
"""


def _has_nameserver() -> bool:
    try:
        with Path("/etc/resolv.conf").open() as stream:
            return any(line.split()[:1] == ["nameserver"] for line in stream)
    except FileNotFoundError:
        return False
