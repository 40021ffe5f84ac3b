"""How often a status is written while bots come up: once each, however the moments fall, and never late."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.runtime.parking import PATIENCE_SECONDS, QUIET_SECONDS


def reports(world: World) -> Counter[str]:
    """Status writes by bot."""
    return Counter(name for verb, _, name in world.kube.writes if verb == "status")


async def test_a_bot_that_comes_up_within_the_quiet_second_is_written_to_once() -> None:
    world = World()
    world.create()
    await world.work()
    assert reports(world) == {}, "nobody gains from hearing that it is being started"
    world.clock.advance(QUIET_SECONDS / 2)
    world.pod(ready=True)
    await world.work()
    assert reports(world) == {"a": 1}
    assert world.condition("Ready")["status"] == "True"
    await world.settle()
    world.clock.advance(100)
    await world.settle()
    assert reports(world) == {"a": 1}


async def test_a_bot_that_does_not_come_up_is_told_of_after_a_quiet_second() -> None:
    world = World()
    world.create()
    await world.work()
    world.clock.advance(QUIET_SECONDS - 0.01)
    await world.work()
    assert reports(world) == {}
    world.clock.advance(0.02)
    await world.work()
    assert reports(world) == {"a": 1}
    assert world.condition("Ready")["reason"] == Reason.STARTING.value
    world.pod(ready=True)
    await world.work()
    assert reports(world) == {"a": 2}, "that it is up is told at once"


async def test_a_restarted_operator_tells_what_the_one_before_it_had_left_to_tell() -> None:
    world = World()
    world.create()
    await world.work()
    await world.restart()
    await world.work()
    assert reports(world) == {"a": 1}


async def test_a_bot_that_cannot_start_is_told_of_at_once() -> None:
    world = World()
    world.create()
    await world.work()
    world.pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    await world.work()
    assert reports(world) == {"a": 1}
    assert world.condition("Degraded")["status"] == "True"


async def test_a_correction_is_told_of_at_once_too() -> None:
    world = World()
    world.create()
    await world.work()
    world.pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    await world.work()
    world.create(image="bot:2")
    await world.work()
    assert reports(world)["a"] == 2


async def test_a_stop_does_not_wait() -> None:
    world = World()
    world.create()
    await world.work()
    assert reports(world) == {}
    world.create(emergencyStop={"active": True, "reason": "now"})
    await world.work()
    assert world.status()["emergencyStop"]["reason"] == "now"


async def test_a_paused_bot_is_told_of_at_once() -> None:
    world = World()
    world.create(trading="Paused")
    await world.work()
    assert world.condition("Suspended")["status"] == "True"


async def test_a_bot_that_is_gone_is_not_told_of() -> None:
    world = World()
    world.create()
    await world.work()
    world.kube.remove("TradingBot", NAMESPACE, "a")
    world.clock.advance(100)
    await world.work()
    assert reports(world) == {}
    assert len(world.parking) == 0


async def test_work_on_other_bots_holds_a_report_up_but_not_for_ever() -> None:
    world = World()
    world.create("slow")
    await world.work()
    number = 0
    while world.clock.now < PATIENCE_SECONDS - 1:
        number += 1
        world.create(f"other-{number}")
        world.clock.advance(0.9)
        await world.work()
        assert "slow" not in reports(world)
    world.create("last")
    world.clock.advance(0.9)
    await world.work()
    world.clock.advance(0.9)
    await world.work()
    assert reports(world)["slow"] == 1


BOTS = tuple("abcdef")
# Between two creations less than a second passes, and no bot takes longer than that after the last of them.
PAUSES = st.lists(st.floats(0, QUIET_SECONDS * 0.99), min_size=len(BOTS), max_size=len(BOTS))
READY_AFTER = st.lists(st.integers(1, len(BOTS)), min_size=len(BOTS), max_size=len(BOTS))


@settings(max_examples=60, deadline=None)
@given(PAUSES, READY_AFTER)
async def test_of_many_bots_that_come_up_at_once_each_is_written_to_once(pauses: list[float], after: list[int]) -> None:
    """Bot n is ready so many creations after its own, and the queue is empty at each of these moments."""
    world = World()
    for number, pause in enumerate(pauses):
        world.create(BOTS[number])
        await world.work()
        world.clock.advance(pause)
        await world.work()
        for name in [BOTS[n] for n in range(number + 1) if n + after[n] == number + 1]:
            world.pod(name, ready=True)
            await world.work()
    for number, name in enumerate(BOTS):
        if number + after[number] > len(BOTS):
            world.pod(name, ready=True)
            await world.work()
    await world.settle()
    assert reports(world) == dict.fromkeys(BOTS, 1)
    assert all(world.condition("Ready", name)["status"] == "True" for name in BOTS)


async def test_what_somebody_else_keeps_in_a_status_is_not_written_against_without_end() -> None:
    """An apply takes nothing away that another field manager owns; a stopped bot is looked at every second."""
    world = World()
    await world.converged()

    def keep(obj: dict[str, Any]) -> None:
        obj["status"]["url"] = "http://elsewhere.example"

    def mutate(verb: str, kind: str, _name: str) -> None:
        if verb == "status":
            world.kube.after_write = lambda: world.kube.edit(kind, NAMESPACE, "a", keep)

    world.kube.on_write = mutate
    world.create(logLevel="DEBUG")
    await world.settle()
    before = reports(world)["a"]
    for _ in range(5):
        world.clock.advance(1)
        world.queue.add(Key(NAMESPACE, "a"))
        await world.settle()
    assert reports(world)["a"] <= before + 1
    world.create(emergencyStop={"active": True})
    await world.settle()
    assert world.status()["state"] == "KILLED", "what is new is written at once"
    before = reports(world)["a"]
    world.clock.advance(600)
    world.queue.add(Key(NAMESPACE, "a"))
    await world.settle()
    assert reports(world)["a"] > before, "and the rest is tried again"
