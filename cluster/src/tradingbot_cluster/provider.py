"""The one interface of the three ways to have a cluster, and the choice between them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from tradingbot_cluster import state as states
from tradingbot_cluster.errors import EXIT_NOT_RUNNING, EXIT_OK, EXIT_UNHEALTHY, UsageError
from tradingbot_cluster.kind import docker_works

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_cluster.paths import Layout

PROVIDERS: Final = ("existing", "kind", "local")


@dataclass(frozen=True)
class UpOptions:
    """What the person may say about a new cluster. None leaves what an existing one has."""

    control_plane_only: bool = False
    scheduler: bool | None = None
    audit: bool | None = None
    kwok_nodes: int | None = None


@dataclass(frozen=True)
class ComponentStatus:
    """One line of the status."""

    component: str
    pid: int | None
    healthy: bool
    detail: str = ""
    rss_bytes: int = 0


@dataclass(frozen=True)
class ClusterStatus:
    """How a cluster is."""

    instance: str
    provider: str
    running: bool
    kubeconfig: str = ""
    server: str = ""
    components: list[ComponentStatus] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Return whether everything that should run is well."""
        return self.running and all(component.healthy for component in self.components)

    @property
    def exit_code(self) -> int:
        """Return what `status` ends with."""
        if not self.running:
            return EXIT_NOT_RUNNING
        return EXIT_OK if self.healthy else EXIT_UNHEALTHY

    def to_json(self) -> dict[str, Any]:
        """Return the status for `--json`."""
        return {**asdict(self), "healthy": self.healthy}


@dataclass(frozen=True)
class Image:
    """One image. `reference` names it in the cluster, `digest` is a hash of what it was built from."""

    name: str
    reference: str
    digest: str


class Provider(Protocol):
    """A way to have a cluster."""

    name: str

    def up(self, options: UpOptions) -> None:
        """Make the cluster, or what is missing of it."""

    def down(self) -> bool:
        """Remove everything that `up` made; return whether there was anything."""

    def status(self) -> ClusterStatus:
        """Tell how the cluster is."""

    def kubeconfig(self) -> Path:
        """Return the kubeconfig's path."""

    def build_images(self, names: list[str]) -> list[Image]:
        """Build the named images (all of them without a name), or find that they are built."""

    def load_image(self, reference: str, archive: Path | None = None) -> bool:
        """Make an image usable by pods; return False when it was so already."""


def choose(layout: Layout, named: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Return the provider: the named one, that of the running cluster, kind where it can work, else local."""
    variables = os.environ if environment is None else environment
    wanted = named or variables.get("CLUSTER", "")
    if wanted and wanted not in PROVIDERS:
        raise UsageError(f"CLUSTER={wanted} is not one of {', '.join(PROVIDERS)}")
    recorded = states.load(layout)
    if recorded is not None:
        if wanted and wanted != recorded.provider:
            raise UsageError(
                f"the cluster {layout.instance!r} of this checkout is of the provider {recorded.provider!r}, "
                f"not {wanted!r}: take it down first (make cluster-down)"
            )
        return recorded.provider
    if wanted:
        return wanted
    if variables.get("KUBECONFIG_EXISTING"):
        return "existing"
    return "kind" if docker_works(variables) else "local"


def make(layout: Layout, named: str = "") -> Provider:
    """Return the provider that `choose` chooses."""
    chosen = choose(layout, named)
    if chosen == "existing":
        from tradingbot_cluster.existing import ExistingProvider

        return ExistingProvider(layout)
    if chosen == "kind":
        from tradingbot_cluster.kind import KindProvider

        return KindProvider(layout)
    from tradingbot_cluster.local.provider import LocalProvider

    return LocalProvider(layout)
