"""The CRDs in the chart are those of crds/, kept on uninstall, and the examples fit them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from tests.support.charts import CHARTS, ROOT, of_kind, render

from tradingbot.strategy import registry

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SOURCES = sorted((ROOT / "crds").glob("*.yaml"))


def crds() -> dict[str, dict[str, Any]]:
    loaded = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in SOURCES]
    return {crd["metadata"]["name"]: crd for crd in loaded}


def strict(schema: Any) -> Any:
    """The schema as `kubectl apply` checks it (in the terms of draft 4): an unknown field is an error."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner["additionalProperties"] = False
    return inner


def test_the_copies_in_the_chart_are_the_sources() -> None:
    done = subprocess.run(
        [sys.executable, str(CHARTS / "sync_crds.py"), "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(SOURCES) == 3


def test_the_chart_adds_nothing_to_a_crd_but_that_it_is_kept() -> None:
    kept = {"annotations": {"helm.sh/resource-policy": "keep"}}
    sources = crds()
    rendered = {m["metadata"]["name"]: m for m in of_kind(render("tradingbot-operator"), "CustomResourceDefinition")}
    assert rendered == {
        name: {**crd, "metadata": {**crd["metadata"], **kept}} for name, crd in sources.items()
    }  # fmt: skip
    loose = of_kind(render("tradingbot-operator", {"crds": {"keep": False}}), "CustomResourceDefinition")
    assert {m["metadata"]["name"]: m for m in loose} == sources
    without = render("tradingbot-operator", {"crds": {"enabled": False}})
    assert of_kind(without, "CustomResourceDefinition") == []


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_fits_its_schema_and_declares_no_stop(path: Path) -> None:
    versions = {
        (crd["spec"]["group"] + "/" + version["name"], crd["spec"]["names"]["kind"]): version
        for crd in crds().values()
        for version in crd["spec"]["versions"]
    }
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        schema = versions[manifest["apiVersion"], manifest["kind"]]["schema"]["openAPIV3Schema"]
        check = strict({key: schema["properties"][key] for key in ("spec",)})
        jsonschema.Draft4Validator(check["spec"]).validate(manifest["spec"])
        assert "emergencyStop" not in manifest["spec"]
        assert manifest["metadata"]["namespace"] == "trading"


def test_there_are_examples() -> None:
    assert {"tradingbot.yaml", "moving-average-cross.yaml"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_the_bot_has_the_strategy_of_an_example_and_takes_its_parameters(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        strategy = manifest["spec"]["strategy"]
        registry.factory(strategy["name"], strategy.get("parameters", {}))
