"""The CRDs of the checkout on a real API server, and a namespace that is gone afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.api.crd.server import ROOT, Refused, Server, install_crd

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> Iterator[Server]:
    with Server(Path(kubeconfig)) as connection:
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            install_crd(connection, yaml.safe_load(path.read_text(encoding="utf-8")))
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
        for _ in range(100):
            try:
                server.request("GET", f"/apis/tradingbots.dev/v1alpha1/namespaces/{name}/{plural}")
                break
            except Refused:
                time.sleep(0.1)
    yield name
    server.request("DELETE", f"/api/v1/namespaces/{name}")
