"""The API server of the tests in this folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import provider
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.paths import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Give the kubeconfig of a real API server: a given one, or a control plane without nodes.

    Each worker of a parallel run has one of its own. One that ran before goes on running, and so does any with
    TRADINGBOT_KEEP=1, to look at what a test left.
    """
    given = os.environ.get("TRADINGBOT_TEST_KUBECONFIG")
    if given:
        yield Path(given)
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    instance = provider.make(Layout.of(f"api-{worker}" if worker else "api"))
    ran = instance.status().running
    instance.up(UpOptions(control_plane_only=True))
    yield instance.kubeconfig()
    if not ran and os.environ.get("TRADINGBOT_KEEP") != "1":
        instance.down()
