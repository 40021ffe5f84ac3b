"""The project's kinds on a real API server, and a namespace that is gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "plugin-"}}
    name: str = server.request("POST", "/api/v1/namespaces", body)["metadata"]["name"]
    for _ in range(100):
        # The server answers 404 until its handlers know a new CRD.
        try:
            server.request("GET", f"/apis/tradingbots.dev/v1alpha1/namespaces/{name}/tradingbots")
            break
        except Refused:
            time.sleep(0.1)
    yield name
    server.request("DELETE", f"/api/v1/namespaces/{name}")


def program(name: str) -> str:
    """The path of kubectl or helm, as the local cluster has it."""
    command = [sys.executable, "-m", "tradingbot_cluster", "program", name]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def minimal(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """The least TradingBot."""
    return {
        "apiVersion": "tradingbots.dev/v1alpha1",
        "kind": "TradingBot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "strategy": {"name": "breakout", "symbols": ["BTC/USD"]},
            "database": {"secretRef": {"name": "trading-database"}},
            **spec,
        },
    }
