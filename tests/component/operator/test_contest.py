"""Somebody else changes a child back whenever it is repaired: an actor after the write, or a webhook within it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.component.operator.live_world import LiveWorld
from tests.component.operator.world import NAMESPACE, World

from tradingbot_operator.policy.contest import LONGEST_PAUSE, QUIET
from tradingbot_operator.runtime.keys import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[dict[str, Any]], None]

KEY = Key(NAMESPACE, "a")
NAME = "tradingbot-a"


class Actor:
    """Changes a child after each write of the operator's, and says so in its managed fields."""

    def __init__(self, world: World, kind: str, change: Change, *, fields: dict[str, Any] | None = None) -> None:
        self.world, self.kind, self.change, self.fields = world, kind, change, fields
        self.on = True

    def act(self) -> None:
        def all_of_it(obj: dict[str, Any]) -> None:
            self.change(obj)
            if self.fields is not None:
                obj["metadata"]["managedFields"] = [{"manager": "scaler", "fieldsV1": self.fields}]

        if self.on:
            self.world.kube.edit(self.kind, NAMESPACE, NAME, all_of_it)

    async def fight(self, rounds: int = 20) -> int:
        """Act, let the operator react, and so on; return how many of its writes that took."""
        before = writes(self.world, self.kind)
        for _ in range(rounds):
            self.act()
            await self.world.settle()
        return writes(self.world, self.kind) - before


def writes(world: World, kind: str) -> int:
    return sum(written == kind for _, written, _ in world.kube.writes)


def told(world: World, reason: str = "Contested") -> list[dict[str, Any]]:
    return [event for event in world.kube.of("Event") if event["reason"] == reason]


async def again(world: World, seconds: float = 0) -> None:
    """Let time pass: the operator comes back when it has asked to."""
    asked = world.requeues[KEY]
    if seconds:
        assert asked is not None, "the operator has not asked to be called again"
        assert asked <= seconds, f"the operator comes back in {asked} s only"
    world.clock.advance(seconds)
    world.later(seconds)
    world.queue.add(KEY)
    await world.settle()


def scale(obj: dict[str, Any]) -> None:
    obj["spec"]["replicas"] = 3


def aim(obj: dict[str, Any]) -> None:
    obj["spec"]["selector"] = {"x": "y"}


@pytest.fixture
async def world() -> World:
    made = World()
    await made.converged()
    return made


async def test_it_gives_way_after_five_repairs_says_so_once_and_names_who(world: World) -> None:
    scaler = Actor(world, "Deployment", scale, fields={"f:spec": {"f:replicas": {}}})
    assert await scaler.fight() == 5
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "Contested")
    assert (
        "Deployment tradingbot-a is changed back whenever it is repaired: spec.replicas, by scaler."
        in (degraded["message"])
    )
    (event,) = told(world)
    assert (event["type"], event["note"]) == ("Warning", degraded["message"])
    assert world.shown.contested == ("Deployment",)
    assert world.requeues[KEY] == 10


async def test_it_tries_again_less_and_less_often_and_never_gives_up(world: World) -> None:
    scaler = Actor(world, "Deployment", scale)
    await scaler.fight()
    asked = []
    for _ in range(9):
        asked.append(world.requeues[KEY])
        before = writes(world, "Deployment")
        await again(world, world.requeues[KEY] or 0)
        assert writes(world, "Deployment") == before + 1
        scaler.act()
        await world.settle()
    assert asked == [10, 20, 40, 80, 160, 320, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert len(told(world)) == 1


async def test_it_is_over_by_itself_when_the_other_one_gives_up(world: World) -> None:
    scaler = Actor(world, "Deployment", scale)
    await scaler.fight()
    scaler.on = False
    await again(world, 10)
    assert world.condition("Degraded")["reason"] == "Contested", "it may be changed back yet"
    await again(world, QUIET)
    assert world.condition("Degraded")["status"] == "False"
    assert world.shown.contested == ()
    assert world.requeues[KEY] is None
    assert await Actor(world, "Deployment", scale).fight(1) == 1, "at once, as before"


async def test_another_content_is_written_at_once_and_is_contested_no_more(world: World) -> None:
    scaler = Actor(world, "Deployment", scale)
    await scaler.fight()
    world.create(logLevel="DEBUG")
    await world.settle()
    deployment = world.kube.objects["Deployment", NAMESPACE, NAME]
    assert deployment["spec"]["replicas"] == 1
    assert world.condition("Degraded")["status"] == "False"
    world.later(60)
    assert await scaler.fight() == 5, "and if it goes on, it is told again"
    assert len(told(world)) == 2


async def test_other_children_are_written_meanwhile(world: World) -> None:
    await Actor(world, "Service", aim).fight()
    assert await Actor(world, "Deployment", scale).fight(1) == 1
    world.create(logLevel="DEBUG")
    await world.settle()
    mounted = world.kube.objects["Deployment", NAMESPACE, NAME]["spec"]["template"]["spec"]["volumes"][0]["configMap"]
    assert ("ConfigMap", NAMESPACE, mounted["name"]) in world.kube.objects
    assert world.shown.contested == ("Service",)


async def test_a_child_that_is_deleted_again_and_again(world: World) -> None:
    for _ in range(20):
        if ("Service", NAMESPACE, NAME) in world.kube.objects:
            world.kube.remove("Service", NAMESPACE, NAME)
        await world.settle()
    assert writes(world, "Service") == 1 + 5
    assert (
        "Service tradingbot-a is changed back whenever it is repaired: the whole object"
        in (world.condition("Degraded")["message"])
    )


async def test_a_webhook_that_changes_every_write_is_found_out_without_any_event(world: World) -> None:
    def mutate(verb: str, kind: str, _name: str) -> None:
        if kind == "Service":
            # After the write, before its answer.
            world.kube.after_write = lambda: world.kube.edit("Service", NAMESPACE, NAME, aim)

    world.kube.on_write = mutate
    aimed = Actor(world, "Service", aim)
    aimed.act()
    await world.settle()
    for _ in range(4):
        await again(world, 5)
    assert "Service tradingbot-a is changed back" in world.condition("Degraded")["message"]
    assert "mutating webhook" in world.condition("Degraded")["message"]
    assert writes(world, "Service") == 1 + 5
    assert len(told(world)) == 1


async def test_what_a_webhook_adds_is_no_contest(world: World) -> None:
    def inject(obj: dict[str, Any]) -> None:
        obj["metadata"]["labels"]["team"] = "x"
        obj["metadata"]["annotations"]["sidecar.example/injected"] = "yes"
        obj["spec"]["template"]["metadata"]["annotations"]["sidecar.example/status"] = "{}"
        obj["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy:1"})
        obj["spec"]["template"]["spec"]["initContainers"] = [{"name": "init", "image": "proxy:1"}]

    assert await Actor(world, "Deployment", inject).fight(3) == 0
    assert world.condition("Degraded")["status"] == "False"


