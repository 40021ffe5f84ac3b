"""The API server of these tests, a new one each time, and what is on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.api.crd.server import server_with_crds
from tests.gitops import argocd
from tests.gitops import flux as fluxes
from tests.gitops import world as worlds

from tradingbot_cluster import binaries
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.local.provider import LocalProvider
from tradingbot_cluster.paths import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gitops.argocd import Installed
    from tests.gitops.flux import Flux
    from tests.gitops.world import World

PROGRAMS = ("kube", "helm", "helm4", "flux", "argocd")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Bring up a control plane without nodes; with TRADINGBOT_KEEP=1 it stays, to look at what a test left."""
    binaries.ensure(PROGRAMS)
    provider = LocalProvider(Layout.of("gitops"))
    provider.down()
    provider.up(UpOptions(control_plane_only=True))
    try:
        with server_with_crds(provider.kubeconfig()) as server:
            yield worlds.make(server, provider.kubeconfig(), tmp_path_factory.mktemp("gitops"))
    finally:
        if os.environ.get("TRADINGBOT_KEEP") != "1":
            provider.down()


@pytest.fixture(scope="session")
def operator(world: World) -> Iterator[None]:
    """The operator works where no policy is in force."""
    with world.operator(world.free):
        yield


@pytest.fixture(scope="session")
def flux(world: World) -> Iterator[Flux]:
    with fluxes.flux(world) as running:
        yield running


@pytest.fixture(scope="session")
def argo(world: World) -> Iterator[Installed]:
    """Argo CD that knows the kinds by the project's health checks and actions."""
    with argocd.installed(world, world.guarded.name, argocd.argocd_cm(ignore_differences=False)) as running:
        yield running


@pytest.fixture(scope="session")
def argo_with_settings(world: World) -> Iterator[Installed]:
    """Argo CD with all keys of gitops/argocd/argocd-cm.yaml."""
    with argocd.installed(world, world.free.name, argocd.argocd_cm(ignore_differences=True)) as running:
        yield running
