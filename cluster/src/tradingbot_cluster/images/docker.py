"""Build the project's images with a Docker engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.console import step
from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.images import catalogue
from tradingbot_cluster.interface import Image
from tradingbot_cluster.paths import checkout_root

if TYPE_CHECKING:
    from tradingbot_cluster.commands import Runner
    from tradingbot_cluster.images.catalogue import ImageSource

BASE_IMAGE: Final = "python:3.13-slim"


def base_image() -> str:
    """Return the image that the Dockerfiles start from."""
    return os.environ.get("TRADINGBOT_BASE_IMAGE") or BASE_IMAGE


def works(run: Runner) -> bool:
    """Return whether a Docker engine answers."""
    try:
        run(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=15)
    except ClusterError:
        return False
    return True


def build(run: Runner, source: ImageSource) -> Image:
    """Return the image of a Dockerfile, building it when the engine does not hold it."""
    root = checkout_root()
    base = base_image()
    tag = catalogue.digest(source, base)
    image = Image(source.name, catalogue.reference(source, tag), tag)
    with step(f"build image {source.name}") as running:
        if _has(run, image.reference):
            running.result("unchanged")
        else:
            arguments = [f"--build-arg=BASE_IMAGE={base}", f"--file={root / source.dockerfile}"]
            tags = [f"--tag={image.reference}", f"--tag={catalogue.reference(source, 'dev')}"]
            run(["docker", "build", *arguments, *tags, str(root)], timeout=1800)
    return image


def push(run: Runner, image: Image, target: str) -> None:
    """Push an image of the engine under the name `target`, with the engine's own login."""
    run(["docker", "tag", image.reference, target])
    run(["docker", "push", "--quiet", target], timeout=1800)


def _has(run: Runner, reference: str) -> bool:
    try:
        run(["docker", "image", "inspect", reference])
    except ClusterError:
        return False
    return True
