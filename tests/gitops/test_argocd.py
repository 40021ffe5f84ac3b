"""What only Argo CD does: it acts by itself, gives up, shows health, and runs the project's scripts."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.crd.server import ROOT
from tests.gitops.argocd import ArgoCD, Installed, argocd_cm
from tests.gitops.test_stops import NOT_YET, assert_nothing_resumed
from tests.support.gitops_facts import DECLARES, KEPT, OMITS, REVERTED
from tests.support.waiting import ANSWER_SECONDS, eventually
from tests.unit.gitops.test_argocd_scripts import ACTIONS, SCRIPTS, health_cases, load

from tradingbot_cluster.binaries import program

if TYPE_CHECKING:
    from tests.api.crd.server import Manifest
    from tests.gitops.world import World

pytestmark = pytest.mark.gitops

EXAMPLE = ROOT / "gitops" / "argocd" / "applications.yaml"


def health(tool: ArgoCD, file: Manifest) -> tuple[str, str]:
    shown = tool.resource(file).get("health") or {}
    return shown.get("status", ""), shown.get("message", "")


# --- a stop, and nobody presses a button -----------------------------------------------------------------------------


@pytest.mark.usefixtures("operator")
def test_self_heal_takes_a_stop_back_by_itself_where_git_declares_it(world: World, argo: Installed) -> None:
    tool, file = ArgoCD(argo), world.file(world.free, **DECLARES)
    tool.deploy(file)
    with world.watched(file) as bot:
        world.stop(file, "kubectl")
        eventually(lambda: not world.is_stopped(file), "self-heal took the field back")
        assert_nothing_resumed(world, file, bot)
        tool.until_synced(file)


@pytest.mark.usefixtures("operator")
def test_a_stopped_bot_is_in_sync_and_not_healthy_where_git_omits_it(world: World, argo: Installed) -> None:
    tool, file = ArgoCD(argo), world.file(world.free, **OMITS)
    tool.deploy(file)
    world.stop(file, "kubectl")
    latch = world.until_latched(file)
    _, message = eventually(
        lambda: health(tool, file),
        "Argo CD shows the stop",
        holds=lambda shown: shown[0] in {"Suspended", "Degraded"} and latch["id"] in shown[1],
    )
    assert "Only spec.resume with this id ends it." in message
    tool.refresh(file)
    assert tool.application(file)["status"]["sync"]["status"] == "Synced"
    assert world.is_stopped(file)


def test_self_heal_that_a_policy_refused_gives_up_until_somebody_syncs(world: World, argo: Installed) -> None:
    """An upstream fact that docs/gitops.md tells: the stop is safe, but so long nothing else heals itself either."""
    tool, file = ArgoCD(argo), world.file(world.guarded, **DECLARES)
    beside = world.beside(file)
    tool.deploy(file, beside)

    def errors() -> list[str]:
        conditions = tool.application(file)["status"].get("conditions") or []
        return [condition["message"] for condition in conditions if condition["type"] == "SyncError"]

    with world.watched(file) as bot:
        world.stop(file, "kubectl")
        (error,) = eventually(errors, "self-heal has given up")
        assert error.startswith("Failed last sync attempt")
        assert NOT_YET in error
        with world.operator(world.guarded):
            world.until_latched(file)
            world.said_by(beside, "hand")
            tool.refresh(file)
            assert errors()
            assert world.is_stopped(file)
            assert world.said_by(beside) == "hand"
            assert tool.application(file)["status"]["sync"]["status"] == "OutOfSync"
            assert world.became(file, tool.again(file)) == REVERTED
            assert world.said_by(beside) == "git"
            eventually(errors, "the error is gone", holds=lambda found: not found)
            assert_nothing_resumed(world, file, bot)


def test_self_heal_that_tries_for_ever_ends_once_the_stop_is_latched(world: World, argo: Installed) -> None:
    tool, file = ArgoCD(argo, retries=-1), world.file(world.guarded, **DECLARES)
    tool.deploy(file)

    def refused() -> bool:
        return NOT_YET in (tool.application(file)["status"].get("operationState") or {}).get("message", "")

    with world.watched(file) as bot:
        world.stop(file, "kubectl")
        eventually(refused, "self-heal was refused")
        with world.operator(world.guarded):
            eventually(lambda: not world.is_stopped(file), "a later try took the field back")
            assert_nothing_resumed(world, file, bot)
            tool.until_synced(file)


@pytest.mark.usefixtures("operator")
def test_with_the_projects_settings_only_a_sync_takes_a_stop_back(world: World, argo_with_settings: Installed) -> None:
    """argocd-cm.yaml keeps the field out of the diff: self-heal sees nothing, and a sync writes what Git declares."""
    tool, file = ArgoCD(argo_with_settings), world.file(world.free, **DECLARES)
    tool.deploy(file)
    with world.watched(file) as bot:
        world.stop(file, "kubectl")
        latch = world.until_latched(file)
        eventually(lambda: health(tool, file)[1], "Argo CD shows the stop", holds=lambda said: latch["id"] in said)
        tool.refresh(file)
        assert tool.application(file)["status"]["sync"]["status"] == "Synced"
        assert world.is_stopped(file)
        assert world.became(file, tool.again(file)) == REVERTED
        assert_nothing_resumed(world, file, bot)


@pytest.mark.usefixtures("operator")
def test_the_example_application_leaves_a_stop_alone_even_where_git_declares_it(world: World, argo: Installed) -> None:
    documents = yaml.safe_load_all(EXAMPLE.read_text(encoding="utf-8"))
    trading = next(each["spec"] for each in documents if each["metadata"]["name"] == "trading")
    options = [option for option in trading["syncPolicy"]["syncOptions"] if option != "CreateNamespace=true"]
    tool = ArgoCD(argo, *options, ignored=trading["ignoreDifferences"])
    file = world.file(world.free, **DECLARES)
    tool.deploy(file)
    with world.watched(file) as bot:
        world.stop(file, "kubectl")
        assert world.became(file, tool.again(file)) == KEPT
        assert_nothing_resumed(world, file, bot)


# --- the project's scripts, as Argo CD itself runs them --------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "argocd-cm.yaml"
    path.write_text(yaml.safe_dump(argocd_cm(ignore_differences=True)), encoding="utf-8")
    return path


def override(settings: Path, *words: str) -> str:
    command = [str(program("argocd")), "admin", "settings", "resource-overrides", *words, "--argocd-cm-path"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(settings.parent)}
    done = subprocess.run(
        [*command, str(settings)], capture_output=True, text=True, env=environment, check=False, timeout=ANSWER_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(("kind", "path", "expected"), health_cases())
def test_health(settings: Path, kind: str, path: str, expected: dict[str, str]) -> None:
    said = override(settings, "health", str(SCRIPTS / kind / path))
    assert said.strip() == f"STATUS: {expected['status']}\nMESSAGE: {expected['message']}".strip()


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(case["inputPath"], case["result"], id=Path(case["inputPath"]).stem)
        for case in load(ACTIONS / "action_test.yaml")["discoveryTests"]
    ],
)
def test_which_actions_are_offered(settings: Path, path: str, expected: list[dict[str, Any]]) -> None:
    said = override(settings, "list-actions", str(ACTIONS / path)).splitlines()[1:]
    assert sorted(line.split() for line in said) == sorted(
        [action["name"], str(action["disabled"]).lower()] for action in expected
    )


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    "case",
    load(ACTIONS / "action_test.yaml")["actionTests"],
    ids=lambda case: f"{case['action']}-{Path(case['inputPath']).stem}",
)
def test_actions(settings: Path, case: dict[str, Any]) -> None:
    given = [f"--param={name}={value}" for name, value in case.get("parameters", {}).items()]
    said = override(settings, "run-action", str(ACTIONS / case["inputPath"]), case["action"], *given)
    before, after = (
        Counter(line.strip() for line in yaml.safe_dump(load(ACTIONS / case[key])).splitlines())
        for key in ("inputPath", "expectedOutputPath")
    )
    added, taken = (Counter(re.findall(rf"^{sign} +(.*)$", said, re.MULTILINE)) for sign in "><")
    assert (added - taken, taken - added) == (after - before, before - after)
