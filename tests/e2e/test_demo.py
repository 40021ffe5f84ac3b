"""What a new user sees after `make demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.bots import Bot, Bots, Database
from tests.support.waiting import eventually

from tradingbot_cluster.demo import demo

if TYPE_CHECKING:
    from tradingbot_cluster.demo.tools import Tools


def test_the_bot_trades_and_its_orders_and_trades_are_rows_in_postgresql(tools: Tools, demo_bot: Bot) -> None:
    database = Database(tools)
    orders = int(database.value("select count(*) from simulation.orders where bot = 'trading/btc-breakout'"))
    trades = int(database.value("select count(*) from simulation.trades where bot = 'trading/btc-breakout'"))
    assert orders > 0
    assert trades > 0
    orphans = database.value(
        "select count(*) from simulation.trades t left join simulation.orders o using (bot, client_id) "
        "where o.client_id is null"
    )
    assert orphans == "0"


def test_kubectl_get_tbot_answers_whether_all_is_well(demo_bot: Bot) -> None:
    demo_bot.wait_for_condition("Ready", "True")
    header, line, *_ = demo_bot.kubectl("get", "tbot", demo_bot.name).splitlines()
    assert header.split() == ["NAME", "MODE", "STATE", "READY", "POSITIONS", "AGE"]
    assert line.split()[:4] == ["btc-breakout", "simulation", "ACTIVE", "True"]


def test_the_page_is_served(tools: Tools, demo_bot: Bot) -> None:
    page = tools.through_service(demo_bot.namespace, demo_bot.children, "/dashboard")
    assert "<title" in page


def test_a_second_run_changes_nothing_and_ends_the_same(tools: Tools, demo_bot: Bot) -> None:
    before = demo_bot.object()["metadata"]["generation"], sorted(demo_bot.running_pods())
    demo.up()
    assert (demo_bot.object()["metadata"]["generation"], sorted(demo_bot.running_pods())) == before


def test_a_pod_that_is_deleted_trades_on_where_it_was(tools: Tools, example: dict[str, object], bots: Bots) -> None:
    # An hour of the market in each second, so that it trades often.
    busy = {"type": "Recorded", "dataset": "recorded", "speed": 3600, "loop": True}
    bot = bots.apply(example, "restarted", simulation={"feed": busy})
    bot.wait_for_condition("Ready", "True", "Trading")
    database = Database(tools)
    count = f"select count(*) from simulation.trades where bot = '{bot.key}'"
    eventually(lambda: int(database.value(count)), what="a first trade")
    first_pods = bot.running_pods()
    bot.kubectl("delete", "pods", "--selector", bot.selector, "--force", "--grace-period=0", timeout=120)
    eventually(bot.running_pods, holds=lambda now: now and not set(now) & set(first_pods), what="a new pod")
    traded = int(database.value(count))
    eventually(lambda: int(database.value(count)), holds=lambda now: now > traded, what="another trade")
    doubled = database.value(
        f"select count(*) from (select client_id from simulation.orders where bot = '{bot.key}' "
        "group by client_id having count(*) > 1) as doubled"
    )
    assert doubled == "0"
