"""From simulation to live and back: real pods, two people, the chart's policies, an exchange that speaks HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bots import Bot, Bots, Database
from tests.support.intruders import environment
from tests.support.live import (
    FEED,
    STRATEGY,
    Account,
    account,
    approval,
    mode,
    own_pods,
    patch,
    wait_for_approval_only,
    wait_for_mode,
)
from tests.support.waiting import eventually

from tradingbot_cluster.demo.tools import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot_cluster.demo.tools import Tools


@pytest.fixture(scope="module")
def exchange(tools: Tools) -> Iterator[Account]:
    """The faulty exchange, without a fault."""
    with account(tools) as made:
        yield made


def trail(tools: Tools, bot: Bot, schema: str) -> list[list[str]]:
    columns = "event, from_mode, to_mode, approved_by, digest"
    return Database(tools).rows(f"select {columns} from {schema}.audit where bot = '{bot.key}' order by number")


def keys_in(bot: Bot, pod: str, account: Account) -> set[str]:
    """The variables of the bot's process that hold one of the account's keys."""
    keys = {account.api_key, account.api_secret}
    return {name for name, value in environment(bot, pod).items() if value in keys}


def assert_no_pod_sees_the_keys(bot: Bot, account: Account) -> None:
    """Neither the manifest of a pod names their Secret, nor do they stand in the process that runs."""
    for pod in own_pods(bot):
        assert account.secret not in json.dumps(pod), "a simulation never sees the keys"
    running = bot.running_pods()
    assert [keys_in(bot, pod, account) for pod in running] == [set()] * len(running)
    assert running


def test_a_bot_goes_live_and_comes_back(
    tools: Tools, bots: Bots, example: dict[str, Any], exchange: Account, people: None
) -> None:
    bot = bots.apply(example, "live", strategy=STRATEGY, simulation={"feed": FEED})
    bot.wait_for_condition("Ready", "True", "Trading")
    patch(bot, "alice", mode="live", requestedBy="alice", exchange=exchange.spec)
    digest = wait_for_approval_only(bot)
    assert mode(bot).startswith("simulation")
    assert_no_pod_sees_the_keys(bot, exchange)

    with pytest.raises(CommandError, match="verb approve"):
        patch(bot, "alice", approval=approval(digest, "alice"))
    patch(bot, "bob", approval=approval(digest, "bob"))
    wait_for_mode(bot, "live trading")
    bot.wait_for_condition("LiveReady", "True", "Live")
    said = bot.api("/api/v1/status")
    assert said["approval"] == {"digest": digest, "expires_at": said["approval"]["expires_at"], "valid": True}
    assert said["account"] == bot.status()["preflight"]["account"]
    assert bot.status()["live"]["state"] == "Trading"
    (pod,) = bot.running_pods()
    assert keys_in(bot, pod, exchange) == {"EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"}
    eventually(lambda: trail(tools, bot, "live"), what="the trail begins")
    assert trail(tools, bot, "live") == [["started", "simulation", "live", "bob", digest]]

    patch(bot, "alice", mode="simulation", approval=None)
    wait_for_mode(bot, "simulation trading")
    eventually(
        lambda: [pod for pod in own_pods(bot) if exchange.secret in json.dumps(pod)],
        holds=lambda seen: seen == [],
        what="no pod has the keys any more",
    )
    assert_no_pod_sees_the_keys(bot, exchange)
    eventually(lambda: "live" not in bot.status(), what="nothing of it is left in the status")
    assert [row[:3] for row in trail(tools, bot, "live")][-1] == ["leaving", "live", "simulation"]


def test_an_approval_that_is_withdrawn_makes_a_real_live_bot_reduce(
    tools: Tools, bots: Bots, example: dict[str, Any], exchange: Account, people: None
) -> None:
    bot = bots.apply(example, "lapse", strategy=STRATEGY, simulation={"feed": FEED})
    bot.wait_for_condition("Ready", "True", "Trading")
    patch(bot, "alice", mode="live", requestedBy="alice", exchange=exchange.spec)
    digest = wait_for_approval_only(bot)
    patch(bot, "bob", approval=approval(digest, "bob"))
    wait_for_mode(bot, "live trading")
    pods = bot.running_pods()
    patch(bot, "alice", risk={"maxPositionSize": 0.5}, requestedBy="alice")
    eventually(lambda: bot.api("/api/v1/status")["state"], holds=lambda seen: seen == "REDUCING", what="REDUCING")
    eventually(lambda: bot.status()["live"]["state"] == "Reducing", what="the status says so too")
    assert bot.running_pods() == pods, "the same pod, with what was approved"