@pytest.mark.parametrize("kind", ["Role", "NetworkPolicy"])
async def test_rights_are_taken_back_at_once_however_often(world: World, kind: str) -> None:
    def widen(obj: dict[str, Any]) -> None:
        if kind == "Role":
            obj["rules"] = [*obj["rules"], {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        else:
            obj["spec"]["egress"] = [{}]

    widener = Actor(world, kind, widen)
    assert await widener.fight(30) == 30
    assert "It is put back at once each time" in world.condition("Degraded")["message"]
    assert len(told(world)) == 1


async def test_a_stop_scales_down_at_once_although_the_scaler_is_known(world: World) -> None:
    """The kill takes the pods away whoever wants them back, and as often."""
    scaler = Actor(world, "Deployment", scale)
    await scaler.fight()
    world.create(emergencyStop={"active": True})
    await world.settle()
    world.later(120)
    await again(world)
    assert world.status()["emergencyStop"]["kill"]["job"]
    assert world.kube.objects["Deployment", NAMESPACE, NAME]["spec"]["replicas"] == 0
    for _ in range(15):
        scaler.act()
        await world.settle()
        assert world.kube.objects["Deployment", NAMESPACE, NAME]["spec"]["replicas"] == 0
    assert world.shown.contested == ("Deployment",)


async def test_a_restart_in_the_middle_does_not_tell_it_again(world: World) -> None:
    scaler = Actor(world, "Deployment", scale)
    await scaler.fight()
    await world.restart()
    await world.settle()
    assert world.condition("Degraded")["reason"] == "Contested", "nobody knows yet that it is over"
    await scaler.fight()
    assert world.condition("Degraded")["reason"] == "Contested"
    assert len(told(world)) == 1


async def test_a_restart_after_its_end_finds_that_it_is_over(world: World) -> None:
    await Actor(world, "Deployment", scale).fight()
    await world.restart()
    await world.settle()
    await again(world, QUIET)
    assert world.condition("Degraded")["status"] == "False"


async def test_a_bot_that_is_gone_is_contested_no_more(world: World) -> None:
    await Actor(world, "Deployment", scale).fight()
    for kind, _, name in list(world.kube.objects):
        if kind != "Event":
            world.kube.remove(kind, NAMESPACE, name)
    await world.settle()
    await world.converged()
    assert world.condition("Degraded")["status"] == "False"


# --- a live bot


async def test_the_image_of_a_live_bot_is_put_back_at_once_however_often_and_told() -> None:
    world = await LiveWorld().live()

    def swap(obj: dict[str, Any]) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror.example/bot:1"

    swapper = Actor(world, "Deployment", swap)
    assert await swapper.fight(1) == 1
    (event,) = told(world, "Repaired")
    assert "of this live bot was changed, and is put back: spec.template.spec.containers[bot].image" in event["note"]
    assert world.condition("Degraded")["status"] == "False"
    assert await swapper.fight(30) == 30
    assert world.condition("Degraded")["reason"] == "Contested"
    assert len(told(world)) == 1


async def test_what_runs_beside_a_live_bot_is_left_alone_and_told() -> None:
    world = await LiveWorld().live()

    def inject(obj: dict[str, Any]) -> None:
        pod = obj["spec"]["template"]["spec"]
        if len(pod["containers"]) == 1:
            pod["containers"].append({"name": "proxy", "image": "proxy:1"})
            pod["hostAliases"] = [{"ip": "198.51.100.9", "hostnames": ["api.binance.com"]}]

    assert await Actor(world, "Deployment", inject).fight(3) == 0
    degraded = world.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "PodExtended")
    assert "containers[proxy], hostAliases" in degraded["message"]
    assert len(told(world, "PodExtended")) == 1


async def test_a_tighter_limit_of_a_live_bot_takes_effect_at_once_in_the_middle_of_a_contest() -> None:
    world = await LiveWorld().live()

    def note(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"] = {}

    noter = Actor(world, "Deployment", note)
    assert await noter.fight() == 5
    before = world.config()
    await world.apply(risk={"maxOpenPositions": 1})
    assert world.config() != before
    assert "max_open_positions: 1" in world.config()
