"""The base image: Debian with Python, from Debian's packages, where no image can be pulled."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tradingbot_cluster.console import Step, step
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import exclusive
from tradingbot_cluster.paths import cache_directory
from tradingbot_cluster.prerequisites import IMAGES, find_program, require, require_root, search_path

SUITE: Final = "trixie"
PYTHON: Final = "3.13"
PACKAGES: Final = ("python3", "python3-venv", "ca-certificates")
_RECIPE: Final = "2"
SCRIPTS: Final = Path("/usr/share/debootstrap/scripts")
UNNEEDED: Final = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
)
KEYRINGS: Final = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/etc/apt/trusted.gpg.d/debian-archive-keyring.gpg",
)


def digest() -> str:
    """Return the hash of what the base image is made of."""
    return hashlib.sha256(repr((_RECIPE, SUITE, PACKAGES)).encode()).hexdigest()[:12]


def root_filesystem() -> Path:
    """Return the archive of the base image's files, making it when the cache does not hold it."""
    archive = cache_directory() / "images" / f"base-{SUITE}-{digest()}.tar"
    if archive.is_file():
        return archive
    with exclusive(archive.with_suffix(".lock"), "the base image", wait_seconds=1800):
        if not archive.is_file():
            require_root("building the base image")
            require(IMAGES)
            with step(f"base image: Debian {SUITE} with Python {PYTHON}") as running:
                _make(archive, running)
                for older in archive.parent.glob(f"base-{SUITE}-*.tar"):
                    if older != archive:
                        older.unlink()
                running.result(f"{archive.stat().st_size / 1e6:.0f} MB")
    return archive


def _make(archive: Path, running: Step) -> None:
    with tempfile.TemporaryDirectory(prefix="tradingbot-base-") as scratch:
        root = Path(scratch) / "root"
        command = [find_program("debootstrap"), "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        keyring = next((path for path in KEYRINGS if Path(path).is_file()), "")
        if keyring:
            command.append(f"--keyring={keyring}")
        command += [SUITE, str(root), debian_mirror()]
        if not (SCRIPTS / SUITE).exists():  # an older debootstrap: all of Debian's suites share one script
            command.append(str(SCRIPTS / "sid"))
        _debootstrap(command, running)
        _slim(root)
        running.update("packing")
        partial = archive.with_suffix(".new")
        tar = ["tar", "--numeric-owner", "--sort=name", "--one-file-system", "-C", str(root), "-cf", str(partial), "."]
        subprocess.run(tar, check=True, capture_output=True)
        partial.replace(archive)


def _slim(root: Path) -> None:
    """Remove what no container reads, and have packages that are installed later leave it out as well."""
    for unneeded in UNNEEDED:
        for entry in (root / unneeded).glob("*"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    for file in ("etc/resolv.conf", "etc/hostname"):
        (root / file).unlink(missing_ok=True)
    excluded = "".join(f"path-exclude=/{directory}/*\n" for directory in UNNEEDED if directory.startswith("usr/share"))
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(excluded)
    (root / "etc/apt/apt.conf.d/slim").write_text(
        'APT::Install-Recommends "false";\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    )


def _debootstrap(command: list[str], running: Step) -> None:
    environment = {**os.environ, "PATH": search_path(), **apt_proxy()}
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd="/"
    ) as child:
        for line in child.stdout or ():
            lines = [*lines[-20:], line.rstrip()]
            running.update(line.strip().removeprefix("I: "))
    if child.returncode != 0:
        raise ClusterError("debootstrap failed:\n" + "\n".join(lines))


def debian_mirror() -> str:
    """Return the mirror of Debian's archive that this machine's apt uses, "" when it uses none."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    listed = subprocess.run(
        [find_program("apt-get"), "indextargets", "--format", form], capture_output=True, text=True, check=False
    )
    return parse_mirror(listed.stdout)


def parse_mirror(targets: str) -> str:
    """Return the first mirror of Debian's own archive among apt's index targets."""
    for line in targets.splitlines():
        origin, label, address = (*line.split("|"), "", "")[:3]
        if origin == label == "Debian" and address.startswith("http"):
            return address
    return ""


def apt_proxy() -> dict[str, str]:
    """Return the proxy that apt is told to use, for debootstrap, which asks the environment only."""
    if os.environ.get("http_proxy") or not shutil.which("apt-config", path=search_path()):
        return {}
    told = subprocess.run(
        ["apt-config", "shell", "proxy", "Acquire::http::Proxy"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"proxy='([^']*)'", told)
    return {"http_proxy": found.group(1)} if found and found.group(1) != "DIRECT" else {}
