"""Base classes and value types of the models, and `parse`, the one way from an object to a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from tradingbot_operator.api.descriptions import field_descriptions
from tradingbot_operator.api.markers import VALIDATIONS, Rule


class ApiModel(BaseModel):
    """Base of everything that a user writes: camelCase outside, snake_case inside, immutable, no unknown fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules of the whole object."""

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the rules of the class and the descriptions of its fields to its schema."""
        produced = handler(schema)
        resolved = handler.resolve_ref_schema(produced)
        if cls.rules:
            resolved[VALIDATIONS] = [rule.to_schema() for rule in cls.rules]
        for name, description in field_descriptions(cls).items():
            resolved["properties"][to_camel(name)]["description"] = description
        return dict(produced)

    def to_manifest(self) -> dict[str, Any]:
        """Return the object as it is written in YAML: camelCase, plain numbers, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(ApiModel):
    """Base of what the operator writes. Fields of a newer operator are ignored, so that a rollback can read them."""

    model_config = ConfigDict(extra="ignore")


class ObjectMeta(StatusModel):
    """The parts of an object's metadata that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None


# --- numbers -----------------------------------------------------------------------------------------------------


def _read_number(value: object) -> Decimal:
    """Read a JSON number by its shortest decimal form: 0.15 is exactly 0.15, not the binary fraction beside it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("number", "write a number without quotes")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise PydanticCustomError("number", "write a finite number")
    return number


def to_json_number(number: Decimal) -> int | float:
    """Return the number as JSON has it: without a fraction where it has none."""
    whole = int(number)
    return whole if whole == number else float(number)


def _decimal(bound: int | None) -> Decimal | None:
    return None if bound is None else Decimal(bound)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Makes a Decimal of a JSON `number` and bounds it: from `ge`, or above `gt`, up to `le`."""

    ge: int | None = None
    gt: int | None = None
    le: int | None = None

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the number, check its bounds, write it as a number again."""
        return core_schema.no_info_before_validator_function(
            _read_number,
            core_schema.decimal_schema(ge=_decimal(self.ge), gt=_decimal(self.gt), le=_decimal(self.le)),
            serialization=core_schema.plain_serializer_function_ser_schema(to_json_number, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say `number`: pydantic's own schema of a Decimal allows strings."""
        keywords = {"minimum": self.ge, "exclusiveMinimum": self.gt, "maximum": self.le}
        return {"type": "number"} | {name: bound for name, bound in keywords.items() if bound is not None}


Fraction = Annotated[
    Decimal,
    Bounds(gt=0, le=1),
    Rule(
        "self > 0.0 && self <= 1.0",
        "this is a fraction: write a number above 0 and up to 1, for example 0.15 for 15 %",
    ),
]
"""A part of one: 0.15 is 15 %. Never zero, never above one."""

MONEY_MAX = 1_000_000_000_000
Money = Annotated[
    Decimal,
    Bounds(gt=0, le=MONEY_MAX),
    Rule(f"self > 0.0 && self <= {MONEY_MAX}.0", "write an amount above 0 in quote currency, for example 10000"),
]
"""A positive amount in quote currency."""


# --- times -------------------------------------------------------------------------------------------------------


def _to_utc_seconds(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise PydanticCustomError("time", "write a time between the years 1 and 9999") from None


def _write_time(value: datetime) -> str:
    # Not strftime: it writes the year 999 with three digits.
    return value.isoformat().replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_to_utc_seconds),
    PlainSerializer(_write_time, return_type=str, when_used="json"),
]
"""A moment with its time zone, kept in UTC and in whole seconds, as all of Kubernetes has it."""


# --- from an object to a model -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an object: where, and what to write. Never the value that was found."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidSpec(Exception):  # noqa: N818 - it is the name of the condition's reason
    """The object cannot be used as it stands. The text names fields and never values, so it may go anywhere."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this object: check its spelling and its indentation, or remove it",
    "model_type": "write an object with fields",
    "dict_type": "write an object with fields",
    "tuple_type": "write a list",
    "string_type": "write a string; put a number in quotes",
    "bool_type": "write true or false",
    "too_short": "needs at least one entry",
    "string_too_short": "must not be empty",
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "timezone_aware": "write a time with its zone, for example 2026-11-21T09:00:00Z",
}


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path or "."


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Turn pydantic's errors into paths and sentences. Inputs are left out: one of them may be a secret."""
    found = []
    entries = error.errors(include_input=False, include_url=False)
    locations = [entry["loc"] for entry in entries]
    for entry in entries:
        place = entry["loc"]
        if entry["type"] == "too_short" and any(other[:-1] == place for other in locations):
            continue  # pydantic leaves refused entries out of the count
        message = _SENTENCES.get(entry["type"]) or entry["msg"].removeprefix("Value error, ")
        found.append(Problem(_path(place), message))
    return tuple(sorted(found, key=lambda problem: (problem.path, problem.message)))


ModelT = TypeVar("ModelT", bound=BaseModel)


def parse(model: type[ModelT], obj: Mapping[str, Any]) -> ModelT:
    """Read an object from the API server.

    Raises InvalidSpec, whose text holds field paths and sentences and never a value.
    """
    problems: tuple[Problem, ...]
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        problems = problems_of(error)
    # Raised outside of the handler: a chained ValidationError would print its input in a traceback.
    raise InvalidSpec(problems)
