"""From pydantic's JSON schema to the structural schema of a CRD.

The API server drops or misreads much of what JSON schema can say. So every keyword is either translated here or
refused with its path: a model that a CRD cannot express fails `make crds`, not a user.
"""

from decimal import Decimal
from typing import Any, Final

from tradingbot_operator.api.markers import VALIDATIONS
from tradingbot_operator.api.model import to_json_number

Schema = dict[str, Any]


class NotStructural(Exception):  # noqa: N818 - reads as a sentence: "not structural: spec.x: …"
    """A model says something that a structural schema cannot."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or '.'}: {problem}")


# Keywords that mean the same in both, in the order in which they are written.
_COPIED: Final = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    VALIDATIONS,
)
# Translated away by a function below, or without meaning in a CRD.
_TRANSLATED: Final = frozenset({"$ref", "anyOf", "const", "propertyNames", "title"})
_FORMATS: Final = frozenset({"date-time", "int32", "int64", "double"})
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_REF_PREFIX: Final = "#/$defs/"


def reflow(text: str) -> str:
    """Join the lines of each paragraph; kubectl explain breaks them again to the width of the terminal."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def default_sentence(schema: Schema) -> str:
    """Say the default: kubectl explain shows allowed values, but no defaults."""
    default = schema.get("default")
    if default is None or isinstance(default, dict) or "Default: " in schema["description"]:
        return ""
    written = ", ".join(default) if isinstance(default, list) else default
    return f" Default: {str(written).lower() if isinstance(written, bool) else written}."


