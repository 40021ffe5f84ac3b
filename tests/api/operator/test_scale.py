"""A thousand TradingBots in one namespace: time, writes and memory. Figures with a baseline: make bench."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.waiting import eventually

from tradingbot_operator.desired.kinds import CHILDREN, TRADING_BOT

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace, OperatorProcess

pytestmark = [pytest.mark.api, pytest.mark.scale, pytest.mark.timeout(3600)]

BOTS = 1000


def memory_mib(operator: OperatorProcess) -> float:
    """Resident memory of the process."""
    status = Path(f"/proc/{operator.process.pid}/status").read_text(encoding="utf-8")
    return float(status.partition("VmRSS:")[2].split()[0]) / 1024


def reconciled(namespace: Namespace) -> int:
    return sum(
        bot.get("status", {}).get("observedGeneration") == bot["metadata"]["generation"]
        for bot in namespace.list(TRADING_BOT)
    )


@pytest.mark.long
def test_a_thousand_bots(namespace: Namespace, start_operator: StartOperator) -> None:
    operator = start_operator()
    started = time.monotonic()
    for number in range(BOTS):
        # No pod ever runs here: without a long time out, each would be reported as late.
        namespace.bot(f"bot-{number:04d}", update={"healthTimeoutSeconds": 3600})
    created = time.monotonic() - started
    eventually(lambda: reconciled(namespace) == BOTS, "all are reconciled", seconds=1800, every=2)
    done = time.monotonic() - started
    operator.idle(seconds=900)
    writes = operator.writes()
    assert {writes[kind.plural] for kind in CHILDREN} == {BOTS}
    assert writes["tradingbots/status"] == BOTS
    busy = memory_mib(operator)
    print(f"\n{BOTS} bots: created in {created:.1f} s, all reconciled after {done:.1f} s, {busy:.0f} MiB")
    assert operator.stop() == 0

    again = start_operator()
    again.idle(seconds=900)
    assert again.writes() == {}
    assert again.metrics()['controller_runtime_reconcile_total{controller="tradingbot",result="success"}'] >= BOTS
    fresh = memory_mib(again)
    cpu = again.metrics()["process_cpu_seconds_total"]
    print(f"restarted over {BOTS}: no write, {fresh:.0f} MiB, {cpu:.1f} s of CPU")
    assert max(busy, fresh) < 150
