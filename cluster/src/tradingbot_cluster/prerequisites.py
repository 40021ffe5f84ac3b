"""What the machine needs: found, installed where that is usual, or named with the command that installs it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.console import note, step
from tradingbot_cluster.errors import ClusterError, MissingPrerequisiteError
from tradingbot_cluster.paths import is_root

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where Debian keeps the programs of the system's owner, which a plain user's PATH may not have.
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OLDEST_SWITCHING_GO: Final = (1, 21)


@dataclass(frozen=True)
class Prerequisite:
    """A file that has to be there, and the Debian package that brings it."""

    name: str
    package: str
    paths: tuple[str, ...] = ()

    def present(self) -> bool:
        """Return whether the machine has it."""
        if self.paths:
            return any(Path(path).exists() for path in self.paths)
        return shutil.which(self.name, path=search_path()) is not None


CNI_DIRECTORIES: Final = ("/usr/lib/cni", "/opt/cni/bin")
NODE: Final = (
    Prerequisite("containerd", "containerd"),
    Prerequisite("runc", "runc"),
    Prerequisite("CNI plugins", "containernetworking-plugins", tuple(f"{path}/ptp" for path in CNI_DIRECTORIES)),
    Prerequisite("iptables", "iptables"),
    Prerequisite("conntrack", "conntrack"),
    Prerequisite("ip", "iproute2"),
)
IMAGES: Final = (
    Prerequisite("buildah", "buildah"),
    Prerequisite("debootstrap", "debootstrap"),
    Prerequisite("git", "git"),
)


def search_path() -> str:
    """Return the PATH that programs are looked for and run with."""
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"


def find_program(name: str) -> str:
    """Return the path of a program of the machine, for which `require` has been called."""
    found = shutil.which(name, path=search_path())
    if found is None:
        raise MissingPrerequisiteError(f"{name} is not on this machine")
    return found


def cni_directory() -> str:
    """Return the directory of the machine's CNI plugins."""
    for directory in CNI_DIRECTORIES:
        if (Path(directory) / "ptp").exists():
            return directory
    raise MissingPrerequisiteError(install_message(["CNI plugins"], ["containernetworking-plugins"]))


def install_message(names: Iterable[str], packages: Iterable[str]) -> str:
    """Say what is missing and the command that installs it."""
    sudo = "" if is_root() else "sudo "
    return (
        f"missing on this machine: {', '.join(names)}. Install with:\n"
        f"  {sudo}apt-get update && {sudo}apt-get install --no-install-recommends {' '.join(packages)}"
    )


def require_root(what: str) -> None:
    """End with a sentence unless this is root."""
    if not is_root():
        raise MissingPrerequisiteError(
            f"{what} needs root: run the same command with sudo, or name a cluster that you have with\n"
            "  CLUSTER=existing KUBECONFIG_EXISTING=<file>"
        )


def can_install() -> bool:
    """Return whether packages can be installed without asking: root on Debian or one of its kin, not forbidden."""
    forbidden = os.environ.get("TRADINGBOT_NO_INSTALL", "") not in {"", "0"}
    return is_root() and not forbidden and shutil.which("apt-get", path=search_path()) is not None


def require(prerequisites: Iterable[Prerequisite]) -> None:
    """See to it that all of them are there."""
    absent = [wanted for wanted in prerequisites if not wanted.present()]
    if not absent:
        return
    names = [wanted.name for wanted in absent]
    packages = sorted({wanted.package for wanted in absent})
    if not can_install():
        raise MissingPrerequisiteError(install_message(names, packages))
    install(packages)
    still = [wanted.name for wanted in absent if not wanted.present()]
    if still:
        raise MissingPrerequisiteError(f"{', '.join(still)}: not there after installing {' '.join(packages)}")


def install(packages: Iterable[str]) -> None:
    """Install Debian packages, saying so."""
    wanted = list(packages)
    note(f"missing on this machine, installing with apt-get: {' '.join(wanted)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"install {' '.join(wanted)}") as running:
        running.update("apt-get update")
        _apt(["update"], environment)
        running.update("apt-get install")
        _apt(["install", "-y", "--no-install-recommends", *wanted], environment)


def _apt(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["apt-get", "-q", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=1800
    )
    if done.returncode != 0:
        raise ClusterError(f"apt-get {' '.join(arguments)} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def parse_go_version(output: str) -> tuple[int, int]:
    """Return major and minor of what `go version` prints."""
    found = re.search(r"\bgo(\d+)\.(\d+)", output)
    if found is None:
        raise ClusterError(f"`go version` says {output.strip()!r}")
    return int(found.group(1)), int(found.group(2))


def wanted_go_version(go_mod: Path) -> tuple[int, int]:
    """Return the Go version that a module needs."""
    found = re.search(r"^go (\d+)\.(\d+)", go_mod.read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError(f"{go_mod} names no Go version")
    return int(found.group(1)), int(found.group(2))


def require_go(go_mod: Path) -> str:
    """Return a Go that can build the module, by itself or with the toolchain that it fetches.

    Go 1.21 and newer fetch the toolchain that go.mod asks for by themselves. An older one (Debian 12 has 1.19) can
    still fetch it as what it is published as: a module, checked against the checksum database like any other.
    """
    wanted = wanted_go_version(go_mod)
    go = shutil.which("go", path=search_path())
    if go is None and can_install():
        install(["golang-go"])
        go = shutil.which("go", path=search_path())
    if go is None:
        raise MissingPrerequisiteError(install_message(["go"], ["golang-go"]))
    if _go_version(go) >= min(wanted, OLDEST_SWITCHING_GO):
        return go
    return _fetch_toolchain(go, wanted)


def _fetch_toolchain(go: str, wanted: tuple[int, int]) -> str:
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    module = f"golang.org/toolchain@v0.0.1-go{wanted[0]}.{wanted[1]}.0.linux-{architecture}"
    with step(f"fetch Go {wanted[0]}.{wanted[1]}, which {go} is too old for") as running:
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "go.mod").write_text("module scratch\n")
            done = subprocess.run(
                [go, "mod", "download", "-json", module],
                cwd=scratch, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise MissingPrerequisiteError(
                f"{go} is too old and could not fetch the Go that the cluster's programs need. Install Go "
                f"{wanted[0]}.{wanted[1]} or newer and put it on PATH.\n{(done.stdout + done.stderr).strip()[-1000:]}"
            )
        directory = Path(str(json.loads(done.stdout)["Dir"]))
        for program in [*directory.glob("bin/*"), *directory.glob("pkg/tool/*/*")]:
            program.chmod(0o555)  # modules are unpacked without the right to execute
        running.result(str(directory.name))
    return str(directory / "bin" / "go")


def _go_version(go: str) -> tuple[int, int]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=environment, cwd="/")
    return parse_go_version(done.stdout)


def go_environment(go: str, go_mod: Path) -> dict[str, str]:
    """Return the environment of a build: static, reproducible, with nothing that go.sum does not hold."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    if _go_version(go) < wanted_go_version(go_mod):
        environment["GOTOOLCHAIN"] = "auto"
    return environment
