"""The stop of a whole namespace on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api


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
