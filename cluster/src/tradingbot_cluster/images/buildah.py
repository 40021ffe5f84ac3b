"""Build images with buildah, without a daemon and without touching the user's own images.

Its storage is in the cache. What a build needs of this machine to reach the package registries (certificates, proxies,
pip's settings) is given to the build and is not in the image.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import write_if_changed
from tradingbot_cluster.paths import cache_directory, runtime_base
from tradingbot_cluster.prerequisites import find_program, search_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_cluster.console import Step

CERTIFICATES: Final = Path("/etc/ssl/certs")
PIP_CONFIGURATION: Final = (Path("~/.config/pip/pip.conf").expanduser(), Path("/etc/pip.conf"))
# buildah passes the proxy variables by itself, to the build only.
_PASSED: Final = re.compile(
    r"^(PIP_\w+|UV_\w+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS)$"
)
_NOT_PASSED: Final = {"PIP_FIND_LINKS", "PIP_CACHE_DIR", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "UV_CACHE_DIR"}


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a build is given."""
    return {
        name: value
        for name, value in environment.items()
        if _PASSED.match(name) and name not in _NOT_PASSED and value
    }


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self) -> None:
        self._storage = cache_directory() / "containers"
        self._storage.mkdir(parents=True, exist_ok=True)
        self._policy = self._storage / "policy.json"
        write_if_changed(self._policy, json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        write_if_changed(self._storage / "storage.conf", "[storage]\n")
        write_if_changed(self._storage / "registries.conf", "unqualified-search-registries = []\n")
        self._driver = ""

    def exists(self, reference: str) -> bool:
        """Return whether the storage holds an image."""
        return self._run("inspect", "--type=image", reference).returncode == 0

    def import_root(self, reference: str, archive: Path, running: Step) -> None:
        """Make an image whose only layer is the content of an archive."""
        with tempfile.TemporaryDirectory(prefix="tradingbot-image-") as context:
            # A link would not be followed out of the context.
            os.link(archive, Path(context) / "root.tar") if _same_device(archive, Path(context)) else _copy(
                archive, Path(context) / "root.tar"
            )
            (Path(context) / "Dockerfile").write_text("FROM scratch\nADD root.tar /\nENV LANG=C.UTF-8\nCMD [\"python3\"]\n")
            self.build(reference, Path(context) / "Dockerfile", Path(context), {}, running)

    def build(self, reference: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], running: Step) -> None:
        """Build a Dockerfile."""
        command = ["build", "--isolation=chroot", "--network=host", "--pull=never", "--layers", "--format=docker"]
        command += [f"--tag={reference}", f"--file={dockerfile}"]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        passed = build_environment(os.environ)
        if CERTIFICATES.is_dir():
            command.append(f"--volume={CERTIFICATES}:{CERTIFICATES}:ro")
        for file in PIP_CONFIGURATION:
            if file.is_file() and "PIP_CONFIG_FILE" not in passed:
                command.append(f"--volume={file}:/run/pip.conf:ro")
                passed["PIP_CONFIG_FILE"] = "/run/pip.conf"
        for name, value in passed.items():
            command += [f"--env={name}={value}", f"--unsetenv={name}"]
        self._stream([*command, str(context)], running)

    def save(self, reference: str, archive: Path) -> None:
        """Write an image to an archive, as a whole or not at all."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(f".{os.getpid()}.new")
        partial.unlink(missing_ok=True)
        try:
            done = self._run("push", reference, f"docker-archive:{partial}:{reference}")
            if done.returncode != 0:
                raise ClusterError(f"buildah push {reference}: {done.stderr.strip()[-2000:]}")
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)

    def configuration(self, reference: str) -> dict[str, object]:
        """Return an image's configuration, as it is run."""
        done = self._run("inspect", "--type=image", reference)
        if done.returncode != 0:
            raise ClusterError(f"there is no image {reference}")
        loaded: dict[str, object] = json.loads(done.stdout)["Docker"]["config"]
        return loaded

    def _global(self) -> list[str]:
        if not self._driver:
            self._driver = self._choose_driver()
        run = runtime_base() / "containers"
        return [
            find_program("buildah"),
            f"--root={self._storage / self._driver}",
            f"--runroot={run}",
            f"--storage-driver={self._driver}",
        ]

    def _choose_driver(self) -> str:
        chosen = self._storage / "driver"
        if not chosen.is_file():
            with tempfile.TemporaryDirectory(dir=self._storage) as scratch:
                trial = [find_program("buildah"), f"--root={scratch}", f"--runroot={scratch}/run"]
                works = subprocess.run(
                    [*trial, "--storage-driver=overlay", "images"], capture_output=True, check=False, env=self._env()
                )
                subprocess.run(["umount", "--lazy", f"{scratch}/overlay"], capture_output=True, check=False)
            write_if_changed(chosen, "overlay" if works.returncode == 0 else "vfs")
        return chosen.read_text()

    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": search_path(),
            "CONTAINERS_STORAGE_CONF": str(self._storage / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self._storage / "registries.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "STORAGE_DRIVER": "",
        }

    def _command(self, arguments: list[str]) -> list[str]:
        first, *rest = arguments
        policy = [f"--signature-policy={self._policy}"] if first in {"build", "push", "pull"} else []
        return [*self._global(), first, *policy, *rest]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(list(arguments)), capture_output=True, text=True, check=False, env=self._env(), timeout=900
        )

    def _stream(self, arguments: list[str], running: Step) -> None:
        lines: list[str] = []
        with subprocess.Popen(
            self._command(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._env()
        ) as child:
            for line in child.stdout or ():
                lines = [*lines[-40:], line.rstrip()]
                running.update(line.strip())
        if child.returncode != 0:
            raise ClusterError("the build of the image failed:\n" + "\n".join(lines))


def _same_device(first: Path, second: Path) -> bool:
    return first.stat().st_dev == second.stat().st_dev


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--reflink=auto", str(source), str(target)], check=True)