class Converter:
    """Converts one document with its definitions."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, schema: Schema, path: str = "", *, described: bool = True) -> Schema:
        """Return the structural form, or raise NotStructural. `described` asks for a description."""
        found = self._one_of_null(self._inline(schema, path, ()), path)
        unknown = sorted(set(found) - set(_COPIED) - _TRANSLATED)
        if unknown:
            raise NotStructural(path, f"a structural schema has no {', '.join(unknown)}")
        result = {key: value for key, value in found.items() if key not in _TRANSLATED}
        self._const(found, result, path)
        self._kind(found, result, path)
        self._default(result, path)
        if "description" in result:
            result["description"] = reflow(result["description"]) + default_sentence(result)
        elif described:
            raise NotStructural(path, "has no description: write a sentence below the field")
        return {key: result[key] for key in _COPIED if key in result}

    def _inline(self, schema: Schema, path: str, seen: tuple[str, ...]) -> Schema:
        """Put a definition in place of the reference to it; what stands beside the reference wins."""
        if "$ref" not in schema:
            return schema
        reference = str(schema["$ref"])
        name = reference.removeprefix(_REF_PREFIX)
        if name in seen or name not in self._definitions or not reference.startswith(_REF_PREFIX):
            raise NotStructural(path, f"cannot put {reference} in its place: it is recursive or not in this document")
        target = self._inline(self._definitions[name], path, (*seen, name))
        if "enum" in target:
            # The sentence about the enum as a class does not say what the field means.
            target = {key: value for key, value in target.items() if key != "description"}
        return self._overlay(target, {key: value for key, value in schema.items() if key != "$ref"})

    @staticmethod
    def _overlay(below: Schema, above: Schema) -> Schema:
        merged = {**below, **above}
        rules = [*below.get(VALIDATIONS, []), *above.get(VALIDATIONS, [])]
        return {**merged, VALIDATIONS: rules} if rules else merged

    def _one_of_null(self, schema: Schema, path: str) -> Schema:
        """Turn `T | None = None` into a field that may be left out."""
        branches = schema.get("anyOf")
        if branches is None or schema.get("x-kubernetes-int-or-string"):
            return schema
        kept = [branch for branch in branches if branch != {"type": "null"}]
        if len(kept) != 1 or len(branches) != 2:
            raise NotStructural(path, "anyOf is only known as a type or null; use a single type")
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        if "default" in beside and beside["default"] is None:
            del beside["default"]
        inner = self._one_of_null(self._inline(kept[0], path, ()), path)
        return self._overlay(inner, beside)

    @staticmethod
    def _const(found: Schema, result: Schema, path: str) -> None:
        if "const" in found:
            if not isinstance(found["const"], str):
                raise NotStructural(path, "const is only known for strings")
            result["enum"] = [found["const"]]

    def _kind(self, found: Schema, result: Schema, path: str) -> None:
        """Translate what depends on the type, and ask for the bounds that the cost of CEL rules is estimated from."""
        if found.get("x-kubernetes-int-or-string"):
            self._int_or_string(found, result, path)
            return
        kind = found.get("type")
        if not isinstance(kind, str) or kind not in _TYPES:
            raise NotStructural(path, f"needs one of the types {', '.join(sorted(_TYPES))}")
        handlers = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._number,
            "number": self._number,
        }
        handler = handlers.get(kind)
        if handler is not None:
            handler(found, result, path)
        if result.get("format") is not None and result["format"] not in _FORMATS:
            raise NotStructural(path, f"the API server does not check the format {result['format']}")

    @staticmethod
    def _int_or_string(found: Schema, result: Schema, path: str) -> None:
        if found.get("anyOf") != [{"type": "integer"}, {"type": "string"}] or "maxLength" not in found:
            raise NotStructural(path, "int-or-string is anyOf integer, string, with a maxLength")
        result["anyOf"] = found["anyOf"]

    def _object(self, found: Schema, result: Schema, path: str) -> None:
        properties = found.get("properties")
        additional = found.get("additionalProperties")
        preserved = found.get("x-kubernetes-preserve-unknown-fields") is True
        if properties is not None:
            if additional not in (None, False):
                raise NotStructural(path, "properties and additionalProperties exclude each other")
            result.pop("additionalProperties", None)
            result["properties"] = {
                name: self.convert(schema, f"{path}.{name}" if path else name) for name, schema in properties.items()
            }
        elif isinstance(additional, dict) and additional:
            if preserved:
                raise NotStructural(path, "a typed map cannot preserve unknown fields")
            if "maxProperties" not in found:
                raise NotStructural(path, "a map needs maxProperties: Field(max_length=…)")
            result["additionalProperties"] = self.convert(additional, f"{path}.*", described=False)
            self._property_names(found, result, path)
        elif preserved:
            result.pop("additionalProperties", None)
        else:
            raise NotStructural(path, "an object of any content must say PRESERVE_UNKNOWN_FIELDS")

    @staticmethod
    def _property_names(found: Schema, result: Schema, path: str) -> None:
        """Say a bound on the keys of a map as a rule: a structural schema has no keyword for it."""
        names = {key: value for key, value in found.get("propertyNames", {}).items() if key != "type"}
        if not names:
            return
        if set(names) != {"maxLength"}:
            raise NotStructural(path, "keys of a map can only have a maxLength")
        rule = {
            "rule": f"self.all(key, key.size() <= {names['maxLength']})",
            "message": f"write keys of at most {names['maxLength']} characters",
            "reason": "FieldValueInvalid",
        }
        result[VALIDATIONS] = [*result.get(VALIDATIONS, []), rule]

    def _array(self, found: Schema, result: Schema, path: str) -> None:
        if "items" not in found:
            raise NotStructural(path, "a list needs the type of its items")
        if "maxItems" not in found:
            raise NotStructural(path, "a list needs maxItems: Field(max_length=…)")
        if "x-kubernetes-list-type" not in found:
            raise NotStructural(path, "a list needs list_type(…) or list_map(…)")
        result["items"] = self.convert(found["items"], f"{path}[]", described=False)

    @staticmethod
    def _string(found: Schema, result: Schema, path: str) -> None:
        bounded = "maxLength" in found or "enum" in result or found.get("format") == "date-time"
        if not bounded:
            raise NotStructural(path, "a string needs a maxLength: Text(…)")

    @staticmethod
    def _number(found: Schema, result: Schema, path: str) -> None:
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if exclusive in found:
                if bound in found:
                    raise NotStructural(path, f"{exclusive} and {bound} exclude each other")
                result[bound], result[exclusive] = found[exclusive], True
        if "minimum" not in result:
            raise NotStructural(path, "a number needs a lower bound: Field(ge=…) or Bounds(…)")
        if found["type"] == "integer":
            result["format"] = "int64"

    @staticmethod
    def _default(result: Schema, path: str) -> None:
        if "default" not in result:
            return
        default = result["default"]
        if default is None or default == []:
            # Absent and empty are the same to the models.
            del result["default"]
        elif result.get("type") == "number":
            result["default"] = to_json_number(Decimal(str(default)))
        elif isinstance(default, dict):
            own = {
                name: schema["default"] for name, schema in result.get("properties", {}).items() if "default" in schema
            }
            given = {name: value for name, value in default.items() if value is not None and value != []}
            if result.get("type") != "object" or not _same_defaults(given, own, result):
                raise NotStructural(path, "the default of an object must be what its fields have as defaults")
            # {} lets the defaults of the fields apply: each is written once. Only where the object has rules the
            # fields' defaults are needed here too: the API server asks the rules about the default as it stands.
            result["default"] = own if VALIDATIONS in result else {}


def _same_defaults(given: Schema, own: Schema, schema: Schema) -> bool:
    if set(given) != set(own):
        return False
    for name, value in given.items():
        nested = schema["properties"][name]
        if isinstance(value, dict):
            inner = {key: sub["default"] for key, sub in nested.get("properties", {}).items() if "default" in sub}
            kept = {key: item for key, item in value.items() if item is not None and item != []}
            if not _same_defaults(kept, inner, nested):
                return False
        elif value != own[name]:
            return False
    return True
