"""Live bots on real pods that are stopped, or deleted, when it is hard: no answer, no operator, no exchange.

Each bot has an account at an exchange of its own, and what is counted is counted there. The stories are told at the
same time, each in a thread, since most of each is waiting. `make test-drill` runs them, alone on the cluster: six live
bots and a stopped operator would be in the way of the other end-to-end tests.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import live
from tests.support.bots import Bots
from tests.support.installed_operator import start, stopped
from tests.support.waiting import eventually

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tradingbot_cluster.demo.tools import Tools

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]

POLICIES = {"killed": "Retain", "orphaned": "Retain", "kept": "CancelOrders", "sold": "Flatten", "left": "Retain"}
"""What is to become of orders and positions when the object is deleted, by the name of the story."""
UNREACHABLE = "lost"
CONFIRMED = {"FLAT", "FLAT_WITH_DUST"}


@dataclass(frozen=True)
class Drill:
    """What was seen of a bot that was stopped while it stood still."""

    desk: live.Desk
    entry: str
    """Client id of a purchase that the bot had left behind."""
    stop: dict[str, Any]
    """`status.emergencyStop` when the kill Job had ended."""
    resting: dict[str, Any]
    """What rested at the exchange then."""
    coins: float
    woke: bool
    """Whether the process was still there when it was let go on."""
    answer: tuple[int, Any] | str
    """What became of an order that waited in its socket meanwhile."""
    sent: list[str]
    """Orders that reached the exchange from the stop to the end of the pod."""


@pytest.fixture(scope="module")
def desks(tools: Tools, people: None) -> Iterator[dict[str, live.Desk]]:
    """All live bots, brought there at the same time."""
    stories = {**POLICIES, UNREACHABLE: "Flatten"}
    with ExitStack() as stack:
        accounts = {name: stack.enter_context(live.account(tools)) for name in stories}
        bots = Bots(tools)
        stack.callback(bots.close)
        for account in accounts.values():
            stack.callback(account.faults)

        def open_desk(name: str) -> live.Desk:
            return live.open_desk(bots, name, accounts[name], deletionPolicy=stories[name])

        with ThreadPoolExecutor(len(stories)) as threads:
            yield dict(zip(stories, threads.map(open_desk, stories), strict=True))


# -- the stories -------------------------------------------------------------------------------------------------------


def stop_while_it_stands_still(desk: live.Desk, meanwhile: Callable[[], object] = lambda: None) -> Drill:
    """Freeze the bot, leave a purchase behind, stop it, let the kill Job work, and let the bot go on."""
    bot, account, entry = desk.bot, desk.account, ids.client_id(desk.bot.key, 999, 1)
    pod = live.the_pod(bot)
    with live.standing_still(pod) as frozen, ThreadPoolExecutor(1) as others:
        account.buy_later(entry)
        before = len(account.journal())
        waiting = others.submit(live.buy, pod, account.bot_key, 100)
        live.patch(bot, "alice", emergencyStop={"active": True, "closePositions": True, "reason": "drill"})
        meanwhile()
        stop = eventually(
            lambda: bot.status().get("emergencyStop", {}),
            holds=lambda seen: seen.get("kill", {}).get("finished"),
            what=f"{bot.name}: the kill Job has ended",
            seconds=90,
            every=live.LOOK_SECONDS,
        )
        resting, coins, woke = account.open_orders(), account.coins(), bool(frozen.alive())
        frozen.wake()
        try:
            answer: tuple[int, Any] | str = waiting.result()
        except OSError as error:
            answer = str(error)
    eventually(
        lambda: live.own_pods(bot), holds=lambda left: left == [], what=f"{bot.name}: its pod is gone", seconds=90
    )
    return Drill(desk, entry, stop, resting, coins, woke, answer, account.sent(before))


def kill_and_resume(desk: live.Desk) -> tuple[Drill, str]:
    """A whole drill; the stop that rests for the position that the bot takes afterwards."""
    drill = stop_while_it_stands_still(desk)
    return drill, live.resume(desk, "the drill is over").protection


def delete(desk: live.Desk) -> dict[str, Any]:
    """Delete the object, with a purchase left behind; return what rests when it is gone, and the account's coins."""
    desk.bot.kubectl("delete", "tbot", desk.bot.name, "--wait=true", timeout=120)
    eventually(desk.bot.pods, holds=lambda left: left == [], what=f"{desk.bot.name}: its pods are gone", seconds=120)
    return {"resting": set(desk.account.open_orders()), "coins": desk.account.coins()}


