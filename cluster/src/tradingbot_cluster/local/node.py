"""The node of a whole local cluster: what it needs of the machine, its runtime, and its complete removal."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tradingbot_cluster import state as states
from tradingbot_cluster.console import step
from tradingbot_cluster.errors import BusyError, ClusterError
from tradingbot_cluster.files import read_json, write_atomically
from tradingbot_cluster.local import addons, cgroups, configs, network, runtime
from tradingbot_cluster.paths import runtime_base
from tradingbot_cluster.prerequisites import NODE, require, require_root
from tradingbot_cluster.processes import recorded, stop_recorded

if TYPE_CHECKING:
    from tradingbot_cluster.kubeconfig import Kubectl
    from tradingbot_cluster.local.components import Instance

READY_SECONDS = 90.0


def owner_file() -> Path:
    """Return the file that names the one instance of this machine that has a node."""
    return runtime_base() / "node-owner.json"


class Node:
    """The node of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @staticmethod
    def check_prerequisites(instance: Instance) -> None:
        """See to it that the machine has what a node needs, and no other node."""
        require_root("a local cluster")
        require(NODE)
        owner = read_json(owner_file())
        if owner is not None and owner.get("key") != instance.layout.key:
            kubelet = runtime_base() / str(owner.get("key")) / "processes" / "kubelet"
            if recorded(kubelet) is not None:
                raise BusyError(
                    "this machine has room for one local cluster with a node (kube-proxy's rules are the machine's). "
                    f"One runs already, its state is in {owner.get('state')}: take it down there with make cluster-down"
                )
        if owner is None and network.foreign_node():
            raise BusyError(
                "another Kubernetes node runs on this machine (there is an iptables chain KUBE-SERVICES that is not "
                "ours). Use that cluster: CLUSTER=existing KUBECONFIG_EXISTING=<file>"
            )
        record = {"key": instance.layout.key, "state": str(instance.layout.state)}
        write_atomically(owner_file(), json.dumps(record))

    def prepare_network(self) -> None:
        """Make the device, the rules and the control group; note first what they change."""
        state = self.instance.state
        with step("network and control group"):
            if not state.sysctls:
                state.sysctls = network.read_sysctls()
                states.save(self.instance.layout, state)
            network.prepare(self.instance)
            cgroups.create(self.instance.cgroup)

    def prepare_runtime(self) -> None:
        """Write the node's configuration."""
        state, layout = self.instance.state, self.instance.layout
        if not state.snapshotter:
            state.snapshotter = runtime.snapshotter(layout.data)
            states.save(layout, state)
        configs.write_node(self.instance, state.snapshotter, runtime.pause_image()[0])
        (layout.data / "kubelet").mkdir(exist_ok=True)

    @property
    def images(self) -> runtime.Images:
        """Return the images of the node."""
        return runtime.Images(self.instance, self.instance.state.snapshotter)

    def import_pause_image(self) -> None:
        """Import the image of the pods' first process."""
        reference, archive = runtime.pause_image()
        if reference not in self.images.references():
            self.images.load(archive)

    def apply_addons(self, kubectl: Kubectl) -> None:
        """Apply what the cluster holds from its start."""
        with step("DNS service, storage class and volumes"):
            addons.apply(self.instance, kubectl)

    def wait_ready(self, kubectl: Kubectl, since: datetime | None) -> None:
        """Wait until the kubelet that was started after `since` says that pods can be scheduled to the node."""
        deadline = time.monotonic() + READY_SECONDS
        with step("node ready") as running:
            while True:
                reason = self._not_ready(kubectl, since)
                if not reason:
                    return
                if time.monotonic() > deadline:
                    raise ClusterError(f"the node is not ready after {READY_SECONDS:.0f} s: {reason}")
                running.update(reason)
                time.sleep(0.25)

    def _not_ready(self, kubectl: Kubectl, since: datetime | None) -> str:
        listed = json.loads(kubectl.run("get", "nodes", "--output=json"))["items"]
        for item in listed:
            if item["metadata"]["name"] == self.instance.node:
                for condition in item["status"].get("conditions", []):
                    if condition["type"] == "Ready":
                        if since is not None and datetime.fromisoformat(condition["lastHeartbeatTime"]) < since:
                            return "it has not said anything since its start"
                        return "" if condition["status"] == "True" else str(condition.get("message", "not ready"))
        return "it has not registered"

    def remove(self) -> None:
        """Stop the node's components and its pods, and take back what they changed on the machine."""
        instance = self.instance
        for name in ("kubelet", "kube-proxy", "coredns"):
            with step(f"stop {name}"):
                stop_recorded(instance.record(name))
        with step("stop containerd and the pods") as running:
            sockets = runtime.shim_sockets(instance)
            killed = cgroups.kill(instance.cgroup)
            stop_recorded(instance.record("containerd"))
            killed += cgroups.kill(instance.cgroup)  # what it started in between
            running.result(f"{killed} processes")
            for socket in sockets:
                socket.unlink(missing_ok=True)
        with step("mounts, control group and network"):
            runtime.unmount_all([instance.layout.data, instance.layout.run])
            cgroups.remove(instance.cgroup)
            network.remove(instance)
            network.restore_sysctls(instance.state.sysctls)
            self._remove_log_links()
            owner = read_json(owner_file())
            if owner is not None and owner.get("key") == instance.layout.key:
                owner_file().unlink(missing_ok=True)

    def _remove_log_links(self) -> None:
        """Remove the links that the kubelet makes to its pods' logs, in a directory that it cannot be told."""
        links = Path("/var/log/containers")
        if links.is_dir():
            for link in links.iterdir():
                if link.is_symlink() and str(link.readlink()).startswith(f"{self.instance.layout.data}/"):
                    link.unlink()
