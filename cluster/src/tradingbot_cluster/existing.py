"""The existing provider: a cluster that the user has, and names. It is never found by looking at the user's context."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster import binaries, commands
from tradingbot_cluster import state as states
from tradingbot_cluster.console import step
from tradingbot_cluster.errors import UsageError
from tradingbot_cluster.files import exclusive, write_atomically
from tradingbot_cluster.images import docker
from tradingbot_cluster.images.push import BuildahPusher, DockerPusher
from tradingbot_cluster.interface import ClusterStatus, Image, UpOptions
from tradingbot_cluster.kind import forget, kubectl_status

if TYPE_CHECKING:
    from tradingbot_cluster.commands import Runner
    from tradingbot_cluster.images.push import Pusher
    from tradingbot_cluster.paths import Layout

KUBECONFIG_VARIABLE: Final = "KUBECONFIG_EXISTING"
CONTEXT_VARIABLE: Final = "CONTEXT_EXISTING"
REGISTRY_VARIABLE: Final = "REGISTRY_EXISTING"


class ExistingProvider:
    """The cluster of a kubeconfig that the user names. Nothing of it is made or removed here."""

    name = "existing"

    def __init__(
        self, layout: Layout, run: Runner = commands.run, kubectl: str = "", pusher: Pusher | None = None
    ) -> None:
        self.layout = layout
        self._pusher = pusher
        self._run = run
        self._kubectl_program = kubectl

    def up(self, options: UpOptions) -> None:
        """Copy the named context of the named kubeconfig into the checkout, and see that its API server answers."""
        if options.control_plane_only or options.kwok_nodes:
            raise UsageError("a control plane alone and simulated nodes are the local provider's: CLUSTER=local")
        known = states.load(self.layout)
        file = os.environ.get(KUBECONFIG_VARIABLE) or (known.kubeconfig if known else "")
        context = os.environ.get(CONTEXT_VARIABLE) or (known.context if known else "")
        registry = os.environ.get(REGISTRY_VARIABLE) or (known.registry if known else "")
        if not file:
            raise UsageError(
                f"CLUSTER=existing needs {KUBECONFIG_VARIABLE}=<file>, and takes {CONTEXT_VARIABLE}=<name>"
            )
        if not Path(file).is_file():
            raise UsageError(f"{KUBECONFIG_VARIABLE}={file} is not a file")
        with exclusive(self.layout.lock, f"the cluster {self.layout.instance!r}"):
            self.layout.prepare()
            chosen = [f"--context={context}"] if context else []
            with step("kubeconfig of the existing cluster"):
                view = ["config", "view", "--minify", "--flatten", "--raw"]
                content = self._run([self._kubectl(), f"--kubeconfig={Path(file).resolve()}", *chosen, *view])
                write_atomically(self.layout.kubeconfig, content, 0o600)
                state = states.State(
                    self.layout.instance,
                    self.name,
                    kubeconfig=str(Path(file).resolve()),
                    context=context,
                    registry=registry,
                    pushed=known.pushed if known else [],
                )
                states.save(self.layout, state)
            with step("API server of the existing cluster"):
                base = [self._kubectl(), f"--kubeconfig={self.layout.kubeconfig}", "--request-timeout=10s"]
                self._run([*base, "get", "--raw=/readyz"], timeout=30)

    def down(self) -> bool:
        """Forget the cluster; it goes on as it was."""
        with exclusive(self.layout.lock, f"the cluster {self.layout.instance!r}"):
            anything = states.load(self.layout) is not None
            forget(self.layout)
            return anything

    def status(self) -> ClusterStatus:
        """Ask the API server and the nodes."""
        if states.load(self.layout) is None or not self.layout.kubeconfig.is_file():
            return ClusterStatus(self.layout.instance, self.name, running=False)
        return kubectl_status(self.layout, self.name, self._run, self._kubectl())

    def kubeconfig(self) -> Path:
        """Return the kubeconfig's path."""
        return self.layout.kubeconfig

    def build_images(self, names: list[str]) -> list[Image]:
        """Build what has changed, with Docker where it works, and push it to the registry that the user names.

        Without Docker no official image can be had either, and the stack's images are built and pushed as well.
        """
        state = states.load(self.layout)
        registry = (os.environ.get(REGISTRY_VARIABLE) or (state.registry if state else "")).rstrip("/")
        if not registry or state is None:
            raise UsageError(
                f"how do images get into this cluster? {REGISTRY_VARIABLE}=<registry>/<path> names a registry that you "
                "may push to and the cluster pulls from"
            )
        pusher = self._pusher or (DockerPusher(self._run) if docker.works(self._run) else BuildahPusher())
        built = []
        for source in pusher.select(names):
            tag = pusher.digest(source)
            target = f"{registry}/{source.name}:{tag}"
            if target not in state.pushed:
                with step(f"build and push {target}"):
                    pusher.push(source, target)
                state.registry, state.pushed = registry, [*state.pushed, target]
                states.save(self.layout, state)
            built.append(Image(source.name, target, tag))
        return built

    def load_image(self, reference: str, archive: Path | None = None) -> bool:
        """Refuse: what is not built here is pushed by whoever has it."""
        del archive
        raise UsageError(f"{reference}: push it to a registry that the cluster pulls from")

    def _kubectl(self) -> str:
        return self._kubectl_program or str(binaries.find("kubectl"))
