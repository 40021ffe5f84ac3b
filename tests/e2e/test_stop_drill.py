"""A stop that closes positions, while one of those who could be needed for it dies: at which moment is all the same.

Five live bots, each alone at an exchange of its own, are stopped at different moments around one death. Then each is
flat at its exchange, has sold exactly what it held, stays stopped, and trades on when a person resumes it. `make
test-drill` runs this.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import deaths, live
from tests.support.bots import Bots
from tests.support.waiting import eventually

from tradingbot.domain import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bots import Bot

    from tradingbot_cluster.demo.tools import Tools

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]

MOMENTS = (-1.0, -0.3, -0.05, 0.0, 0.3)
"""When each bot is stopped, in seconds after the death."""
VICTIMS = ("operator", "bots", "postgresql", "redis", "the API server")
STOP = {"active": True, "closePositions": True, "reason": "drill"}


@pytest.fixture(scope="module")
def desks(tools: Tools, people: None) -> Iterator[list[live.Desk]]:
    with ExitStack() as stack:
        accounts = [stack.enter_context(live.account(tools)) for _ in MOMENTS]
        made = Bots(tools)
        stack.callback(made.close)

        def open_desk(account: live.Account) -> live.Desk:
            redis = {"secretRef": {"name": "trading-redis"}}
            return live.open_desk(made, "dying", account, redis=redis, deletionPolicy="Retain")

        with ThreadPoolExecutor(len(accounts)) as threads:
            yield list(threads.map(open_desk, accounts))


@dataclass(frozen=True)
class Stopped:
    """What was seen of one bot."""

    desk: live.Desk
    before: int
    """Requests that its exchange had seen before."""
    held: float
    status: dict[str, Any]


def killer(tools: Tools, victim: str, bots: list[Bot]) -> Callable[[], Callable[[], None]]:
    """Return what kills the victim, and then returns what waits until it is back or brings it back."""
    if victim == "operator":
        return deaths.operator(tools)
    if victim == "bots":
        return deaths.bots(bots)
    return deaths.api_server if victim == "the API server" else deaths.server(tools, victim)


def stop(desk: live.Desk, pod: dict[str, Any], at: float, *, by_its_api: bool) -> None:
    """Stop a bot at a moment of the monotonic clock, by a patch or at its own door."""
    time.sleep(max(0.0, at - time.monotonic()))
    if by_its_api:
        path = "/api/v1/bot/emergency-stop?close_positions=true&reason=drill"
        assert live.command(pod, path, desk.account.bot_key, {})[0] == 202
    else:
        live.patch(desk.bot, "alice", emergencyStop=STOP)


def stop_around(desks: list[live.Desk], kill: Callable[[], Callable[[], None]], *, no_patches: bool) -> list[Stopped]:
    """Stop each bot at its moment, let the victim die, wait until it is back and every bot has said how it ended."""
    pods = [live.the_pod(desk.bot) for desk in desks]
    seen = [(len(desk.account.journal()), desk.account.coins()) for desk in desks]
    death = time.monotonic() + 2.0
    with ThreadPoolExecutor(len(desks)) as threads:
        stops = [
            threads.submit(stop, desk, pod, death + moment, by_its_api=no_patches and moment > MOMENTS[0])
            for desk, pod, moment in zip(desks, pods, MOMENTS, strict=True)
        ]
        time.sleep(max(0.0, death - time.monotonic()))
        back = kill()
        trouble = [stop.exception() for stop in stops]
        back()
        assert trouble == [None] * len(desks)
        ended = list(threads.map(how_it_ended, desks))
    return [Stopped(desk, *before, status) for desk, before, status in zip(desks, seen, ended, strict=True)]


def how_it_ended(desk: live.Desk) -> dict[str, Any]:
    """Wait until the stop has an outcome and return the status."""
    return eventually(
        desk.bot.status,
        holds=lambda seen: seen.get("emergencyStop", {}).get("outcome", {}).get("state") not in {None, "PENDING"},
        what=f"{desk.bot.name}: the stop has an outcome",
        seconds=180,
        every=live.LOOK_SECONDS,
    )


def assert_flat_and_stopped(stopped: Stopped) -> None:
    """At the exchange nothing rests, nothing is held, and what was held was sold once; the bot says that it is flat."""
    account, outcome = stopped.desk.account, stopped.status["emergencyStop"]["outcome"]
    assert outcome["state"] in {"FLAT", "FLAT_WITH_DUST"}, outcome
    assert account.open_orders() == {}
    assert account.coins() == 0
    sent = [
        entry["params"] for entry in account.journal(stopped.before)
        if (entry["method"], entry["path"]) == ("POST", live.ORDERS)
    ]  # fmt: skip
    assert {order["side"] for order in sent} <= {"SELL"}, "nothing was bought after the stop"
    assert all(ids.is_of(stopped.desk.bot.key, order["newClientOrderId"]) for order in sent)
    assert stopped.held > 0, "there was something to sell"


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_dies_at_any_moment_of_a_stop_every_position_is_closed_and_every_bot_stays_stopped(
    tools: Tools, desks: list[live.Desk], victim: str
) -> None:
    kill = killer(tools, victim, [desk.bot for desk in desks])
    for stopped in stop_around(desks, kill, no_patches=victim == "the API server"):
        assert_flat_and_stopped(stopped)
        eventually(
            stopped.desk.bot.status,
            holds=lambda status: (
                (status["state"], status["emergencyStop"]["outcome"]["state"][:4]) == ("KILLED", "FLAT")
            ),
            what=f"{stopped.desk.bot.name} is stopped",
        )
    # A person resumes each: it trades again, and holds a position for the next death.
    with ThreadPoolExecutor(len(desks)) as threads:
        desks[:] = threads.map(lambda desk: live.resume(desk, f"{victim} is back"), desks)
