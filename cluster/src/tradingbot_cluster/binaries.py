"""The cluster's programs: built from their Go modules once, and kept in the user's cache.

A build is a function of the pinned module versions and their checksums (go.mod, go.sum), of this project's own sources
and of the flags; the cache's key is a hash of these. The Go version is not part of it, so a machine without Go can use
a cache that was filled elsewhere, and an update of Go costs nobody five minutes; it is noted in the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.console import step
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import exclusive, read_json
from tradingbot_cluster.paths import cache_directory, checkout_root
from tradingbot_cluster.prerequisites import go_environment, require_go, search_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot_cluster.console import Step

KUBE_PROGRAMS: Final = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "coredns",
    "pki",
)
MIRROR_VARIABLE: Final = "TRADINGBOT_BINARIES_MIRROR"
_RECIPE: Final = "1"


@dataclass(frozen=True)
class Tool:
    """One Go program. `names` are the names that it is called by; the first is the file, the rest link to it."""

    name: str
    module: str
    package: str
    names: tuple[str, ...]
    sources: tuple[str, ...] = ()
    version_of: str = ""
    version_variables: tuple[str, ...] = ()


_VERSION_PACKAGE: Final = "k8s.io/component-base/version"
TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            "kube",
            ".",
            "./cmd/tradingbot-kube",
            ("tradingbot-kube", *KUBE_PROGRAMS),
            ("cmd/tradingbot-kube",),
            "k8s.io/kubernetes",
            (
                f"{_VERSION_PACKAGE}.gitVersion={{version}}",
                f"{_VERSION_PACKAGE}.gitMajor={{major}}",
                f"{_VERSION_PACKAGE}.gitMinor={{minor}}",
            ),
        ),
        Tool(
            "helm",
            ".",
            "helm.sh/helm/v3/cmd/helm",
            ("helm",),
            (),
            "helm.sh/helm/v3",
            ("helm.sh/helm/v3/internal/version.version={version}",),
        ),
        Tool("pause", ".", "./cmd/pause", ("pause",), ("cmd/pause",)),
        Tool("versitygw", ".", "github.com/versity/versitygw/cmd/versitygw", ("versitygw",)),
        Tool("kind", "kind", "sigs.k8s.io/kind", ("kind",)),
        Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", ("kwok",)),
        Tool(
            "helm4",
            "helm4",
            "helm.sh/helm/v4/cmd/helm",
            ("helm4",),
            (),
            "helm.sh/helm/v4",
            ("helm.sh/helm/v4/internal/version.version={version}",),
        ),
        Tool(
            "flux",
            "flux",
            "github.com/fluxcd/kustomize-controller",
            ("kustomize-controller",),
            (),
            "github.com/fluxcd/kustomize-controller",
        ),
        Tool(
            "argocd",
            "argocd",
            "github.com/argoproj/argo-cd/v3/cmd",
            ("argocd", "argocd-application-controller", "argocd-repo-server"),
            (),
            "github.com/argoproj/argo-cd/v3",
            ("github.com/argoproj/argo-cd/v3/common.version={number}",),
        ),
    )
}
DEFAULT_TOOLS: Final = ("kube", "helm", "pause", "versitygw")


def source_directory() -> Path:
    """Return the folder of the Go module."""
    return checkout_root() / "cluster" / "binaries"


def module_version(go_mod: str, module: str) -> str:
    """Return the version that a go.mod requires of a module."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ClusterError(f"go.mod does not require {module}")
    return found.group(1)


def link_flags(tool: Tool, go_mod: str) -> str:
    """Return what the linker is told: no debug symbols, and the version that the program reports."""
    flags = ["-s", "-w"]
    if tool.version_of:
        version = module_version(go_mod, tool.version_of)
        major, minor = version.removeprefix("v").split(".")[:2]
        flags += [
            f"-X {variable.format(version=version, number=version[1:], major=major, minor=minor)}"
            for variable in tool.version_variables
        ]
    return " ".join(flags)


def cache_key(tool: Tool, source: Path) -> str:
    """Return the hash of everything that decides what a build of the tool is."""
    module = source / tool.module
    go_mod = (module / "go.mod").read_text()
    digest = hashlib.sha256()
    parts = [_RECIPE, tool.name, tool.package, platform.machine(), link_flags(tool, go_mod)]
    files = [module / "go.mod", module / "go.sum"]
    for folder in tool.sources:
        files += sorted((source / folder).glob("*.go"))
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(source)}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def tool_directory(tool: Tool) -> Path:
    """Return the directory in the cache that this build of the tool is in, or will be."""
    return cache_directory() / "binaries" / f"{tool.name}-{cache_key(tool, source_directory())}"


def program(name: str) -> Path:
    """Return the path of a program; `ensure` has made it."""
    for tool in TOOLS.values():
        if name in tool.names:
            return tool_directory(tool) / name
    raise ClusterError(f"there is no program {name!r}")


