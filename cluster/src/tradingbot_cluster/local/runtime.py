"""The instance's own containerd: its storage, its images, and removing every container and mount of it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.binaries import program
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import write_atomically
from tradingbot_cluster.paths import cache_directory
from tradingbot_cluster.prerequisites import SYSTEM_PATH, find_program

if TYPE_CHECKING:
    from tradingbot_cluster.local.components import Instance

IMAGE_PREFIX: Final = "localhost/tradingbot"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def snapshotter(data: Path) -> str:
    """Return the way containerd can lay an image's layers over each other on this file system."""
    trial = data / "overlay-trial"
    layers = [trial / name for name in ("lower", "upper", "work", "merged")]
    for layer in layers:
        layer.mkdir(parents=True, exist_ok=True)
    lower, upper, work, merged = layers
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mounted = _run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)])
    if mounted.returncode == 0:
        _run(["umount", str(merged)])
    _run(["rm", "-rf", str(trial)])
    return "overlayfs" if mounted.returncode == 0 else "native"


def _run(command: list[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": SYSTEM_PATH, "HOME": str(Path.home())}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, env=environment)


class Images:
    """The images that containerd has."""

    def __init__(self, instance: Instance, snapshotter_name: str) -> None:
        self._ctr = [find_program("ctr"), "--address", str(instance.containerd_socket), "--namespace", "k8s.io"]
        self._snapshotter = snapshotter_name

    def references(self) -> set[str]:
        """Return the names of all images."""
        return set(self._checked("images", "list", "--quiet").split())

    def load(self, archive: Path) -> None:
        """Import an archive."""
        self._checked("images", "import", f"--snapshotter={self._snapshotter}", str(archive))

    def tag(self, reference: str, name: str) -> None:
        """Give an image another name."""
        self._checked("images", "tag", "--force", reference, name)

    def _checked(self, *arguments: str) -> str:
        done = _run([*self._ctr, *arguments])
        if done.returncode != 0:
            raise ClusterError(f"ctr {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def pause_image() -> tuple[str, Path]:
    """Return the reference and the archive of the image that holds a pod's namespaces, written here byte by byte."""
    content = program("pause").read_bytes()
    reference = f"{IMAGE_PREFIX}/pause:{hashlib.sha256(content).hexdigest()[:12]}"
    archive = cache_directory() / "images" / f"pause-{reference.rpartition(':')[2]}.tar"
    if not archive.is_file():
        write_atomically(archive, docker_archive(reference, "pause", content))
    return reference, archive


def docker_archive(reference: str, name: str, content: bytes) -> bytes:
    """Return an image archive with one layer, which holds one static program that it runs as nobody."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {"Entrypoint": [f"/{name}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        members = (
            (config_name, config),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        )
        for member, data in members:
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


def shim_sockets(instance: Instance) -> list[Path]:
    """Return the sockets of the containers' shims, which lie in a directory that all containerds of a machine share."""
    bundles = instance.layout.run / "containerd" / "state" / "io.containerd.runtime.v2.task" / "k8s.io"
    addresses = [record.read_text().strip().removeprefix("unix://") for record in bundles.glob("*/address")]
    return [Path(address) for address in addresses if address.startswith("/run/containerd/s/")]


def mounts_below(mountinfo: str, directories: list[Path]) -> list[str]:
    """Return the mount points below some directories, the deepest and latest first."""
    found = []
    for line in mountinfo.splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if any(point.startswith(f"{directory}/") for directory in directories):
            found.append(point)
    return found[::-1]


def unmount_all(directories: list[Path]) -> None:
    """Unmount everything below some directories."""
    points: list[str] = []
    for _ in range(20):
        points = mounts_below(Path("/proc/self/mountinfo").read_text(), directories)
        if not points:
            return
        _run(["umount", "--lazy", *points])
        time.sleep(0.1)
    raise ClusterError(f"still mounted: {', '.join(points)}")
