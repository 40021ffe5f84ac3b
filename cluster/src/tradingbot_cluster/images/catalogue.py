"""The images, and the hash of what each is built from."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.binaries import TOOLS, cache_key, program, source_directory
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.paths import checkout_root
from tradingbot_cluster.prerequisites import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PREFIX: Final = "localhost/tradingbot"
DIGEST_LENGTH: Final = 12


@dataclass(frozen=True)
class ImageSource:
    """One image. `tools` are programs of the cache that the Dockerfile copies; they make a context of their own."""

    name: str
    dockerfile: str
    tools: tuple[str, ...] = ()

    @property
    def stack(self) -> bool:
        """Return whether it is part of the demo's stack, of which official images exist too."""
        return self.dockerfile.startswith("cluster/")


SOURCES: Final = {
    source.name: source
    for source in (
        ImageSource("operator", "Dockerfile.operator"),
        ImageSource("bot", "Dockerfile.bot"),
        ImageSource("postgresql", "cluster/images/postgresql/Dockerfile"),
        ImageSource("redis", "cluster/images/redis/Dockerfile"),
        ImageSource("s3", "cluster/images/s3/Dockerfile", ("versitygw",)),
    )
}


def select(names: Iterable[str], *, stack: bool = True) -> list[ImageSource]:
    """Return the named images; without names all, with or without those of the stack."""
    wanted = list(names)
    unknown = [name for name in wanted if name not in SOURCES]
    if unknown:
        raise ClusterError(f"unknown images: {', '.join(unknown)}; known: {', '.join(SOURCES)}")
    if wanted:
        return [SOURCES[name] for name in wanted]
    return [source for source in SOURCES.values() if stack or not source.stack]


def copied_paths(dockerfile: str) -> list[str]:
    """Return the paths of the context that a Dockerfile copies."""
    joined = re.sub(r"\\\n", " ", dockerfile)
    found: list[str] = []
    for line in joined.splitlines():
        instruction = re.match(r"^\s*(?:COPY|ADD)\s+(.*)$", line, re.IGNORECASE)
        if instruction is None:
            continue
        words = instruction.group(1).split()
        if any(word.startswith("--from=") for word in words):
            continue
        found += [word for word in words if not word.startswith("--")][:-1]
    return found


def digest(source: ImageSource, base: str) -> str:
    """Return the hash of everything that decides what the image is: Dockerfile, copied files, base image."""
    root = checkout_root()
    dockerfile = root / source.dockerfile
    if not dockerfile.is_file():
        raise ClusterError(f"{source.dockerfile} is not there: the image {source.name} cannot be built")
    content = dockerfile.read_text()
    hashed = hashlib.sha256(f"{source.name}\0{base}\0{content}".encode())
    if source.tools:
        for tool in source.tools:
            hashed.update(cache_key(TOOLS[tool], source_directory()).encode())
        return hashed.hexdigest()[:DIGEST_LENGTH]
    ignore = root / ".dockerignore"
    if ignore.is_file():
        hashed.update(ignore.read_bytes())
    for file in files_of(root, copied_paths(content)):
        mode = "x" if file.stat().st_mode & 0o100 else "-"
        data = file.read_bytes()
        hashed.update(f"{file.relative_to(root)}\0{mode}{len(data)}\0".encode())
        hashed.update(data)
    return hashed.hexdigest()[:DIGEST_LENGTH]


def files_of(root: Path, paths: list[str]) -> list[Path]:
    """Return the files below some paths that git knows or would add."""
    if not paths:
        return []
    listed = subprocess.run(
        [find_program("git"), "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z", "--", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise ClusterError(f"git ls-files: {listed.stderr.strip()}")
    files = {root / name for name in listed.stdout.split("\0") if name}
    return sorted(file for file in files if file.is_file())


def reference(source: ImageSource, tag: str) -> str:
    """Return the name of an image in the cluster."""
    return f"{PREFIX}/{source.name}:{tag}"


def context_files(source: ImageSource) -> dict[str, Path]:
    """Return the programs that a context of its own consists of, beside the Dockerfile."""
    return {tool: program(tool) for tool in source.tools}
