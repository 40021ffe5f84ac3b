"""The converter says everything a structural schema can say, and refuses the rest with its path."""

from typing import Any

import pytest

from tradingbot_operator.api.crdgen.structural import Converter, NotStructural

TEXT = {"type": "string", "maxLength": 8, "description": "A text."}


def convert(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> dict[str, Any]:
    return Converter(definitions or {}).convert(schema, "spec.x")


def described(**keywords: Any) -> dict[str, Any]:
    return {"description": "A thing.", **keywords}


@pytest.mark.parametrize(
    "keyword",
    [
        {"oneOf": [TEXT, TEXT]},
        {"allOf": [TEXT]},
        {"not": TEXT},
        {"discriminator": {"propertyName": "kind"}},
        {"prefixItems": [TEXT]},
        {"uniqueItems": True},
        {"patternProperties": {"^x": TEXT}},
        {"dependentRequired": {"a": ["b"]}},
        {"contentMediaType": "text/plain"},
        {"examples": ["x"]},
        {"deprecated": True},
        {"readOnly": True},
        {"nullable": True},
        {"x-unknown": 1},
        {"gt": 0},
    ],
    ids=lambda keyword: next(iter(keyword)),
)
def test_a_keyword_that_it_does_not_know_is_refused_by_name(keyword: dict[str, Any]) -> None:
    with pytest.raises(NotStructural, match=rf"^spec\.x: a structural schema has no {next(iter(keyword))}$"):
        convert(TEXT | keyword)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "string", "maxLength": 8}, "has no description"),
        (described(type="string"), "needs a maxLength"),
        (described(type="integer"), "needs a lower bound"),
        (described(type="number", maximum=1), "needs a lower bound"),
        (described(type="number", minimum=0, exclusiveMinimum=0), "exclude each other"),
        (described(type="array", maxItems=1, **{"x-kubernetes-list-type": "set"}), "needs the type of its items"),
        (described(type="array", items=TEXT, **{"x-kubernetes-list-type": "set"}), "needs maxItems"),
        (described(type="array", items=TEXT, maxItems=1), "needs list_type"),
        (described(type="object", additionalProperties=TEXT), "needs maxProperties"),
        (described(type="object"), "PRESERVE_UNKNOWN_FIELDS"),
        (described(type="object", additionalProperties=True), "PRESERVE_UNKNOWN_FIELDS"),
        (described(type="object", properties={"a": TEXT}, additionalProperties=True), "exclude each other"),
        (
            described(
                type="object",
                additionalProperties=TEXT,
                maxProperties=1,
                propertyNames={"pattern": "^a", "maxLength": 1},
            ),
            "can only have a maxLength",
        ),
        (described(), "needs one of the types"),
        (described(type=["string", "null"]), "needs one of the types"),
        (described(type="null"), "needs one of the types"),
        (described(const=1, type="integer"), "const is only known for strings"),
        (described(anyOf=[TEXT, {"type": "integer"}]), "anyOf is only known as a type or null"),
        (described(anyOf=[TEXT, {"type": "integer"}, {"type": "null"}]), "anyOf is only known as a type or null"),
        (described(**{"x-kubernetes-int-or-string": True}), "int-or-string"),
        (described(type="string", maxLength=1, format="duration"), "does not check the format duration"),
        (described(**{"$ref": "#/$defs/Missing"}), "is recursive or not in this document"),
        (described(type="object", properties={"a": TEXT}, default={"a": "x"}), "default of an object"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_path(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotStructural, match=problem) as refusal:
        convert(schema)
    assert str(refusal.value).startswith("spec.x")


def test_recursion_is_refused() -> None:
    with pytest.raises(NotStructural, match="recursive"):
        convert({"$ref": "#/$defs/A"}, {"A": {"$ref": "#/$defs/A"}})


def test_the_path_names_nested_fields_items_and_values() -> None:
    items = described(type="array", items={"type": "string"}, maxItems=1, **{"x-kubernetes-list-type": "atomic"})
    values = described(type="object", additionalProperties={"type": "string"}, maxProperties=1)
    for schema, path in ((items, "spec.x.inner[]"), (values, "spec.x.inner.*")):
        with pytest.raises(NotStructural) as refusal:
            convert(described(type="object", properties={"inner": schema}))
        assert str(refusal.value).startswith(f"{path}: ")


def test_references_are_put_in_place_and_what_is_beside_them_wins() -> None:
    definitions = {"Text": TEXT | {"x-kubernetes-validations": [{"rule": "a"}]}}
    found = convert(
        {"$ref": "#/$defs/Text", "description": "Better.", "x-kubernetes-validations": [{"rule": "b"}]}, definitions
    )
    assert found["description"] == "Better."
    assert found["x-kubernetes-validations"] == [{"rule": "a"}, {"rule": "b"}]
    assert "$ref" not in found


def test_an_enum_needs_a_description_of_the_field() -> None:
    definitions = {"Mode": {"type": "string", "enum": ["a"], "description": "About the class."}}
    with pytest.raises(NotStructural, match="has no description"):
        convert({"$ref": "#/$defs/Mode"}, definitions)


def test_null_makes_a_field_optional_and_not_nullable() -> None:
    found = convert({"anyOf": [TEXT, {"type": "null"}], "default": None})
    assert found == {"description": "A text.", "type": "string", "maxLength": 8}


def test_a_constant_is_an_enum_of_one() -> None:
    assert convert(described(const="a", type="string"))["enum"] == ["a"]


def test_exclusive_bounds_are_booleans_in_a_structural_schema() -> None:
    found = convert(described(type="number", exclusiveMinimum=0, exclusiveMaximum=1))
    assert (found["minimum"], found["exclusiveMinimum"]) == (0, True)
    assert (found["maximum"], found["exclusiveMaximum"]) == (1, True)


def test_bounds_on_keys_become_a_rule() -> None:
    found = convert(
        described(
            type="object",
            additionalProperties={"type": "string", "maxLength": 2},
            maxProperties=3,
            propertyNames={"maxLength": 4},
        )
    )
    assert found["x-kubernetes-validations"][0]["rule"] == "self.all(key, key.size() <= 4)"
    assert "propertyNames" not in found


def test_the_default_of_an_object_lets_those_of_its_fields_apply() -> None:
    field = {"type": "integer", "minimum": 0, "default": 1, "description": "A number."}
    schema = described(type="object", properties={"a": field}, default={"a": 1, "b": None})
    assert convert(schema)["default"] == {}
    # The API server asks rules about a default as it stands, so there it is written out.
    assert convert({**schema, "x-kubernetes-validations": [{"rule": "self.a > 0"}]})["default"] == {"a": 1}


def test_defaults_are_said_in_the_description_because_explain_shows_none() -> None:
    found = convert(described(type="boolean", default=False))
    assert found["description"] == "A thing. Default: false."
    assert (
        convert(described(type="boolean", default=False) | {"description": "Default: no."})["description"]
        == "Default: no."
    )


def test_lines_are_joined_and_paragraphs_kept() -> None:
    assert convert(TEXT | {"description": "One\n  line.\n\nTwo."})["description"] == "One line.\n\nTwo."
