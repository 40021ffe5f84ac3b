"""Build the images where no image can be pulled, and load them into the local cluster."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster import binaries
from tradingbot_cluster.console import step
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.files import exclusive
from tradingbot_cluster.images import base
from tradingbot_cluster.images.buildah import Buildah
from tradingbot_cluster.images.catalogue import PREFIX, ImageSource, context_files, digest, reference, select
from tradingbot_cluster.interface import Image
from tradingbot_cluster.paths import cache_directory, checkout_root
from tradingbot_cluster.prerequisites import IMAGES, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.local.node import Node

KEPT_ARCHIVES: Final = 2


def archive_of(source: ImageSource, tag: str) -> Path:
    """Return where the cache keeps a built image."""
    return cache_directory() / "images" / f"{source.name}-{tag}.tar"


def build_local(node: Node, names: list[str]) -> list[Image]:
    """Build what has changed, load what the cluster does not hold; return all that was asked for.

    An image is loaded while the next one is built, and two are loaded at a time.
    """
    chosen = select(names)
    binaries.ensure(sorted({tool for source in chosen for tool in source.tools}))
    present = node.images.references()
    built, loading = [], {}
    with ThreadPoolExecutor(max_workers=2) as pool:
        for source in chosen:
            tag = digest(source, base.digest())
            name = reference(source, tag)
            archive = build(source, tag)
            if name not in present:
                loading[source.name] = pool.submit(_load, node, source, tag, archive)
            built.append(Image(source.name, name, tag))
        if loading:
            with step(f"load {len(loading)} images into the cluster") as running:
                for name, loaded in loading.items():
                    running.update(name)
                    loaded.result()
                running.result(", ".join(loading))
    return built


def build_archives(names: list[str]) -> dict[str, Path]:
    """Build what the cache does not hold, without a cluster; return the archives by image."""
    chosen = select(names)
    binaries.ensure(sorted({tool for source in chosen for tool in source.tools}))
    return {source.name: build(source, digest(source, base.digest())) for source in chosen}


def build(source: ImageSource, tag: str) -> Path:
    """Return the archive of an image, building it when the cache does not hold it."""
    archive = archive_of(source, tag)
    if archive.is_file():
        archive.touch()
        return archive
    with exclusive(cache_directory() / "images" / "build.lock", "the build of the images", wait_seconds=3600):
        if archive.is_file():
            return archive
        require(IMAGES)
        builder = Buildah()
        base_reference = _ensure_base(builder)
        with step(f"build image {source.name}") as running, _context(source) as (dockerfile, context):
            name = reference(source, tag)
            builder.build(name, dockerfile, context, {"BASE_IMAGE": base_reference}, running)
            running.update("saving")
            builder.save(name, archive)
            running.result(binaries.file_size(archive))
        builder.limit()
        _prune(source)
    return archive


def _ensure_base(builder: Buildah) -> str:
    name = f"{PREFIX}/python:{base.PYTHON}-slim-{base.digest()}"
    archive = base.root_filesystem()
    if not builder.exists(name):
        with step("import the base image") as running:
            builder.import_root(name, archive, running)
    return name


@contextmanager
def _context(source: ImageSource) -> Iterator[tuple[Path, Path]]:
    root = checkout_root()
    dockerfile = root / source.dockerfile
    if not source.stack:
        yield dockerfile, root
        return
    with tempfile.TemporaryDirectory(prefix="tradingbot-context-") as directory:
        for name, program in context_files(source).items():
            shutil.copy2(program, Path(directory) / name)
        yield dockerfile, Path(directory)


def _load(node: Node, source: ImageSource, tag: str, archive: Path) -> None:
    node.images.load(archive)
    node.images.tag(reference(source, tag), reference(source, "dev"))


def load_local(node: Node, name: str, archive: Path | None) -> bool:
    """Load any image, from an archive or from what was built here; return False when the cluster holds it."""
    images = node.images
    if name in images.references():
        return False
    if archive is not None:
        images.load(archive)
    else:
        with tempfile.TemporaryDirectory(prefix="tradingbot-image-") as directory:
            saved = Path(directory) / "image.tar"
            Buildah().save(name, saved)
            images.load(saved)
    if name not in images.references():
        raise ClusterError(f"{archive} does not hold an image named {name}")
    return True


def _prune(source: ImageSource) -> None:
    """Keep the latest few archives of an image: each is some hundred megabytes."""
    archives = (cache_directory() / "images").glob(f"{source.name}-*.tar")
    for archive in sorted(archives, key=lambda file: file.stat().st_mtime, reverse=True)[KEPT_ARCHIVES:]:
        archive.unlink(missing_ok=True)
