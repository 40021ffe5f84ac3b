"""The one interface of the three ways to have a cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tradingbot_cluster.errors import EXIT_NOT_RUNNING, EXIT_OK, EXIT_UNHEALTHY

if TYPE_CHECKING:
    from pathlib import Path


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
