"""`helm test` of both charts, as a user would run it after an installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools


@pytest.mark.parametrize(
    ("release", "namespace"), [("tradingbot-operator", "tradingbot-system"), ("tradingbot-stack", "trading")]
)
def test_helm_test_passes(tools: Tools, release: str, namespace: str) -> None:
    printed = tools.helm("test", release, "--namespace", namespace, "--timeout", "180s", "--logs", timeout=200)
    assert "Phase:          Succeeded" in printed
    assert "Failed" not in printed