def delete_without_an_exchange(desk: live.Desk) -> str:
    """Delete the object while the exchange drops every connection; return what the object says of it, then force it."""
    bot = desk.bot
    desk.account.faults({"kind": "drop", "path": "/api/*", "times": None})
    bot.kubectl("delete", "tbot", bot.name, "--wait=false")
    said = eventually(
        lambda: bot.condition("Progressing"),
        holds=lambda seen: "The deletion waits" in seen["message"],
        what=f"{bot.name}: it says what is waited for",
        every=live.LOOK_SECONDS,
    )
    bot.kubectl("annotate", "tbot", bot.name, "tradingbots.dev/force-delete=true")
    bot.kubectl("wait", "--for=delete", f"tbot/{bot.name}", "--timeout=60s", timeout=70)
    return str(said["message"])


@pytest.fixture(scope="module")
def stories(tools: Tools, desks: dict[str, live.Desk]) -> Iterator[dict[str, Future[Any]]]:
    """What is told while the operator runs."""
    with ThreadPoolExecutor(len(desks)) as threads:
        yield {
            "killed": threads.submit(kill_and_resume, desks["killed"]),
            UNREACHABLE: threads.submit(delete_without_an_exchange, desks[UNREACHABLE]),
            **{name: threads.submit(delete, desks[name]) for name in ("kept", "sold", "left")},
        }


# -- what must be so ---------------------------------------------------------------------------------------------------


def assert_killed(drill: Drill) -> None:
    """The Job did all of it at the exchange and said so, and the bot sent nothing any more."""
    outcome, protection = drill.stop["outcome"], drill.desk.protection
    assert drill.stop["kill"]["reason"] == "The bot did not answer 2 times in a row."
    assert (outcome["source"], outcome["state"]) == ("kill", outcome["state"])
    assert outcome["state"] in CONFIRMED, outcome
    assert {order["clientId"]: order["state"] for order in outcome["orders"]} == {
        drill.entry: "CANCELLED",
        protection: "CANCELLED",
    }
    assert [(position["symbol"], position["residual"]) for position in outcome["positions"]] == [(live.SYMBOL, "0")]
    assert (drill.resting, drill.coins) == ({}, 0), "the exchange says the same"
    assert drill.woke, "the process had not ended: it could have gone on trading"
    assert not (isinstance(drill.answer, tuple) and drill.answer[0] < 400), drill.answer
    own = [name for name in drill.sent if not ids.is_kill(drill.desk.bot.key, name)]
    assert own == [], "orders of the bot after the stop"
    assert drill.sent, "the Job sold"


def test_a_live_bot_that_stands_still_is_stopped_at_the_exchange_and_trades_on_when_it_is_resumed(
    stories: dict[str, Future[Any]],
) -> None:
    drill, again = stories["killed"].result()
    assert_killed(drill)
    assert again not in {drill.desk.protection, drill.entry}


def test_a_live_bot_that_is_deleted_with_cancel_orders_keeps_its_position_and_the_stop_for_it(
    stories: dict[str, Future[Any]], desks: dict[str, live.Desk]
) -> None:
    left = stories["kept"].result()
    assert left["resting"] == {desks["kept"].protection}
    assert left["coins"] > 0


def test_a_live_bot_that_is_deleted_with_flatten_leaves_nothing(stories: dict[str, Future[Any]]) -> None:
    assert stories["sold"].result() == {"resting": set(), "coins": 0}


def test_a_live_bot_that_is_deleted_with_retain_leaves_everything(
    stories: dict[str, Future[Any]], desks: dict[str, live.Desk]
) -> None:
    left = stories["left"].result()
    assert left["resting"] == {desks["left"].protection}
    assert left["coins"] > 0


def test_a_deletion_that_the_exchange_does_not_confirm_says_what_is_left_and_can_be_forced(
    stories: dict[str, Future[Any]], desks: dict[str, live.Desk]
) -> None:
    desk = desks[UNREACHABLE]
    said = stories[UNREACHABLE].result()
    assert "closed positions (deletionPolicy Flatten)" in said
    assert f"kubectl annotate tbot {desk.bot.name} -n {desk.bot.namespace} tradingbots.dev/force-delete=true" in said
    assert set(desk.account.open_orders()) == {desk.protection}
    assert desk.account.coins() > 0


def test_a_stop_that_came_while_the_operator_was_down_is_carried_out_when_it_is_back(
    tools: Tools, stories: dict[str, Future[Any]], desks: dict[str, live.Desk]
) -> None:
    for story in stories.values():
        story.exception()  # They need the operator; what went wrong there is told there.
    with stopped(tools):
        drill = stop_while_it_stands_still(desks["orphaned"], meanwhile=lambda: start(tools))
    assert_killed(drill)
