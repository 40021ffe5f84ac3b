"""`kubectl patch` stops a bot at once, and nothing but a person starts it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bots import Bot, Bots, Database
from tests.support.waiting import eventually

from tradingbot_cluster.demo.tools import CommandError

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools

STOP = {"emergencyStop": {"active": True, "reason": "drill"}}
REVERT = {"emergencyStop": None}


@pytest.fixture
def bot(bots: Bots, example: dict[str, Any]) -> Bot:
    made = bots.apply(example, "stopped")
    made.wait_for_condition("Ready", "True", "Trading")
    eventually(lambda: made.api("/api/v1/status")["open_orders"] >= 0, what="an answer")
    return made


def state(bot: Bot) -> str:
    return str(bot.api("/api/v1/status")["state"])


def intents(tools: Tools, bot: Bot) -> int:
    return int(Database(tools).value(f"select count(*) from simulation.intents where bot = '{bot.key}'"))


def assert_stopped_for_good(tools: Tools, bot: Bot) -> None:
    """KILLED in the bot and in the status, and not one more intent while the market goes on."""
    eventually(lambda: state(bot), holds=lambda seen: seen == "KILLED", what="the bot says KILLED")
    eventually(
        lambda: bot.status().get("state"),
        holds=lambda seen: seen == "KILLED",
        what="the status says KILLED",
    )
    assert_nothing_follows(tools, bot)


def assert_nothing_follows(tools: Tools, bot: Bot) -> None:
    """Not one more intent while the market goes on, and the bot is KILLED still."""
    before = intents(tools, bot)
    candles = bot.api("/api/v1/bot/status")["account"]["market_time"]
    eventually(
        lambda: bot.api("/api/v1/bot/status")["account"]["market_time"],
        holds=lambda now: now > candles,
        what="market time goes on",
    )
    assert intents(tools, bot) == before
    assert state(bot) == "KILLED"


def test_the_stop_is_latched_in_bot_status_and_database(tools: Tools, bot: Bot) -> None:
    bot.patch(STOP)
    eventually(lambda: state(bot), holds=lambda seen: seen == "KILLED", what="the gate is closed")
    stop = eventually(
        lambda: bot.status().get("emergencyStop"),
        holds=lambda seen: bool(seen and seen.get("id")),
        what="the latch in status",
    )
    assert stop is not None
    assert stop["id"] == bot.api("/api/v1/status")["stop"]["id"]
    assert (
        Database(tools).value(f"select count(*) from simulation.latches where bot = '{bot.key}' and stop_id <> ''")
        == "1"
    )
    bot.wait_for_condition("Suspended", "True", "EmergencyStopped")
    assert_stopped_for_good(tools, bot)


def test_reverting_the_patch_and_restarting_the_pod_do_not_resume(tools: Tools, bot: Bot) -> None:
    bot.patch(STOP)
    bot.patch(REVERT)
    assert_stopped_for_good(tools, bot)
    old = bot.running_pods()
    bot.kubectl("delete", "pods", "--selector", bot.selector, timeout=120)
    eventually(bot.running_pods, holds=lambda now: now and not set(now) & set(old), what="a new pod")
    assert_stopped_for_good(tools, bot)


def test_only_the_id_of_this_very_stop_resumes_and_the_bot_trades_again(tools: Tools, bot: Bot) -> None:
    bot.patch(STOP)
    stop = eventually(lambda: bot.status().get("emergencyStop"), what="the latch in status")
    assert stop is not None
    with pytest.raises(CommandError, match=f"write {stop['id']}"):
        bot.patch({**REVERT, "resume": {"stopId": "another-1", "reason": "guessing"}})
    assert_stopped_for_good(tools, bot)
    bot.patch({**REVERT, "resume": {"stopId": stop["id"], "reason": "looked at it"}})
    bot.wait_for_condition("Ready", "True", "Trading")
    assert "emergencyStop" not in bot.status()
    assert state(bot) == "ACTIVE"
    cleared = f"select count(*) from simulation.latches where bot = '{bot.key}' and stop_id = '{stop['id']}'"
    assert Database(tools).value(f"{cleared} and cleared_by = 'spec.resume'") == "1"


def test_a_stop_needs_no_operator(tools: Tools, bot: Bot, without_operator: None) -> None:
    bot.patch(STOP)
    eventually(lambda: state(bot), holds=lambda seen: seen == "KILLED", what="the gate is closed")
    bot.patch(REVERT)
    assert_nothing_follows(tools, bot)


def test_an_object_is_deleted_with_its_children_while_the_operator_is_down(
    tools: Tools, bot: Bot, without_operator: None
) -> None:
    bot.kubectl("delete", "tbot", bot.name, "--wait=true")
    kinds = (
        "deployments,services,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,pods"
    )
    eventually(
        lambda: bot.kubectl("get", kinds, "--selector", bot.selector, "-o", "name").split(),
        holds=lambda left: left == [],
        what="every child is gone",
    )
