"""A stop under the real GitOps tools: what becomes of the field, and that trading is not resumed in any case."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING

import pytest
from tests.gitops.flux import flux
from tests.gitops.helm import Helm4
from tests.gitops.world import CANDLES
from tests.support.gitops_facts import CONFLICT, DECLARES, EXPECTED, FLUX, HELM_4, HELM_4_FORCE, KEPT, OMITS, REVERTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.stop_watchers import Seen
    from tests.api.crd.server import Manifest
    from tests.gitops.tools import Tool
    from tests.gitops.world import World

pytestmark = pytest.mark.gitops

TOOLS: dict[str, Callable[[World], AbstractContextManager[Tool]]] = {
    HELM_4: lambda world: nullcontext(Helm4(world)),
    HELM_4_FORCE: lambda world: nullcontext(Helm4(world, "--force-conflicts")),
    "Helm 4: helm rollback": lambda world: nullcontext(Helm4(world, command="rollback")),
    "Helm 4: helm rollback --force-conflicts": lambda world: nullcontext(
        Helm4(world, "--force-conflicts", command="rollback")
    ),
    FLUX: flux,
}
ROW = {
    "Helm 4: helm rollback": HELM_4,
    "Helm 4: helm rollback --force-conflicts": HELM_4_FORCE,
}
"""What does the same as a row of the table."""
COLUMNS = {"omits, kubectl": 0, "omits, plugin": 1, "declares, kubectl": 2, "declares, plugin": 2}
CASES = [(tool, column) for tool in TOOLS for column in COLUMNS]
NOT_YET = "this stop is not latched yet"


def expected(tool: str, column: str) -> str:
    return EXPECTED[ROW.get(tool, tool)][COLUMNS[column]]


def in_git(column: str) -> dict[str, object]:
    return DECLARES if column.startswith("declares") else OMITS


@pytest.fixture(scope="session")
def tools(world: World) -> Iterator[Callable[[str], Tool]]:
    """Start a tool when it is first asked for."""
    started: dict[str, Tool] = {}
    with ExitStack() as opened:

        def named(name: str) -> Tool:
            if name not in started:
                started[name] = opened.enter_context(TOOLS[name](world))
            return started[name]

        yield named


@pytest.fixture(scope="session")
def operator(world: World) -> Iterator[None]:
    """The operator works where no policy is in force."""
    with world.operator(world.free):
        yield


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
@pytest.mark.parametrize(("tool", "column"), CASES)
def test_a_stop_outlasts_the_next_pass_of_a_tool(
    world: World, tools: Callable[[str], Tool], tool: str, column: str
) -> None:
    file = world.file(world.free, **in_git(column))
    tools(tool).deploy(file)
    with world.watched(file) as bot:
        world.stop(file, column.partition(", ")[2])
        said = tools(tool).again(file)
        assert world.became(file, said) == expected(tool, column)
        assert_nothing_resumed(world, file, bot)


@pytest.mark.parametrize(("tool", "column"), [case for case in CASES if expected(*case) == REVERTED])
def test_the_policies_refuse_a_tool_that_takes_a_stop_back_before_it_is_latched(
    world: World, tools: Callable[[str], Tool], tool: str, column: str
) -> None:
    """While the operator is down nothing can be taken back; once it has latched the stop, the field does not matter."""
    file = world.file(world.guarded, **in_git(column))
    tools(tool).deploy(file)
    with world.watched(file) as bot:
        world.stop(file, column.partition(", ")[2])
        said = tools(tool).again(file)
        assert NOT_YET in said
        assert world.is_stopped(file)
        with world.operator(world.guarded):
            world.until_latched(file)
            assert world.became(file, tools(tool).again(file)) == REVERTED
            assert_nothing_resumed(world, file, bot)


@pytest.mark.parametrize(("tool", "column"), [case for case in CASES if expected(*case) in {KEPT, CONFLICT}])
def test_the_policies_do_not_hinder_a_tool_that_leaves_a_stop_alone(
    world: World, tools: Callable[[str], Tool], tool: str, column: str
) -> None:
    file = world.file(world.guarded, **in_git(column))
    tools(tool).deploy(file)
    world.stop(file, column.partition(", ")[2])
    assert world.became(file, tools(tool).again(file)) == expected(tool, column)
