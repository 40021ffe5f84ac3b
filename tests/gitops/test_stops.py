"""A stop under the real GitOps tools: what becomes of the field, and that trading is not resumed in any case."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.gitops.argocd import ArgoCD
from tests.gitops.helm import Helm4
from tests.gitops.world import CANDLES
from tests.support.gitops_facts import (
    ARGO,
    ARGO_SERVER_SIDE,
    CONFLICT,
    DECLARES,
    EXPECTED,
    FLUX,
    HELM_4,
    HELM_4_FORCE,
    KEPT,
    OMITS,
    REPLACE,
    REVERTED,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.stop_watchers import Seen
    from tests.api.crd.server import Manifest
    from tests.api.operator.harness import Namespace
    from tests.gitops.tools import Tool
    from tests.gitops.world import World

pytestmark = pytest.mark.gitops

ROLLBACK, ROLLBACK_FORCE = "Helm 4: helm rollback", "Helm 4: helm rollback --force-conflicts"
ROW = {ROLLBACK: HELM_4, ROLLBACK_FORCE: HELM_4_FORCE}
"""What does the same as a row of the table."""
TOOLS: dict[str, Callable[[pytest.FixtureRequest], Tool]] = {
    HELM_4: lambda given: Helm4(given.getfixturevalue("world")),
    HELM_4_FORCE: lambda given: Helm4(given.getfixturevalue("world"), "--force-conflicts"),
    ROLLBACK: lambda given: Helm4(given.getfixturevalue("world"), command="rollback"),
    ROLLBACK_FORCE: lambda given: Helm4(given.getfixturevalue("world"), "--force-conflicts", command="rollback"),
    FLUX: lambda given: given.getfixturevalue("flux"),
    ARGO: lambda given: ArgoCD(given.getfixturevalue("argo")),
    ARGO_SERVER_SIDE: lambda given: ArgoCD(given.getfixturevalue("argo"), "ServerSideApply=true"),
    REPLACE: lambda given: ArgoCD(given.getfixturevalue("argo"), "Replace=true"),
}
COLUMNS = {"omits, kubectl": 0, "omits, plugin": 1, "declares, kubectl": 2, "declares, plugin": 2}
CASES = [(tool, column, EXPECTED[ROW.get(tool, tool)][number]) for tool in TOOLS for column, number in COLUMNS.items()]
RUNS = 13
NOT_YET = "this stop is not latched yet"


def cases(*outcomes: str) -> pytest.MarkDecorator:
    """Those in which this becomes of the stop."""
    found = [case for case in CASES if case[2] in outcomes]
    ids = [f"{tool}, Git {column}" for tool, column, _ in found]
    return pytest.mark.parametrize(("tool", "column", "becomes"), found, ids=ids, indirect=["tool"])


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> Tool:
    return TOOLS[request.param](request)


def bot_of(world: World, namespace: Namespace, column: str) -> tuple[Manifest, str]:
    """A new bot as Git has it, and how it will be stopped."""
    git, writer = column.split(", ")
    return world.file(namespace, **(DECLARES if git == "declares" else OMITS)), writer


def assert_nothing_resumed(world: World, file: Manifest, bot: Callable[[], Seen]) -> None:
    """The operator and the bot hold the stop, and the bot, which had traded, has not traded since."""
    latch = world.until_latched(file)
    seen = bot()
    assert seen.latched
    assert seen.orders_before > 0
    assert (seen.orders_after, seen.steps_after >= CANDLES) == (0, True)
    assert world.live(file)["status"]["emergencyStop"]["id"] == latch["id"]
    assert world.live(file)["status"]["state"] == "KILLED"


@pytest.mark.usefixtures("operator")
@cases(KEPT, CONFLICT, REVERTED)
def test_a_stop_outlasts_the_next_pass_of_a_tool(world: World, tool: Tool, column: str, becomes: str) -> None:
    file, writer = bot_of(world, world.free, column)
    tool.deploy(file)
    with world.watched(file) as bot:
        world.stop(file, writer)
        assert world.became(file, tool.again(file)) == becomes
        assert_nothing_resumed(world, file, bot)


@cases(REVERTED)
def test_the_policies_refuse_a_tool_that_takes_a_stop_back_before_it_is_latched(
    world: World, tool: Tool, column: str, becomes: str
) -> None:
    """While the operator is down nothing can be taken back; once it has latched the stop, the field does not matter."""
    file, writer = bot_of(world, world.guarded, column)
    tool.deploy(file)
    with world.watched(file) as bot:
        world.stop(file, writer)
        assert NOT_YET in tool.again(file)
        assert world.is_stopped(file)
        with world.operator(world.guarded):
            world.until_latched(file)
            assert world.became(file, tool.again(file)) == becomes
            assert_nothing_resumed(world, file, bot)


@cases(KEPT, CONFLICT)
def test_the_policies_do_not_hinder_a_tool_that_leaves_a_stop_alone(
    world: World, tool: Tool, column: str, becomes: str
) -> None:
    file, writer = bot_of(world, world.guarded, column)
    tool.deploy(file)
    world.stop(file, writer)
    assert world.became(file, tool.again(file)) == becomes


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("tool", [HELM_4_FORCE, FLUX, ARGO, ARGO_SERVER_SIDE], indirect=True)
@pytest.mark.parametrize("seed", [20261201])
def test_a_stop_at_any_moment_of_a_pass_outlasts_it_and_the_next_one(world: World, tool: Tool, seed: int) -> None:
    """Each bot is stopped up to a second after a pass has begun; the pass after that takes the stop back each time."""
    dice = random.Random(seed)
    files = [world.file(world.free, **DECLARES) for _ in range(RUNS)]
    for file in files:
        tool.deploy(file)

    def stop_later(file: Manifest, seconds: float) -> None:
        time.sleep(seconds)
        world.stop(file, "kubectl")

    with world.all_watched(files) as bots, ThreadPoolExecutor(1) as pool:
        for file in files:
            stopping = pool.submit(stop_later, file, dice.random())
            tool.again(file)
            stopping.result()
            tool.again(file)
            assert not world.is_stopped(file)
            world.until_latched(file)
        seen = bots()
    assert {name for name, bot in seen.items() if bot.latched} == {file["metadata"]["name"] for file in files}
    assert all(bot.orders_before > 0 for bot in seen.values())
    assert sum(bot.orders_after for bot in seen.values()) == 0
