"""The components: what each is started with, and how it is asked for its health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_cluster.binaries import program
from tradingbot_cluster.local.addresses import AddressPlan
from tradingbot_cluster.local.health import HttpProbe, SocketProbe
from tradingbot_cluster.local.pki import SERVICE_ACCOUNT
from tradingbot_cluster.prerequisites import find_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tradingbot_cluster.paths import Layout
    from tradingbot_cluster.state import State


@dataclass(frozen=True)
class Component:
    """One daemon."""

    name: str
    argv: tuple[str, ...]
    probe: Callable[[], str]
    start_seconds: float = 60.0
    stop_seconds: float = 10.0


@dataclass(frozen=True)
class Instance:
    """One instance: its places, its record and what follows from these."""

    layout: Layout
    state: State

    @property
    def plan(self) -> AddressPlan:
        """Return the addresses."""
        return AddressPlan(self.state.index)

    @property
    def ports(self) -> Mapping[str, int]:
        """Return the ports."""
        return self.state.ports

    @property
    def node(self) -> str:
        """Return the name of the node."""
        return f"tradingbot-{self.layout.instance}"

    @property
    def server(self) -> str:
        """Return the address of the API server."""
        return f"https://127.0.0.1:{self.ports['apiserver']}"

    @property
    def containerd_socket(self) -> Path:
        """Return the socket of the instance's own containerd."""
        return self.layout.run / "containerd" / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """Return the name of the control group that all pods of the instance are in."""
        return f"tradingbot-{self.layout.key}"

    def record(self, component: str) -> Path:
        """Return the file that a component's process is recorded in."""
        return self.layout.processes / component

    def log(self, component: str) -> Path:
        """Return the file that a component logs to."""
        return self.layout.logs / f"{component}.log"

    def kubeconfig(self, component: str) -> Path:
        """Return the kubeconfig of a component."""
        return self.layout.config / f"{component}.kubeconfig"


def control_plane(instance: Instance) -> list[Component]:
    """Return the components of the control plane in the order of their start."""
    components = [_etcd(instance), _api_server(instance), _controller_manager(instance)]
    if instance.state.scheduler:
        components.append(_scheduler(instance))
    return components


def node(instance: Instance) -> list[Component]:
    """Return the components of the node in the order of their start."""
    config, ports = instance.layout.config, instance.ports
    return [
        Component(
            "containerd",
            (find_program("containerd"), "--config", str(config / "containerd.toml")),
            SocketProbe(instance.containerd_socket),
        ),
        Component(
            "coredns",
            (str(program("coredns")), "-conf", str(config / "Corefile")),
            HttpProbe(ports["coredns-ready"], "/ready"),
        ),
        Component(
            "kubelet",
            (
                str(program("kubelet")),
                f"--config={config / 'kubelet.yaml'}",
                f"--kubeconfig={instance.kubeconfig('kubelet')}",
                f"--hostname-override={instance.node}",
                f"--node-ip={instance.plan.node_ip}",
                f"--root-dir={instance.layout.data / 'kubelet'}",
                f"--cert-dir={instance.layout.data / 'kubelet' / 'pki'}",
                "--v=1",
            ),
            HttpProbe(ports["kubelet-health"], "/healthz"),
        ),
        Component(
            "kube-proxy",
            (str(program("kube-proxy")), f"--config={config / 'kube-proxy.yaml'}", "--v=1"),
            HttpProbe(ports["proxy-health"], "/livez"),
        ),
    ]


def _etcd(instance: Instance) -> Component:
    pki, ports = instance.layout.pki, instance.ports
    client, peer = (f"https://127.0.0.1:{ports[name]}" for name in ("etcd", "etcd-peer"))
    security = [
        f"--{prefix}{flag}={pki / file}"
        for prefix in ("", "peer-")
        for flag, file in (("cert-file", "etcd.crt"), ("key-file", "etcd.key"), ("trusted-ca-file", "ca.crt"))
    ]
    return Component(
        "etcd",
        (
            str(program("etcd")),
            "--name=tradingbot",
            f"--data-dir={instance.layout.data / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=tradingbot={peer}",
            f"--listen-metrics-urls=http://127.0.0.1:{ports['etcd-metrics']}",
            "--client-cert-auth",
            "--peer-client-cert-auth",
            *security,
            "--unsafe-no-fsync",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=30m",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ),
        HttpProbe(ports["etcd-metrics"], "/health"),
    )


def _api_server(instance: Instance) -> Component:
    pki, ports, plan = instance.layout.pki, instance.ports, instance.plan
    flags = [
        f"--secure-port={ports['apiserver']}",
        f"--service-cluster-ip-range={plan.services}",
        f"--etcd-servers=https://127.0.0.1:{ports['etcd']}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd-client.key'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        # Nobody has a certificate of this name, there is no aggregated API server: without it others complain for ever.
        f"--requestheader-client-ca-file={pki / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / f'{SERVICE_ACCOUNT}.pub'}",
        f"--service-account-signing-key-file={pki / f'{SERVICE_ACCOUNT}.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
        "--v=1",
    ]
    if instance.state.control_plane_only:
        # No pod has to reach it, so it shows itself to this machine only, and needs no address that pods can reach.
        flags += ["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]
    else:
        flags += ["--bind-address=0.0.0.0", f"--advertise-address={plan.node_ip}"]
    if instance.state.audit:
        flags += [
            f"--audit-policy-file={instance.layout.config / 'audit-policy.yaml'}",
            f"--audit-log-path={instance.layout.logs / 'audit.log'}",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=1",
        ]
    return Component(
        "kube-apiserver",
        (str(program("kube-apiserver")), *flags),
        HttpProbe(ports["apiserver"], "/readyz?verbose", tls=True),
        start_seconds=120,
        stop_seconds=20,
    )


def _controller_manager(instance: Instance) -> Component:
    pki, port = instance.layout.pki, instance.ports["controller-manager"]
    kubeconfig = instance.kubeconfig("controller-manager")
    return Component(
        "kube-controller-manager",
        (
            str(program("kube-controller-manager")),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={pki / 'controller-manager.crt'}",
            f"--tls-private-key-file={pki / 'controller-manager.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / f'{SERVICE_ACCOUNT}.key'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--service-cluster-ip-range={instance.plan.services}",
            "--use-service-account-credentials",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            "--leader-elect=false",
            "--authentication-tolerate-lookup-failure",
            "--profiling=false",
            "--v=1",
        ),
        HttpProbe(port, "/healthz", tls=True),
    )


def _scheduler(instance: Instance) -> Component:
    pki, port = instance.layout.pki, instance.ports["scheduler"]
    kubeconfig = instance.kubeconfig("scheduler")
    return Component(
        "kube-scheduler",
        (
            str(program("kube-scheduler")),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={pki / 'scheduler.crt'}",
            f"--tls-private-key-file={pki / 'scheduler.key'}",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            "--leader-elect=false",
            "--authentication-tolerate-lookup-failure",
            "--profiling=false",
            "--v=1",
        ),
        HttpProbe(port, "/healthz", tls=True),
    )
