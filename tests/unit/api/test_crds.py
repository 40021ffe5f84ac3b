"""The generated files: complete, described, and what is checked in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tradingbot_operator.api import names
from tradingbot_operator.api.crdgen.__main__ import HEADER, main, render
from tradingbot_operator.api.crdgen.kinds import KINDS, Kind, custom_resource_definition, open_api_schema
from tradingbot_operator.api.model import ApiModel

ROOT = Path(__file__).parents[3]
KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield where, field
        yield from fields(field, where)
        yield from fields(field.get("items", {}), f"{where}[]")


def test_the_checked_in_files_are_what_the_models_say() -> None:
    assert main([str(ROOT / "crds"), "--reference", str(ROOT / "docs" / "reference.md"), "--check"]) == 0, (
        "run `make crds`"
    )
    assert {path.name for path in (ROOT / "crds").iterdir()} == set(render())


def test_check_names_the_command_that_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--check"]) == 1
    assert "make crds" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0


def test_generating_twice_gives_the_same_bytes() -> None:
    assert render() == render()
    assert all(text.startswith(HEADER) for text in render().values())


@KIND
def test_every_field_is_described_in_a_sentence(kind: Kind) -> None:
    for path, field in fields(open_api_schema(kind)):
        if path.split(".")[0] != "metadata":
            description = field["description"]
            assert description.rstrip("'").endswith((".", "}")), f"{path}: {description}"
            assert "\n\n\n" not in description


@KIND
def test_every_refusal_says_what_to_write_and_is_one_line(kind: Kind) -> None:
    def rules(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from schema.get("x-kubernetes-validations", [])
        for part in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
            if isinstance(part, dict):
                yield from rules(part)

    found = list(rules(open_api_schema(kind)))
    assert found
    for rule in found:
        assert rule["reason"]
        assert "\n" not in rule["message"]
        words = ("write", "add", "lower", "remove", "choose", "create", "name")
        assert any(word in rule["message"] for word in words), rule["message"]


@KIND
def test_no_reference_crosses_a_namespace(kind: Kind) -> None:
    for path, _ in fields(open_api_schema(kind)["properties"]["spec"]):
        assert path.rsplit(".", 1)[-1] != "namespace", path


@KIND
def test_names_follow_the_conventions(kind: Kind) -> None:
    for path, _ in fields(open_api_schema(kind)):
        name = path.rsplit(".", 1)[-1]
        assert name[0].islower(), path
        assert "_" not in name, path


@KIND
def test_defaults_of_the_schema_are_those_of_the_models(kind: Kind) -> None:
    def compare(schema: dict[str, Any], model: type[BaseModel], path: str) -> None:
        for name, field in model.model_fields.items():
            sub = schema["properties"][field.alias or name]
            default = field.get_default(call_default_factory=True)
            where = f"{path}.{name}"
            if field.is_required() or default is None or default in ((), {}):
                assert "default" not in sub, where
            elif isinstance(default, BaseModel):
                assert set(sub["default"]) in (set(), {k for k, v in sub["properties"].items() if "default" in v}), (
                    where
                )
                compare(sub, type(default), where)
            else:
                holder = model.model_construct(**{name: default})
                written = holder.model_dump(mode="json", by_alias=True, include={name})
                assert written[field.alias or name] == sub["default"], where

    spec = kind.model.model_fields["spec"].annotation
    assert isinstance(spec, type)
    assert issubclass(spec, ApiModel)
    compare(open_api_schema(kind)["properties"]["spec"], spec, "spec")


@KIND
def test_the_definition_has_what_kubectl_shows(kind: Kind) -> None:
    crd = custom_resource_definition(kind)
    (version,) = crd["spec"]["versions"]
    assert crd["metadata"]["name"] == f"{kind.names.plural}.{names.GROUP}"
    assert crd["spec"]["scope"] == "Namespaced"
    assert crd["spec"]["names"]["categories"] == ["trading"]
    assert version["subresources"] == {"status": {}}
    conditions = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_columns_answer_whether_it_is_all_right() -> None:
    shown = {kind.names.kind: [column.name.upper() for column in kind.columns if not column.wide] for kind in KINDS}
    assert shown == {
        "TradingBot": ["MODE", "STATE", "READY", "POSITIONS", "AGE"],
        "BackupSchedule": ["SCHEDULE", "LAST-SUCCESS", "VERIFIED", "POINTS", "READY", "AGE"],
        "RecoveryJob": ["BACKUP", "PHASE-REASON", "AGE"],
    }


def test_no_rule_at_the_level_of_an_emergency_stop_can_stand_in_its_way() -> None:
    """A rule above emergencyStop is asked again by the patch that stops, so it has to let the stop pass first."""
    (kind,) = (kind for kind in KINDS if kind.names.kind == "TradingBot")
    schema = open_api_schema(kind)
    for rule in schema["x-kubernetes-validations"]:
        assert rule["rule"].startswith("oldSelf.hasValue() || ")
    for rule in schema["properties"]["spec"]["x-kubernetes-validations"]:
        assert rule["rule"].startswith("(has(self.emergencyStop) && self.emergencyStop.active) || ")
    stop = schema["properties"]["spec"]["properties"]["emergencyStop"]
    assert "required" not in stop
    assert "x-kubernetes-validations" not in stop
    assert set(schema["properties"]["spec"]["required"]) == {"strategy", "database"}, (
        "a new one would refuse old objects"
    )
