"""The stop of a whole namespace on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.operator.live_bots import BotAnswers, LiveBot, stamp
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api


def lifted(stop: str) -> dict[str, Any]:
    return {"stop": None, "last_stop": {"id": stop, "resumed_at": stamp(), "reason": "checked"}}


def test_a_resume_that_is_written_while_the_namespace_is_stopped_never_takes_effect(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    """No policy refuses it here. It stays in the spec, and the operator remembers that it came too early."""
    answers = BotAnswers()
    try:
        operator = start_operator(TBO_BOT_POLL_SECONDS="1")
        bot = LiveBot(namespace, answers)
        bot.simulate()
        namespace.annotate(emergency_stop="true")
        stop = eventually(lambda: namespace.status("a").get("emergencyStop"), "it is stopped")["id"]
        said = {"id": stop, "since": stamp(), "source": "namespace", "reason": "", "close_positions": False}
        outcome = {"state": "CANCELLED", "orders_cancelled": 0, "message": ""}
        answers.says |= {"state": "KILLED", "stop": said | {"outcome": outcome}}
        bot.edit(resume={"stopId": stop, "reason": "checked"})
        eventually(lambda: namespace.status("a")["emergencyStop"].get("voidResume"), "it is known to be too early")
        operator.kill()
        namespace.annotate(emergency_stop=None)
        start_operator(TBO_BOT_POLL_SECONDS="1")
        eventually(lambda: not namespace.status("a")["emergencyStop"].get("standing"), "nobody asks any more")
        namespace.wait_for_condition("Suspended", "True", "ResumeRefused")
        answers.says |= {"state": "ACTIVE"} | lifted(stop)
        # Whatever a bot says, it is stopped: under an id that it has not lifted.
        again = eventually(lambda: namespace.status("a")["emergencyStop"]["id"], "the bot was asked", holds=stop.__ne__)
        bot.edit(resume={"stopId": again, "reason": "the exchange is back"})
        answers.says |= lifted(str(again))
        eventually(lambda: "emergencyStop" not in namespace.status("a"), "a resume of this moment ends it")
    finally:
        answers.close()


def test_one_annotation_stops_all_bots_that_are_there_and_that_come(
    namespace: Namespace, start_operator: StartOperator
) -> None:
    operator = start_operator()
    for bot in ("a", "b"):
        namespace.bot(bot)
        namespace.wait_for_children(bot)
    namespace.annotate(emergency_stop="true", emergency_stop_reason="everything")

    def stop_of(bot: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = namespace.status(bot).get("emergencyStop")
        return found

    for bot in ("a", "b"):
        stop = eventually(lambda bot=bot: stop_of(bot), f"{bot} is stopped")  # type: ignore[misc]
        assert (stop["source"], stop["reason"], stop["standing"]) == ("namespace", "everything", True)
    namespace.bot("new")
    eventually(lambda: stop_of("new"), "a new bot is stopped")
    namespace.annotate(emergency_stop=None)
    eventually(lambda: not (stop_of("a") or {}).get("standing"), "nobody asks any more")
    operator.kill()
    namespace.annotate(emergency_stop="true", close_positions="true")
    start_operator()
    eventually(lambda: (stop_of("a") or {}).get("closePositions"), "what was annotated while the operator was down")
    assert all(stop_of(bot) for bot in ("a", "b", "new"))
