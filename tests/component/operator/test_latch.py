"""Whatever else is wrong, a stop gets into the status, stays there, and is there soon after the server takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.operator.test_kill import killed, replicas
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.kube.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeError,
    ThrottledError,
    UnavailableError,
)
from tradingbot_operator.runtime.controller import RetryError
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.status.observation import BotReport

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key(NAMESPACE, "a")
SOON = 5.0
ERRORS = [
    UnavailableError("the API server does not answer"),
    ThrottledError("later", retry_after=2.0),
    ConflictError("the object has been modified", code=409),
    InvalidError("refused", code=422),
    ForbiddenError("a policy forbids it", code=403),
]


async def trading() -> World:
    world = World(polled=True)
    await world.converged()
    world.pod(ready=True)
    world.bots.reports[KEY] = BotReport({"state": "ACTIVE", "role": "trading", "ready": True})
    await world.settle()
    world.later(3600)
    return world


def refuse_status(error: KubeError) -> Callable[[str, str, dict[str, Any]], Exception | None]:
    return lambda verb, kind, _: error if (verb, kind) == ("status", "TradingBot") else None


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_latch_that_the_server_does_not_take_is_tried_again_soon_however_often(error: KubeError) -> None:
    """Ordinary work waits longer and longer, up to five minutes; a stop does not."""
    world = await trading()
    world.kube.refuse = refuse_status(error)
    world.create(emergencyStop={"active": True})
    world.deliver()
    for _ in range(12):
        with pytest.raises(RetryError) as caught:
            await world.reconciler.reconcile(KEY)
        assert caught.value.after is not None, "it does not wait longer each time"
        assert caught.value.after <= SOON
    world.kube.refuse = None
    await world.settle()
    assert world.status()["emergencyStop"]["source"] == "spec"


@pytest.mark.parametrize("kind", ["ConfigMap", "Deployment", "NetworkPolicy", "Event", "ServiceAccount"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_no_other_write_that_fails_holds_up_the_latch(kind: str, error: KubeError) -> None:
    world = await trading()
    world.kube.refuse = lambda _verb, what, _: error if what == kind else None
    world.create(emergencyStop={"active": True}, logLevel="DEBUG")
    await world.settle()
    assert world.status()["emergencyStop"]["source"] == "spec"


@pytest.mark.parametrize("stopped", [True, False], ids=["a stop", "no stop"])
async def test_what_nobody_has_thought_of_does_not_hold_up_the_latch(
    monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    world = await trading()
    before = world.status()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tradingbot_operator.reconcile.tradingbot.build", broken)
    world.create(emergencyStop={"active": stopped})
    world.deliver()
    with pytest.raises(RetryError if stopped else ZeroDivisionError):
        await world.reconciler.reconcile(KEY)
    latched = world.status().pop("emergencyStop", {})
    assert latched.get("source") == ("spec" if stopped else None)
    assert world.status() == before, "and nothing else is written"


LATCH = {"id": "uid00001-2", "since": "2026-11-21T09:00:00Z", "source": "spec", "closePositions": True}


@pytest.mark.parametrize(
    "part",
    [
        {"reason": "r" * 5000},
        {"outcome": {"state": "", "message": "m" * 9000}},
        {"outcome": "none"},
        {"kill": {"job": "j" * 300, "since": "2026-11-21T09:00:00Z"}},
        {"since": "never"},
        {"since": None},
        {"source": 7},
        {"standing": "perhaps"},
        {"closePositions": "yes, please"},
    ],
    ids=lambda part: f"{next(iter(part))}: {str(next(iter(part.values())))[:12]}",
)
@pytest.mark.parametrize("beside", [{}, {"positions": "many"}], ids=["alone", "beside other nonsense"])
async def test_a_latch_that_cannot_be_read_as_a_whole_holds(part: dict[str, Any], beside: dict[str, Any]) -> None:
    """An operator of another version wrote it, or somebody: what cannot be read never loosens."""
    world = await trading()

    def written(obj: dict[str, Any]) -> None:
        obj["status"] |= {"emergencyStop": LATCH | part} | beside

    world.kube.edit("TradingBot", NAMESPACE, "a", written)
    await world.restart()
    await world.settle()
    stop = world.status()["emergencyStop"]
    assert (stop["id"], stop["closePositions"]) == ("uid00001-2", True)
    assert world.condition("Suspended")["reason"] == "EmergencyStopped"


@pytest.mark.parametrize("latch", ["stopped", [1], {"reason": "no id"}, {"id": 7, "since": "never"}, True])
async def test_a_latch_without_a_name_gets_one(latch: Any) -> None:
    world = await trading()
    world.kube.edit("TradingBot", NAMESPACE, "a", lambda obj: obj["status"].update(emergencyStop=latch))
    await world.restart()
    await world.settle()
    meta = world.bot()["metadata"]
    assert world.status()["emergencyStop"]["id"] == f"{meta['uid'][:8]}-{meta['generation']}"


@pytest.mark.parametrize(
    "forge",
    [
        lambda status: status.pop("emergencyStop"),
        lambda status: status.update(emergencyStop=None),
        lambda status: status["emergencyStop"].update(id="uid00001-1"),
        lambda status: status["emergencyStop"].update(closePositions=False),
        lambda status: status["emergencyStop"].pop("kill"),
        lambda status: status["emergencyStop"].update(outcome={"state": "FLAT", "confirmed": True}),
        lambda status: status.clear(),
    ],
    ids=["taken out", "null", "renamed", "closes nothing", "no kill", "an outcome", "no status at all"],
)
async def test_what_somebody_writes_into_the_status_changes_no_latch_that_the_operator_has_written(forge: Any) -> None:
    """Where the policies are missing, a role with every verb is enough to write it. It brings no pod back."""
    world = await killed(closePositions=True)
    before = world.status()["emergencyStop"]
    world.kube.edit("TradingBot", NAMESPACE, "a", lambda obj: forge(obj["status"]))
    await world.settle()
    assert replicas(world) == 0
    assert world.status()["emergencyStop"] == before


async def test_a_new_bot_of_the_same_name_does_not_get_the_latch_of_the_one_before() -> None:
    world = await trading()
    world.create(emergencyStop={"active": True})
    await world.settle()
    world.kube.remove("TradingBot", NAMESPACE, "a")
    world.create()
    await world.settle()
    assert "emergencyStop" not in world.status()
