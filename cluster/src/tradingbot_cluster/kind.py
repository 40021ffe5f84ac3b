"""The kind provider: Kubernetes in Docker, where a Docker engine answers and images can be pulled."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from tradingbot_cluster import binaries, commands
from tradingbot_cluster import state as states
from tradingbot_cluster.console import step
from tradingbot_cluster.errors import ClusterError, UsageError
from tradingbot_cluster.files import exclusive
from tradingbot_cluster.images import catalogue, docker
from tradingbot_cluster.interface import ClusterStatus, ComponentStatus, Image, UpOptions
from tradingbot_cluster.paths import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tradingbot_cluster.commands import Runner
    from tradingbot_cluster.paths import Layout

# The image that the pinned kind was released with.
NODE_IMAGE: Final = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"


def docker_works(variables: Mapping[str, str], run: Runner = commands.run) -> bool:
    """Return whether a Docker engine answers and has, or can pull, the image of a node."""
    if shutil.which("docker", path=variables.get("PATH", os.defpath)) is None:
        return False
    if not docker.works(run):
        return False
    for question in (["docker", "image", "inspect", NODE_IMAGE], ["docker", "manifest", "inspect", NODE_IMAGE]):
        try:
            run(question, timeout=30)
        except ClusterError:
            continue
        return True
    return False


class KindProvider:
    """A kind cluster of this checkout's own."""

    name = "kind"

    def __init__(self, layout: Layout, run: Runner = commands.run, kind: str = "", kubectl: str = "") -> None:
        self.layout = layout
        self._run = run
        self._kind_program = kind
        self._kubectl_program = kubectl

    @property
    def cluster(self) -> str:
        """Return the name of the kind cluster."""
        suffix = "" if self.layout.instance == DEFAULT_INSTANCE else f"-{self.layout.instance}"
        return f"tradingbot-{self.layout.key}{suffix}"

    def up(self, options: UpOptions) -> None:
        """Create the cluster, or write the kubeconfig of the one that is there."""
        if options.control_plane_only or options.kwok_nodes:
            raise UsageError("a control plane alone and simulated nodes are the local provider's: CLUSTER=local")
        with exclusive(self.layout.lock, f"the cluster {self.layout.instance!r}"):
            self.layout.prepare()
            states.save(self.layout, states.State(self.layout.instance, self.name))
            with step(f"kind cluster {self.cluster}") as running:
                if self.cluster in self._clusters():
                    self._kind("export", "kubeconfig", *self._names())
                    running.result("already there")
                else:
                    running.update("pulling the node's image and starting it")
                    self._kind(
                        "create", "cluster", *self._names(), f"--image={NODE_IMAGE}", "--wait=180s", timeout=1200
                    )

    def down(self) -> bool:
        """Delete the cluster."""
        with exclusive(self.layout.lock, f"the cluster {self.layout.instance!r}"):
            anything = states.load(self.layout) is not None
            if self.cluster in self._clusters():
                with step(f"delete kind cluster {self.cluster}"):
                    self._kind("delete", "cluster", *self._names(), timeout=300)
                anything = True
            forget(self.layout)
            return anything

    def status(self) -> ClusterStatus:
        """Ask the API server and the nodes."""
        if self.cluster not in self._clusters() or not self.layout.kubeconfig.is_file():
            return ClusterStatus(self.layout.instance, self.name, running=False)
        return kubectl_status(self.layout, self.name, self._run, self._kubectl())

    def kubeconfig(self) -> Path:
        """Return the kubeconfig's path."""
        return self.layout.kubeconfig

    def build_images(self, names: list[str]) -> list[Image]:
        """Build with Docker what has changed, and load it. The stack's images are the official ones."""
        built = []
        for source in catalogue.select(names, stack=False):
            if source.stack:
                raise UsageError(f"the image {source.name} is not built for kind: the official one is pulled")
            image = docker.build(self._run, source)
            self.load_image(image.reference)
            built.append(image)
        return built

    def load_image(self, reference: str, archive: Path | None = None) -> bool:
        """Load an image into the node."""
        if archive is not None:
            self._kind("load", "image-archive", str(archive), f"--name={self.cluster}", timeout=600)
            return True
        node = f"{self.cluster}-control-plane"
        listed = self._run(["docker", "exec", node, "ctr", "--namespace=k8s.io", "images", "list", "--quiet"])
        if reference in listed.split():
            return False
        with step(f"load image {reference}"):
            self._kind("load", "docker-image", reference, f"--name={self.cluster}", timeout=600)
        return True

    def _names(self) -> tuple[str, str]:
        return f"--name={self.cluster}", f"--kubeconfig={self.layout.kubeconfig}"

    def _clusters(self) -> list[str]:
        return self._kind("get", "clusters").split()

    def _kind(self, *arguments: str, timeout: float = 120) -> str:
        if not self._kind_program:
            self._kind_program = str(binaries.find("kind"))
        return self._run([self._kind_program, *arguments], timeout=timeout)

    def _kubectl(self) -> str:
        return self._kubectl_program or str(binaries.find("kubectl"))


def kubectl_status(layout: Layout, provider: str, run: Runner, kubectl: str) -> ClusterStatus:
    """Tell how a cluster is, that is known by its kubeconfig only."""
    base = [kubectl, f"--kubeconfig={layout.kubeconfig}", "--request-timeout=10s"]
    try:
        run([*base, "get", "--raw=/readyz"], timeout=30)
        api = ComponentStatus("kube-apiserver", None, healthy=True, detail="ready")
    except ClusterError as failed:
        api = ComponentStatus("kube-apiserver", None, healthy=False, detail=str(failed).splitlines()[-1])
    components = [api]
    if api.healthy:
        path = 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
        for line in run([*base, "get", "nodes", f"--output={path}"], timeout=30).splitlines():
            name, _, ready = line.partition("=")
            components.append(
                ComponentStatus(f"node {name}", None, ready == "True", "ready" if ready == "True" else "not ready")
            )
    server = run([*base, "config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}"])
    return ClusterStatus(
        layout.instance,
        provider,
        running=True,
        kubeconfig=str(layout.kubeconfig),
        server=server,
        components=components,
    )


def forget(layout: Layout) -> None:
    """Remove the few files of an instance that is not on this machine."""
    layout.kubeconfig.unlink(missing_ok=True)
    states.remove(layout)
    (layout.state / "run").unlink(missing_ok=True)
    if layout.run.exists():
        shutil.rmtree(layout.run)
    own = (layout.logs, layout.pki, layout.config, layout.data, layout.data.parent, layout.state, layout.state.parent)
    for directory in own:
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
    layout.lock.unlink(missing_ok=True)
