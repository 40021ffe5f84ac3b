"""The local provider: bring the components up, take them down, tell how they are."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tradingbot_cluster import binaries
from tradingbot_cluster import state as states
from tradingbot_cluster.console import step
from tradingbot_cluster.errors import NotRunningError, UsageError
from tradingbot_cluster.files import exclusive, read_json, write_atomically
from tradingbot_cluster.interface import ClusterStatus, ComponentStatus, Image, UpOptions
from tradingbot_cluster.kubeconfig import Kubectl
from tradingbot_cluster.local import configs, kwok, pki
from tradingbot_cluster.local.addresses import (
    CONTROL_PLANE_PORTS,
    NODE_PORTS,
    choose_index,
    choose_ports,
    port_is_free,
    used_networks,
)
from tradingbot_cluster.local.components import Component, Instance, control_plane, node
from tradingbot_cluster.local.health import wait_healthy
from tradingbot_cluster.local.node import Node
from tradingbot_cluster.prerequisites import SYSTEM_PATH
from tradingbot_cluster.processes import recorded, start, stop_recorded
from tradingbot_cluster.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradingbot_cluster.paths import Layout


class LocalProvider:
    """Real Kubernetes components as processes of this machine."""

    name = "local"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def up(self, options: UpOptions) -> None:
        """Start what is not running, of an instance that is made when it is not there."""
        with self._locked():
            began = datetime.now(UTC).replace(microsecond=0)
            instance = self._prepare(options)
            full = not instance.state.control_plane_only
            if full:
                Node.check_prerequisites(instance)
            binaries.ensure(self._tools(instance))
            with step("certificates and configuration") as running:
                running.result("written" if pki.ensure(self.layout.pki, instance.plan, instance.node) else "unchanged")
                configs.write_control_plane(instance)
            if full:
                Node(instance).prepare_network()
            self._start_all(control_plane(instance))
            if instance.state.kwok_nodes:
                self._start(kwok.component(instance))
                with step(f"{instance.state.kwok_nodes} simulated nodes"):
                    kwok.apply_nodes(self.kubectl(instance), instance.state.kwok_nodes)
            if full:
                worker = Node(instance)
                worker.prepare_runtime()
                self._start_all(node(instance)[:1])
                worker.import_pause_image()
                worker.apply_addons(self.kubectl(instance))
                restarted = recorded(instance.record("kubelet")) is None
                self._start_all(node(instance)[1:])
                worker.wait_ready(self.kubectl(instance), began if restarted else None)

    def down(self) -> bool:
        """Stop and remove everything of the instance."""
        with self._locked():
            recorded_state = states.load(self.layout)
            anything = recorded_state is not None or self.layout.processes.exists()
            if recorded_state is not None:
                instance = Instance(self.layout, recorded_state)
                if not recorded_state.control_plane_only:
                    Node(instance).remove()
            if self.layout.processes.exists():
                self._stop_all()
            self._forget(recorded_state)
            return anything

    def status(self) -> ClusterStatus:
        """Ask every component for its health."""
        recorded_state = states.load(self.layout)
        if recorded_state is None or not recorded_state.ports:
            return ClusterStatus(self.layout.instance, self.name, running=False)
        instance = Instance(self.layout, recorded_state)
        components = [self._component_status(instance, component) for component in self._components(instance)]
        notes = []
        if not recorded_state.control_plane_only:
            notes.append("NetworkPolicies are stored but not enforced: the pods' network is plain routing")
        return ClusterStatus(
            self.layout.instance,
            self.name,
            running=any(component.pid is not None for component in components),
            kubeconfig=str(self.layout.kubeconfig),
            server=instance.server,
            components=components,
            notes=notes,
        )

    def kubeconfig(self) -> Path:
        """Return the kubeconfig's path."""
        return self.layout.kubeconfig

    def kubectl(self, instance: Instance) -> Kubectl:
        """Return kubectl for the instance."""
        return Kubectl(binaries.program("kubectl"), instance.layout.kubeconfig)

    def build_images(self, names: list[str]) -> list[Image]:
        """Build the images with buildah and import them into the instance's containerd."""
        from tradingbot_cluster.images.build import build_local

        instance = self._running_node()
        return build_local(Node(instance), names)

    def load_image(self, reference: str, archive: Path | None = None) -> bool:
        """Import an image from an archive, or from buildah's storage."""
        from tradingbot_cluster.images.build import load_local

        return load_local(Node(self._running_node()), reference, archive)

    def _running_node(self) -> Instance:
        recorded_state = states.load(self.layout)
        if recorded_state is None or recorded_state.control_plane_only:
            raise NotRunningError(f"no cluster {self.layout.instance!r} with a node: make cluster-up")
        instance = Instance(self.layout, recorded_state)
        if recorded(instance.record("containerd")) is None:
            raise NotRunningError(f"containerd of the cluster {self.layout.instance!r} is not running: make cluster-up")
        return instance

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self.layout.lock, f"the cluster {self.layout.instance!r}"):
            yield

    def _prepare(self, options: UpOptions) -> Instance:
        """Decide on addresses and ports, and record them before anything is made with them."""
        self.layout.prepare()
        known = states.load(self.layout)
        if known is None:
            index = choose_index(self.layout.key, used_networks())
            known = State(self.layout.instance, self.name, options.control_plane_only, index=index)
            known.scheduler = not options.control_plane_only if options.scheduler is None else options.scheduler
        elif known.control_plane_only != options.control_plane_only:
            is_now = "only a control plane" if known.control_plane_only else "a whole cluster"
            raise UsageError(f"the instance {self.layout.instance!r} is {is_now}: take it down first, or name another")
        if options.scheduler is not None:
            known.scheduler = options.scheduler
        if options.kwok_nodes is not None:
            if not known.control_plane_only:
                raise UsageError("simulated nodes need an instance of their own: --control-plane-only --instance NAME")
            known.kwok_nodes = options.kwok_nodes
            known.scheduler = True
        if options.audit is not None:
            known.audit = options.audit
        known.data = str(self.layout.data)
        known.ports = self._ports(known)
        states.save(self.layout, known)
        return Instance(self.layout, known)

    def _ports(self, known: State) -> dict[str, int]:
        """Keep the ports of an instance, unless nothing of it runs and somebody else has taken one meanwhile."""
        kept = known.ports
        if not any(recorded(record) for record in self.layout.processes.iterdir()):
            kept = {name: port for name, port in kept.items() if port_is_free(port)}
        names = CONTROL_PLANE_PORTS if known.control_plane_only else (*CONTROL_PLANE_PORTS, *NODE_PORTS)
        # Two instances that come up at the same time would find the same ports free: each writes down which it has.
        claims = self.layout.run.parent
        with exclusive(claims / "ports.lock", "the choice of ports"):
            others = [read_json(path) or {} for path in claims.glob("*/ports") if path.parent != self.layout.run]
            taken = {port for other in others for port in other.values()}
            ports = choose_ports(self.layout.key, names, kept, taken)
            write_atomically(self.layout.run / "ports", json.dumps(ports))
        return ports

    def _tools(self, instance: Instance) -> list[str]:
        if not instance.state.control_plane_only:
            return ["kube", "pause", "helm"]
        return ["kube", "kwok"] if instance.state.kwok_nodes else ["kube"]

    def _components(self, instance: Instance) -> list[Component]:
        simulated = [kwok.component(instance)] if instance.state.kwok_nodes else []
        return control_plane(instance) + simulated + ([] if instance.state.control_plane_only else node(instance))

    def _start_all(self, components: list[Component]) -> None:
        for component in components:
            self._start(component)

    def _start(self, component: Component) -> None:
        record, log = self.layout.processes / component.name, self.layout.logs / f"{component.name}.log"
        with step(component.name) as running:
            if recorded(record) is None:
                start(record, component.argv, log, {"PATH": SYSTEM_PATH, "HOME": str(self.layout.data)})
                running.result("started")
            else:
                running.result("already running")
            wait_healthy(component.name, component.probe, record, log, component.start_seconds, running.update)

    def _stop_all(self) -> None:
        """Stop in the reverse order of the start; the API server goes on until those that use it have ended."""
        order = ["kwok", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"]
        present = {record.name for record in self.layout.processes.iterdir()}
        for name in [*order, *sorted(present - set(order))]:
            if name in present:
                with step(f"stop {name}") as running:
                    if not stop_recorded(self.layout.processes / name, 20 if name == "kube-apiserver" else 10):
                        running.result("was not running")

    def _forget(self, recorded_state: State | None) -> None:
        """Remove the instance's files; the record last, so that an interrupted removal can be repeated."""
        layout = self.layout
        for directory in (layout.logs, layout.pki, layout.config, layout.data, layout.processes):
            if directory.exists():
                shutil.rmtree(directory)
        layout.kubeconfig.unlink(missing_ok=True)
        (layout.state / "run").unlink(missing_ok=True)
        states.remove(layout)
        if layout.run.exists():
            shutil.rmtree(layout.run)
        for directory in (layout.state, layout.state.parent, layout.data.parent):
            if directory.is_dir() and not any(directory.iterdir()) and recorded_state is not None:
                directory.rmdir()
        layout.lock.unlink(missing_ok=True)

    def _component_status(self, instance: Instance, component: Component) -> ComponentStatus:
        process = recorded(instance.record(component.name))
        if process is None:
            return ComponentStatus(component.name, None, healthy=False, detail="not running")
        started = time.monotonic()
        reason = component.probe()
        detail = reason or f"healthy, answered in {(time.monotonic() - started) * 1000:.0f} ms"
        return ComponentStatus(component.name, process.pid, not reason, detail, process.rss_bytes())
