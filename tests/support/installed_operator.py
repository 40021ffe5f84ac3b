"""The operator of the demo's cluster, taken down and started again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.demo.tools import Tools

OPERATOR = ("--namespace", "tradingbot-system", "deployment/tradingbot-operator")


@contextmanager
def stopped(tools: Tools) -> Iterator[None]:
    """No operator runs; in the end it does again, whoever started it."""
    try:
        tools.kubectl("scale", "--replicas=0", *OPERATOR)
        eventually(
            lambda: tools.get(*OPERATOR)["status"].get("replicas", 0),
            holds=lambda running: running == 0,
            what="the operator's pod is gone",
        )
        yield
    finally:
        start(tools)
        tools.kubectl("rollout", "status", *OPERATOR, "--timeout=120s", timeout=130)


def start(tools: Tools) -> None:
    """Ask for the operator's pod."""
    tools.kubectl("scale", "--replicas=1", *OPERATOR)
