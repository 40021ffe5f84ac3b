"""Every case of health_test.yaml and action_test.yaml, with the scripts as Argo CD runs them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.gitops import argo

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.model import parse
from tradingbot_operator.api.v1alpha1 import BackupSchedule, RecoveryJob, TradingBot

ROOT = Path(__file__).parents[3]
ARGOCD = ROOT / "gitops" / "argocd"
SCRIPTS = ARGOCD / "resource_customizations" / "tradingbots.dev"
ACTIONS = SCRIPTS / "TradingBot" / "actions"
MODELS: dict[str, Any] = {"TradingBot": TradingBot, "BackupSchedule": BackupSchedule, "RecoveryJob": RecoveryJob}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def health_cases() -> list[Any]:
    return [
        pytest.param(kind, case["inputPath"], case["healthStatus"], id=f"{kind}/{Path(case['inputPath']).stem}")
        for kind in MODELS
        for case in load(SCRIPTS / kind / "health_test.yaml")["tests"]
    ]


@pytest.mark.parametrize(("kind", "path", "expected"), health_cases())
def test_health(kind: str, path: str, expected: dict[str, str]) -> None:
    obj = load(SCRIPTS / kind / path)
    assert argo.health((SCRIPTS / kind / "health.lua").read_text(encoding="utf-8"), obj) == expected


def test_every_status_has_a_case_and_every_file_a_use() -> None:
    statuses = {case.values[2]["status"] for case in health_cases() if case.values[0] == "TradingBot"}
    assert statuses == {"Healthy", "Progressing", "Suspended", "Degraded"}
    for kind in MODELS:
        used = {case.values[1] for case in health_cases() if case.values[0] == kind}
        assert used == {f"testdata/{path.name}" for path in (SCRIPTS / kind / "testdata").iterdir()}
    cases = load(ACTIONS / "action_test.yaml")
    named = {case["inputPath"] for part in cases.values() for case in part}
    named |= {case["expectedOutputPath"] for case in cases["actionTests"]}
    assert named == {f"testdata/{path.name}" for path in (ACTIONS / "testdata").iterdir()}


@pytest.mark.parametrize("path", sorted(SCRIPTS.rglob("testdata/*.yaml")), ids=lambda path: path.stem)
def test_the_cases_are_objects_of_the_api_with_reasons_of_the_closed_list(path: Path) -> None:
    obj = load(path)
    read = parse(MODELS[obj["kind"]], obj)
    known = {reason.value for reason in Reason}
    assert {condition.reason for condition in read.status.conditions} <= known


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(case["inputPath"], case["result"], id=Path(case["inputPath"]).stem)
        for case in load(ACTIONS / "action_test.yaml")["discoveryTests"]
    ],
)
def test_which_actions_are_offered(path: str, expected: list[dict[str, Any]]) -> None:
    found = argo.discover((ACTIONS / "discovery.lua").read_text(encoding="utf-8"), load(ACTIONS / path))
    assert sorted(found, key=lambda action: str(action["name"])) == sorted(expected, key=lambda a: str(a["name"]))
    assert {action["name"] for action in found} == {path.parent.name for path in ACTIONS.glob("*/action.lua")}


def script(action: str) -> str:
    return (ACTIONS / action / "action.lua").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "case",
    load(ACTIONS / "action_test.yaml")["actionTests"],
    ids=lambda case: f"{case['action']}-{Path(case['inputPath']).stem}",
)
def test_actions(case: dict[str, Any]) -> None:
    before = load(ACTIONS / case["inputPath"])
    after = argo.act(script(case["action"]), before, case.get("parameters"))
    assert after == load(ACTIONS / case["expectedOutputPath"])
    # Nothing but the spec changes, and of the spec nothing but what the action is about.
    patch = argo.merge_patch(before, after)
    assert set(patch) == {"spec"}
    assert set(patch["spec"]) <= {"emergencyStop", "resume", "trading"}


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("stopped", None, "parameter stopId is required: the stop that is latched is 1f0c2a9b-2"),
        ("stopped", {"stopId": "", "reason": "x"}, "parameter stopId is required"),
        ("stopped", {"stopId": "1f0c2a9b-1", "reason": "x"}, "the stop that is latched is 1f0c2a9b-2, not 1f0c2a9b-1"),
        ("stopped", {"stopId": "1f0c2a9b-2"}, "parameter reason is required"),
        ("active", {"stopId": "1f0c2a9b-2", "reason": "x"}, "no emergency stop is latched"),
        ("new", {"stopId": "1f0c2a9b-2", "reason": "x"}, "no emergency stop is latched"),
    ],
)
def test_resume_refuses(path: str, parameters: dict[str, str] | None, message: str) -> None:
    with pytest.raises(argo.LuaError, match=re.escape(message)):
        argo.act(script("resume"), load(ACTIONS / "testdata" / f"{path}.yaml"), parameters)


@pytest.mark.parametrize("action", ["stop", "stop-and-close-positions", "pause", "activate"])
def test_a_bot_of_which_nothing_is_known_can_be_stopped(action: str) -> None:
    obj: dict[str, Any] = {"kind": "TradingBot", "metadata": {"name": "a"}, "spec": {}}
    assert argo.act(script(action), obj)["spec"]
    offered = argo.discover((ACTIONS / "discovery.lua").read_text(encoding="utf-8"), obj)
    assert {entry["name"] for entry in offered if not entry["disabled"]} == {
        "stop",
        "stop-and-close-positions",
        "pause",
    }


@pytest.mark.parametrize("kind", MODELS)
def test_health_of_an_object_of_which_nothing_is_known(kind: str) -> None:
    lua = (SCRIPTS / kind / "health.lua").read_text(encoding="utf-8")
    objects: list[Any] = [
        {"metadata": {}},
        {"metadata": {}, "status": {}},
        {"metadata": {}, "status": {"conditions": []}},
    ]
    for obj in objects:
        assert argo.health(lua, obj)["status"] == "Progressing"


def test_the_config_map_holds_the_scripts_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("generate", ARGOCD / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    committed = (ARGOCD / "argocd-cm.yaml").read_text(encoding="utf-8")
    assert committed == generate.build(), "run `python gitops/argocd/generate.py`"
    data = yaml.safe_load(committed)["data"]
    actions = yaml.safe_load(data["resource.customizations.actions.tradingbots.dev_TradingBot"])
    assert {entry["name"]: entry["action.lua"] for entry in actions["definitions"]} == {
        path.parent.name: path.read_text(encoding="utf-8") for path in ACTIONS.glob("*/action.lua")
    }


@pytest.mark.parametrize("path", sorted(ARGOCD.glob("*.yaml")), ids=lambda path: path.name)
def test_no_example_declares_what_belongs_to_people(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert documents
    for document in documents:
        assert not {"emergencyStop", "resume", "approval"} & set(document.get("spec") or {})


def test_the_examples_are_objects_of_the_api_in_waves() -> None:
    """Operator before schedules before bots, and nothing after the bots: a stopped one would hold it up."""
    bots = list(yaml.safe_load_all((ARGOCD / "bots.yaml").read_text(encoding="utf-8")))
    for obj in bots:
        parse(MODELS[obj["kind"]], obj)
    waves = {obj["kind"]: int(obj["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for obj in bots}
    assert waves["BackupSchedule"] < waves["TradingBot"] == max(waves.values())
    trading = load_all(ARGOCD / "applications.yaml")["trading"]["spec"]
    (ignored,) = trading["ignoreDifferences"]
    assert "RespectIgnoreDifferences=true" in trading["syncPolicy"]["syncOptions"]
    data = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
    everywhere = yaml.safe_load(data["resource.customizations.ignoreDifferences.tradingbots.dev_TradingBot"])
    assert ignored["jsonPointers"] == everywhere["jsonPointers"]


def load_all(path: Path) -> dict[str, Any]:
    return {document["metadata"]["name"]: document for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))}
