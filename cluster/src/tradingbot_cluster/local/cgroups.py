"""Control groups, of version 1, 2 or both at once: the one that all pods of an instance are in."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.processes import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIMS: Final = "shims"
V2_CONTROLLERS: Final = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy. `controllers` is empty for version 2."""

    path: Path
    controllers: tuple[str, ...]

    @property
    def unified(self) -> bool:
        """Return whether it is version 2."""
        return not self.controllers


def parse_mounts(mounts: str) -> list[Hierarchy]:
    """Return the hierarchies that /proc/mounts lists."""
    found = []
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 4:
            continue
        path, kind, options = Path(fields[1]), fields[2], fields[3].split(",")
        if kind == "cgroup2":
            found.append(Hierarchy(path, ()))
        elif kind == "cgroup":
            flags = {"rw", "ro", "nosuid", "nodev", "noexec", "relatime", "xattr", "clone_children"}
            controllers = tuple(option for option in options if option not in flags and "release_agent" not in option)
            found.append(Hierarchy(path, controllers))
    return found


def hierarchies() -> list[Hierarchy]:
    """Return this machine's hierarchies."""
    return parse_mounts(Path("/proc/mounts").read_text())


def create(name: str) -> None:
    """Make the group in every hierarchy, usable by the kubelet as the root of its own, and one for the shims in it."""
    for hierarchy in hierarchies():
        if hierarchy.unified:
            _delegate(hierarchy.path)
        for group in (hierarchy.path / name, hierarchy.path / name / SHIMS):
            group.mkdir(exist_ok=True)
            if "cpuset" in hierarchy.controllers:
                for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, which then can hold no process
                    if not (group / file).read_text().strip():
                        (group / file).write_text((group.parent / file).read_text())
        if hierarchy.unified:
            _delegate(hierarchy.path / name)


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    for controller in V2_CONTROLLERS:
        if controller in available:
            try:
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as refused:
                raise ClusterError(f"the control group {group} cannot hand on {controller}: {refused}") from refused


def pids(name: str) -> set[int]:
    """Return the processes in the group and those below it."""
    found: set[int] = set()
    for group in _groups(name):
        try:
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
        except OSError:  # it ended meanwhile, or is a threaded group
            continue
    return found - {0}


def kill(name: str, seconds: float = 20.0) -> int:
    """Kill every process in the group; return how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + seconds
    while remaining := pids(name):
        for pid in remaining:
            process = describe(pid)
            if process is not None and pid in pids(name):  # still in the group: the pid has not changed hands
                process.send(signal.SIGKILL)
        killed |= remaining
        if time.monotonic() > deadline:
            raise ClusterError(f"processes {sorted(remaining)} of the control group {name} do not end")
        time.sleep(0.05)
    return len(killed)


def remove(name: str) -> None:
    """Remove the group and those below it."""
    for group in _groups(name):
        for _ in range(50):
            try:
                group.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # the kernel still tidies up after the last process
                time.sleep(0.05)


def _groups(name: str) -> Iterator[Path]:
    """Yield the group's directory in each hierarchy and those below it, the deepest first."""
    for hierarchy in hierarchies():
        top = hierarchy.path / name
        # Groups end while they are listed; os.walk passes over what is gone, Path.rglob raises.
        for folder, _, _ in os.walk(top, topdown=False):
            yield Path(folder)
