"""The CRDs of the checkout on a real API server, and a namespace that is gone afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.api.crd.server import Server, server_with_crds
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> Iterator[Server]:
    with server_with_crds(kubeconfig) as connection:
        yield connection


@pytest.fixture(scope="session")
def namespace(server: Server) -> Iterator[str]:
    created = server.request(
        "POST",
        "/api/v1/namespaces",
        {"metadata": {"generateName": "crd-rules-"}, "apiVersion": "v1", "kind": "Namespace"},
    )
    name: str = created["metadata"]["name"]
    # The server answers 404 until its handlers know a new CRD.
    for plural in ("tradingbots", "backupschedules", "recoveryjobs"):
        where = f"/apis/tradingbots.dev/v1alpha1/namespaces/{name}/{plural}"
        eventually(lambda where=where: server.request("GET", where), f"{plural} are served")  # type: ignore[misc]
    yield name
    server.request("DELETE", f"/api/v1/namespaces/{name}")
