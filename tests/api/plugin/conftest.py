"""The project's kinds on a real API server, and a namespace that is gone afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.api.crd.server import Server, server_with_crds
from tests.support.waiting import eventually

from tradingbot_operator.plugin.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> Iterator[Server]:
    with server_with_crds(kubeconfig) as connection:
        yield connection


@pytest.fixture(scope="session")
def namespace(server: Server) -> Iterator[str]:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "plugin-"}}
    name: str = server.request("POST", "/api/v1/namespaces", body)["metadata"]["name"]
    # The server answers 404 until its handlers know a new CRD.
    where = f"/apis/tradingbots.dev/v1alpha1/namespaces/{name}/tradingbots"
    eventually(lambda: server.request("GET", where), "tradingbots are served")
    yield name
    server.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def plugin(kubeconfig: Path, namespace: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command as somebody; return its exit code and what it said."""

    def run(*words: str, user: str = "", where: str = namespace) -> tuple[int, str, str]:
        impersonation = ["--as", user] if user else []
        capsys.readouterr()
        code = main([*words, "--kubeconfig", str(kubeconfig), "-n", where, *impersonation])
        said = capsys.readouterr()
        return code, " ".join(said.out.split()), " ".join(said.err.split())

    return run
