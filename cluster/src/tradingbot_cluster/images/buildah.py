"""Build images with buildah, without a daemon and without touching the user's own images.

Its storage is in the cache. What a build needs of this machine to reach the package registries (certificates, proxies,
pip's settings) is given to the build and is not in the image.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import write_if_changed
from tradingbot_cluster.paths import cache_directory, runtime_base
from tradingbot_cluster.prerequisites import find_program, search_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradingbot_cluster.console import Step

# Not mounted where they are: packages write into the image's own /etc/ssl/certs.
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
LARGEST_STORAGE_KIB: Final = 6 * 1024 * 1024
CERTIFICATES_IN_BUILD: Final = "/run/build/ca-certificates.crt"
PIP_CONFIGURATION: Final = (Path("/etc/pip.conf"), Path("~/.pip/pip.conf"), Path("~/.config/pip/pip.conf"))
_PIP_SETTINGS: Final = ("index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout", "retries")


def pip_configuration(environment: Mapping[str, str], files: Iterable[Path], *, certificates: bool) -> str:
    """Return the pip.conf of a build: where this machine's pip finds packages, and whom it trusts.

    A file, because variables that `buildah build --env` gives to a build stay in the image, and with `--unsetenv` the
    build does not see them either.
    """
    found = configparser.RawConfigParser(strict=False)
    found.read([file.expanduser() for file in files])
    settings = dict(found["global"]) if found.has_section("global") else {}
    for name in _PIP_SETTINGS:
        value = environment.get(f"PIP_{name.upper().replace('-', '_')}")
        if value:
            settings[name] = value
    kept = {name: value for name, value in settings.items() if name in _PIP_SETTINGS}
    if certificates:
        kept["cert"] = CERTIFICATES_IN_BUILD
    lines = [f"{name} = {value}".replace("\n", "\n    ") for name, value in sorted(kept.items())]
    return "\n".join(["[global]", *lines, ""])


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self) -> None:
        self._storage = cache_directory() / "containers"
        self._storage.mkdir(parents=True, exist_ok=True)
        self._policy = self._storage / "policy.json"
        write_if_changed(self._policy, json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        write_if_changed(self._storage / "registries.conf", "unqualified-search-registries = []\n")
        self._driver = ""

    def exists(self, reference: str) -> bool:
        """Return whether the storage holds an image."""
        return self._run("inspect", "--type=image", reference).returncode == 0

    def import_root(self, reference: str, archive: Path, running: Step) -> None:
        """Make an image whose only layer is the content of an archive."""
        with tempfile.TemporaryDirectory(prefix="tradingbot-image-") as context:
            # A link would not be followed out of the context.
            _link_or_copy(archive, Path(context) / "root.tar")
            (Path(context) / "Dockerfile").write_text(
                'FROM scratch\nADD root.tar /\nENV LANG=C.UTF-8\nCMD ["python3"]\n'
            )
            self.build(reference, Path(context) / "Dockerfile", Path(context), {}, running)

    def build(
        self, reference: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], running: Step
    ) -> None:
        """Build a Dockerfile."""
        command = ["build", "--isolation=chroot", "--network=host", "--pull=never", "--layers", "--format=docker"]
        command += [f"--tag={reference}", f"--file={dockerfile}"]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        certificates = CERTIFICATES.is_file()
        if certificates:
            command.append(f"--volume={CERTIFICATES}:{CERTIFICATES_IN_BUILD}:ro")
        pip = self._storage / "pip.conf"
        write_if_changed(pip, pip_configuration(os.environ, PIP_CONFIGURATION, certificates=certificates), 0o600)
        command.append(f"--volume={pip}:/etc/pip.conf:ro")
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

    def push(self, reference: str, archive: Path, target: str) -> None:
        """Push an image to a registry as `target`; its archive stands in where the storage has forgotten it."""
        if not self.exists(reference):
            loaded = self._run("pull", f"docker-archive:{archive}")
            if loaded.returncode != 0:
                raise ClusterError(f"buildah pull docker-archive:{archive}: {loaded.stderr.strip()[-2000:]}")
        plain = [f"--tls-verify={str(not _is_loopback(target)).lower()}"]
        done = self._run("push", *plain, reference, f"docker://{target}")
        if done.returncode != 0:
            raise ClusterError(
                f"buildah push {target}: {done.stderr.strip()[-2000:]}\n"
                f"Log in with: buildah login {target.partition('/')[0]}"
            )

    def limit(self) -> None:
        """Forget all images and layers when they have become too many: what is needed is in the archives."""
        used = subprocess.run(["du", "-sk", str(self._storage)], capture_output=True, text=True, check=False)
        if used.returncode == 0 and int(used.stdout.split()[0]) > LARGEST_STORAGE_KIB:
            self._run("rmi", "--all", "--force")

    def _global(self) -> list[str]:
        if not self._driver:
            self._driver = self._choose_driver()
            self._configure(self._driver)
        run = runtime_base() / "containers"
        return [
            find_program("buildah"),
            f"--root={self._storage / self._driver}",
            f"--runroot={run}",
            f"--storage-driver={self._driver}",
        ]

    def _configure(self, driver: str) -> None:
        write_if_changed(self._storage / "storage.conf", f'[storage]\ndriver = "{driver}"\n')

    def _choose_driver(self) -> str:
        """Try each time: the cache may come from another machine. Without overlay every layer is a whole copy."""
        self._configure("overlay")
        with tempfile.TemporaryDirectory(dir=self._storage) as scratch:
            trial = [find_program("buildah"), f"--root={scratch}", f"--runroot={scratch}/run"]
            works = subprocess.run(
                [*trial, "--storage-driver=overlay", "images"], capture_output=True, check=False, env=self._env()
            )
            subprocess.run(["umount", "--lazy", f"{scratch}/overlay"], capture_output=True, check=False)
        if works.returncode:
            return "vfs"
        shutil.rmtree(self._storage / "vfs", ignore_errors=True)
        return "overlay"

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


def _is_loopback(target: str) -> bool:
    """Return whether a registry is on this machine, where nobody has certificates."""
    return target.partition("/")[0].rpartition(":")[0] in {"localhost", "127.0.0.1", "[::1]"}


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)
