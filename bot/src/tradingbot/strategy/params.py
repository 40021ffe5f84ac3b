"""Parameters of strategies: typed, checked, and refused with the field's name."""

from __future__ import annotations

import difflib
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.secrecy import conceal, private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo


class Params(BaseModel):
    """Base of all parameter sets. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=BaseModel)
_SIGNS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))


def permitted(field: FieldInfo) -> str:
    """Say in words which values a parameter may have, for a table of them; empty where any of its type is."""
    if isinstance(field.default, bool):
        return "true, false"
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        return ", ".join(str(member.value) for member in field.annotation)
    bounds = [(sign, getattr(item, key, None)) for item in field.metadata for key, sign in _SIGNS]
    return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)


def check(model: type[M], values: Mapping[str, Any], strategy: str) -> M:
    """Build the parameters of a strategy, or say which field is wrong and what it may be."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        known = list(model.model_fields)
        lines = explain(error, "strategy.parameters", known)
        message = f"strategy {strategy} refuses its parameters: " + "; ".join(lines)
        raise ConfigurationError("InvalidStrategyParameters", message) from None


def explain(error: ValidationError, prefix: str, known: list[str]) -> list[str]:
    """Turn pydantic's findings into sentences: path, what is wrong, what was given. Values of secrets never appear."""
    lines = []
    for item in error.errors(include_url=False):
        path = ".".join([prefix, *(str(part) for part in item["loc"])]) if prefix else ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            name = str(item["loc"][-1])
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            lines.append(f"{path} is not known: {hint}")
            continue
        text = item["msg"].removeprefix("Value error, ")
        text = text.removeprefix("Input should be ")
        given = item.get("input")
        hidden = isinstance(given, dict | list) or given is None or private(path.replace(".", "_"))
        shown = "" if hidden else f" (given: {conceal(str(given))})"
        verb = "" if text != item["msg"] and not item["msg"].startswith("Value error") else ": "
        lines.append(f"{path} must be {text}{shown}" if not verb else f"{path}: {text}{shown}")
    return lines
