"""What is known of one instance, written before anything is made that it would be needed to remove.

The file lies in the state directory, and a copy in the short run directory: deleting the checkout's ignored files
under a running cluster leaves a cluster that `down` still removes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import read_json, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tradingbot_cluster.paths import Layout

VERSION: Final = 1
FILE: Final = "state.json"


@dataclass
class State:
    """The record of one instance. Every field but the first two belongs to the local provider."""

    instance: str
    provider: str
    control_plane_only: bool = False
    scheduler: bool = True
    audit: bool = True
    kwok_nodes: int = 0
    index: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    data: str = ""
    snapshotter: str = ""
    #: kernel settings as they were before the first start, by their path below /proc/sys
    sysctls: dict[str, str] = field(default_factory=dict)
    #: the user's own kubeconfig, of the provider `existing`
    kubeconfig: str = ""
    context: str = ""
    #: where that cluster pulls the images from, and what was pushed there
    registry: str = ""
    pushed: list[str] = field(default_factory=list)
    version: int = VERSION


def save(layout: Layout, state: State) -> None:
    """Write the record to both of its places."""
    content = json.dumps(asdict(state), indent=2, sort_keys=True) + "\n"
    for directory in (layout.state, layout.run):
        write_atomically(directory / FILE, content, 0o600)


def load(layout: Layout) -> State | None:
    """Return the record of the instance, None when there is no instance."""
    for directory in (layout.state, layout.run):
        try:
            loaded = read_json(directory / FILE)
        except PermissionError as theirs:
            raise ClusterError(f"the cluster {layout.instance!r} was made by another user: use sudo") from theirs
        if loaded is not None:
            return _from_json(loaded, directory / FILE)
    return None


def _from_json(loaded: dict[str, Any], path: Path) -> State:
    if loaded.get("version") != VERSION:
        raise ClusterError(f"{path} was written by another version of this tool: use that version for cluster-down")
    known = {entry.name for entry in fields(State)}
    try:
        return State(**{name: value for name, value in loaded.items() if name in known})
    except TypeError as torn:
        raise ClusterError(f"{path} is not complete ({torn}): remove it") from torn


def remove(layout: Layout) -> None:
    """Forget the instance."""
    for directory in (layout.state, layout.run):
        (directory / FILE).unlink(missing_ok=True)
