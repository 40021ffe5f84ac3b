"""The API server of the tests in this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Return the kubeconfig of a real API server: a given one, or a control plane without nodes that stays up."""
    given = os.environ.get("TRADINGBOT_TEST_KUBECONFIG")
    if given:
        return Path(given)

    def cluster(*arguments: str) -> str:
        command = [sys.executable, "-m", "tradingbot_cluster", *arguments, "--instance", "api"]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    cluster("up", "--control-plane-only")
    return Path(cluster("kubeconfig"))
