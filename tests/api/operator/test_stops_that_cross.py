"""A stop that comes while the resume of an earlier one is carried out, on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.operator.live_bots import BotAnswers, LiveBot, stamp
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api
POLLS = {"TBO_BOT_POLL_SECONDS": "1"}
VERIFIED = {"state": "CANCELLED", "orders_cancelled": 0, "message": ""}


def stop_of(bot: LiveBot) -> dict[str, Any]:
    found: dict[str, Any] = bot.namespace.status("a").get("emergencyStop") or {}
    return found


def held(stop: str) -> dict[str, Any]:
    """What the bot says while it holds a stop."""
    said = {"id": stop, "since": stamp(), "source": "spec", "reason": "", "close_positions": False}
    return {"state": "KILLED", "stop": said | {"outcome": VERIFIED}}


def lifted(stop: str) -> dict[str, Any]:
    return {"state": "ACTIVE", "stop": None, "last_stop": {"id": stop, "resumed_at": stamp(), "reason": "checked"}}


def present(bot: LiveBot) -> str:
    """The id of a stop that the object asks for as it is now."""
    found = bot.namespace.get("TradingBot", "a")
    assert found is not None
    return f"{found['metadata']['uid'][:8]}-{found['metadata']['generation']}"


def resuming(bot: LiveBot, answers: BotAnswers) -> str:
    """Stop the bot and name its stop in a resume; return its id."""
    bot.simulate()
    bot.edit(emergencyStop={"active": True})
    stop = str(eventually(lambda: stop_of(bot).get("id"), "it is stopped"))
    answers.says |= held(stop)
    bot.edit(emergencyStop=None)
    eventually(lambda: (stop_of(bot).get("outcome") or {}).get("state") == "CANCELLED", "the exchange agrees")
    bot.edit(resume={"stopId": stop, "reason": "checked"})
    return stop


def test_the_stop_that_the_bot_holds_is_the_one_in_the_status_and_can_be_resumed(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator
) -> None:
    start_operator(**POLLS)
    bot = LiveBot(namespace, answers)
    first = resuming(bot, answers)
    # The bot has lifted the first one before it saw the second; nobody has asked it in between.
    bot.edit(emergencyStop={"active": True})
    second = present(bot)
    answers.says |= lifted(first) | held(second)
    eventually(lambda: stop_of(bot).get("id") == second, "the status has the second")
    bot.edit(emergencyStop=None)
    bot.edit(resume={"stopId": second, "reason": "again"})
    answers.says |= lifted(second)
    eventually(lambda: not stop_of(bot), "the second is over")
    assert namespace.status("a")["lastStop"]["id"] == second


@pytest.mark.parametrize("restarted", [False, True], ids=["the operator runs on", "the operator is started anew"])
def test_a_stop_that_the_bot_has_missed_is_told_it_under_an_id_that_it_has_not_lifted(
    namespace: Namespace, answers: BotAnswers, start_operator: StartOperator, *, restarted: bool
) -> None:
    operator = start_operator(**POLLS)
    bot = LiveBot(namespace, answers)
    first = resuming(bot, answers)
    bot.edit(emergencyStop={"active": True})
    eventually(lambda: stop_of(bot).get("voidResume"), "the operator has seen it")
    bot.edit(emergencyStop=None)
    if restarted:
        operator.kill()
    answers.says |= lifted(first)
    if restarted:
        start_operator(**POLLS)
    latched = eventually(lambda: stop_of(bot).get("id"), "another id", holds=lambda found: found not in ("", first))
    assert namespace.status("a")["state"] == "KILLED"
    answers.says |= held(str(latched))
    bot.edit(resume={"stopId": latched, "reason": "again"})
    answers.says |= lifted(str(latched))
    eventually(lambda: not stop_of(bot), "it is over")