def find(name: str) -> Path:
    """Return a program of the cache, else that of the machine, else build it."""
    cached = program(name)
    if cached.exists():
        return cached
    installed = shutil.which(name, path=search_path())
    if installed:
        return Path(installed)
    ensure(tool.name for tool in TOOLS.values() if name in tool.names)
    return cached


def missing(names: Iterable[str]) -> list[Tool]:
    """Return those of the named tools that the cache does not hold."""
    return [TOOLS[name] for name in names if not (tool_directory(TOOLS[name]) / "manifest.json").is_file()]


def ensure(names: Iterable[str] = DEFAULT_TOOLS) -> dict[str, Path]:
    """Build or fetch what the cache does not hold of the named tools; return each one's directory."""
    wanted = list(names)
    unknown = [name for name in wanted if name not in TOOLS]
    if unknown:
        raise ClusterError(f"unknown: {', '.join(unknown)}; known: {', '.join(TOOLS)}")
    if missing(wanted):
        lock = cache_directory() / "binaries" / "build.lock"
        with exclusive(lock, "the build of the cluster's programs", wait_seconds=3600):
            for tool in missing(wanted):
                _make(tool)
    return {name: tool_directory(TOOLS[name]) for name in wanted}


def _make(tool: Tool) -> None:
    final = tool_directory(tool)
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{tool.name}-", dir=final.parent))
    try:
        file = work / tool.names[0]
        origin = _download(tool, file) or _build(tool, file)
        file.chmod(0o755)
        for name in tool.names[1:]:
            (work / name).symlink_to(tool.names[0])
        (work / "manifest.json").write_text(json.dumps({"tool": tool.name, "origin": origin}, indent=2) + "\n")
        work.chmod(0o755)
        if final.exists():  # an interrupted attempt of an older version of this tool
            shutil.rmtree(final)
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(tool: Tool, file: Path) -> str:
    """Fetch a prebuilt program from the mirror that the user names; return where it came from, "" without one."""
    base = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    if not base:
        return ""
    if not base.startswith(("https://", "http://", "file://")):
        raise ClusterError(f"{MIRROR_VARIABLE} has to be an http(s) or file address")
    address = f"{base}/{tool_directory(tool).name}-linux-{platform.machine()}"
    with step(f"fetch {tool.name}") as running:
        try:
            with urllib.request.urlopen(f"{address}.sha256", timeout=30) as response:  # noqa: S310 - checked above
                wanted = response.read().decode().split()[0]
            digest = hashlib.sha256()
            with urllib.request.urlopen(address, timeout=600) as response, file.open("wb") as stream:  # noqa: S310
                while block := response.read(1 << 20):
                    digest.update(block)
                    stream.write(block)
        except (urllib.error.URLError, TimeoutError, IndexError) as failed:
            running.result(f"not on the mirror ({failed}), it will be built")
            file.unlink(missing_ok=True)
            return ""
    if digest.hexdigest() != wanted:
        raise ClusterError(f"{address} does not have the checksum that the mirror states")
    return "mirror"


def _build(tool: Tool, file: Path) -> str:
    module = source_directory() / tool.module
    go = require_go(module / "go.mod")
    environment = go_environment(go, module / "go.mod")
    flags = link_flags(tool, (module / "go.mod").read_text())
    with step(f"build {tool.name} from its Go modules") as running:
        running.update("fetching the modules")
        total = _count_packages(go, tool, module, environment)
        command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(file), tool.package]
        lines = _run_build(command, module, environment, running, total)
        if lines is not None:
            raise ClusterError(f"the build of {tool.name} failed:\n" + "\n".join(lines))
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True, env=environment, cwd=module)
    return version.stdout.strip()


def _count_packages(go: str, tool: Tool, module: Path, environment: dict[str, str]) -> int:
    listed = subprocess.run(
        [go, "list", "-deps", tool.package], capture_output=True, text=True, check=False, env=environment, cwd=module
    )
    if listed.returncode != 0:
        raise ClusterError(f"the Go modules of {tool.name} could not be fetched:\n{listed.stderr.strip()[-2000:]}")
    return len(listed.stdout.splitlines())


def _run_build(
    command: list[str], module: Path, environment: dict[str, str], running: Step, total: int
) -> list[str] | None:
    """Run the build, showing each package; return its last lines if it failed."""
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=module, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as build:
        if build.stdout is None:
            raise ClusterError("the build has no output")
        for count, line in enumerate(build.stdout, 1):
            lines = [*lines[-40:], line.rstrip()]
            running.update(f"{count} of at most {total} packages, {line.strip()}")
    if build.returncode == 0:
        running.result(f"{file_size(Path(command[command.index('-o') + 1]))}")
    return lines if build.returncode != 0 else None


def file_size(path: Path) -> str:
    """Say the size of a file."""
    return f"{path.stat().st_size / 1e6:.0f} MB"


def manifest(tool: Tool) -> str:
    """Return where a tool of the cache came from."""
    loaded = read_json(tool_directory(tool) / "manifest.json")
    return str(loaded.get("origin", "")) if loaded else ""
