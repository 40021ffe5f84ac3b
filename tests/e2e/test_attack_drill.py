"""Attacks with real pods that take long; the rest is in `test_attacks.py`, and docs/security.md lists both.

`make test-drill` runs this.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support import live
from tests.support.bots import Bots
from tests.support.intruders import second_deployment
from tests.support.waiting import eventually

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.demo.tools import Tools

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]


@pytest.fixture
def desk(tools: Tools, people: None) -> Iterator[live.Desk]:
    bots = Bots(tools)
    with live.account(tools) as account, contextlib.closing(bots):
        yield live.open_desk(bots, "pinned", account)


def test_a_bot_that_wakes_up_after_another_took_over_sends_nothing(desk: live.Desk) -> None:
    own, key = live.the_pod(desk.bot), desk.account.bot_key
    live.let_go(own, desk.account)
    old, before = live.get(own, "/api/v1/status")["epoch"], len(desk.account.journal())
    with second_deployment(desk.bot) as double, live.standing_still(own) as frozen, ThreadPoolExecutor(1) as others:
        waiting = others.submit(live.buy, own, key, 100)
        taken = eventually(
            lambda: live.get(double, "/api/v1/status"), holds=lambda said: said["role"] == "trading", what="a take-over"
        )
        assert taken["epoch"] == old + 1
        eventually(lambda: live.buy(double, key)[0], holds=lambda answer: answer == 202, what="the second one buys")
        eventually(lambda: len(desk.account.sent(before)), holds=lambda sent: sent == 2, what="entry and stop")
        assert frozen.alive(), "the process had not ended: it could have gone on trading"
        frozen.wake()
        with contextlib.suppress(OSError):  # Where the kubelet was faster, nobody answers.
            assert waiting.result()[0] >= 400
        eventually(lambda: live.get(own, "/api/v1/status")["role"] == "standby", what="the first one waits")
        sent = desk.account.sent(before)
    assert {client_id.split("-")[1] for client_id in sent} == {ids.base36(old + 1)}
