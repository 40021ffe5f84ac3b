"""What a structural schema can say beyond JSON schema, as small annotations of the models.

`Rule` is written once, as CEL for the API server and (where it needs no old value) as a Python predicate, so that an
object that was stored before the rule existed, or by a server without it, is judged alike in the reconciler.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_snake
from pydantic_core import CoreSchema, core_schema

from tradingbot_operator.api.depth import FREE_LEVELS, is_deep

VALIDATIONS = "x-kubernetes-validations"


class RuleReason(StrEnum):
    """Machine-readable cause of a refusal, as the API server knows them."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule with the sentence that says what to write instead.

    `holds` is the same rule in Python and receives the validated value; leave it out for rules about old values.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: RuleReason = RuleReason.INVALID
    optional_old_self: bool = False
    holds: Callable[[Any], bool] | None = None

    def to_schema(self) -> dict[str, Any]:
        """Return the entry of `x-kubernetes-validations`."""
        entry: dict[str, Any] = {"rule": self.rule, "message": self.message, "reason": self.reason.value}
        if self.field_path is not None:
            entry["fieldPath"] = self.field_path
        if self.optional_old_self:
            entry["optionalOldSelf"] = True
        return entry

    def check(self, value: object) -> None:
        """Raise ValueError with the message when the Python form of the rule does not hold."""
        if self.holds is not None and not self.holds(value):
            raise ValueError(self.message)

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the rule after the value itself was validated."""

        def run(value: object) -> object:
            self.check(value)
            return value

        return core_schema.no_info_after_validator_function(run, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Append the rule to the value's schema."""
        produced = dict(handler(schema))
        produced[VALIDATIONS] = [*produced.get(VALIDATIONS, []), self.to_schema()]
        return produced


@dataclass(frozen=True, slots=True)
class Text:
    """A string with bounds and, when it has a form, a refusal that is a sentence beside the bare pattern.

    The pattern is a regular expression that RE2 and Python read alike; the sentence says what to write.
    """

    max_length: int
    pattern: str | None = None
    message: str = ""
    min_length: int | None = None

    def _rule(self) -> Rule | None:
        if self.pattern is None:
            return None
        compiled = re.compile(self.pattern, re.ASCII)
        escaped = self.pattern.replace("\\", "\\\\").replace("'", "\\'")
        # fullmatch: Python's $ also matches before a trailing newline, RE2's does not.
        return Rule(
            f"self.matches('{escaped}')", self.message, holds=lambda value: compiled.fullmatch(value) is not None
        )

    def _min_length(self) -> int | None:
        return self.min_length if self.min_length is not None or self.pattern is None else 1

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check length, then form."""
        plain = core_schema.str_schema(max_length=self.max_length, min_length=self._min_length())
        rule = self._rule()
        if rule is None:
            return plain

        def run(value: str) -> str:
            rule.check(value)
            return value

        return core_schema.no_info_after_validator_function(run, plain)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say both, the pattern for other tools and the rule for its sentence."""
        produced = dict(handler(schema))
        rule = self._rule()
        if rule is not None:
            produced |= {"pattern": self.pattern, VALIDATIONS: [rule.to_schema()]}
        return produced


@dataclass(frozen=True, slots=True)
class Extend:
    """Keywords that are put into the value's schema as they are."""

    keywords: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Merge the keywords into the value's schema."""
        return {**handler(schema), **dict(self.keywords)}


@dataclass(frozen=True, slots=True)
class ListType:
    """How two writers of a list are merged: as a whole, as a set of scalars, or as objects that have a key."""

    kind: Literal["atomic", "set", "map"]
    key: str = ""

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse two entries that are the same, as the API server does."""

        def run(entries: tuple[Any, ...]) -> tuple[Any, ...]:
            identities = [getattr(entry, to_snake(self.key)) for entry in entries] if self.key else list(entries)
            if len(set(identities)) < len(identities):
                raise ValueError("an entry is there twice: remove one of the two")
            return entries

        if self.kind == "atomic":
            return handler(source)
        return core_schema.no_info_after_validator_function(run, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say it to the API server."""
        said: dict[str, Any] = {"x-kubernetes-list-type": self.kind}
        if self.key:
            said["x-kubernetes-list-map-keys"] = [self.key]
        return {**handler(schema), **said}


def list_type(kind: Literal["atomic", "set"]) -> ListType:
    """Say how two writers of a list are merged: as a whole, or as a set of scalars."""
    return ListType(kind)


def list_map(key: str) -> ListType:
    """Merge a list of objects by this key, which is then unique."""
    return ListType("map", key)


def _bounded(value: Any) -> Any:
    if is_deep(value):
        raise ValueError(f"is nested too deeply: at most {FREE_LEVELS} levels are read")
    return value


PRESERVE_UNKNOWN_FIELDS = Extend((("x-kubernetes-preserve-unknown-fields", True),))
FreeForm = Annotated[dict[str, Any], PRESERVE_UNKNOWN_FIELDS, AfterValidator(_bounded)]
"""What a person writes as they like. The API server takes ten thousand levels of it; here they are bounded."""
