"""Two ways to get the project's images into a registry: with the user's Docker engine, or with buildah alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tradingbot_cluster import binaries
from tradingbot_cluster.images import base, catalogue, docker
from tradingbot_cluster.images.build import build
from tradingbot_cluster.images.buildah import Buildah

if TYPE_CHECKING:
    from tradingbot_cluster.commands import Runner
    from tradingbot_cluster.images.catalogue import ImageSource


class Pusher(Protocol):
    """Builds images and pushes them."""

    def select(self, names: list[str]) -> list[ImageSource]:
        """Return the named images; without names all that a cluster needs from here."""

    def digest(self, source: ImageSource) -> str:
        """Return the hash of what an image is built from; it is the image's tag."""

    def push(self, source: ImageSource, target: str) -> None:
        """Build an image and push it as `target` (registry/path/name:tag). Raises ClusterError."""


class DockerPusher:
    """Where Docker works, so do the official images of the stack: only operator and bot are built."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def select(self, names: list[str]) -> list[ImageSource]:
        """Return the named images; without names operator and bot."""
        return catalogue.select(names, stack=False)

    def digest(self, source: ImageSource) -> str:
        """Return the hash of what an image is built from."""
        return catalogue.digest(source, docker.base_image())

    def push(self, source: ImageSource, target: str) -> None:
        """Build with the engine, and push with its login."""
        docker.push(self._run, docker.build(self._run, source), target)


class BuildahPusher:
    """Where no image can be pulled: all five images, on a base that is made here."""

    def select(self, names: list[str]) -> list[ImageSource]:
        """Return the named images; without names all."""
        chosen = catalogue.select(names)
        binaries.ensure(sorted({tool for source in chosen for tool in source.tools}))
        return chosen

    def digest(self, source: ImageSource) -> str:
        """Return the hash of what an image is built from."""
        return catalogue.digest(source, base.digest())

    def push(self, source: ImageSource, target: str) -> None:
        """Build into the cache, and push with the user's login (`buildah login`, `docker login`)."""
        tag = self.digest(source)
        archive = build(source, tag)
        Buildah().push(catalogue.reference(source, tag), archive, target)
